// SPDX-License-Identifier: Apache-2.0

package walk_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/walk"
)

// graphOf reads "a<b,c" as: a depends on b and c. A leading "!" is
// forward-only, a leading "=" is retain.
func graphOf(specs ...string) []walk.Node {
	nodes := make([]walk.Node, 0, len(specs))
	for _, spec := range specs {
		id, deps, _ := strings.Cut(spec, "<")
		n := walk.Node{ID: strings.TrimLeft(id, "!="), ForwardOnly: strings.HasPrefix(id, "!"), Retain: strings.HasPrefix(id, "=")}
		if deps != "" {
			n.Dependencies = strings.Split(deps, ",")
		}
		nodes = append(nodes, n)
	}
	return nodes
}

// script answers steps by "action node": outcome; what it does not name
// succeeds with a change.
type script map[string]walk.Outcome

func (s script) answer(step walk.Step) walk.Outcome {
	if out, told := s[string(step.Action)+" "+step.Node]; told {
		return out
	}
	return walk.Outcome{Changed: step.Action == orchestrator.StepApply, Exists: true, Created: true}
}

// play walks to the end, one step at a time, and returns the steps in order.
func play(t *testing.T, w *walk.Walk, s script) []string {
	t.Helper()
	var steps []string
	for !w.Done() {
		next := w.Next()
		if len(next) == 0 {
			t.Fatalf("the walk stalls in phase %s after %v", w.Phase(), steps)
		}
		for _, step := range next {
			steps = append(steps, fmt.Sprintf("%s %s", step.Action, step.Node))
			if err := w.Complete(step, s.answer(step)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return steps
}

func TestWalk(t *testing.T) {
	t.Parallel()
	failed := walk.Outcome{Verdict: walk.Failed, Changed: true, Message: "boom"}
	cases := map[string]struct {
		reason           string
		target, previous []walk.Node
		kind             orchestrator.Kind
		onFailure        orchestrator.OnFailure
		script           script
		steps            []string
		status           orchestrator.Status
		left, skipped    []string
	}{
		"diamond": {
			reason: "a node starts when its last dependency is done, smallest id first",
			target: graphOf("d<b,c", "b<a", "c<a", "a"),
			steps:  []string{"apply a", "apply b", "apply c", "apply d"},
			status: orchestrator.StatusSucceeded,
		},
		"removal": {
			reason:   "what the target no longer has goes last, dependents first",
			target:   graphOf("a"),
			previous: graphOf("a", "x<a", "y<x"),
			steps:    []string{"apply a", "remove y", "remove x"},
			status:   orchestrator.StatusSucceeded,
		},
		"first deployment fails": {
			reason:  "everything created is destroyed in reverse, after a look",
			target:  graphOf("a", "b<a", "c<b"),
			script:  script{"apply b": failed},
			steps:   []string{"apply a", "apply b", "observe a", "observe b", "destroy b", "destroy a"},
			status:  orchestrator.StatusRolledBack,
			skipped: []string{"c"},
		},
		"update fails": {
			reason:   "the previous graph is walked forward over what was touched",
			target:   graphOf("a", "b<a", "n<a"),
			previous: graphOf("a", "b<a"),
			script:   script{"apply n": failed, "observe n": {Exists: false}},
			steps:    []string{"apply a", "apply b", "apply n", "observe a", "observe b", "observe n", "restore a", "restore b"},
			status:   orchestrator.StatusRolledBack,
		},
		"forward-only stays": {
			reason:   "what cannot be taken back is named, and what it uses is kept",
			target:   graphOf("n", "!b<n", "z<b"),
			previous: graphOf("!b", "z<b"),
			script:   script{"apply z": failed},
			steps:    []string{"apply n", "apply b", "apply z", "observe b", "observe n", "observe z", "restore z"},
			status:   orchestrator.StatusFailed,
			left:     []string{"b", "n"},
		},
		"replaced stays": {
			reason:   "what a replaced resource held is gone",
			target:   graphOf("a", "b<a"),
			previous: graphOf("a", "b<a"),
			script:   script{"apply a": {Changed: true, Replaced: true}, "apply b": failed},
			steps:    []string{"apply a", "apply b", "observe a", "observe b", "restore b"},
			status:   orchestrator.StatusFailed,
			left:     []string{"a"},
		},
		"restore fails": {
			reason:   "what needs it keeps its new inputs rather than getting old ones too early",
			target:   graphOf("a", "b<a", "c<b"),
			previous: graphOf("a", "b<a", "c<b"),
			script:   script{"apply c": failed, "restore a": failed},
			steps:    []string{"apply a", "apply b", "apply c", "observe a", "observe b", "observe c", "restore a"},
			status:   orchestrator.StatusFailed,
			left:     []string{"a", "b", "c"},
		},
		"continue": {
			reason:    "independent nodes go on, nothing is undone",
			target:    graphOf("a", "b<a", "x", "y<x"),
			onFailure: orchestrator.OnFailureContinue,
			script:    script{"apply a": failed},
			steps:     []string{"apply a", "apply x", "apply y"},
			status:    orchestrator.StatusFailed,
			left:      []string{"a", "x", "y"},
			skipped:   []string{"b"},
		},
		"stop after changes": {
			reason:    "what was changed and stays so is left as well",
			target:    graphOf("a", "b<a", "c<b", "d<c"),
			previous:  graphOf("a", "b<a", "c<b", "d<c"),
			onFailure: orchestrator.OnFailureStop,
			script:    script{"apply b": {}, "apply c": failed},
			steps:     []string{"apply a", "apply b", "apply c"},
			status:    orchestrator.StatusFailed,
			left:      []string{"a", "c"},
			skipped:   []string{"d"},
		},
		"stop": {
			reason:    "nothing new starts, nothing is undone",
			target:    graphOf("a", "b<a"),
			onFailure: orchestrator.OnFailureStop,
			script:    script{"apply a": failed},
			steps:     []string{"apply a"},
			status:    orchestrator.StatusFailed,
			left:      []string{"a"},
			skipped:   []string{"b"},
		},
		"destroy": {
			reason:   "a destruction is the previous graph backwards",
			previous: graphOf("a", "b<a", "c<a"),
			kind:     orchestrator.KindDestroy,
			steps:    []string{"remove b", "remove c", "remove a"},
			status:   orchestrator.StatusSucceeded,
		},
		"destroy fails halfway": {
			reason:   "what is still needed stays, and is named",
			previous: graphOf("a", "b<a", "c"),
			kind:     orchestrator.KindDestroy,
			script:   script{"remove b": failed},
			steps:    []string{"remove b", "remove c"},
			status:   orchestrator.StatusFailed,
			left:     []string{"a", "b"},
		},
		"removal fails": {
			reason:   "removal is the commit point: no rollback after it",
			target:   graphOf("a"),
			previous: graphOf("a", "x"),
			script:   script{"remove x": failed},
			steps:    []string{"apply a", "remove x"},
			status:   orchestrator.StatusFailed,
			left:     []string{"x"},
		},
		"retained after failure": {
			reason: "a created node that is to be retained is not destroyed by a rollback",
			target: graphOf("=a", "b<a"),
			script: script{"apply b": failed, "observe b": {Exists: false}},
			steps:  []string{"apply a", "apply b", "observe a", "observe b"},
			status: orchestrator.StatusFailed,
			left:   []string{"a"},
		},
		"unobservable": {
			reason:   "what cannot be observed is left alone",
			target:   graphOf("a", "b<a"),
			previous: graphOf("a", "b<a"),
			script:   script{"apply b": failed, "observe a": failed},
			steps:    []string{"apply a", "apply b", "observe a", "observe b"},
			status:   orchestrator.StatusFailed,
			left:     []string{"a", "b"},
		},
		"taken up, not made": {
			reason: "what was there before is not destroyed by a rollback",
			target: graphOf("a", "b<a"),
			script: script{
				"apply a": {Changed: true}, "observe a": {Exists: true},
				"apply b": failed, "observe b": {Exists: false},
			},
			steps:  []string{"apply a", "apply b", "observe a", "observe b"},
			status: orchestrator.StatusFailed,
			left:   []string{"a"},
		},
		"taken up and untouched": {
			reason: "what was there and was not changed is as it was",
			target: graphOf("a", "b<a"),
			script: script{
				"apply a": {}, "observe a": {Exists: true},
				"apply b": failed, "observe b": {Exists: false},
			},
			steps:  []string{"apply a", "apply b", "observe a", "observe b"},
			status: orchestrator.StatusRolledBack,
		},
		"replaced by the failed step": {
			reason:   "what the observation tells of a replacement counts, also when its step failed",
			target:   graphOf("a"),
			previous: graphOf("a"),
			script:   script{"apply a": failed, "observe a": {Exists: true, Replaced: true}},
			steps:    []string{"apply a", "observe a"},
			status:   orchestrator.StatusFailed,
			left:     []string{"a"},
		},
		"replaced by the restoration": {
			reason:   "taking it back is no way back for what a resource held",
			target:   graphOf("a"),
			previous: graphOf("a"),
			script:   script{"apply a": failed, "restore a": {Replaced: true}},
			steps:    []string{"apply a", "observe a", "restore a"},
			status:   orchestrator.StatusFailed,
			left:     []string{"a"},
		},
		"never whole": {
			reason:   "there is no state to take a partial node back to",
			target:   graphOf("a", "b<a"),
			previous: []walk.Node{{ID: "a", Partial: true}},
			script:   script{"apply b": failed, "observe b": {Exists: false}},
			steps:    []string{"apply a", "apply b", "observe a", "observe b"},
			status:   orchestrator.StatusFailed,
			left:     []string{"a"},
		},
		"nothing": {
			reason: "an empty walk is done at once",
			status: orchestrator.StatusSucceeded,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.onFailure == "" {
				tc.onFailure = orchestrator.OnFailureRollback
			}
			if tc.kind == "" {
				tc.kind = orchestrator.KindApply
			}
			w, err := walk.New(tc.target, tc.previous, walk.Options{Kind: tc.kind, OnFailure: tc.onFailure, MaxInFlight: 1})
			if err != nil {
				t.Fatal(err)
			}
			steps := play(t, w, tc.script)
			if diff := cmp.Diff(tc.steps, steps); diff != "" {
				t.Errorf("%s\nsteps (-want +got):\n%s", tc.reason, diff)
			}
			res := w.Result()
			if res.Status != tc.status {
				t.Errorf("%s\nstatus %s, want %s (left %v)", tc.reason, res.Status, tc.status, res.Left)
			}
			if diff := cmp.Diff(tc.left, leftNodes(res)); diff != "" {
				t.Errorf("%s\nleft (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.skipped, res.Skipped); diff != "" {
				t.Errorf("%s\nskipped (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func leftNodes(r walk.Result) []string {
	var ids []string
	for _, l := range r.Left {
		ids = append(ids, l.Node)
	}
	return ids
}

func TestCancel(t *testing.T) {
	t.Parallel()
	opts := walk.Options{Kind: orchestrator.KindApply, OnFailure: orchestrator.OnFailureRollback, MaxInFlight: 4}
	t.Run("in the apply", func(t *testing.T) {
		t.Parallel()
		w, err := walk.New(graphOf("a", "b", "c<a"), nil, opts)
		if err != nil {
			t.Fatal(err)
		}
		steps := w.Next()
		w.Cancel()
		if more := w.Next(); len(more) > 0 {
			t.Errorf("after a cancel nothing new may start, got %v", more)
		}
		for _, step := range steps {
			if err := w.Complete(step, walk.Outcome{Verdict: walk.Canceled, Changed: true}); err != nil {
				t.Fatal(err)
			}
		}
		got := play(t, w, nil)
		want := []string{"observe a", "observe b", "destroy a", "destroy b"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the rollback (-want +got):\n%s", diff)
		}
		if res := w.Result(); res.Status != orchestrator.StatusCanceled || len(res.Left) > 0 {
			t.Errorf("got %s, left %v; want canceled with nothing left", res.Status, res.Left)
		}
	})
	t.Run("while snapshots are pruned", func(t *testing.T) {
		t.Parallel()
		w, err := walk.New(graphOf("a", "b<a"), graphOf("a", "b<a"), walk.Options{
			Kind: orchestrator.KindApply, OnFailure: orchestrator.OnFailureRollback, MaxInFlight: 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := w.Complete(w.Next()[0], walk.Outcome{Changed: true, Replaced: true, Snapshotted: true}); err != nil {
				t.Fatal(err)
			}
		}
		prune := w.Next()
		w.Cancel()
		if err := w.Complete(prune[0], walk.Outcome{Verdict: walk.Canceled, Message: "canceled"}); err != nil {
			t.Fatal(err)
		}
		res := w.Result()
		if !w.Done() || res.Status != orchestrator.StatusSucceeded || len(res.Left) != 2 {
			t.Errorf("got %s in phase %s, left %v; want that it succeeded and names both snapshots", res.Status, w.Phase(), res.Left)
		}
	})
	t.Run("in the rollback", func(t *testing.T) {
		t.Parallel()
		w, err := walk.New(graphOf("a", "b<a"), nil, opts)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range w.Next() {
			if err := w.Complete(step, walk.Outcome{Verdict: walk.Failed, Changed: true}); err != nil {
				t.Fatal(err)
			}
		}
		if w.Phase() != walk.PhaseObserve {
			t.Fatalf("phase %s, want observe", w.Phase())
		}
		w.Cancel()
		if !w.Done() {
			t.Fatalf("a canceled rollback with nothing in flight is over, got phase %s", w.Phase())
		}
		if diff := cmp.Diff([]string{"a"}, leftNodes(w.Result())); diff != "" {
			t.Errorf("what was not taken back must be named (-want +got):\n%s", diff)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		target []walk.Node
		opts   walk.Options
		want   string
	}{
		"a cycle":              {graphOf("a<b", "b<a", "c"), walk.Options{MaxInFlight: 1}, "2 nodes depend on each other"},
		"an unknown need":      {graphOf("a<b"), walk.Options{MaxInFlight: 1}, "node a depends on b"},
		"a node that is twice": {graphOf("a", "a"), walk.Options{MaxInFlight: 1}, "listed twice"},
		"nothing in flight":    {graphOf("a"), walk.Options{}, "at least one step"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := walk.New(tc.target, nil, tc.opts)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func TestCompleteRefusesWhatDoesNotRun(t *testing.T) {
	t.Parallel()
	w, err := walk.New(graphOf("a"), nil, walk.Options{MaxInFlight: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Complete(walk.Step{Action: orchestrator.StepApply, Node: "a"}, walk.Outcome{}); err == nil {
		t.Error("a step that was not handed out was completed")
	}
}
