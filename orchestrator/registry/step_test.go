// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sync/errgroup"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

func TestStepRecordsIntentThenResult(t *testing.T) {
	t.Parallel()
	f := open(t)
	id := f.accept("one").ID
	a := f.begin(id, orchestrator.StepApply)
	if a.Run.Fence != 1 || a.Run.Created || a.Head != nil || a.Interrupted {
		t.Errorf("the first attempt: %+v", a)
	}
	head, err := f.Head(t.Context(), scope(), node)
	f.must(err)
	if head.Status != orchestrator.NodeRunning || head.Fence != 1 || head.LastDeployment != id || head.Address == "" || head.Revision != 1 {
		t.Errorf("the head of a running step: %+v", head)
	}
	f.intend(&a, registry.Intent{Created: true, Counts: orchestrator.Counts{Create: 1}})
	f.must(f.Commit(t.Context(), a, ready()))

	heads, err := f.Heads(t.Context(), scope())
	f.must(err)
	want := newHead()
	want.Scope, want.Node, want.Status, want.Fence, want.Revision = scope(), node, orchestrator.NodeReady, 1, 3
	want.Intended = "sha256:new" // this commit brought no inputs
	want.LastDeployment = id
	ignoreTime := cmpopts.IgnoreFields(orchestrator.NodeHead{}, "UpdatedAt")
	if diff := cmp.Diff([]orchestrator.NodeHead{want}, heads, ignoreTime); diff != "" {
		t.Errorf("heads (-want +got):\n%s", diff)
	}
	runs, err := f.NodeStates(t.Context(), id)
	f.must(err)
	wantRuns := []orchestrator.NodeRun{{
		Deployment: id, Node: node, Action: orchestrator.StepApply, Attempt: 1, Fence: 1, Created: true,
		Status: orchestrator.NodeReady, Changed: true, Counts: orchestrator.Counts{Create: 1},
	}}
	ignoreTimes := cmpopts.IgnoreFields(orchestrator.NodeRun{}, "StartedAt", "FinishedAt")
	if diff := cmp.Diff(wantRuns, runs, ignoreTimes); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
	if runs[0].StartedAt.IsZero() || !runs[0].FinishedAt.After(runs[0].StartedAt) {
		t.Errorf("times of the run: %s, %s", runs[0].StartedAt, runs[0].FinishedAt)
	}
	told := []string{"deployment.queued", "node.started " + node, "node.finished " + node}
	if diff := cmp.Diff(told, f.events(id)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// contents is every document that a step may touch.
func (f *fixture) contents(deployment string) map[string]string {
	f.tb.Helper()
	found := map[string]string{}
	for _, partition := range []string{
		"heads/" + scope().String(), "values/" + scope().String(), "fences/" + scope().String(),
		"runs/" + deployment, registry.EventStream(deployment),
	} {
		for doc, err := range store.All(f.tb.Context(), f.store, store.Query{Partition: partition}) {
			f.must(err)
			found[doc.Key.String()] = fmt.Sprintf("%d %s", doc.Revision, doc.Data)
		}
	}
	return found
}

func TestAnOlderAttemptIsFenced(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]func(a registry.Attempt) registry.Commit{
		"success": func(registry.Attempt) registry.Commit {
			return ready(registry.OutputValue{Name: "endpoint", Type: "string", Value: "late"})
		},
		"failure": func(registry.Attempt) registry.Commit {
			c := ready()
			c.Status, c.Error = orchestrator.NodeFailed, &orchestrator.NodeError{Class: "rejected", Message: "late"}
			return c
		},
		"deletion": func(registry.Attempt) registry.Commit {
			return registry.Commit{DeleteHead: true, Status: orchestrator.NodeDestroyed}
		},
		"observation": func(registry.Attempt) registry.Commit {
			return registry.Commit{Status: orchestrator.NodeUncertain}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := open(t)
			id := f.accept("one").ID
			older := f.begin(id, orchestrator.StepApply)
			newer := f.begin(id, orchestrator.StepApply)
			if newer.Run.Fence <= older.Run.Fence {
				t.Fatalf("fences %d then %d", older.Run.Fence, newer.Run.Fence)
			}
			before := f.contents(id)
			if err := f.Commit(t.Context(), older, late(older)); !errors.Is(err, registry.ErrFenced) {
				t.Fatalf("the older attempt's commit: %v", err)
			}
			if diff := cmp.Diff(before, f.contents(id)); diff != "" {
				t.Errorf("a fenced commit changed something (-before +after):\n%s", diff)
			}
			f.must(f.Commit(t.Context(), newer, ready()))
			if err := f.Commit(t.Context(), older, late(older)); !errors.Is(err, registry.ErrFenced) {
				t.Errorf("the older attempt's commit after the newer one's: %v", err)
			}
		})
	}
}

func TestConcurrentAttempts(t *testing.T) {
	t.Parallel()
	f := open(t)
	id := f.accept("one").ID
	const attempts = 12
	begun := make([]registry.Attempt, attempts)
	var g errgroup.Group
	for i := range begun {
		g.Go(func() error {
			var err error
			begun[i], err = f.tryBegin(t.Context(), id, orchestrator.StepApply)
			return err
		})
	}
	f.must(g.Wait())
	committed := make([]error, attempts)
	var commits errgroup.Group
	for i := range begun {
		commits.Go(func() error {
			committed[i] = f.Commit(t.Context(), begun[i], ready())
			return nil
		})
	}
	f.must(commits.Wait())
	var fences []int64
	for i, err := range committed {
		fences = append(fences, begun[i].Run.Fence)
		last := begun[i].Run.Fence == attempts
		if last != (err == nil) || err != nil && !errors.Is(err, registry.ErrFenced) {
			t.Errorf("fence %d of %d: %v", begun[i].Run.Fence, attempts, err)
		}
	}
	slices.Sort(fences)
	if len(slices.Compact(fences)) != attempts {
		t.Errorf("two attempts share a fence: %v", fences)
	}
	if told := f.events(id); len(told) != 1+attempts+1 {
		t.Errorf("%d events", len(told))
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		end    *registry.Commit
		want   bool
		reason string
	}{
		"cut off":   {want: true, reason: "it began and never ended"},
		"uncertain": {end: &registry.Commit{Status: orchestrator.NodeUncertain}, want: true, reason: "it was canceled in the middle"},
		"ready":     {end: &registry.Commit{Status: orchestrator.NodeReady}, reason: "it ended well"},
		"failed":    {end: &registry.Commit{Status: orchestrator.NodeFailed}, reason: "it ended, if badly"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := open(t)
			id := f.accept("one").ID
			first := f.begin(id, orchestrator.StepApply)
			if tc.end != nil {
				head := ready().Head
				head.Status = tc.end.Status
				tc.end.Head = head
				f.must(f.Commit(t.Context(), first, *tc.end))
			}
			second := f.begin(id, orchestrator.StepRestore)
			if second.Interrupted != tc.want || second.Head == nil {
				t.Errorf("%s: interrupted %v, head %v", tc.reason, second.Interrupted, second.Head)
			}
			if second.Run.BeforeRef != "" || second.Run.Created || second.Run.Failures != 0 {
				t.Errorf("%s: the deployment found nothing before its first step: %+v", tc.reason, second.Run)
			}
		})
	}
}

func TestARetryKnowsWhatItsStepDid(t *testing.T) {
	t.Parallel()
	f := open(t)
	id := f.accept("one").ID
	idle := f.begin(id, orchestrator.StepApply) // and killed before it had an engine act
	first := f.begin(id, orchestrator.StepApply)
	if idle.Run.Changed || first.Run.Changed {
		t.Errorf("what was never asked for is taken for changed: %+v", first.Run)
	}
	f.intend(&first, registry.Intent{Created: true, ChangeDigest: "made"}) // and killed
	second := f.begin(id, orchestrator.StepApply)
	if !second.Run.Created || second.Run.BeforeRef != "" || !second.Run.Changed {
		t.Errorf("the head of a killed attempt is taken for an older one: %+v", second.Run)
	}
	second.Run.Failures = 1
	failed := ready()
	failed.Status, failed.Retrying, failed.Counts = orchestrator.NodeFailed, true, orchestrator.Counts{Replace: 1}
	f.must(f.Commit(t.Context(), second, failed))

	third := f.begin(id, orchestrator.StepApply)
	if r := third.Run; !r.Created || !r.Changed || !r.Replaced || r.Failures != 1 {
		t.Errorf("a retry after a failure: %+v", r)
	}
	quiet := ready()
	quiet.Changed, quiet.Counts = false, orchestrator.Counts{}
	f.must(f.Commit(t.Context(), third, quiet))
	run, err := f.Run(t.Context(), id, node)
	f.must(err)
	if !run.Changed || !run.Replaced || run.Status != orchestrator.NodeReady {
		t.Errorf("the run forgot what its earlier attempts did: %+v", run)
	}

	next := f.accept("two").ID
	other := f.begin(next, orchestrator.StepApply)
	if r := other.Run; r.Created || r.Changed || r.Replaced || r.Failures != 0 {
		t.Errorf("another deployment begins afresh: %+v", r)
	}
	told := f.events(id)
	if told[len(told)-3] != "node.retrying "+node {
		t.Errorf("events: %v", told)
	}
}

// intend records what the engine is about to be asked for.
func (f *fixture) intend(a *registry.Attempt, in registry.Intent) {
	f.tb.Helper()
	in.Graph = "sha256:new"
	f.must(f.Intend(f.tb.Context(), a, in))
}

func TestIntentSurvivesAFailure(t *testing.T) {
	t.Parallel()
	f := open(t)
	id := f.accept("one").ID
	a := f.begin(id, orchestrator.StepApply)
	f.intend(&a, registry.Intent{Created: true, Counts: orchestrator.Counts{Create: 2, Replace: 1}, Inputs: sample()})
	stale := a
	a = f.begin(id, orchestrator.StepApply) // the first attempt's worker died
	if !a.Run.Created || !a.Run.Replaced {
		t.Errorf("the second attempt does not know what the first was about to do: %+v", a.Run)
	}
	if err := f.Intend(t.Context(), &stale, registry.Intent{}); !errors.Is(err, registry.ErrFenced) {
		t.Errorf("the attempt that was given up can still act: %v", err)
	}
	head := newHead()
	head.Node = node
	f.must(f.Commit(t.Context(), a, registry.Commit{Status: orchestrator.NodeFailed, Head: &head}))

	observed := f.begin(id, orchestrator.StepObserve)
	if !observed.Run.Created || !observed.Run.Replaced || observed.Run.BeforeRef != "" {
		t.Errorf("the rollback does not know what was done: %+v", observed.Run)
	}
	left, err := f.Head(t.Context(), scope(), node)
	f.must(err)
	inputs, err := f.RevealInputs(t.Context(), left, "sha256:new")
	f.must(err)
	if diff := cmp.Diff(sample(), inputs); diff != "" {
		t.Errorf("the inputs to destroy it with (-want +got):\n%s", diff)
	}
}

func TestALateDeploymentIsFenced(t *testing.T) {
	t.Parallel()
	f := open(t)
	one, two := f.accept("one").ID, f.accept("two").ID
	f.must(f.Commit(t.Context(), f.begin(two, orchestrator.StepApply), ready()))
	run := orchestrator.NodeRun{Deployment: one, Node: node, Action: orchestrator.StepApply, Attempt: 1}
	if _, err := f.Begin(t.Context(), "worker:tiny", scope(), run, newHead()); !errors.Is(err, registry.ErrFenced) {
		t.Errorf("a step of an earlier deployment began after a later one had acted: %v", err)
	}
}

func TestObserveLeavesTheHead(t *testing.T) {
	t.Parallel()
	f := open(t)
	id := f.accept("one").ID
	f.must(f.Commit(t.Context(), f.begin(id, orchestrator.StepApply), ready()))
	before, err := f.Head(t.Context(), scope(), node)
	f.must(err)
	a := f.begin(id, orchestrator.StepObserve)
	f.must(f.Commit(t.Context(), a, registry.Commit{Status: orchestrator.NodeUncertain}))
	after, err := f.Head(t.Context(), scope(), node)
	f.must(err)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("an observation changed the head (-before +after):\n%s", diff)
	}
	if a.Run.Fence != 2 {
		t.Errorf("an observation takes a fence too, so that it locks out older attempts: got %d", a.Run.Fence)
	}
}

func TestDeletedHead(t *testing.T) {
	t.Parallel()
	f := open(t)
	id := f.accept("one").ID
	created := f.begin(id, orchestrator.StepApply)
	commit := ready(registry.OutputValue{Name: "endpoint", Type: "string", Value: "there"})
	commit.Inputs = []registry.OutputValue{{Name: "size", Type: "string", Value: "small"}}
	f.must(f.Commit(t.Context(), created, commit))
	head, err := f.Head(t.Context(), scope(), node)
	f.must(err)

	destroyed := f.begin(id, orchestrator.StepDestroy)
	f.must(f.Commit(t.Context(), destroyed, registry.Commit{DeleteHead: true, Status: orchestrator.NodeDestroyed, Changed: true}))
	if _, err := f.Head(t.Context(), scope(), node); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the head: %v", err)
	}
	for what, read := range map[string]func() ([]registry.OutputValue, error){
		"outputs": func() ([]registry.OutputValue, error) { return f.RevealOutputs(t.Context(), head) },
		"inputs":  func() ([]registry.OutputValue, error) { return f.RevealInputs(t.Context(), head, head.GraphDigest) },
	} {
		if values, err := read(); err != nil || len(values) != 0 {
			t.Errorf("%s of a node that is gone: %v %v", what, values, err)
		}
	}
	if err := f.Commit(t.Context(), created, commit); !errors.Is(err, registry.ErrFenced) {
		t.Errorf("the attempt that created it can write again: %v", err)
	}
	again := f.begin(f.accept("two").ID, orchestrator.StepApply)
	if again.Run.Fence != 3 || again.Head != nil || again.Interrupted {
		t.Errorf("the next life of the node: %+v", again.Run)
	}
}

func TestEventsAreGaplessUnderConcurrency(t *testing.T) {
	t.Parallel()
	f := open(t)
	id := f.accept("one").ID
	const nodes = 20
	var g errgroup.Group
	for i := range nodes {
		g.Go(func() error {
			name := fmt.Sprintf("web.n%02d", i)
			run := orchestrator.NodeRun{Deployment: id, Node: name, Action: orchestrator.StepApply, Attempt: 1}
			a, err := f.Begin(t.Context(), "worker:tiny", scope(), run, newHead())
			if err != nil {
				return err
			}
			c := ready()
			c.Head.Node = name
			return f.Commit(t.Context(), a, c)
		})
	}
	f.must(g.Wait())
	told := f.events(id) // checks the sequence
	if len(told) != 1+2*nodes {
		t.Errorf("%d events, want %d", len(told), 1+2*nodes)
	}
	for i := range nodes {
		name := fmt.Sprintf("web.n%02d", i)
		began, ended := slices.Index(told, "node.started "+name), slices.Index(told, "node.finished "+name)
		if began < 0 || ended < began {
			t.Errorf("%s began at %d and ended at %d", name, began, ended)
		}
	}
}
