// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"strings"
	"testing"

	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

func deleting(address string) orchestrator.Change {
	return orchestrator.Change{Address: address, Action: orchestrator.ActionDelete}
}

// A removal does what its plan shows: it goes, its resources go or stay, and
// none goes that the plan does not name.
func TestRemovalMustBeInThePlan(t *testing.T) {
	t.Parallel()
	const own, volume = "tiny." + database, "tiny.volume"
	for name, tc := range map[string]struct {
		node   func(app, database *composer.Node)
		plan   []orchestrator.NodePlan
		there  []orchestrator.Change // what a preview shows; nil for the engine's own
		want   string                // part of the complaint; empty: it is removed
		reason string
	}{
		"planned": {
			plan:   []orchestrator.NodePlan{{Node: database, Remove: true, Changes: []orchestrator.Change{deleting(own)}}},
			reason: "exactly what was approved",
		},
		"less is there": {
			plan:   []orchestrator.NodePlan{{Node: database, Remove: true, Changes: []orchestrator.Change{deleting(own), deleting(volume)}}},
			reason: "a part of what was approved",
		},
		"retained": {
			node: retain, plan: []orchestrator.NodePlan{{Node: database, Remove: true, Retain: true}}, reason: "nothing is deleted",
		},
		"not planned":           {want: "does not show that " + database + " goes away", reason: "no plan shows it"},
		"not planned, retained": {node: retain, want: "does not show that " + database + " goes away", reason: "no plan shows it"},
		"one more resource": {
			plan:  []orchestrator.NodePlan{{Node: database, Remove: true, Changes: []orchestrator.Change{deleting(own)}}},
			there: []orchestrator.Change{deleting(own), deleting(volume)}, want: volume + " would be deleted, the plan does not name it",
			reason: "an earlier deployment has added a volume since",
		},
		"approved as retained": {
			plan: []orchestrator.NodePlan{{Node: database, Remove: true, Retain: true}}, want: "stay, and now they would be deleted",
			reason: "the definition deletes by now",
		},
		"approved as deleted": {
			node: retain, plan: []orchestrator.NodePlan{{Node: database, Remove: true, Changes: []orchestrator.Change{deleting(own)}}},
			want: "are deleted, and now they would stay", reason: "what stays may cost, or hold a name",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			graph := f.graph(tc.node)
			f.done(f.deployment(""), graph, database, orchestrator.StepApply)
			f.engine.did()
			f.engine.changes = tc.there
			in := contract.StepInput{Deployment: f.deployment(f.plan(tc.plan...)), Node: database, Action: orchestrator.StepRemove, GraphDigest: graph}
			_, err := f.step(in)
			if tc.want == "" {
				f.must(err)
				return
			}
			failed := failure(t, err)
			var digest string
			f.must(failed.Details(&digest))
			if failed.Type() != contract.ErrorNotApproved || !strings.Contains(failed.Message(), tc.want) {
				t.Errorf("%s: got %v", tc.reason, failed)
			}
			if len(f.engine.made) != 1 {
				t.Errorf("%s: it was removed all the same", tc.reason)
			}
			in.Approved = "sha256:something-else"
			_, err = f.step(in)
			if failed = failure(t, err); failed.Type() != contract.ErrorNotApproved {
				t.Errorf("%s: another approval: %v", tc.reason, failed)
			}
			in.Approved = digest
			_, err = f.step(in)
			f.must(err)
		})
	}
}

// An approval of one removal is none of a larger one.
func TestAnApprovedRemovalThatGrows(t *testing.T) {
	t.Parallel()
	f := setup(t)
	graph := f.graph(nil)
	f.done(f.deployment(""), graph, database, orchestrator.StepApply)
	in := contract.StepInput{Deployment: f.deployment(f.plan()), Node: database, Action: orchestrator.StepRemove, GraphDigest: graph}
	_, err := f.step(in)
	f.must(failure(t, err).Details(&in.Approved))
	f.engine.changes = []orchestrator.Change{deleting("tiny." + database), deleting("tiny.volume")}
	_, err = f.step(in)
	if failed := failure(t, err); failed.Type() != contract.ErrorNotApproved {
		t.Errorf("got %v", failed)
	}
}

// AutoApprove speaks for its principal: where others have a say, the plan binds.
func TestAutoApproveBindsWhereOthersApprove(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		required int
		bound    bool
	}{"alone": {}, "with others": {required: 1, bound: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			graph := f.graph(nil)
			accept := func(request string) string {
				d, err := f.Registry.Accept(t.Context(), contract.DeployRequest{
					RequestID: request, Scope: scope(), Kind: orchestrator.KindApply, PlanID: f.emptyPlan(request),
					AutoApprove: true, OnFailure: orchestrator.OnFailureRollback, Principal: ada,
				}, "")
				f.must(err)
				f.must(f.Registry.Freeze(t.Context(), d.ID, ada, registry.Frozen{Graph: graph, ApprovalsRequired: tc.required}))
				return d.ID
			}
			_, err := f.step(contract.StepInput{Deployment: accept("apply"), Node: database, Action: orchestrator.StepApply, GraphDigest: graph})
			if got := err != nil; got != tc.bound {
				t.Fatalf("applying what the plan does not show: %v", err)
			}
			if tc.bound {
				f.done(f.deployment(""), graph, database, orchestrator.StepApply)
			}
			_, err = f.step(contract.StepInput{Deployment: accept("remove"), Node: database, Action: orchestrator.StepRemove, GraphDigest: graph})
			if got := err != nil; got != tc.bound {
				t.Fatalf("removing what the plan does not show: %v", err)
			}
			if tc.bound && failure(t, err).Type() != contract.ErrorNotApproved {
				t.Errorf("got %v", err)
			}
		})
	}
}

// emptyPlan shows no change.
func (f *fixture) emptyPlan(id string) string {
	f.t.Helper()
	f.must(f.Registry.CreatePlan(f.t.Context(), ada, orchestrator.Plan{ID: id, Scope: scope(), Status: orchestrator.PlanRunning}))
	f.must(f.Registry.FinishPlan(f.t.Context(), ada, id, ""))
	return id
}
