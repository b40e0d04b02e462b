// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"

	"github.com/HatiCode/nestor/activities"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/store"
)

// shelf is a source of graphs that counts who asks, and waits to be let go.
type shelf struct {
	size int // of each graph
	gate chan struct{}

	mu    sync.Mutex
	asked map[string]int
}

func newShelf(size int) *shelf {
	s := &shelf{size: size, gate: make(chan struct{}), asked: map[string]int{}}
	return s
}

func (s *shelf) GraphSized(ctx context.Context, digest string) (composer.Graph, int, error) {
	s.mu.Lock()
	s.asked[digest]++
	s.mu.Unlock()
	select {
	case <-s.gate:
	case <-ctx.Done():
		return composer.Graph{}, 0, ctx.Err()
	}
	if digest == "none" {
		return composer.Graph{}, 0, store.Missing("graph none")
	}
	return composer.Graph{Digest: digest}, s.size, nil
}

func (s *shelf) times(digest string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[digest]
}

// TestGraphsReadOnce: however many steps ask at once, a graph is read once.
func TestGraphsReadOnce(t *testing.T) {
	t.Parallel()
	s := newShelf(100)
	g := activities.NewGraphs(s, 1<<20)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if graph, err := g.Get(t.Context(), "a"); err != nil || graph.Digest != "a" {
				t.Errorf("graph %q, %v", graph.Digest, err)
			}
		})
	}
	close(s.gate)
	all.Wait()
	if n := s.times("a"); n != 1 {
		t.Errorf("it was read %d times", n)
	}
}

// TestGraphsBounded: what was not asked for lately goes when there is no room.
func TestGraphsBounded(t *testing.T) {
	t.Parallel()
	s := newShelf(100)
	close(s.gate)
	g := activities.NewGraphs(s, 1000) // room for three
	get := func(digest string) {
		t.Helper()
		if _, err := g.Get(t.Context(), digest); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		get(strconv.Itoa(i))
	}
	get("0")
	get("3") // instead of 1
	for digest, want := range map[string]int{"0": 1, "2": 1, "3": 1} {
		if get(digest); s.times(digest) != want {
			t.Errorf("graph %s was read %d times", digest, s.times(digest))
		}
	}
	if get("1"); s.times("1") != 2 {
		t.Errorf("graph 1 was read %d times, so that nothing is ever let go of", s.times("1"))
	}
	large := activities.NewGraphs(s, 1)
	for range 2 {
		if _, err := large.Get(t.Context(), "large"); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.times("large"); n != 1 {
		t.Errorf("the graph in use was read %d times", n)
	}
}

// TestGraphsForgetFailures: what could not be read is asked for again, and the
// end of one caller's context is nobody else's.
func TestGraphsForgetFailures(t *testing.T) {
	t.Parallel()
	s := newShelf(100)
	g := activities.NewGraphs(s, 1<<20)
	leaving, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := g.Get(leaving, "a")
		left <- err
	}()
	for s.times("a") == 0 {
		if t.Context().Err() != nil {
			t.Fatal("nobody asked")
		}
	}
	stays := make(chan error, 1)
	go func() {
		_, err := g.Get(t.Context(), "a")
		stays <- err
	}()
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("who left got %v", err)
	}
	close(s.gate)
	if err := <-stays; err != nil {
		t.Errorf("who stays got %v", err)
	}
	for range 2 {
		if _, err := g.Get(t.Context(), "none"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("no graph is %v", err)
		}
	}
	if n := s.times("none"); n != 2 {
		t.Errorf("a graph that was not there was asked for %d times", n)
	}
}
