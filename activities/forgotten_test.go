// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

// named is an engine whose states are where their reference or else their address
// says: what was adopted stays under its own name.
type named struct{ *adopting }

const legacy = "legacy/db"

func at(req engine.Request) engine.Request {
	req.Address = cmp.Or(req.StateRef, req.Address)
	return req
}

func (e named) Observe(ctx context.Context, req engine.Request) (engine.Observation, error) {
	return e.adopting.Observe(ctx, at(req))
}

func (e named) Preview(ctx context.Context, req engine.Request) (engine.Preview, error) {
	return e.adopting.Preview(ctx, at(req))
}

func (e named) Apply(ctx context.Context, req engine.Request, p engine.Preview) (engine.Result, error) {
	return e.adopting.Apply(ctx, at(req), p)
}

func (e named) Destroy(ctx context.Context, req engine.Request) error {
	return e.adopting.Destroy(ctx, at(req))
}

func (e named) Adopt(ctx context.Context, req engine.Request, source engine.Source) (engine.Observation, error) {
	req.Address = source.Ref
	return e.adopting.Adopt(ctx, req, source)
}

// Claims implements engine.Claimer.
func (e named) Claims(_ engine.Request, source *engine.Source) ([]engine.ClaimName, error) {
	if source == nil {
		return nil, nil
	}
	return []engine.ClaimName{{Name: source.Ref}}, nil
}

// adoptedThere is a node that was adopted under its own name, and its graph.
func adoptedThere(t *testing.T) (f *fixture, e named, graph string) {
	t.Helper()
	f, adopts := adopts(t)
	e = named{adopts}
	f.steps.Engine = e
	e.exists[legacy] = map[string]any{"size": "small", "password": canary}
	graph = f.graph(nil)
	_, err := f.adopt(f.adoption("", func(a *orchestrator.Adoption) { a.Reference = legacy }), graph)
	f.must(err)
	if head := f.head(database); head.StateRef != legacy {
		t.Fatalf("it was not adopted: %+v", head)
	}
	e.did()
	return f, e, graph
}

// forget is a person's statement about the database.
func (f *fixture) forget(gone bool) {
	f.t.Helper()
	_, err := f.Registry.Forget(f.t.Context(), registry.Statement{Scope: scope(), Node: database, Gone: gone, Principal: ada, Reason: "its state is another"})
	f.must(err)
}

// places are where the engine has something.
func (e named) places() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []string
	for place := range e.made {
		all = append(all, place)
	}
	slices.Sort(all)
	return all
}

// TestForgottenAndAppliedAgain: the node is looked for where it was, and nothing
// is made a second time.
func TestForgottenAndAppliedAgain(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		gone   bool
		there  bool
		places []string
		made   bool
		reason string
	}{
		"still there":        {there: true, places: []string{legacy}, reason: "it is taken as it is found"},
		"lost":               {places: []string{legacy}, made: true, reason: "it is made anew at its own place"},
		"stated to be gone":  {gone: true, places: []string{address}, made: true, reason: "it has no place of its own any more"},
		"gone, and there is": {gone: true, there: true, places: []string{address, legacy}, made: true, reason: "whoever says so lets go of it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, e, graph := adoptedThere(t)
			e.setState(legacy, engine.State{Lineage: "another", Serial: 1})
			if !tc.there {
				delete(e.made, legacy)
				e.setState(legacy, engine.State{})
			}
			f.forget(tc.gone)
			if res := f.done(f.deployment(""), graph, database, orchestrator.StepApply); res.Created != tc.made {
				t.Errorf("%s: made anew: %t", tc.reason, res.Created)
			}
			if diff := gocmp.Diff(tc.places, e.places()); diff != "" {
				t.Errorf("%s: what is there (-want +got):\n%s", tc.reason, diff)
			}
			head := f.head(database)
			if head.Forgotten || head.Status != orchestrator.NodeReady || head.InputsRef == "" || head.Lineage == "" {
				t.Errorf("%s: the head afterwards: %+v", tc.reason, head)
			}
			if kept := head.StateRef == legacy && len(head.Claims) == 1; kept == tc.gone {
				t.Errorf("%s: where it lives: %q, claims %v", tc.reason, head.StateRef, head.Claims)
			}
		})
	}
}

// TestForgottenInAnotherBackend: the environment's state has moved since the node
// was made, and the node's has not.
func TestForgottenInAnotherBackend(t *testing.T) {
	t.Parallel()
	for gone, want := range map[bool]string{false: "local", true: "s3"} {
		f := setup(t)
		graph := f.graph(nil)
		f.done(f.deployment(""), graph, database, orchestrator.StepApply)
		env, revision, err := f.Registry.GetEnvironment(t.Context(), "staging")
		f.must(err)
		env.Spec.States = map[string]orchestrator.Backend{"tiny": {Type: "s3", Config: map[string]any{"bucket": "new"}}}
		_, err = f.Registry.PutEnvironment(t.Context(), ada, env, revision)
		f.must(err)
		f.forget(gone)
		f.done(f.deployment(""), graph, database, orchestrator.StepApply)
		if _, req := f.engine.did(); req.Backend.Type != want {
			t.Errorf("gone: %t: it was looked for in %+v", gone, req.Backend)
		}
	}
}

// TestForgottenIsTakenBack: what a deployment makes of a forgotten node is undone
// with it, and then it is forgotten still, with what was known of its place.
func TestForgottenIsTakenBack(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		there  bool
		broken string
		places []string
		reason string
	}{
		"made":        {reason: "what was made is destroyed"},
		"found":       {there: true, places: []string{legacy}, reason: "what was there is not this deployment's"},
		"never asked": {broken: "preview", reason: "nothing was done"},
		"refused":     {broken: "apply", reason: "nothing came of it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, e, graph := adoptedThere(t)
			if !tc.there {
				delete(e.made, legacy)
				e.setState(legacy, engine.State{})
			}
			before := f.head(database)
			f.forget(false)
			id := f.deployment("")
			if tc.broken != "" {
				e.during = failing(tc.broken, &engine.Error{Class: engine.Rejected, Engine: "tiny", Message: "no"})
				if _, err := f.step(contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepApply, GraphDigest: graph}); err == nil {
					t.Fatal("it was applied")
				}
				e.during = func(context.Context, string) error { return nil }
			} else {
				f.done(id, graph, database, orchestrator.StepApply)
			}
			if seen := f.done(id, graph, database, orchestrator.StepObserve); seen.Exists && seen.Created {
				f.done(id, graph, database, orchestrator.StepDestroy)
			}
			if diff := gocmp.Diff(tc.places, e.places()); diff != "" {
				t.Errorf("%s: what is there (-want +got):\n%s", tc.reason, diff)
			}
			head := f.head(database)
			if !head.Forgotten || head.Status != orchestrator.NodeForgotten || head.InputsRef != "" || head.Intended != "" || head.OutputsRef != "" {
				t.Errorf("%s: it is not forgotten again: %+v", tc.reason, head)
			}
			if head.StateRef != legacy || !gocmp.Equal(head.Claims, before.Claims) {
				t.Errorf("%s: its place is lost: %q, claims %v", tc.reason, head.StateRef, head.Claims)
			}
		})
	}
}

// TestForgottenKeepsItsSnapshots, also when what a deployment made of it is
// destroyed again: they may be all that is left of its content.
func TestForgottenKeepsItsSnapshots(t *testing.T) {
	t.Parallel()
	f := setup(t)
	id, _, large := f.grown()
	f.done(id, large, database, orchestrator.StepApply)
	delete(f.engine.made, databaseAddress)
	f.engine.setState(databaseAddress, engine.State{})
	f.forget(false)
	again := f.deployment("")
	f.done(again, large, database, orchestrator.StepApply)
	f.done(again, large, database, orchestrator.StepDestroy)
	head := f.head(database)
	if diff := gocmp.Diff([]string{firstSnapshot}, head.SnapshotAddresses()); diff != "" || !head.Forgotten {
		t.Errorf("forgotten: %t; snapshots (-want +got):\n%s", head.Forgotten, diff)
	}
	if _, there := f.engine.made[firstSnapshot]; !there {
		t.Error("the snapshot was destroyed")
	}
	f.done(f.deployment(""), large, database, orchestrator.StepRemove)
	f.gone("nothing was there, and its snapshots went with it")
	if _, there := f.engine.made[firstSnapshot]; there {
		t.Error("the snapshot was left by the removal")
	}
}

// TestForgottenIsDestroyed only where nothing is found: what is there is perhaps
// somebody else's by now.
func TestForgottenIsDestroyed(t *testing.T) {
	t.Parallel()
	f, e, graph := adoptedThere(t)
	f.forget(false)
	_, err := f.step(contract.StepInput{Deployment: f.deployment(""), Node: database, Action: orchestrator.StepRemove, GraphDigest: graph})
	told := failure(t, err)
	for _, want := range []string{"it was forgotten, and something is there", legacy, "nestor apply --env staging", "nestor forget web.database --env staging --gone"} {
		if !strings.Contains(told.Message(), want) {
			t.Errorf("%q is not in %q", want, told.Message())
		}
	}
	did, req := e.did()
	if diff := gocmp.Diff([]string{"observe"}, did); diff != "" || !req.Settled {
		t.Errorf("it looks with what a person has settled (%t), and destroys nothing (-want +got):\n%s", req.Settled, diff)
	}
	_, err = f.planNode(contract.PlanNodeInput{Node: database, GraphDigest: graph, Remove: true})
	f.must(err)
	if np := f.planned(database); !strings.Contains(np.Error, "it was forgotten") || len(np.Changes) > 0 {
		t.Errorf("the plan says %+v", np)
	}
	delete(e.made, legacy)
	if res := f.done(f.deployment(""), graph, database, orchestrator.StepRemove); res.Changed {
		t.Errorf("something was destroyed: %+v", res)
	}
	f.gone("there is nothing")
}

// TestForgottenGivesNothing: what depends on it has to wait for it.
func TestForgottenGivesNothing(t *testing.T) {
	t.Parallel()
	f := setup(t)
	graph := f.graph(func(app, _ *composer.Node) { app.Inputs[0].Value = reference(database, "endpoint") })
	f.done(f.deployment(""), graph, database, orchestrator.StepApply)
	f.forget(false)
	_, err := f.step(contract.StepInput{Deployment: f.deployment(""), Node: app, Action: orchestrator.StepApply, GraphDigest: graph})
	if told := failure(t, err); !strings.Contains(told.Message(), "web.database is not deployed in staging") {
		t.Errorf("told %q", told.Message())
	}
	_, err = f.planNode(contract.PlanNodeInput{Node: database, GraphDigest: graph, Drift: true})
	f.must(err)
	if np := f.planned(database); np.Drift != orchestrator.NodeNotKnown {
		t.Errorf("a drift check says %+v", np)
	}
}

// TestRestoredAfterItWasForgotten in the middle of a deployment: from its
// snapshot, if anybody still knows of it.
func TestRestoredAfterItWasForgotten(t *testing.T) {
	t.Parallel()
	for _, gone := range []bool{false, true} {
		f := setup(t)
		id, small, large := f.grown()
		f.done(id, large, database, orchestrator.StepApply)
		f.forget(gone)
		delete(f.engine.made, databaseAddress)
		f.engine.setState(databaseAddress, engine.State{})
		f.engine.ignore = "restoreFrom" // as a module does that reads it only once
		f.engine.did()
		res, err := f.step(contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepRestore, GraphDigest: small})
		if !gone {
			f.must(err)
			refilled := slices.ContainsFunc(f.engine.requests, func(req engine.Request) bool {
				return req.Address == databaseAddress && req.Inputs["restoreFrom"] == canary
			})
			if !res.Snapshotted || !refilled {
				t.Errorf("it was restored without its content: %+v", res)
			}
			continue
		}
		if told := failure(t, err); !told.NonRetryable() || !strings.Contains(told.Message(), "its snapshot "+firstSnapshot+" is gone") {
			t.Errorf("told %v", told)
		}
	}
}
