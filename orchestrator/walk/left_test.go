// SPDX-License-Identifier: Apache-2.0

package walk_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/walk"
)

// TestLeftIsExplained: what is said of a node that is left is true of it.
func TestLeftIsExplained(t *testing.T) {
	t.Parallel()
	failed := walk.Outcome{Verdict: walk.Failed, Changed: true, Message: "boom"}
	stopped := walk.Outcome{Verdict: walk.Canceled, Changed: true, Message: "canceled"}
	replaced := walk.Outcome{Changed: true, Replaced: true}
	saved := walk.Outcome{Changed: true, Replaced: true, Snapshotted: true}
	const prune = "the next deployment that takes a snapshot tries again; or destroy it by hand"
	oneWay := graphOf("a", "b<a")
	oneWay[0].ForwardOnly = true
	for name, tc := range map[string]struct {
		target    []walk.Node
		previous  []walk.Node
		onFailure orchestrator.OnFailure
		script    script
		want      walk.Left
		reason    string
	}{
		"forward-only": {
			target: oneWay, previous: oneWay, script: script{"apply b": failed, "observe a": {Exists: true}},
			want:   walk.Left{Node: "a", Reason: "it is forward-only: the change stays", Action: "check that it fits the previous release, or deploy forward"},
			reason: "whoever said so: its definition, the composition, or an environment",
		},
		"replaced": {
			script: script{"apply a": replaced, "apply b": failed, "observe a": {Exists: true, Replaced: true}},
			want:   walk.Left{Node: "a", Reason: "a resource was replaced: what it held before is gone", Action: "restore its content from a backup, or deploy forward"},
			reason: "there is another one in its place",
		},
		"replaced in part": {
			script: script{"apply a": failed, "observe a": {Exists: true, Replaced: true}},
			want: walk.Left{
				Node: "a", Reason: "a resource was to be replaced, and that failed: what it held before is gone",
				Action: "mend the cause and apply again, then restore its content from a backup",
			},
			reason: "its step failed",
		},
		"deleted alone": {
			script: script{"apply a": failed, "observe a": {Replaced: true}},
			want: walk.Left{
				Node: "a", Reason: "it was deleted to be replaced, and could not be made anew: nothing of it is there, and what it held is gone",
				Action: "mend the cause and apply again, then restore its content from a backup",
			},
			reason: "nothing is in its place",
		},
		"replaced in part, and canceled": {
			script: script{"apply a": stopped, "observe a": {Exists: true, Replaced: true}},
			want: walk.Left{
				Node: "a", Reason: "a resource was to be replaced, and that was canceled before it was done: what it held before is gone",
				Action: "apply again, then restore its content from a backup",
			},
			reason: "what was canceled has not failed",
		},
		"deleted alone, and canceled": {
			script: script{"apply a": stopped, "observe a": {Replaced: true}},
			want: walk.Left{
				Node: "a", Reason: "it was deleted to be replaced, and was not made anew, since that was canceled: nothing of it is there, and what it held is gone",
				Action: "apply again, then restore its content from a backup",
			},
			reason: "what was canceled has not failed",
		},
		"not observed": {
			script: script{"apply a": failed, "observe a": failed},
			want:   walk.Left{Node: "a", Reason: "observing its state failed: boom", Action: "look at it by hand, then apply or destroy again"},
			reason: "nobody knows how it is",
		},
		"not observed, and canceled": {
			script: script{"apply a": failed, "observe a": stopped},
			want:   walk.Left{Node: "a", Reason: "observing its state was canceled before it was done", Action: "look at it by hand, then apply or destroy again"},
			reason: "what was canceled has not failed",
		},
		"not pruned": {
			script: script{"apply a": saved, "prune a": failed},
			want:   walk.Left{Node: "a", Reason: "destroying an earlier snapshot of it failed: boom", Action: prune},
			reason: "it may be there still",
		},
		"not pruned, and canceled": {
			script: script{"apply a": saved, "prune a": stopped},
			want:   walk.Left{Node: "a", Reason: "destroying an earlier snapshot of it was canceled before it was done", Action: prune},
			reason: "what was canceled has not failed",
		},
		"changed": {
			onFailure: orchestrator.OnFailureStop, script: script{"apply b": failed},
			want:   walk.Left{Node: "a", Reason: "this deployment changed it, and nothing was undone", Action: "apply again, or " + walk.GoBack},
			reason: "a stop leaves it so",
		},
		"made": {
			onFailure: orchestrator.OnFailureStop, script: script{"apply b": failed}, previous: graphOf("b"),
			want:   walk.Left{Node: "a", Reason: "this deployment made it, and nothing was undone", Action: "apply again, or " + walk.GoBack},
			reason: "it was not there before",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.target == nil {
				tc.target = graphOf("a", "b<a")
			}
			if tc.previous == nil {
				tc.previous = graphOf("a", "b<a")
			}
			if tc.onFailure == "" {
				tc.onFailure = orchestrator.OnFailureRollback
			}
			w, err := walk.New(tc.target, tc.previous, walk.Options{Kind: orchestrator.KindApply, OnFailure: tc.onFailure, MaxInFlight: 1})
			if err != nil {
				t.Fatal(err)
			}
			play(t, w, tc.script)
			left := w.Result().Left
			if len(left) == 0 {
				t.Fatalf("%s: nothing is left", tc.reason)
			}
			if diff := cmp.Diff(tc.want, left[0]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// TestFirstFailed: what was canceled has not failed, although it comes first.
func TestFirstFailed(t *testing.T) {
	t.Parallel()
	w, err := walk.New(graphOf("a", "b"), nil, walk.Options{Kind: orchestrator.KindApply, OnFailure: orchestrator.OnFailureStop, MaxInFlight: 2})
	if err != nil {
		t.Fatal(err)
	}
	steps := w.Next()
	w.Cancel()
	if err := w.Complete(steps[0], walk.Outcome{Verdict: walk.Canceled, Changed: true, Message: "canceled"}); err != nil {
		t.Fatal(err)
	}
	if first, found := walk.FirstFailed(w.Failures()); found {
		t.Errorf("%+v has failed, although it was canceled", first)
	}
	if err := w.Complete(steps[1], walk.Outcome{Verdict: walk.Failed, Changed: true, Message: "boom"}); err != nil {
		t.Fatal(err)
	}
	want := walk.Failure{Node: "b", Action: orchestrator.StepApply, Verdict: walk.Failed, Message: "boom"}
	got, _ := walk.FirstFailed(w.Failures())
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the first that failed (-want +got):\n%s", diff)
	}
}
