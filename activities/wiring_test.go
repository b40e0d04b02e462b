// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// stack makes the database and the app that reads its endpoint.
func (f *fixture) stack() {
	f.t.Helper()
	graph, id := f.graph(nil), f.deployment("")
	f.done(id, graph, database, orchestrator.StepApply)
	f.done(id, graph, app, orchestrator.StepApply)
	f.engine.did()
}

// planAll plans both nodes of a graph as the Plan workflow does, closes the
// plan, and returns a deployment that is bound to it.
func (f *fixture) planAll(graph string) (deployment string) {
	f.t.Helper()
	_, err := f.planNode(contract.PlanNodeInput{Node: database, GraphDigest: graph})
	f.must(err)
	_, err = f.planNode(contract.PlanNodeInput{Node: app, GraphDigest: graph})
	f.must(err)
	f.must(f.Registry.FinishPlan(f.t.Context(), ada, planID, ""))
	f.engine.did()
	return f.deployment(planID)
}

// TestWiring: a dependent gets what its upstream gives after the apply of the
// same deployment, and was approved with that value unknown.
func TestWiring(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.stack()
	f.engine.kept = []string{"port"}
	graph := f.graph(func(app, db *composer.Node) {
		db.Inputs[1].Value = literal("large")
		app.Inputs = append(app.Inputs, composer.NodeInput{Name: "port", Type: catalog.TypeInteger, Value: reference(database, "port")})
	})
	id := f.planAll(graph)
	want := []orchestrator.Change{{Address: "tiny." + app, Action: orchestrator.ActionUpdate, Attributes: []orchestrator.AttributeChange{
		{Path: "port", After: float64(5432)}, {Path: "host", Unknown: "known after web.database"},
	}}}
	if diff := cmp.Diff(want, f.planned(app).Changes); diff != "" {
		t.Errorf("the plan of the app (-want +got):\n%s", diff)
	}
	f.engine.outputs["endpoint"] = "large.example"
	f.done(id, graph, database, orchestrator.StepApply)
	res := f.done(id, graph, app, orchestrator.StepApply)
	calls, req := f.engine.did()
	if !res.Changed || calls[len(calls)-1] != "apply" {
		t.Errorf("the app was not applied again: %+v after %v", res, calls)
	}
	if diff := cmp.Diff(map[string]any{"host": "large.example", "port": int64(5432)}, req.Inputs); diff != "" {
		t.Errorf("what the app got (-want +got):\n%s", diff)
	}
}

// TestWiringWithoutAChange: an upstream that gives the same leaves its
// dependents alone, although they were planned with an unknown.
func TestWiringWithoutAChange(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.stack()
	graph := f.graph(func(_, db *composer.Node) { db.Inputs[1].Value = literal("large") })
	id := f.planAll(graph)
	f.done(id, graph, database, orchestrator.StepApply)
	if res := f.done(id, graph, app, orchestrator.StepApply); res.Changed {
		t.Errorf("the app was changed: %+v", res)
	}
}

// TestWiringBeyondThePlan: an output that the plan took for kept, and that is
// another now, reaches no dependent before somebody has said yes.
func TestWiringBeyondThePlan(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.stack()
	f.engine.kept = []string{"endpoint", "port", "token"}
	graph := f.graph(func(_, db *composer.Node) { db.Inputs[1].Value = literal("large") })
	id := f.planAll(graph)
	f.engine.outputs["endpoint"] = "moved.example"
	f.done(id, graph, database, orchestrator.StepApply)
	f.engine.did()
	in := contract.StepInput{Deployment: id, Node: app, Action: orchestrator.StepApply, GraphDigest: graph}
	_, err := f.step(in)
	told := failure(t, err)
	if told.Type() != contract.ErrorNotApproved || !told.NonRetryable() ||
		!strings.Contains(told.Message(), "the change is not what plan "+planID+" shows: tiny.web.app would be updated, the plan does not name it") {
		t.Fatalf("told %s %q", told.Type(), told.Message())
	}
	f.wantDid("nothing is applied", "preview")
	if head := f.head(app); head.Status != orchestrator.NodeReady {
		t.Errorf("the app while it is paused: %+v", head)
	}
	f.must(told.Details(&in.Approved))
	if _, err := f.step(in); err != nil {
		t.Fatal(err)
	}
	if _, req := f.engine.did(); req.Inputs["host"] != "moved.example" {
		t.Errorf("what the app got: %v", req.Inputs)
	}
}

// TestWiringOfANewOutput: an output that a new version of a definition declares
// is not known before that version was applied once, although that changes no
// resource.
func TestWiringOfANewOutput(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.stack()
	for name, tc := range map[string]struct {
		output catalog.Field
		reason string
	}{
		"new":     {catalog.Field{Name: "zone", Type: catalog.TypeString}, "nothing has given it yet"},
		"retyped": {catalog.Field{Name: "port", Type: catalog.TypeString}, "what there is, is of another type"},
	} {
		graph := f.graph(func(app, db *composer.Node) {
			var outputs []catalog.Field
			for _, o := range db.Outputs {
				if o.Name != tc.output.Name {
					outputs = append(outputs, o)
				}
			}
			outputs = append(outputs, tc.output)
			db.Version, db.Outputs = "2.0.0-"+name, outputs
			app.Inputs = append(app.Inputs, composer.NodeInput{Name: "extra", Type: catalog.TypeString, Value: reference(database, tc.output.Name)})
		})
		_, err := f.planNode(contract.PlanNodeInput{Node: database, GraphDigest: graph})
		f.must(err)
		if diff := cmp.Diff([]string{tc.output.Name}, f.unknown()); diff != "" {
			t.Errorf("%s: unknown (-want +got):\n%s", tc.reason, diff)
		}
		_, err = f.planNode(contract.PlanNodeInput{Node: app, GraphDigest: graph})
		f.must(err)
		if _, req := f.engine.did(); req.Unknown["extra"] != "known after web.database" || req.Inputs["host"] != "db.example" {
			t.Errorf("%s: the app is planned with %v and %v", tc.reason, req.Inputs, req.Unknown)
		}
	}
}

// TestWiringOfAnotherType: a value that does not fit is told with its way, once,
// and not repeated where it is a secret.
func TestWiringOfAnotherType(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		input  composer.NodeInput
		want   []string
		reason string
	}{
		"text for a number": {
			composer.NodeInput{Name: "host", Type: catalog.TypeInteger, Value: reference(database, "endpoint")},
			[]string{"input host", "integer", "it comes from web.database.outputs.endpoint"},
			"a text is no integer",
		},
		"secret for a number": {
			composer.NodeInput{Name: "host", Type: catalog.TypeInteger, Value: reference(database, "token")},
			[]string{"input host", "integer", "token"},
			"the graph does not know that it is a secret, its output does",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			f.upstream()
			graph := f.graph(func(app, _ *composer.Node) { app.Inputs = []composer.NodeInput{tc.input} })
			res, err := f.planNode(contract.PlanNodeInput{Node: app, GraphDigest: graph})
			f.must(err)
			_, err = f.step(contract.StepInput{Deployment: f.deployment(""), Node: app, Action: orchestrator.StepApply, GraphDigest: graph})
			told := failure(t, err)
			if told.Type() != string(engine.Invalid) || !told.NonRetryable() {
				t.Errorf("%s: %s, retryable %v", tc.reason, told.Type(), !told.NonRetryable())
			}
			for _, want := range tc.want {
				if !strings.Contains(told.Message(), want) || !strings.Contains(res.Error, want) {
					t.Errorf("%s: %q is not in %q and %q", tc.reason, want, told.Message(), res.Error)
				}
			}
			if strings.Contains(res.Error, canary) {
				t.Errorf("%s: the plan repeats a secret: %s", tc.reason, res.Error)
			}
			f.noSecretsLeft()
		})
	}
}

// TestStaleOutputs: an upstream that fails gives its dependents nothing new, and
// they are not asked with what it gave before: the walk does not come to them.
// What the head holds is always of the last apply that went well.
func TestStaleOutputs(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.stack()
	f.engine.outputs["endpoint"] = "half.example"
	f.engine.during = failing("apply", &engine.Error{Class: engine.Rejected, Engine: "tiny", Message: "no"})
	graph := f.graph(func(_, db *composer.Node) { db.Inputs[1].Value = literal("large") })
	_, err := f.step(contract.StepInput{Deployment: f.deployment(""), Node: database, Action: orchestrator.StepApply, GraphDigest: graph})
	if err == nil {
		t.Fatal("it succeeded")
	}
	f.engine.during = func(context.Context, string) error { return nil }
	outputs, err := f.Registry.Outputs(t.Context(), f.head(database))
	f.must(err)
	if got := byName(outputs)["endpoint"]; got != "db.example" {
		t.Errorf("after a failed apply the endpoint is %v", got)
	}
}
