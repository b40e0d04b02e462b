// SPDX-License-Identifier: Apache-2.0

package walk_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/walk"
)

// TestCancelInTheRemoval: one that comes while the last removals run stops
// nothing, if these succeed: everything that was asked for is there.
func TestCancelInTheRemoval(t *testing.T) {
	t.Parallel()
	gone := walk.Outcome{Changed: true}
	saved := walk.Outcome{Changed: true, Replaced: true, Snapshotted: true}
	for name, tc := range map[string]struct {
		kind             orchestrator.Kind
		target, previous []walk.Node
		script           script
		want             orchestrator.Status
		left             []string
		reason           string
	}{
		"the last": {
			target: graphOf("a"), previous: graphOf("a", "x"), script: script{"remove x": gone},
			want: orchestrator.StatusSucceeded, reason: "the new release is wholly there",
		},
		"the last of a destruction": {
			kind: orchestrator.KindDestroy, previous: graphOf("x"), script: script{"remove x": gone},
			want: orchestrator.StatusSucceeded, reason: "everything is gone",
		},
		"with snapshots to prune": {
			target: graphOf("a"), previous: graphOf("a", "x"), script: script{"apply a": saved, "remove x": gone},
			want: orchestrator.StatusSucceeded, left: []string{"a"},
			reason: "no prune begins after a cancel, and what stays is named",
		},
		"not the last": {
			target: graphOf("a"), previous: graphOf("a", "x<y", "y"), script: script{"remove x": gone},
			want: orchestrator.StatusCanceled, left: []string{"y"}, reason: "one is still there",
		},
		"not the last of a destruction": {
			kind: orchestrator.KindDestroy, previous: graphOf("x<y", "y"), script: script{"remove x": gone},
			want: orchestrator.StatusCanceled, left: []string{"y"}, reason: "one is still there",
		},
		"stopped": {
			target: graphOf("a"), previous: graphOf("a", "x"),
			script: script{"remove x": {Verdict: walk.Canceled, Changed: true, Message: "canceled"}},
			want:   orchestrator.StatusCanceled, left: []string{"x"}, reason: "nobody knows what is left of it",
		},
		"failed": {
			target: graphOf("a"), previous: graphOf("a", "x"),
			script: script{"remove x": {Verdict: walk.Failed, Changed: true, Message: "boom"}},
			want:   orchestrator.StatusCanceled, left: []string{"x"}, reason: "it is still there",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.kind == "" {
				tc.kind = orchestrator.KindApply
			}
			opts := walk.Options{Kind: tc.kind, OnFailure: orchestrator.OnFailureRollback, MaxInFlight: 1}
			w, err := walk.New(tc.target, tc.previous, opts)
			if err != nil {
				t.Fatal(err)
			}
			for !w.Done() {
				step := w.Next()[0]
				if w.Phase() == walk.PhaseRemove {
					w.Cancel()
				}
				if err := w.Complete(step, tc.script.answer(step)); err != nil {
					t.Fatal(err)
				}
			}
			res := w.Result()
			if res.Status != tc.want {
				t.Errorf("it ended %s, want %s: %s", res.Status, tc.want, tc.reason)
			}
			if diff := cmp.Diff(tc.left, leftNodes(res)); diff != "" {
				t.Errorf("left, since %s (-want +got):\n%s", tc.reason, diff)
			}
			snapshot, err := w.Snapshot()
			if err != nil {
				t.Fatal(err)
			}
			again, err := walk.Resume(tc.target, tc.previous, opts, snapshot)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(res, again.Result()); diff != "" {
				t.Errorf("the resumed walk ends otherwise (-went on +resumed):\n%s", diff)
			}
		})
	}
}
