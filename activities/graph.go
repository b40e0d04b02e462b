// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"container/list"
	"context"
	"errors"
	"sync"

	"github.com/HatiCode/nestor/composer"
)

// graphWeight is what a decoded graph takes, over its encoding's size.
const graphWeight = 3

// GraphSource reads a stored graph and tells how large its encoding is; the
// registry does.
type GraphSource interface {
	GraphSized(ctx context.Context, digest string) (graph composer.Graph, size int, err error)
}

// Graphs keeps the graphs that the activities of one process asked for last. A
// graph is immutable under its digest, so what is kept is never stale. However
// many steps ask for a graph at once, it is read and decoded once.
type Graphs struct {
	source GraphSource
	limit  int

	mu     sync.Mutex
	kept   map[string]*list.Element // of *keptGraph
	recent *list.List               // the one used last in front
	size   int
}

// keptGraph is a graph that is there, or is being read by the first who asked.
type keptGraph struct {
	digest string
	ready  chan struct{}
	graph  composer.Graph
	size   int
	err    error
}

// NewGraphs keeps graphs of a source, which take about limit bytes of memory
// together; the one that was asked for last is kept in any case.
func NewGraphs(source GraphSource, limit int) *Graphs {
	return &Graphs{source: source, limit: limit, kept: map[string]*list.Element{}, recent: list.New()}
}

// Get returns a graph; store.ErrNotFound when there is none. Nobody may change
// what it returns.
func (g *Graphs) Get(ctx context.Context, digest string) (composer.Graph, error) {
	for {
		entry, mine := g.entry(digest)
		if mine {
			g.read(ctx, entry)
			return entry.graph, entry.err
		}
		select {
		case <-entry.ready:
		case <-ctx.Done():
			return composer.Graph{}, ctx.Err()
		}
		// The end of another's context is none of ours.
		if !errors.Is(entry.err, context.Canceled) && !errors.Is(entry.err, context.DeadlineExceeded) {
			return entry.graph, entry.err
		}
	}
}

// entry finds a graph, or makes the entry that the caller has to fill.
func (g *Graphs) entry(digest string) (entry *keptGraph, mine bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if element, known := g.kept[digest]; known {
		g.recent.MoveToFront(element)
		return element.Value.(*keptGraph), false //nolint:forcetypeassert // the list holds nothing else
	}
	entry = &keptGraph{digest: digest, ready: make(chan struct{})}
	g.kept[digest] = g.recent.PushFront(entry)
	return entry, true
}

// read fills an entry, and drops it again when there is nothing to keep.
func (g *Graphs) read(ctx context.Context, entry *keptGraph) {
	graph, size, err := g.source.GraphSized(ctx, entry.digest)
	g.mu.Lock()
	defer g.mu.Unlock()
	entry.graph, entry.size, entry.err = graph, size*graphWeight, err
	close(entry.ready)
	if err != nil {
		g.drop(g.kept[entry.digest])
		return
	}
	g.size += entry.size
	for element := g.recent.Back(); element != nil && g.size > g.limit; {
		next := element.Prev()
		// What is still being read weighs nothing yet.
		if old := element.Value.(*keptGraph); old != entry && old.size > 0 { //nolint:forcetypeassert // see above
			g.drop(element)
		}
		element = next
	}
}

func (g *Graphs) drop(element *list.Element) {
	entry := g.recent.Remove(element).(*keptGraph) //nolint:forcetypeassert // see above
	delete(g.kept, entry.digest)
	g.size -= entry.size
}
