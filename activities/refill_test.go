// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

// going is a deployment of a kind that is bound to the plan, if there is one.
func (f *fixture) going(kind orchestrator.Kind, plan string) string {
	f.t.Helper()
	d, err := f.Registry.Accept(f.t.Context(), contract.DeployRequest{
		RequestID: uuid.NewString(), Scope: scope(), Kind: kind, Release: "sha256:release", PlanID: plan,
		AutoApprove: plan == "", OnFailure: orchestrator.OnFailureRollback, Principal: ada,
	}, "")
	f.must(err)
	return d.ID
}

// replaced brings the database to sizes, one deployment each, in which it is
// replaced each time.
func (f *fixture) replaced(sizes ...string) {
	f.t.Helper()
	f.engine.immutable, f.engine.ignore = "size", "restoreFrom"
	for _, size := range sizes {
		f.done(f.deployment(""), f.graph(saved(size)), database, orchestrator.StepApply)
	}
	f.engine.did()
}

// back plans a deployment of a kind to a size.
func (f *fixture) back(kind orchestrator.Kind, size string) orchestrator.NodePlan {
	f.t.Helper()
	f.must(f.Registry.CreatePlan(f.t.Context(), ada, orchestrator.Plan{ID: planID, Scope: scope(), Kind: kind, Status: orchestrator.PlanRunning}))
	_, err := f.planNode(contract.PlanNodeInput{GraphDigest: f.graph(saved(size)), Node: database})
	f.must(err)
	return f.planned(database)
}

// given are the inputs of the last request with which the database was applied.
func (f *fixture) given() map[string]any {
	f.t.Helper()
	f.engine.mu.Lock()
	defer f.engine.mu.Unlock()
	for i := len(f.engine.calls) - 1; i >= 0; i-- {
		if req := f.engine.requests[i]; f.engine.calls[i] == "apply" && req.Node == database {
			return req.Inputs
		}
	}
	f.t.Fatal("it was not applied")
	return nil
}

// TestGoingBackRestores: what a rollback to an earlier release makes anew is
// filled from the snapshot that was taken of the node as that release has it, and
// the plan says so beforehand.
func TestGoingBackRestores(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.replaced("small", "large", "huge")
	f.engine.outputs["token"] = canary + "-of-huge"
	plan := f.back(orchestrator.KindRollback, "small")
	restored := &orchestrator.Restoration{Snapshot: firstSnapshot, Deployment: "alpha/shop/staging/2"}
	if diff := cmp.Diff(restored, plan.Restore, cmpopts.IgnoreFields(orchestrator.Restoration{}, "Time")); diff != "" || plan.Empty {
		t.Errorf("the plan, empty %t (-want +got):\n%s", plan.Empty, diff)
	}
	paths := map[string]bool{}
	for _, a := range plan.Changes[0].Attributes {
		paths[a.Path] = true
	}
	if !paths["restoreFrom"] {
		t.Errorf("the preview was made without what the step gives: %v", paths)
	}
	f.engine.did()

	small, id := f.graph(saved("small")), f.going(orchestrator.KindRollback, planID)
	res := f.done(id, small, database, orchestrator.StepApply)
	if diff := cmp.Diff(map[string]any{"size": "small", "password": canary, "restoreFrom": canary}, f.given()); diff != "" {
		t.Errorf("the engine's inputs (-want +got):\n%s", diff)
	}
	f.wantDid("it is looked at, filled, saved, changed and seen to be so",
		"preview", "preview", "preview", "apply", "apply", "preview")
	if !res.Snapshotted || !res.Replaced || f.run(id).Compensation.Snapshot == firstSnapshot {
		t.Errorf("what it was is saved as in any deployment: %+v", res)
	}
	f.done(id, small, database, orchestrator.StepPrune)
	if all := f.head(database).SnapshotAddresses(); len(all) != 2 || all[1] != f.run(id).Compensation.Snapshot {
		t.Errorf("snapshots: %v", all)
	}
	f.noSecrets()
}

func TestGoingBackEmpty(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		kind   orchestrator.Kind
		size   string
		lose   bool
		empty  bool
		reason string
	}{
		"another release": {kind: orchestrator.KindRollback, size: "tiny", empty: true, reason: "what was saved is of others"},
		"being destroyed": {kind: orchestrator.KindRollback, size: "small", lose: true, empty: true, reason: "half of it may be gone"},
		"forward":         {kind: orchestrator.KindApply, size: "small", reason: "an apply asks for what its release describes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			f.replaced("small", "large")
			if tc.lose {
				f.lose()
			}
			plan := f.back(tc.kind, tc.size)
			if plan.Restore != nil || plan.Empty != tc.empty {
				t.Errorf("%s: restored from %+v, empty %t", tc.reason, plan.Restore, plan.Empty)
			}
			f.engine.did()
			f.done(f.going(tc.kind, planID), f.graph(saved(tc.size)), database, orchestrator.StepApply)
			if from, given := f.given()["restoreFrom"]; given {
				t.Errorf("%s: it was restored from %v", tc.reason, from)
			}
		})
	}
}

// lose marks the snapshots of the database as half destroyed.
func (f *fixture) lose() {
	f.t.Helper()
	head := f.head(database)
	a, err := f.Registry.Begin(f.t.Context(), ada, scope(), orchestrator.NodeRun{
		Deployment: head.LastDeployment, Node: database, Action: orchestrator.StepPrune, Attempt: 1,
	}, head)
	f.must(err)
	for _, s := range head.Snapshots {
		s.Error = "it is protected"
		f.must(f.Registry.RecordSnapshot(f.t.Context(), &a, s, nil, nil))
	}
	after := *a.Head
	after.Status = orchestrator.NodeReady
	f.must(f.Registry.Commit(f.t.Context(), a, registry.Commit{Status: orchestrator.NodeReady, Head: &after}))
}

// TestGoingBackIsBound: what comes back otherwise than the plan shows waits for
// somebody who approves that.
func TestGoingBackIsBound(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.replaced("small", "large")
	if plan := f.back(orchestrator.KindRollback, "small"); plan.Restore == nil {
		t.Fatal("the plan restores nothing")
	}
	f.lose()
	in := contract.StepInput{
		Deployment: f.going(orchestrator.KindRollback, planID), Node: database, Action: orchestrator.StepApply, GraphDigest: f.graph(saved("small")),
	}
	_, err := f.step(in)
	failed := failure(t, err)
	if failed.Type() != contract.ErrorNotApproved || !strings.Contains(failed.Message(), "it would come back empty, the plan restores it from the snapshot "+firstSnapshot) {
		t.Fatalf("got %s: %v", failed.Type(), failed)
	}
	f.must(failed.Details(&in.Approved))
	if res, err := f.step(in); err != nil || !res.Changed {
		t.Errorf("approved as it is now: %+v, %v", res, err)
	}
}

// TestGoingBackIsProven: a module that reads what it is restored from at other
// times than its creation would be made anew by the next deployment.
func TestGoingBackIsProven(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.replaced("small", "large")
	f.engine.ignore = ""
	_, err := f.step(contract.StepInput{
		Deployment: f.going(orchestrator.KindRollback, ""), Node: database, Action: orchestrator.StepApply, GraphDigest: f.graph(saved("small")),
	})
	if failed := failure(t, err); !strings.Contains(failed.Message(), "still differs from what it was") {
		t.Errorf("got %v", failed)
	}
}

// takeAway lets the next apply of the database end with an error after the old
// resource went.
func (f *fixture) takeAway(err error) {
	f.engine.during = func(_ context.Context, verb string) error {
		f.engine.mu.Lock()
		defer f.engine.mu.Unlock()
		if last := f.engine.requests[len(f.engine.requests)-1]; verb == "apply" && last.Node == database {
			delete(f.engine.made, last.Address)
			f.engine.during = func(context.Context, string) error { return nil }
			return err
		}
		return nil
	}
}

// TestRestoreFillsWhatWasTakenAway, and says so, even where the engine shows nothing
// of what it is filled from.
func TestRestoreFillsWhatWasTakenAway(t *testing.T) {
	t.Parallel()
	f := setup(t)
	id, small, large := f.grown()
	f.engine.immutable, f.engine.ignore, f.engine.silent = "size", "restoreFrom", "restoreFrom"
	f.takeAway(context.Canceled)
	if _, err := f.step(contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepApply, GraphDigest: large}); err == nil {
		t.Fatal("it was not cut off")
	}
	if res := f.done(id, small, database, orchestrator.StepRestore); !res.Snapshotted || f.given()["restoreFrom"] != canary {
		t.Errorf("it was given %v, and says %+v", f.given(), res)
	}
}

// TestGoingBackIsResumed: an attempt that follows on one that was cut off after
// the old resource went finds the same snapshot.
func TestGoingBackIsResumed(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.replaced("small", "large")
	f.takeAway(context.Canceled)
	in := contract.StepInput{
		Deployment: f.going(orchestrator.KindRollback, ""), Node: database, Action: orchestrator.StepApply, GraphDigest: f.graph(saved("small")),
	}
	if _, err := f.step(in); err == nil {
		t.Fatal("it was not cut off")
	}
	f.engine.did()
	f.done(in.Deployment, in.GraphDigest, database, orchestrator.StepApply)
	if f.given()["restoreFrom"] != canary {
		t.Errorf("it came back empty: %v", f.given())
	}
	if all := f.head(database).SnapshotAddresses(); len(all) != 2 {
		t.Errorf("snapshots: %v", all)
	}
}
