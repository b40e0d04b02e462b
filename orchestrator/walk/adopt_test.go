// SPDX-License-Identifier: Apache-2.0

package walk_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/walk"
)

func TestAdoption(t *testing.T) {
	t.Parallel()
	failed := walk.Outcome{Verdict: walk.Failed, Message: "boom"}
	for name, tc := range map[string]struct {
		reason string
		script script
		cancel string // before this step's outcome
		steps  []string
		status orchestrator.Status
		left   []walk.Left
	}{
		"adopted": {
			reason: "nothing is removed and nothing is changed",
			steps:  []string{"adopt a"}, status: orchestrator.StatusSucceeded,
		},
		"refused": {
			reason: "what was begun is let go again", script: script{"adopt a": failed},
			steps: []string{"adopt a", "forget a"}, status: orchestrator.StatusRolledBack,
		},
		"canceled": {
			reason: "a cancel is a no, also when the step got through", cancel: "adopt a",
			steps: []string{"adopt a", "forget a"}, status: orchestrator.StatusCanceled,
		},
		"stuck": {
			reason: "what cannot be let go of is named", script: script{"adopt a": failed, "forget a": failed},
			steps: []string{"adopt a", "forget a"}, status: orchestrator.StatusFailed,
			left: []walk.Left{{Node: "a", Reason: "letting go of what was adopted failed: boom"}},
		},
		"abandoned": {
			reason: "a rollback that is canceled names what it did not come to", script: script{"adopt a": failed, "forget a": {Verdict: walk.Canceled, Message: "canceled"}},
			cancel: "forget a", steps: []string{"adopt a", "forget a"}, status: orchestrator.StatusCanceled,
			left: []walk.Left{{Node: "a", Reason: "letting go of what was adopted was canceled before it was done"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := walk.Options{Kind: orchestrator.KindAdopt, OnFailure: orchestrator.OnFailureRollback, MaxInFlight: 1}
			w, err := walk.New(graphOf("a"), nil, opts)
			if err != nil {
				t.Fatal(err)
			}
			var steps []string
			for !w.Done() {
				for _, step := range w.Next() {
					told := string(step.Action) + " " + step.Node
					steps = append(steps, told)
					if step.Previous || w.Phase().Compensating() != (step.Action == orchestrator.StepForget) {
						t.Errorf("%s: step %+v in phase %s", tc.reason, step, w.Phase())
					}
					if tc.cancel == told {
						w.Cancel()
					}
					out := tc.script[told]
					if err := w.Complete(step, out); err != nil {
						t.Fatal(err)
					}
				}
				wantSameAfterResume(t, w, opts)
			}
			res := w.Result()
			for i := range res.Left {
				if res.Left[i].Action == "" {
					t.Errorf("%s: what is left does not say what to do", tc.reason)
				}
				res.Left[i].Action = ""
			}
			if diff := cmp.Diff(tc.steps, steps); diff != "" {
				t.Errorf("%s: steps (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.left, res.Left); diff != "" {
				t.Errorf("%s: left (-want +got):\n%s", tc.reason, diff)
			}
			if res.Status != tc.status || res.Skipped != nil || res.Changed != 0 {
				t.Errorf("%s: %s, skipped %v, %d changed; want %s", tc.reason, res.Status, res.Skipped, res.Changed, tc.status)
			}
		})
	}
}

// wantSameAfterResume fails unless the walk goes on from its snapshot as it
// would itself.
func wantSameAfterResume(t *testing.T, w *walk.Walk, opts walk.Options) {
	t.Helper()
	snapshot, err := w.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	again, err := walk.Resume(graphOf("a"), nil, opts, snapshot)
	if err != nil {
		t.Fatal(err)
	}
	if again.Phase() != w.Phase() || again.Done() != w.Done() {
		t.Errorf("resumed in phase %s (done: %v), was in %s", again.Phase(), again.Done(), w.Phase())
	}
	if diff := cmp.Diff(w.Result(), again.Result()); diff != "" {
		t.Errorf("result after a resume (-want +got):\n%s", diff)
	}
}

// TestAdoptionCanceledBeforeItBegan: what was never begun is not let go of.
func TestAdoptionCanceledBeforeItBegan(t *testing.T) {
	t.Parallel()
	w, err := walk.New(graphOf("a"), nil, walk.Options{
		Kind: orchestrator.KindAdopt, OnFailure: orchestrator.OnFailureRollback, MaxInFlight: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Cancel()
	if res := w.Result(); !w.Done() || res.Status != orchestrator.StatusCanceled || len(res.Left) > 0 {
		t.Errorf("phase %s, result %+v", w.Phase(), res)
	}
}
