// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"context"
	"fmt"
	"maps"

	"github.com/HatiCode/nestor/store"
)

// maxCatchUp is how many missed events are replayed onto the cached snapshot;
// after more, everything is read again.
const maxCatchUp = 500

// cache holds the last snapshot and the event it reaches to.
type cache struct {
	turn     chan struct{} // holds one token; a mutex that gives up with a context
	snapshot *Snapshot
	sequence int64
}

func newCache() *cache {
	c := &cache{turn: make(chan struct{}, 1), snapshot: &Snapshot{}}
	c.turn <- struct{}{}
	return c
}

// Snapshot returns the catalog as it is now, or the part of it that the given
// names make. It costs one small read when nothing has changed since the last
// call, and otherwise the definitions that did.
func (s *Service) Snapshot(ctx context.Context, names ...string) (*Snapshot, error) {
	snapshot, err := s.current(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the catalog: %w", err)
	}
	if len(names) > 0 {
		return snapshot.Only(names...), nil
	}
	return snapshot, nil
}

func (s *Service) current(ctx context.Context) (*Snapshot, error) {
	c := s.cache
	select {
	case <-c.turn:
		defer func() { c.turn <- struct{}{} }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	// The sequence is read before the documents: they are then at least as new
	// as it says, and what came in between is read once more the next time.
	sequence, err := s.lastSequence(ctx)
	if err != nil {
		return nil, err
	}
	if sequence == c.sequence {
		return c.snapshot, nil
	}
	byName := maps.Clone(c.snapshot.byName)
	changed, err := s.changedNames(ctx, sequence)
	if err != nil {
		return nil, err
	}
	if byName == nil || changed == nil {
		byName = map[string][]Published{}
		if changed, err = s.allNames(ctx); err != nil {
			return nil, err
		}
	}
	for name := range changed {
		if byName[name], err = s.load(ctx, name); err != nil {
			return nil, err
		}
	}
	c.snapshot, c.sequence = newSnapshot(byName), sequence
	return c.snapshot, nil
}

func (s *Service) lastSequence(ctx context.Context) (int64, error) {
	page, err := s.store.Query(ctx, store.Query{Partition: EventStream, Reverse: true, Limit: 1})
	if err != nil || len(page.Documents) == 0 {
		return 0, err
	}
	event, err := DecodeEvent(page.Documents[0])
	return event.Sequence, err
}

// changedNames lists the definitions that events have touched since the cached
// snapshot, or nil when everything has to be read: at first, when too much was
// missed, and when the store was put back to an earlier state.
func (s *Service) changedNames(ctx context.Context, sequence int64) (map[string]bool, error) {
	missed := sequence - s.cache.sequence
	if s.cache.sequence == 0 || missed < 0 || missed > maxCatchUp {
		return nil, nil
	}
	events, err := s.Events(ctx, s.cache.sequence, maxCatchUp)
	if err != nil || int64(len(events)) < missed {
		return nil, err
	}
	names := map[string]bool{}
	for _, event := range events {
		names[event.Name] = true
	}
	return names, nil
}

func (s *Service) allNames(ctx context.Context) (map[string]bool, error) {
	names := map[string]bool{}
	for document, err := range store.All(ctx, s.store, store.Query{Partition: namesPartition}) {
		if err != nil {
			return nil, err
		}
		names[document.Key.Sort] = true
	}
	return names, nil
}
