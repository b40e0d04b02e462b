// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/temporal"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

const databaseAddress = "alpha/shop/staging/" + database

// told are the types of a deployment's events about the database.
func (f *fixture) told(deployment string) []string {
	f.t.Helper()
	var types []string
	for doc, err := range store.All(f.t.Context(), f.Store, store.Query{Partition: registry.EventStream(deployment)}) {
		f.must(err)
		var e orchestrator.Event
		f.must(doc.Decode(&e))
		if e.Node == database {
			types = append(types, string(e.Type))
		}
	}
	return types
}

// setState is what somebody does to the state behind Nestor's back.
func (e *tiny) setState(address string, s engine.State) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.states[address] = s
}

func TestStateIsComparedWithTheRecordedOne(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		found   engine.State
		refused string
		moved   bool
		reason  string
	}{
		"same":    {found: engine.State{Lineage: "tiny", Serial: 1}, reason: "nobody touched it"},
		"gone":    {refused: "nothing is there now", reason: "unknown is never absent"},
		"another": {found: engine.State{Lineage: "other", Serial: 1}, refused: "another one, other", reason: "it is somebody else's"},
		"older":   {found: engine.State{Lineage: "tiny"}, refused: "older copy", reason: "a backup was put back"},
		"written": {found: engine.State{Lineage: "tiny", Serial: 7}, moved: true, reason: "a late write, or a person"},
	} {
		for _, action := range []orchestrator.StepAction{orchestrator.StepApply, orchestrator.StepDestroy, orchestrator.StepObserve, "plan"} {
			t.Run(name+" "+string(action), func(t *testing.T) {
				t.Parallel()
				f := setup(t)
				graph := f.graph(nil)
				f.done(f.deployment(""), graph, database, orchestrator.StepApply)
				f.engine.setState(databaseAddress, tc.found)
				f.engine.did()
				if action == "plan" {
					np := f.plannedAlone(f.graph(func(_, db *composer.Node) { db.Inputs[1].Value = literal("large") }))
					if (np.Error != "") != (tc.refused != "") || !strings.Contains(np.Error, tc.refused) {
						t.Errorf("%s: the plan says %q", tc.reason, np.Error)
					}
					if (len(np.Changes) > 0) != (tc.refused == "") {
						t.Errorf("%s: a plan by the node's own state is one, by another it is none: %+v", tc.reason, np.Changes)
					}
					return
				}
				id := f.deployment("")
				_, err := f.step(contract.StepInput{Deployment: id, Node: database, Action: action, GraphDigest: graph})
				verbs, _ := f.engine.did()
				if tc.refused == "" {
					f.must(err)
					if moved := slices.Contains(f.told(id), string(orchestrator.EventNodeMoved)); moved != tc.moved {
						t.Errorf("%s: told that it moved: %t", tc.reason, moved)
					}
					return
				}
				failed := failure(t, err)
				if failed.Type() != string(engine.Unreadable) || !failed.NonRetryable() {
					t.Errorf("%s: got %v", tc.reason, failed)
				}
				for _, want := range []string{tc.refused, databaseAddress, "backend local", "tiny at serial 1", "nestor forget web.database --env staging"} {
					if !strings.Contains(failed.Message(), want) {
						t.Errorf("%s: %q is not in %q", tc.reason, want, failed.Message())
					}
				}
				if slices.Contains(verbs, "apply") || slices.Contains(verbs, "destroy") {
					t.Errorf("%s: the engine was asked to %v", tc.reason, verbs)
				}
			})
		}
	}
}

// TestWhatAStateProves is for the engine to say.
func TestWhatAStateProves(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		found    engine.State
		intended bool // a change was cut off before
		refused  string
		reason   string
	}{
		"gone":             {refused: "nothing is there now", reason: "a state can be lost"},
		"gone, live":       {found: engine.State{Live: true}, reason: "nothing is kept that could be lost"},
		"another":          {found: engine.State{Lineage: "other", Serial: 9}, intended: true, refused: "another one", reason: "it is somebody else's"},
		"another, live":    {found: engine.State{Lineage: "other", Serial: 9, Live: true}, intended: true, reason: "it was perhaps replaced"},
		"another, live, 2": {found: engine.State{Lineage: "other", Serial: 9, Live: true}, refused: "another one", reason: "nobody has replaced it"},
		"older":            {found: engine.State{Lineage: "tiny"}, intended: true, refused: "older copy", reason: "a count only grows"},
		"older clock":      {found: engine.State{Lineage: "tiny", ByClock: true}, intended: true, reason: "clocks differ"},
		"older clock, 2":   {found: engine.State{Lineage: "tiny", ByClock: true}, refused: "older copy", reason: "nobody else has written"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			graph := f.graph(nil)
			f.done(f.deployment(""), graph, database, orchestrator.StepApply)
			if tc.intended {
				larger := f.graph(func(_, db *composer.Node) { db.Inputs[1].Value = literal("large") })
				f.engine.during = failing("apply", &engine.Error{Class: engine.Rejected, Engine: "tiny", Message: "cut off"})
				if _, err := f.step(contract.StepInput{Deployment: f.deployment(""), Node: database, Action: orchestrator.StepApply, GraphDigest: larger}); err == nil {
					t.Fatal("it was applied")
				}
				f.engine.during = func(context.Context, string) error { return nil }
			}
			f.engine.setState(databaseAddress, tc.found)
			_, err := f.step(contract.StepInput{Deployment: f.deployment(""), Node: database, Action: orchestrator.StepApply, GraphDigest: graph})
			if tc.refused == "" {
				f.must(err)
			} else if failed := failure(t, err); failed.Type() != string(engine.Unreadable) || !strings.Contains(failed.Message(), tc.refused) {
				t.Errorf("%s: got %v", tc.reason, failed)
			}
		})
	}
}

// plannedAlone is the database in a plan of its own.
func (f *fixture) plannedAlone(graph string) orchestrator.NodePlan {
	f.t.Helper()
	plan := f.lonePlan(graph)
	_, err := f.environment().ExecuteActivity(contract.ActivityPlanNode, contract.PlanNodeInput{Plan: plan, Node: database, GraphDigest: graph})
	f.must(err)
	np, err := f.Registry.NodePlan(f.t.Context(), plan, database)
	f.must(err)
	return np
}

// lonePlan is a new record of one.
func (f *fixture) lonePlan(graph string) string {
	f.t.Helper()
	plan := orchestrator.Plan{
		ID: "01JD3Y6ZK9V2T8Q4W7M5N1C0RB", Scope: scope(), Kind: orchestrator.KindApply, GraphDigest: graph,
		Principal: ada, Status: orchestrator.PlanRunning,
	}
	f.must(f.Registry.CreatePlan(f.t.Context(), ada, plan))
	return plan.ID
}

func TestForgettingIsTheWayOut(t *testing.T) {
	t.Parallel()
	f := setup(t)
	graph := f.graph(nil)
	f.done(f.deployment(""), graph, database, orchestrator.StepApply)
	f.engine.setState(databaseAddress, engine.State{})
	delete(f.engine.made, databaseAddress)
	_, err := f.Registry.Forget(t.Context(), registry.Statement{Scope: scope(), Node: database, Principal: ada, Reason: "the account is closed"})
	f.must(err)
	res := f.done(f.deployment(""), graph, database, orchestrator.StepApply)
	if !res.Created {
		t.Errorf("it was not made anew: %+v", res)
	}
}

func TestDestroyingAgainWhatIsGone(t *testing.T) {
	t.Parallel()
	f := setup(t)
	graph := f.graph(nil)
	f.done(f.deployment(""), graph, database, orchestrator.StepApply)
	id := f.deployment("")
	f.engine.during = func(_ context.Context, verb string) error {
		if verb == "destroy" { // it is gone, and the worker dies before it can say so
			delete(f.engine.made, databaseAddress)
			delete(f.engine.states, databaseAddress)
			return &engine.Error{Class: engine.Rejected, Engine: "tiny", Message: "cut off"}
		}
		return nil
	}
	in := contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepDestroy, GraphDigest: graph}
	if _, err := f.step(in); err == nil {
		t.Fatal("the first destruction went well")
	}
	f.engine.during = func(context.Context, string) error { return nil }
	f.done(f.deployment(""), graph, database, orchestrator.StepDestroy)
}

// begun leaves a step as another host's worker does that was killed in it.
func (f *fixture) begun(id, graph string, lease orchestrator.Lease) registry.Attempt {
	f.t.Helper()
	run := orchestrator.NodeRun{Deployment: id, Node: database, Action: orchestrator.StepApply, Attempt: 1, Lease: &lease}
	head := orchestrator.NodeHead{Engine: "tiny", Address: databaseAddress, GraphDigest: graph}
	attempt, err := f.Registry.Begin(f.t.Context(), "worker:tiny", scope(), run, head)
	f.must(err)
	f.must(f.Registry.Intend(f.t.Context(), &attempt, registry.Intent{Created: true, Graph: graph}))
	return attempt
}

func TestNothingIsStartedWithoutProofOfDeath(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.steps.LeaseTTL = time.Second
	id, graph := f.deployment(""), f.graph(nil)
	far := f.begun(id, graph, orchestrator.Lease{Host: "far", Machine: "m", BootID: "b", PID: 9, StartTime: "1"})
	in := contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepApply, GraphDigest: graph}
	for range 2 {
		_, err := f.step(in)
		failed := failure(t, err)
		if failed.Type() != string(engine.Locked) || failed.NonRetryable() || failed.NextRetryDelay() == 0 {
			t.Errorf("it is not asked again: %v", failed)
		}
		for _, want := range []string{"process 9 on far", "last heard of", "nestor unlock web.database --env staging"} {
			if !strings.Contains(failed.Message(), want) {
				t.Errorf("%q is not in %q", want, failed.Message())
			}
		}
	}
	f.wantDid("somebody may be at work")
	if run := f.run(id); run.Failures != 0 || run.Fence != far.Run.Fence {
		t.Errorf("waiting counts as a failure, or takes the node: %+v", run)
	}
	want := []string{"node.started", "node.locked"} // told once
	if diff := cmp.Diff(want, f.told(id)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	f.must(f.Registry.End(t.Context(), far, "it says so itself"))
	f.done(id, graph, database, orchestrator.StepApply)
	_, req := f.engine.did()
	if len(req.Dead) != 1 || req.Dead[0].Host != "far" {
		t.Errorf("the engine is not told whose lock may be broken: %+v", req.Dead)
	}
}

func TestAStepThatLosesItsNodeStopsItsEngine(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.steps.LeaseTTL = 600 * time.Millisecond
	id, graph := f.deployment(""), f.graph(nil)
	there := make(chan struct{})
	var cause error
	hang := hanging("apply", there)
	f.engine.during = func(ctx context.Context, verb string) error {
		if verb == "apply" {
			f.begun(id, graph, orchestrator.Lease{Host: "far", PID: 9}) //nolint:contextcheck // a later attempt, elsewhere: it does not end with this engine
		}
		err := hang(ctx, verb)
		if verb == "apply" {
			cause = context.Cause(ctx)
		}
		return err
	}
	_, err := f.step(contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepApply, GraphDigest: graph})
	if failed := failure(t, err); failed.NonRetryable() || temporal.IsCanceledError(err) {
		t.Errorf("no other attempt follows: %v", err)
	}
	if !errors.Is(cause, registry.ErrFenced) {
		t.Errorf("the engine was stopped because of %v", cause)
	}
	if log := strings.Join(f.chunks(id), ""); !strings.Contains(log, "came late") {
		t.Errorf("the log does not tell of the refused write:\n%s", log)
	}
	if run := f.run(id); run.Lease == nil || run.Lease.Host != "far" {
		t.Errorf("it wrote over the later attempt: %+v", run)
	}
}

func TestALongStepRenewsAndGivesBackItsLease(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.steps.LeaseTTL = 600 * time.Millisecond
	id, graph := f.deployment(""), f.graph(nil)
	f.engine.during = func(ctx context.Context, verb string) error {
		for verb == "apply" {
			tenures, err := f.Registry.Tenures(ctx, scope())
			if err != nil {
				return err
			}
			if len(tenures) == 1 && tenures[0].RenewedAt.After(tenures[0].StartedAt.Add(f.steps.LeaseTTL)) {
				return nil // renewed for longer than it lasts
			}
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(5 * time.Millisecond):
			}
		}
		return nil
	}
	f.done(id, graph, database, orchestrator.StepApply)
	tenures, err := f.Registry.Tenures(t.Context(), scope())
	f.must(err)
	if len(tenures) > 0 {
		t.Errorf("the lease is left: %+v", tenures)
	}
}

// claiming is an engine whose nodes own what their input "size" names.
type claiming struct{ *tiny }

// Claims implements engine.Claimer.
func (claiming) Claims(req engine.Request, _ *engine.Source) ([]engine.ClaimName, error) {
	size, _ := req.Inputs["size"].(string)
	return []engine.ClaimName{{Name: size}}, nil
}

func TestASecondOwnerIsRefused(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.steps.Engine = claiming{f.engine}
	graph := f.graph(func(app, _ *composer.Node) {
		app.Inputs = []composer.NodeInput{{Name: "size", Type: "string", Value: literal("small")}}
	})
	f.done(f.deployment(""), graph, database, orchestrator.StepApply)
	f.engine.did()
	id := f.deployment("")
	_, err := f.step(contract.StepInput{Deployment: id, Node: app, Action: orchestrator.StepApply, GraphDigest: graph})
	failed := failure(t, err)
	if failed.Type() != string(engine.Rejected) || !failed.NonRetryable() || !strings.Contains(failed.Message(), "small is owned by node web.database of shop in staging") {
		t.Errorf("got %v", failed)
	}
	f.wantDid("nothing is made for a second owner", "observe", "preview")
	f.done(f.deployment(""), graph, database, orchestrator.StepDestroy)
	f.done(f.deployment(""), graph, app, orchestrator.StepApply)
}

func TestASecondOwnerIsRefusedAlsoWhereNothingChanges(t *testing.T) {
	t.Parallel()
	f := setup(t)
	graph := f.graph(func(app, _ *composer.Node) {
		app.Inputs = []composer.NodeInput{{Name: "size", Type: "string", Value: literal("small")}}
	})
	for _, node := range []string{database, app} { // from before there were claims
		f.done(f.deployment(""), graph, node, orchestrator.StepApply)
	}
	f.steps.Engine = claiming{f.engine}
	f.done(f.deployment(""), graph, database, orchestrator.StepApply)
	_, err := f.step(contract.StepInput{Deployment: f.deployment(""), Node: app, Action: orchestrator.StepApply, GraphDigest: graph})
	failed := failure(t, err)
	if failed.Type() != string(engine.Rejected) || !failed.NonRetryable() || !strings.Contains(failed.Message(), "small is owned by node web.database of shop in staging") {
		t.Errorf("got %v", failed)
	}
	if head := f.head(app); head.Status != orchestrator.NodeFailed || head.Error == nil || len(head.Claims) > 0 {
		t.Errorf("the head of who was refused: %+v", head)
	}
	if head := f.head(database); head.Status != orchestrator.NodeReady || len(head.Claims) != 1 {
		t.Errorf("the head of the owner: %+v", head)
	}
}

// TestAPlanRefusesASecondOwner: what another application owns is not shown as
// something that will be created.
func TestAPlanRefusesASecondOwner(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.steps.Engine = claiming{f.engine}
	graph := f.graph(nil)
	f.done(f.deployment(""), graph, database, orchestrator.StepApply)
	other := scope()
	other.Application = "other"
	f.must(f.Registry.CreatePlan(t.Context(), ada, orchestrator.Plan{ID: planID, Scope: other, Status: orchestrator.PlanRunning}))
	res, err := f.planNode(contract.PlanNodeInput{Node: database, GraphDigest: graph})
	f.must(err)
	if !strings.Contains(res.Error, "small is owned by node web.database of shop in staging") {
		t.Errorf("planned with %q; want it refused as the apply is", res.Error)
	}
}
