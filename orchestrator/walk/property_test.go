// SPDX-License-Identifier: Apache-2.0

package walk_test

import (
	"encoding/hex"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/walk"
)

// world is a fake infrastructure: which form of each node exists. It refuses
// what the walk must never do.
type world struct {
	t                *rapid.T
	target, previous map[string]walk.Node
	form             map[string]string // node → "old", "new"; absent: not there
	began            map[string]string // forms when the walk began
}

func newWorld(t *rapid.T, target, previous []walk.Node) *world {
	w := &world{t: t, target: map[string]walk.Node{}, previous: map[string]walk.Node{}, form: map[string]string{}, began: map[string]string{}}
	for _, n := range target {
		w.target[n.ID] = n
	}
	for _, n := range previous {
		w.previous[n.ID] = n
		w.form[n.ID], w.began[n.ID] = "old", "old"
	}
	return w
}

// perform carries a step out, or fails it as drawn, and checks the order.
func (w *world) perform(step walk.Step, verdict walk.Verdict) walk.Outcome {
	out := walk.Outcome{Verdict: verdict, Changed: true, Message: "drawn"}
	if verdict == walk.Succeeded {
		out.Message = ""
	}
	switch step.Action {
	case orchestrator.StepApply:
		for _, dep := range w.target[step.Node].Dependencies {
			if w.form[dep] != "new" {
				w.t.Fatalf("%s was applied before %s, which it needs", step.Node, dep)
			}
		}
		// A failed apply may have changed something or not.
		if verdict == walk.Succeeded || rapid.Bool().Draw(w.t, "partly") {
			w.form[step.Node] = "new"
		}
	case orchestrator.StepObserve:
		_, out.Exists = w.form[step.Node]
	case orchestrator.StepRestore:
		if verdict == walk.Succeeded {
			w.form[step.Node] = "old"
		}
	case orchestrator.StepRemove, orchestrator.StepDestroy:
		w.refuseInUse(step)
		if verdict == walk.Succeeded {
			delete(w.form, step.Node)
		}
	}
	return out
}

// refuseInUse fails when something that is there still needs the node.
func (w *world) refuseInUse(step walk.Step) {
	for id, form := range w.form {
		nodes := w.target
		if form == "old" {
			nodes = w.previous
		}
		if id != step.Node && slices.Contains(nodes[id].Dependencies, step.Node) {
			w.t.Fatalf("%s of %s, which %s (%s) still needs", step.Action, step.Node, id, form)
		}
	}
}

func drawGraph(t *rapid.T, label string) []walk.Node {
	n := rapid.IntRange(0, 9).Draw(t, label+" size")
	ids := rapid.Permutation([]string{"a", "b", "c", "d", "e", "f", "g", "h", "i"}).Draw(t, label+" ids")[:n]
	nodes := make([]walk.Node, 0, n)
	for i, id := range ids {
		node := walk.Node{
			ID:          id,
			ForwardOnly: rapid.IntRange(0, 9).Draw(t, "forward-only") == 0,
		}
		for _, earlier := range ids[:i] {
			if rapid.IntRange(0, 3).Draw(t, "edge") == 0 {
				node.Dependencies = append(node.Dependencies, earlier)
			}
		}
		nodes = append(nodes, node)
	}
	return nodes
}

// TestAnyWalk: whatever fails, the walk ends, never acts out of order, and
// everything that is not as before is either as wanted or named.
func TestAnyWalk(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		target, previous := drawGraph(t, "target"), drawGraph(t, "previous")
		opts := walk.Options{
			Kind:        orchestrator.KindApply,
			OnFailure:   rapid.SampledFrom([]orchestrator.OnFailure{orchestrator.OnFailureRollback, orchestrator.OnFailureStop, orchestrator.OnFailureContinue}).Draw(t, "on failure"),
			MaxInFlight: rapid.IntRange(1, 4).Draw(t, "in flight"),
		}
		if rapid.IntRange(0, 4).Draw(t, "destroy") == 0 {
			opts.Kind, target = orchestrator.KindDestroy, nil
		}
		failures := rapid.IntRange(0, 4).Draw(t, "failures in ten")
		w, err := walk.New(target, previous, opts)
		if err != nil {
			t.Fatal(err)
		}
		world := newWorld(t, target, previous)
		var running []walk.Step
		for steps := 0; !w.Done(); steps++ {
			if steps > 1000 {
				t.Fatal("the walk does not end")
			}
			running = append(running, w.Next()...)
			if len(running) == 0 {
				t.Fatalf("the walk stalls in phase %s", w.Phase())
			}
			if len(running) > opts.MaxInFlight {
				t.Fatalf("%d steps in flight, allowed are %d", len(running), opts.MaxInFlight)
			}
			if rapid.IntRange(0, 39).Draw(t, "cancel") == 0 {
				w.Cancel()
			}
			i := rapid.IntRange(0, len(running)-1).Draw(t, "which ends")
			step := running[i]
			running = slices.Delete(running, i, i+1)
			verdict := walk.Succeeded
			if rapid.IntRange(0, 9).Draw(t, "fails") < failures {
				verdict = walk.Failed
			}
			if err := w.Complete(step, world.perform(step, verdict)); err != nil {
				t.Fatal(err)
			}
			if w.InFlight() == 0 {
				checkResume(t, w, target, previous, opts)
			}
		}
		world.checkEnd(w.Result(), opts)
	})
}

// checkResume: a walk taken up from its snapshot is the same walk.
func checkResume(t *rapid.T, w *walk.Walk, target, previous []walk.Node, opts walk.Options) {
	snapshot, err := w.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	again, err := walk.Resume(target, previous, opts, snapshot)
	if err != nil {
		t.Fatal(err)
	}
	second, err := again.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	type view struct {
		Phase    walk.Phase
		Done     bool
		Result   walk.Result
		Snapshot string
	}
	got := view{again.Phase(), again.Done(), again.Result(), hex.EncodeToString(second)}
	want := view{w.Phase(), w.Done(), w.Result(), hex.EncodeToString(snapshot)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("the resumed walk differs (-original +resumed):\n%s", diff)
	}
}

func (w *world) checkEnd(res walk.Result, opts walk.Options) {
	named := map[string]bool{}
	for _, l := range res.Left {
		named[l.Node] = true
	}
	switch {
	case res.Status == orchestrator.StatusSucceeded && opts.Kind == orchestrator.KindDestroy:
		if len(w.form) > 0 {
			w.t.Fatalf("destroyed, but %v is there", w.form)
		}
	case res.Status == orchestrator.StatusSucceeded:
		want := map[string]string{}
		for id := range w.target {
			want[id] = "new"
		}
		if diff := cmp.Diff(want, w.form); diff != "" {
			w.t.Fatalf("succeeded, but (-want +is):\n%s", diff)
		}
	case res.Status == orchestrator.StatusRolledBack:
		if diff := cmp.Diff(w.began, w.form); diff != "" {
			w.t.Fatalf("rolled back, but (-before +is):\n%s", diff)
		}
	case opts.OnFailure == orchestrator.OnFailureRollback && opts.Kind != orchestrator.KindDestroy && len(w.removed()) == 0:
		w.checkNamed(named)
	}
}

// removed are nodes of the previous graph that are gone: the walk came to its
// commit point, and what follows is no rollback.
func (w *world) removed() []string {
	var gone []string
	for id := range w.previous {
		if _, there := w.form[id]; !there {
			gone = append(gone, id)
		}
	}
	return gone
}

// checkNamed: after a rollback that did not succeed everywhere, each node that
// is not as it was is in the list. (A cancel at the commit point leaves the
// target in place; then nothing was rolled back at all.)
func (w *world) checkNamed(named map[string]bool) {
	allNew := true
	for id := range w.target {
		allNew = allNew && w.form[id] == "new"
	}
	if allNew {
		return
	}
	for id, form := range w.form {
		if w.began[id] != form && !named[id] {
			w.t.Fatalf("%s is %s, was %q, and is not named; named are %v", id, form, w.began[id], named)
		}
	}
}
