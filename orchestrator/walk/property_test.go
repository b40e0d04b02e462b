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
	form             map[string]string // node → "old", "new", "foreign"; absent: not there
	began            map[string]string // forms when the walk began
	created          map[string]bool   // by this walk
	replaced         map[string]bool   // what the node held before is gone
	same             map[string]bool   // its old and new forms do not differ
	saved            map[string]bool   // what the node held before is in a snapshot
	// proof of what a node is like, by the last step that was about it: nil is
	// for what no step has seen.
	proof map[string]string
}

func newWorld(t *rapid.T, target, previous []walk.Node) *world {
	w := &world{
		t: t, target: map[string]walk.Node{}, previous: map[string]walk.Node{},
		form: map[string]string{}, began: map[string]string{}, created: map[string]bool{}, replaced: map[string]bool{}, same: map[string]bool{},
		saved: map[string]bool{}, proof: map[string]string{},
	}
	for _, n := range target {
		w.target[n.ID] = n
		if rapid.IntRange(0, 5).Draw(t, "foreign") == 0 {
			w.form[n.ID], w.began[n.ID] = "foreign", "foreign"
		}
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
		w.apply(step.Node, verdict, &out)
	case orchestrator.StepObserve:
		_, out.Exists = w.form[step.Node]
		out.Created, out.Replaced, out.Snapshotted = w.created[step.Node], w.replaced[step.Node], w.saved[step.Node]
		if began, was := w.began[step.Node]; was && w.form[step.Node] == began && !w.replaced[step.Node] {
			out.Untouched = rapid.Bool().Draw(w.t, "untouched is seen")
		}
		switch {
		case verdict == walk.Succeeded && !out.Exists:
			w.proof[step.Node] = "gone"
		case verdict == walk.Succeeded && out.Untouched:
			w.proof[step.Node] = "untouched"
		}
	case orchestrator.StepRestore:
		w.restore(step.Node, verdict, &out)
	case orchestrator.StepPrune:
		w.wantTarget()
		if !w.saved[step.Node] {
			w.t.Fatalf("%s is pruned, and no snapshot of it was taken", step.Node)
		}
	case orchestrator.StepRemove, orchestrator.StepDestroy:
		w.refuseInUse(step)
		if step.Action == orchestrator.StepDestroy && !w.created[step.Node] {
			w.t.Fatalf("%s is destroyed by a rollback, and was not made by this walk", step.Node)
		}
		if verdict == walk.Succeeded {
			delete(w.form, step.Node)
			w.proof[step.Node] = "gone"
		}
	default:
		w.t.Fatalf("%s is no step of a deployment like this", step.Action)
	}
	return out
}

// restore takes a node back. What it held comes back too where it was saved and
// is made anew.
func (w *world) restore(id string, verdict walk.Verdict, out *walk.Outcome) {
	if w.previous[id].Partial {
		w.t.Fatalf("%s was never whole, and is taken back to that", id)
	}
	if w.replaced[id] && !w.saved[id] {
		w.t.Fatalf("%s was replaced and not saved, and is taken back", id)
	}
	if verdict != walk.Succeeded {
		return
	}
	w.form[id], w.proof[id] = "old", "restored"
	if w.replaced[id] && rapid.IntRange(0, 3).Draw(w.t, "made anew") > 0 {
		out.Snapshotted, w.replaced[id] = true, false
	}
	if rapid.IntRange(0, 9).Draw(w.t, "differs") == 0 {
		out.Differs, w.form[id] = true, "older" // than what it was: not as before
	}
}

func (w *world) apply(id string, verdict walk.Verdict, out *walk.Outcome) {
	for _, dep := range w.target[id].Dependencies {
		if w.form[dep] != "new" {
			w.t.Fatalf("%s was applied before %s, which it needs", id, dep)
		}
	}
	before, there := w.form[id]
	if there && verdict == walk.Succeeded && before != "new" && rapid.IntRange(0, 3).Draw(w.t, "no change") == 0 {
		out.Changed = false
		w.form[id], w.same[id], w.proof[id] = "new", true, "unchanged"
		return
	}
	// A step that does not succeed may have changed something or not.
	if verdict != walk.Succeeded && rapid.Bool().Draw(w.t, "nothing done") {
		return
	}
	w.form[id] = "new"
	w.created[id] = !there
	w.replaced[id] = there && rapid.IntRange(0, 3).Draw(w.t, "replaced") == 0
	w.saved[id] = there && rapid.IntRange(0, 2).Draw(w.t, "saved") == 0
	w.proof[id] = ""
	if verdict == walk.Succeeded {
		out.Created, out.Replaced, out.Snapshotted = w.created[id], w.replaced[id], w.saved[id]
	}
}

// refuseInUse fails when something that is there still needs the node.
func (w *world) refuseInUse(step walk.Step) {
	for id, form := range w.form {
		nodes := map[string]map[string]walk.Node{"old": w.previous, "new": w.target}[form]
		if w.same[id] {
			continue // it uses what both graphs say, and neither made nor gone nodes are in both
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
			Retain:      rapid.IntRange(0, 9).Draw(t, "retain") == 0,
			Partial:     rapid.IntRange(0, 9).Draw(t, "partial") == 0,
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
				verdict = rapid.SampledFrom([]walk.Verdict{walk.Failed, walk.Canceled}).Draw(t, "verdict")
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
	rollback := opts.OnFailure == orchestrator.OnFailureRollback && opts.Kind != orchestrator.KindDestroy
	switch {
	case res.Status == orchestrator.StatusSucceeded && opts.Kind == orchestrator.KindDestroy:
		if len(w.form) > 0 {
			w.t.Fatalf("destroyed, but %v is there", w.form)
		}
	case res.Status == orchestrator.StatusSucceeded:
		w.wantTarget()
	case res.Status == orchestrator.StatusRolledBack:
		w.wantBefore(nil)
		w.wantProven(res)
	case rollback && len(w.removed()) == 0 && !w.complete():
		w.wantBefore(named)
	case !rollback:
		w.wantInDoubtNamed(res, named)
	}
}

func (w *world) wantTarget() {
	want := map[string]string{}
	for id := range w.target {
		want[id] = "new"
	}
	if diff := cmp.Diff(want, w.form); diff != "" {
		w.t.Fatalf("succeeded, but (-want +is):\n%s", diff)
	}
}

// wantBefore: every node is as it was when the walk began, or is named. What
// was replaced is never as it was.
func (w *world) wantBefore(named map[string]bool) {
	for id := range w.union() {
		_, there := w.form[id]
		same := !w.replaced[id] && (w.form[id] == w.began[id] || there && w.same[id])
		if !same && !named[id] {
			w.t.Fatalf("%s was %q, is %q (replaced: %v), and is not named; named are %v",
				id, w.began[id], w.form[id], w.replaced[id], named)
		}
	}
}

// wantProven: a deployment that says it was rolled back has seen each node that
// it touched as it was before; it does not infer it.
func (w *world) wantProven(res walk.Result) {
	for id := range w.target {
		if slices.Contains(res.Skipped, id) {
			continue
		}
		before, had := w.previous[id]
		proof := w.proof[id]
		switch {
		case had && !before.Partial && proof != "restored":
			w.t.Fatalf("rolled back, and %s was not seen to be back but %q", id, proof)
		case proof == "" || proof == "gone" && w.began[id] != "":
			w.t.Fatalf("rolled back, and %s, which began as %q, is proven to be %q", id, w.began[id], proof)
		}
	}
}

// wantInDoubtNamed: a walk that undoes nothing names each node whose step did
// not succeed.
func (w *world) wantInDoubtNamed(res walk.Result, named map[string]bool) {
	for _, f := range res.Failures {
		if !named[f.Node] {
			w.t.Fatalf("%s of %s did not succeed, and it is not named; named are %v", f.Action, f.Node, named)
		}
	}
}

func (w *world) union() map[string]bool {
	ids := map[string]bool{}
	for id := range w.target {
		ids[id] = true
	}
	for id := range w.previous {
		ids[id] = true
	}
	return ids
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

// complete says that the target is in place: a cancel at the commit point, and
// a failed removal, leave it there.
func (w *world) complete() bool {
	for id := range w.target {
		if w.form[id] != "new" {
			return false
		}
	}
	return true
}
