// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

func logOf(text string) registry.LogChunk { return registry.LogChunk{Node: database, Text: text} }

const planID = "plan-one"

// planNode previews a node for a plan that runs.
func (f *fixture) planNode(in contract.PlanNodeInput) (contract.PlanNodeResult, error) {
	f.t.Helper()
	f.beginPlan()
	in.Plan = planID
	var res contract.PlanNodeResult
	value, err := f.environment().ExecuteActivity(contract.ActivityPlanNode, in)
	if err != nil {
		return res, err
	}
	f.must(value.Get(&res))
	return res, nil
}

// beginPlan writes the plan's record, unless it is there.
func (f *fixture) beginPlan() {
	f.t.Helper()
	err := f.Registry.CreatePlan(f.t.Context(), ada, orchestrator.Plan{ID: planID, Scope: scope(), Status: orchestrator.PlanRunning})
	if err != nil && !errors.Is(err, store.ErrConflict) {
		f.t.Fatal(err)
	}
}

// unknown outputs that are recorded of the database.
func (f *fixture) unknown() []string {
	f.t.Helper()
	outputs, err := f.Registry.UnknownOutputs(f.t.Context(), planID, database)
	f.must(err)
	return outputs
}

// planned is what is recorded of a node.
func (f *fixture) planned(node string) orchestrator.NodePlan {
	f.t.Helper()
	np, err := f.Registry.NodePlan(f.t.Context(), planID, node)
	f.must(err)
	return np
}

func TestPlanNodeCreate(t *testing.T) {
	t.Parallel()
	f := setup(t)
	res, err := f.planNode(contract.PlanNodeInput{Node: database, GraphDigest: f.graph(nil)})
	f.must(err)
	if res.Error != "" {
		t.Errorf("it failed: %s", res.Error)
	}
	if diff := cmp.Diff([]string{"endpoint", "port", "token"}, f.unknown()); diff != "" {
		t.Errorf("unknown outputs (-want +got):\n%s", diff)
	}
	want := orchestrator.NodePlan{
		Node: database, Engine: "tiny", Definition: "db", Version: "1.0.0",
		Changes: []orchestrator.Change{{Address: "tiny." + database, Action: orchestrator.ActionCreate, Attributes: []orchestrator.AttributeChange{
			{Path: "password", Sensitive: true}, {Path: "size", After: "small"},
		}}},
	}
	if diff := cmp.Diff(want, f.planned(database), cmpopts.IgnoreFields(orchestrator.NodePlan{}, "Digest")); diff != "" {
		t.Errorf("what is recorded (-want +got):\n%s", diff)
	}
	calls, req := f.engine.did()
	if diff := cmp.Diff([]string{"preview"}, calls); diff != "" {
		t.Errorf("a plan looks only (-want +got):\n%s", diff)
	}
	if !strings.Contains(req.Workspace, "plans") || req.Inputs["password"] != canary {
		t.Errorf("request: workspace %s", req.Workspace)
	}
	if _, err := f.Registry.Head(t.Context(), scope(), database); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("planning made a head: %v", err)
	}
	f.noSecretsLeft()
}

func TestPlanNodeUnknownInputs(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		deployed bool
		unknown  []string // outputs of the database
		inputs   map[string]any
		reasons  map[string]string
		reason   string
	}{
		"first time": {
			unknown: []string{"endpoint", "port"}, inputs: map[string]any{},
			reasons: map[string]string{"host": "known after web.database"}, reason: "the database is not there yet",
		},
		"kept": {
			deployed: true, unknown: []string{"port"},
			inputs: map[string]any{"host": "db.example"}, reasons: map[string]string{}, reason: "another output will change",
		},
		"unchanged": {
			deployed: true, inputs: map[string]any{"host": "db.example"}, reasons: map[string]string{}, reason: "nothing of it will change",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			if tc.deployed {
				f.upstream()
				f.engine.did()
			}
			f.beginPlan()
			f.must(f.Registry.PutNodePlan(t.Context(), ada, planID, orchestrator.NodePlan{Node: database}, tc.unknown))
			_, err := f.planNode(contract.PlanNodeInput{Node: app, GraphDigest: f.graph(nil)})
			f.must(err)
			_, req := f.engine.did()
			if diff := cmp.Diff(tc.inputs, req.Inputs); diff != "" {
				t.Errorf("%s: inputs (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.reasons, req.Unknown); diff != "" {
				t.Errorf("%s: unknown (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestPlanNodeTellsWhatStays(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.upstream()
	f.engine.kept = []string{"port", "endpoint"}
	res, err := f.planNode(contract.PlanNodeInput{Node: database, GraphDigest: f.graph(nil)})
	f.must(err)
	if unknown := f.unknown(); len(unknown) != 0 || len(f.planned(database).Changes) != 0 {
		t.Errorf("no change: %v, %+v", unknown, res)
	}
	large := f.graph(func(_, db *composer.Node) { db.Inputs[1].Value = literal("large") })
	before := f.head(database)
	_, err = f.planNode(contract.PlanNodeInput{Node: database, GraphDigest: large})
	f.must(err)
	if diff := cmp.Diff([]string{"token"}, f.unknown()); diff != "" {
		t.Errorf("unknown outputs of a change (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, f.head(database)); diff != "" {
		t.Errorf("planning touched the head (-before +after):\n%s", diff)
	}
	again := f.begin()
	if again != before.Fence+1 {
		t.Errorf("planning took a fence: %d after %d", again, before.Fence)
	}
}

// begin returns the next fence.
func (f *fixture) begin() int64 {
	f.t.Helper()
	run := orchestrator.NodeRun{Deployment: "alpha/shop/staging/1", Node: database, Action: orchestrator.StepObserve}
	a, err := f.Registry.Begin(f.t.Context(), ada, scope(), run, orchestrator.NodeHead{})
	f.must(err)
	return a.Run.Fence
}

func TestPlanNodeRemove(t *testing.T) {
	t.Parallel()
	f := setup(t)
	graph := f.graph(nil)
	f.upstream()
	f.engine.did()
	delete(f.vault, "NESTOR_SECRET_ALPHA__DB") // it uses what was recorded
	_, err := f.planNode(contract.PlanNodeInput{Node: database, GraphDigest: graph, Remove: true})
	f.must(err)
	if _, req := f.engine.did(); !req.Destroy || req.Inputs["password"] != canary {
		t.Errorf("request: destroy %v", req.Destroy)
	}
	if np := f.planned(database); !np.Remove || np.Retain || np.Changes[0].Action != orchestrator.ActionDelete {
		t.Errorf("recorded: %+v", np)
	}
	_, err = f.planNode(contract.PlanNodeInput{Node: database, GraphDigest: f.graph(retain), Remove: true})
	f.must(err)
	f.wantDid("what is retained is not looked at")
	if np := f.planned(database); !np.Remove || !np.Retain || len(np.Changes) != 0 {
		t.Errorf("recorded: %+v", np)
	}
}

func TestPlanNodeFailures(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		upset  func(f *fixture)
		node   string
		want   string
		retry  bool
		reason string
	}{
		"invalid": {
			upset: func(f *fixture) {
				f.engine.during = failing("preview", &engine.Error{Class: engine.Invalid, Resource: "db.main", Message: "no such size"})
			},
			node: database, want: "db.main: no such size", reason: "it is shown with the plan",
		},
		"no secret": {
			upset: func(f *fixture) { delete(f.vault, "NESTOR_SECRET_ALPHA__DB") },
			node:  database, want: "NESTOR_SECRET_ALPHA__DB", reason: "it is shown with the plan",
		},
		"no upstream": {node: app, want: "web.database is not deployed", reason: "it is shown with the plan"},
		"transient": {
			upset: func(f *fixture) {
				f.engine.during = failing("preview", &engine.Error{Class: engine.Transient, Message: "throttled"})
			},
			node: database, want: "throttled", retry: true, reason: "another try can help",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			if tc.upset != nil {
				tc.upset(f)
			}
			res, err := f.planNode(contract.PlanNodeInput{Node: tc.node, GraphDigest: f.graph(nil)})
			if tc.retry {
				if failed := failure(t, err); failed.NonRetryable() || failed.Message() != tc.want {
					t.Errorf("%s: %v", tc.reason, failed)
				}
				if _, err := f.Registry.NodePlan(t.Context(), planID, tc.node); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("%s: a preview is recorded: %v", tc.reason, err)
				}
				return
			}
			f.must(err)
			if np := f.planned(tc.node); !strings.Contains(res.Error, tc.want) || np.Error != res.Error {
				t.Errorf("%s: got %q, recorded %q, want %q", tc.reason, res.Error, np.Error, tc.want)
			}
		})
	}
}

func TestPlanNodeOfNothing(t *testing.T) {
	t.Parallel()
	f := setup(t)
	_, err := f.environment().ExecuteActivity(contract.ActivityPlanNode, contract.PlanNodeInput{Plan: "none", Node: database, GraphDigest: f.graph(nil)})
	if failed := failure(t, err); failed.Type() != contract.ErrorNotFound || !failed.NonRetryable() {
		t.Errorf("no such plan: %v", failed)
	}
	_, err = f.planNode(contract.PlanNodeInput{Node: "web.none", GraphDigest: f.graph(nil)})
	if failed := failure(t, err); failed.Type() != contract.ErrorNotFound {
		t.Errorf("no such node: %v", failed)
	}
	f.must(f.Registry.FinishPlan(t.Context(), ada, planID, ""))
	_, err = f.planNode(contract.PlanNodeInput{Node: database, GraphDigest: f.graph(nil)})
	if failed := failure(t, err); failed.Type() != contract.ErrorInvalid || !failed.NonRetryable() {
		t.Errorf("a plan that is closed: type %s, retryable %v", failed.Type(), !failed.NonRetryable())
	}
}
