// SPDX-License-Identifier: Apache-2.0

package run //nolint:testpackage // the count is no part of the API

import (
	"encoding/json"
	"testing"

	"github.com/HatiCode/nestor/activities"
	"github.com/HatiCode/nestor/chaos/site"
	"github.com/HatiCode/nestor/orchestrator"
)

func TestLostLeases(t *testing.T) {
	t.Parallel()
	event := func(message string) orchestrator.Event {
		data, err := json.Marshal(map[string]any{"error": orchestrator.NodeError{Message: message}})
		if err != nil {
			t.Fatal(err)
		}
		return orchestrator.Event{Node: "it.n00", Data: data}
	}
	events := []orchestrator.Event{
		event("the quota is used up"), event(activities.LostNode + ": its lease could not be renewed"),
		{Type: orchestrator.EventQueued},
	}
	if n, err := lost(events); n != 1 || err != nil {
		t.Errorf("it counts %d, %v", n, err)
	}
	if _, err := lost([]orchestrator.Event{{Node: "it.n00", Data: json.RawMessage("{")}}); err == nil {
		t.Error("an event that says nothing counts as none")
	}
}

// TestProof: leases that were to be lost and were not prove nothing.
func TestProof(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		points, lost int
		want         bool
	}{
		"none":    {0, 0, true},
		"few":     {provenBy - 1, 0, true},
		"in vain": {provenBy, 0, false},
		"lost":    {provenBy, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := Result{LostLeases: test.lost, kinds: map[site.Kind]int{site.LoseLease: test.points}}
			if got := r.Passed(); got != test.want {
				t.Errorf("it passes: %t", got)
			}
		})
	}
}
