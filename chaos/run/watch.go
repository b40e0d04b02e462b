// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/HatiCode/nestor/chaos/site"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/orchestrator"
)

// poll is the pace at which the store is asked.
const poll = 20 * time.Millisecond

// patience is how long a deployment may take; one that takes longer hangs.
const patience = 4 * time.Minute

// watch knows how far a deployment is, from the store, which answers whatever is
// disturbed. Before the deployment has an id it has no events.
type watch struct {
	site *site.Site

	mu     sync.Mutex
	events []orchestrator.Event
	ended  bool
}

// over says that nothing more is to be expected.
func (w *watch) over() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ended
}

// count of the events so far.
func (w *watch) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.events)
}

// last is the time of the last event; the zero time where there is none.
func (w *watch) last() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.events) == 0 {
		return time.Time{}
	}
	return w.events[len(w.events)-1].Time
}

func (w *watch) times() []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	times := make([]time.Time, len(w.events))
	for i, event := range w.events {
		times[i] = event.Time
	}
	return times
}

// all events so far.
func (w *watch) all() []orchestrator.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.events)
}

// end says that nothing more is to be expected.
func (w *watch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
}

// follow reads events until the deployment is over, and returns its record.
func (w *watch) follow(ctx context.Context, id string) (orchestrator.Deployment, error) {
	defer w.end()
	deadline := time.Now().Add(patience)
	for {
		d, err := w.site.Registry.GetDeployment(ctx, id)
		if err != nil {
			return d, err
		}
		more, err := w.site.Events(ctx, id, int64(w.count()))
		if err != nil {
			return d, err
		}
		w.mu.Lock()
		w.events = append(w.events, more...)
		w.mu.Unlock()
		switch {
		case d.Status.Final():
			return d, nil
		case time.Now().After(deadline):
			return d, &hangError{id: id, status: d.Status, reason: d.Reason}
		}
		if err := remote.Wait(ctx, poll); err != nil {
			return d, err
		}
	}
}

// reach waits until there are so many events, or the deployment is over.
func (w *watch) reach(ctx context.Context, n int) error {
	for w.count() < n && !w.over() {
		if err := remote.Wait(ctx, poll/4); err != nil {
			return err
		}
	}
	return nil
}

// hangError says that a deployment did not end.
type hangError struct {
	id     string
	status orchestrator.Status
	reason string
}

func (e *hangError) Error() string {
	return fmt.Sprintf("deployment %s is still %s (%s) after %s", e.id, e.status, e.reason, patience)
}
