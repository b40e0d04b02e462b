// SPDX-License-Identifier: Apache-2.0

package walk_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/walk"
)

func TestSnapshots(t *testing.T) {
	t.Parallel()
	failed := walk.Outcome{Verdict: walk.Failed, Changed: true, Message: "boom"}
	replaced := walk.Outcome{Changed: true, Replaced: true, Snapshotted: true}
	seen := walk.Outcome{Exists: true, Replaced: true, Snapshotted: true}
	for name, tc := range map[string]struct {
		reason string
		script script
		steps  []string
		status orchestrator.Status
		left   []string
	}{
		"replaced and saved": {
			reason: "what was saved comes back",
			script: script{"apply a": replaced, "apply b": failed, "observe a": seen, "restore a": {Changed: true, Replaced: true, Snapshotted: true}},
			steps:  []string{"apply a", "apply b", "observe a", "observe b", "restore a", "restore b"},
			status: orchestrator.StatusRolledBack,
		},
		"replaced and not made anew": {
			reason: "then nothing has filled it",
			script: script{"apply a": replaced, "apply b": failed, "observe a": seen, "restore a": {Changed: true}},
			steps:  []string{"apply a", "apply b", "observe a", "observe b", "restore a", "restore b"},
			status: orchestrator.StatusFailed, left: []string{"a"},
		},
		"untouched": {
			reason: "what was meant to be replaced, and was not, is not lost",
			script: script{"apply a": {Verdict: walk.Failed, Changed: true}, "observe a": {Exists: true, Replaced: true, Untouched: true}},
			steps:  []string{"apply a", "observe a", "restore a"},
			status: orchestrator.StatusRolledBack,
		},
		"differs": {
			reason: "what others give has changed for good",
			script: script{"apply b": failed, "restore b": {Changed: true, Differs: true}},
			steps:  []string{"apply a", "apply b", "observe a", "observe b", "restore a", "restore b"},
			status: orchestrator.StatusFailed, left: []string{"b"},
		},
		"pruned": {
			reason: "after success the earlier snapshots go",
			script: script{"apply a": replaced},
			steps:  []string{"apply a", "apply b", "prune a"},
			status: orchestrator.StatusSucceeded,
		},
		"prune fails": {
			reason: "the deployment has succeeded, and names what is left",
			script: script{"apply a": replaced, "prune a": failed},
			steps:  []string{"apply a", "apply b", "prune a"},
			status: orchestrator.StatusSucceeded, left: []string{"a"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, err := walk.New(graphOf("a", "b<a"), graphOf("a", "b<a"), walk.Options{
				Kind: orchestrator.KindApply, OnFailure: orchestrator.OnFailureRollback, MaxInFlight: 1,
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.steps, play(t, w, tc.script)); diff != "" {
				t.Errorf("%s: steps (-want +got):\n%s", tc.reason, diff)
			}
			res := w.Result()
			var left []string
			for _, l := range res.Left {
				left = append(left, l.Node)
			}
			if diff := cmp.Diff(tc.left, left); diff != "" || res.Status != tc.status {
				t.Errorf("%s: %s, want %s; left (-want +got):\n%s", tc.reason, res.Status, tc.status, diff)
			}
		})
	}
}

// TestResumeFirstVersion: a walk that a worker before this format began is
// taken up.
func TestResumeFirstVersion(t *testing.T) {
	t.Parallel()
	opts := walk.Options{Kind: orchestrator.KindApply, OnFailure: orchestrator.OnFailureRollback, MaxInFlight: 1}
	// Version 1; apply of node 0 changed and created it; apply of node 1 failed
	// with the message "no".
	const changed, created, failedWith = 1 << 3, 1 << 7, 1<<1 | 1<<6
	snapshot := []byte{1, changed | created, 'a', 0, failedWith, 'a', 1, 2, 'n', 'o'}
	w, err := walk.Resume(graphOf("a", "b<a"), nil, opts, snapshot)
	if err != nil {
		t.Fatal(err)
	}
	want := []walk.Step{{Action: orchestrator.StepObserve, Node: "a"}}
	if diff := cmp.Diff(want, w.Next()); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if _, err := walk.Resume(graphOf("a"), nil, opts, []byte{3}); err == nil {
		t.Error("a version that is not known was read")
	}
}
