// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/store"
)

func retain(_, db *composer.Node) { db.DeletionPolicy = catalog.RetainPolicy }

func TestRemove(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(app, database *composer.Node)
		want   contract.StepResult
		verbs  []string
		left   int // resources that stay
		reason string
	}{
		"delete": {
			want:  contract.StepResult{Status: orchestrator.NodeDestroyed, Changed: true},
			verbs: []string{"observe", "destroy", "observe"}, reason: "it left the graph, and is read back as gone",
		},
		"retain": {
			change: retain, want: contract.StepResult{Status: orchestrator.NodeRetained, Exists: true}, left: 1,
			reason: "its definition keeps the resources, and Nestor forgets them",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			graph := f.graph(tc.change)
			f.done(f.deployment(""), graph, database, orchestrator.StepApply)
			f.engine.did()
			id := f.deployment("")
			res := f.done(id, graph, database, orchestrator.StepRemove)
			if diff := cmp.Diff(tc.want, res); diff != "" {
				t.Errorf("%s: result (-want +got):\n%s", tc.reason, diff)
			}
			f.wantDid(tc.reason, tc.verbs...)
			if _, err := f.Registry.Head(t.Context(), scope(), database); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: the head: %v", tc.reason, err)
			}
			if left := len(f.engine.made); left != tc.left || f.run(id).Status != tc.want.Status {
				t.Errorf("%s: %d resources are left, run %s", tc.reason, left, f.run(id).Status)
			}
		})
	}
}

func TestDestroyUsesWhatWasApplied(t *testing.T) {
	t.Parallel()
	f := setup(t)
	graph, id := f.graph(nil), f.deployment("")
	f.done(id, graph, database, orchestrator.StepApply)
	f.done(id, graph, app, orchestrator.StepApply)
	// The database goes first here, so the app's input has no source any more;
	// and its secret is gone from the worker.
	delete(f.vault, "NESTOR_SECRET_ALPHA__DB")
	f.done(id, graph, database, orchestrator.StepDestroy)
	_, req := f.engine.did()
	if req.Inputs["password"] != canary || !req.Sensitive["password"] {
		t.Errorf("destroying the database: %+v", req.Sensitive)
	}
	f.done(id, graph, app, orchestrator.StepDestroy)
	if _, req = f.engine.did(); req.Inputs["host"] != "db.example" {
		t.Errorf("destroying the app: inputs %v", req.Inputs)
	}
	// Again, as after an answer that was lost: there is nothing left.
	res := f.done(id, graph, app, orchestrator.StepDestroy)
	if res.Status != orchestrator.NodeDestroyed {
		t.Errorf("destroyed again: %+v", res)
	}
	if heads, err := f.Registry.Heads(t.Context(), scope()); err != nil || len(heads) != 0 {
		t.Errorf("heads: %v %v", heads, err)
	}
	f.noSecretsLeft()
}

// noSecretsLeft is noSecrets where nothing is left to prove the search with.
func (f *fixture) noSecretsLeft() {
	f.t.Helper()
	f.must(f.Registry.AppendLog(f.t.Context(), "user:test", "alpha/shop/staging/1", logOf("db.example")))
	f.noSecrets()
}

func TestDestroyThatFails(t *testing.T) {
	t.Parallel()
	f := setup(t)
	graph := f.graph(nil)
	f.done(f.deployment(""), graph, database, orchestrator.StepApply)
	f.engine.during = failing("destroy", &engine.Error{Class: engine.Rejected, Message: "it is protected"})
	id := f.deployment("")
	_, err := f.step(contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepDestroy, GraphDigest: graph})
	if failed := failure(t, err); failed.Message() != "it is protected" {
		t.Errorf("got %v", failed)
	}
	head := f.head(database)
	if head.Status != orchestrator.NodeFailed || head.OutputsRef == "" || !f.run(id).Changed {
		t.Errorf("what may still be there is lost: %+v", head)
	}
}

func TestObserve(t *testing.T) {
	t.Parallel()
	f := setup(t)
	graph, id := f.graph(nil), f.deployment("")
	f.done(id, graph, database, orchestrator.StepApply)
	before := f.head(database)
	f.engine.did()
	res := f.done(id, graph, database, orchestrator.StepObserve)
	if diff := cmp.Diff(contract.StepResult{Status: orchestrator.NodeObserved, Exists: true, Created: true}, res); diff != "" {
		t.Errorf("what is there (-want +got):\n%s", diff)
	}
	f.engine.during = failing("observe", &engine.Error{Class: engine.Unreadable, Message: "garbled"})
	_, err := f.step(contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepObserve, GraphDigest: graph})
	if failed := failure(t, err); failed.Type() != string(engine.Unreadable) {
		t.Errorf("what cannot be read: %v", failed)
	}
	f.wantDid("an observation changes nothing", "observe", "observe")
	if diff := cmp.Diff(before, f.head(database)); diff != "" {
		t.Errorf("observing changed the head (-before +after):\n%s", diff)
	}
}

// TestNeverTried: a node whose first preview failed was never acted on. Nothing
// is recorded by which an engine could look, and nothing of it is ours.
func TestNeverTried(t *testing.T) {
	t.Parallel()
	for name, action := range map[string]orchestrator.StepAction{
		"observe": orchestrator.StepObserve, "destroy": orchestrator.StepDestroy,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			graph, id := f.graph(nil), f.deployment("")
			f.engine.during = failing("preview", &engine.Error{Class: engine.Invalid, Message: "no such chart"})
			_, err := f.step(contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepApply, GraphDigest: graph})
			if failed := failure(t, err); failed.Message() != "no such chart" {
				t.Fatalf("got %v", failed)
			}
			f.engine.did()
			res := f.done(id, graph, database, action)
			if diff := cmp.Diff(contract.StepResult{Status: orchestrator.NodeDestroyed}, res); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
			f.wantDid("no engine is asked about it")
			if _, err := f.Registry.Head(t.Context(), scope(), database); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("the head: %v", err)
			}
		})
	}
}

func TestObserveFindsNothing(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		brought bool
		reason  string
	}{
		"brought": {brought: true, reason: "what this deployment brought and is not there is no node"},
		"older":   {reason: "what was there before is a node, to be restored"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			older := f.graph(nil)
			f.done(f.deployment(""), older, database, orchestrator.StepApply)
			graph := f.graph(func(_, db *composer.Node) { db.Inputs[1].Value = literal("large") })
			id := f.deployment("")
			if tc.brought {
				f.done(id, graph, database, orchestrator.StepApply)
			}
			clear(f.engine.made)
			res := f.done(id, graph, database, orchestrator.StepObserve)
			if diff := cmp.Diff(contract.StepResult{Status: orchestrator.NodeDestroyed}, res); diff != "" {
				t.Errorf("%s: result (-want +got):\n%s", tc.reason, diff)
			}
			_, err := f.Registry.Head(t.Context(), scope(), database)
			if gone := errors.Is(err, store.ErrNotFound); gone != tc.brought {
				t.Errorf("%s: the head: %v", tc.reason, err)
			}
		})
	}
}

func TestRestore(t *testing.T) {
	t.Parallel()
	f := setup(t)
	first := f.graph(nil)
	second := f.graph(func(_, db *composer.Node) { db.Inputs[1].Value = literal("large") })
	f.done(f.deployment(""), first, database, orchestrator.StepApply)
	// The plan shows the way forward; the way back needs no approval.
	id := f.deployment(f.plan(orchestrator.NodePlan{Node: database, Changes: []orchestrator.Change{{
		Address: "tiny." + database, Action: orchestrator.ActionUpdate,
		Attributes: []orchestrator.AttributeChange{{Path: "size", After: "large"}, {Path: "password", Sensitive: true}},
	}}}))
	f.done(id, second, database, orchestrator.StepApply)
	res := f.done(id, first, database, orchestrator.StepRestore)
	if diff := cmp.Diff(contract.StepResult{Status: orchestrator.NodeReverted, Changed: true}, res); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	head := f.head(database)
	if head.GraphDigest != first || head.Status != orchestrator.NodeReady || f.run(id).Status != orchestrator.NodeReverted {
		t.Errorf("head: %+v", head)
	}
	if size := f.engine.made[head.Address]["size"]; size != "small" {
		t.Errorf("the size is %v", size)
	}
}

// plan is a finished one with the given nodes.
func (f *fixture) plan(nodes ...orchestrator.NodePlan) string {
	f.t.Helper()
	ctx := f.t.Context()
	id := "plan-" + f.t.Name()
	f.must(f.Registry.CreatePlan(ctx, ada, orchestrator.Plan{ID: id, Scope: scope(), Status: orchestrator.PlanRunning}))
	for _, n := range nodes {
		f.must(f.Registry.PutNodePlan(ctx, ada, id, n, nil))
	}
	f.must(f.Registry.FinishPlan(ctx, ada, id, ""))
	return id
}

func TestOnlyWhatWasApprovedIsApplied(t *testing.T) {
	t.Parallel()
	f := setup(t)
	graph := f.graph(nil)
	id := f.deployment(f.plan(orchestrator.NodePlan{Node: database, Changes: []orchestrator.Change{{
		Address: "tiny." + database, Action: orchestrator.ActionUpdate,
		Attributes: []orchestrator.AttributeChange{{Path: "size", After: "small"}},
	}}}))
	in := contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepApply, GraphDigest: graph}
	_, err := f.step(in)
	failed := failure(t, err)
	var digest string
	f.must(failed.Details(&digest))
	if failed.Type() != contract.ErrorNotApproved || !failed.NonRetryable() || digest == "" ||
		!strings.Contains(failed.Message(), "would be created, the plan says update; approve it as it is now, or reject it") {
		t.Fatalf("type %s, digest %q: %v", failed.Type(), digest, failed)
	}
	f.wantDid("nothing is applied", "observe", "preview")
	if run := f.run(id); run.Changed || run.Status != orchestrator.NodePending || run.ChangeDigest != digest {
		t.Errorf("run: %+v", run)
	}

	in.Approved = "sha256:something-else"
	_, err = f.step(in)
	if failed = failure(t, err); failed.Type() != contract.ErrorNotApproved {
		t.Errorf("another approval: %v", failed)
	}
	f.wantDid("another approval is none", "observe", "preview")

	in.Approved = digest
	res, err := f.step(in)
	f.must(err)
	if !res.Changed || !res.Created {
		t.Errorf("after the approval: %+v", res)
	}
	f.wantDid("what was approved is applied", "observe", "preview", "apply")
	if head := f.head(database); head.Status != orchestrator.NodeReady || head.Error != nil {
		t.Errorf("head: %+v", head)
	}
}

func TestANodeThatThePlanDoesNotName(t *testing.T) {
	t.Parallel()
	f := setup(t)
	graph := f.graph(nil)
	id := f.deployment(f.plan())
	_, err := f.step(contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepApply, GraphDigest: graph})
	if failed := failure(t, err); failed.Type() != contract.ErrorNotApproved {
		t.Errorf("a change that no plan shows: %v", failed)
	}
	f.engine.made["alpha/shop/staging/"+database] = map[string]any{"size": "small", "password": canary}
	if res := f.done(id, graph, database, orchestrator.StepApply); res.Changed {
		t.Errorf("no change needs no approval: %+v", res)
	}
}
