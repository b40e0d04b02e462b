// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// TestAnOutageOfTheStore: a deployment waits for its store, however long that is
// away and whatever it wanted of it, and goes on soon after it is back.
func TestAnOutageOfTheStore(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]time.Duration{"a minute": time.Minute, "a weekend": 2 * day} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newPatience(t, contract.GraphNode{ID: "a", Queue: pulumi})
			var until time.Time // of the outage that each record begins with
			out := func(record string) error {
				if w.count(record) == 1 {
					until = w.Now().Add(away)
				}
				if w.Now().Before(until) {
					return errors.New("the store is away")
				}
				if late := w.Now().Sub(until); late > 2*time.Minute {
					t.Errorf("%s was tried again %s after the store was back", record, late)
				}
				return nil
			}
			w.on(contract.ActivityLoadGraph, func(context.Context, contract.LoadGraphInput) (contract.LoadGraphResult, error) {
				return contract.LoadGraphResult{Nodes: []contract.GraphNode{{ID: "a", Queue: pulumi}}}, out("graph")
			})
			w.on(contract.ActivitySetStatus, func(context.Context, contract.StatusInput) error { return out("status") })
			w.on(contract.ActivityFinishDeployment, func(_ context.Context, in contract.FinishInput) error {
				if err := out("end"); err != nil {
					return err
				}
				return keep(w.world, &w.finished, in)
			})
			w.run()
			if len(w.finished) != 1 || w.finished[0].Status != orchestrator.StatusSucceeded {
				t.Errorf("ended with %+v", w.finished)
			}
			if most := int(3*away/time.Minute) + 3*12; w.counts["graph"]+w.counts["status"]+w.counts["end"] > most {
				t.Errorf("%v tries, want no more than one a minute after the first: each costs events of the history", w.counts)
			}
		})
	}
}
