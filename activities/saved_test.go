// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

// TestSnapshotsAreNotSettledWithTheirNode: what a person states of a node says
// nothing of what was cut off while a snapshot of it was made.
func TestSnapshotsAreNotSettledWithTheirNode(t *testing.T) {
	t.Parallel()
	f := setup(t)
	id, _, large := f.grown()
	f.done(id, large, database, orchestrator.StepApply)
	f.forget(false)
	f.lost()
	f.engine.did()
	f.done(f.deployment(""), large, database, orchestrator.StepRemove)
	f.engine.mu.Lock()
	defer f.engine.mu.Unlock()
	seen := map[string]bool{}
	for i, req := range f.engine.requests {
		snapshot := req.Node != database
		seen[req.Node] = true
		if req.Settled == snapshot {
			t.Errorf("%s of %s: settled is %t", f.engine.calls[i], req.Node, req.Settled)
		}
	}
	if len(seen) != 2 {
		t.Errorf("the engine was asked about %v", seen)
	}
}

// lost is the end of the database outside Nestor.
func (f *fixture) lost() {
	f.engine.mu.Lock()
	defer f.engine.mu.Unlock()
	delete(f.engine.made, databaseAddress)
	delete(f.engine.states, databaseAddress)
}

// TestADestructionIsRecordedBeforeItBegins: half of the snapshot may be gone, and
// nobody is left to say so.
func TestADestructionIsRecordedBeforeItBegins(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.replaced("small", "large", "huge", "vast")
	last := f.head(database).LastDeployment
	asked := false
	f.engine.during = func(ctx context.Context, verb string) error {
		if verb != "destroy" || asked {
			return nil
		}
		asked = true
		head, err := f.Registry.Head(ctx, scope(), database)
		if err == nil && (head.Snapshots[0].Usable() || head.Snapshots[0].Error == "") {
			t.Errorf("while it is destroyed: %+v", head.Snapshots[0])
		}
		return err
	}
	f.done(last, f.graph(saved("vast")), database, orchestrator.StepPrune)
	if !asked || len(f.head(database).Snapshots) != 2 {
		t.Errorf("asked: %t, left: %+v", asked, f.head(database).Snapshots)
	}
}

// TestGoingBackSaves whatever a failure is to do: the content that it leaves is
// what another rollback goes back to.
func TestGoingBackSaves(t *testing.T) {
	t.Parallel()
	for kind, want := range map[orchestrator.Kind]bool{orchestrator.KindRollback: true, orchestrator.KindApply: false} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			f.replaced("small", "large")
			d, err := f.Registry.Accept(t.Context(), contract.DeployRequest{
				RequestID: uuid.NewString(), Scope: scope(), Kind: kind, Release: "sha256:release",
				AutoApprove: true, OnFailure: orchestrator.OnFailureStop, Principal: ada,
			}, "")
			f.must(err)
			res := f.done(d.ID, f.graph(saved("small")), database, orchestrator.StepApply)
			all := f.head(database).Snapshots
			own := slices.ContainsFunc(all, func(s orchestrator.Snapshot) bool { return s.Deployment == d.ID && s.Taken })
			if own != want || res.Snapshotted != want {
				t.Errorf("its own snapshot: %t, told: %t", own, res.Snapshotted)
			}
			if way := f.run(d.ID).Compensation; way == nil || way.Action != orchestrator.CompensateNone {
				t.Errorf("nothing is taken back: %+v", way)
			}
		})
	}
}

// TestWhatIsMadeBesideIsNotRestored: the plan says of what the snapshot gives only
// where something takes it.
func TestWhatIsMadeBesideIsNotRestored(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.replaced("small", "large")
	f.engine.changes = []orchestrator.Change{{Address: "tiny.alarm", Action: orchestrator.ActionCreate}}
	if plan := f.back(orchestrator.KindRollback, "small"); plan.Restore != nil || plan.Empty {
		t.Errorf("restored from %+v, empty %t", plan.Restore, plan.Empty)
	}
	id := f.going(orchestrator.KindRollback, planID)
	if _, err := f.step(contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepApply, GraphDigest: f.graph(saved("small"))}); err != nil {
		t.Fatal(err)
	}
	if f.run(id).Refilled {
		t.Error("the record says that it was restored")
	}
}

// TestFailuresKeepFewSnapshots: deployments that fail do not prune, and each of
// them takes one.
func TestFailuresKeepFewSnapshots(t *testing.T) {
	t.Parallel()
	f := setup(t)
	_, small, large := f.grown()
	for range 6 {
		id := f.deployment("")
		f.done(id, large, database, orchestrator.StepApply)
		f.done(id, small, database, orchestrator.StepRestore)
	}
	all := f.head(database).Snapshots
	if len(all) != 4 || len(f.engine.made) != 5 {
		t.Errorf("%d snapshots are on record, and there are %v", len(all), f.engine.made)
	}
}

// TestTooManySnapshots that nobody could destroy stop the next, and say how to go
// on.
func TestTooManySnapshots(t *testing.T) {
	t.Parallel()
	f := setup(t)
	id, _, large := f.grown()
	head := f.head(database)
	a, err := f.Registry.Begin(t.Context(), ada, scope(), orchestrator.NodeRun{
		Deployment: head.LastDeployment, Node: database, Action: orchestrator.StepPrune, Attempt: 1,
	}, head)
	f.must(err)
	for n := range int64(32) {
		f.must(f.Registry.RecordSnapshot(t.Context(), &a, orchestrator.Snapshot{
			Deployment: orchestrator.DeploymentID(scope(), 100+n), GraphDigest: head.GraphDigest,
			Address: orchestrator.SnapshotName(databaseAddress, 100+n),
		}, []registry.OutputValue{}, nil))
	}
	after := *a.Head
	after.Status = orchestrator.NodeReady
	f.must(f.Registry.Commit(t.Context(), a, registry.Commit{Status: orchestrator.NodeReady, Head: &after}))
	f.engine.during = failing("destroy", &engine.Error{Class: engine.Uncertain, Message: "it is in doubt"})
	in := contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepApply, GraphDigest: large}
	_, err = f.step(in)
	want := fmt.Sprintf("32 snapshots of it are on record, and no more are taken. See in `nestor status` which; destroy by hand those that "+
		"could not be destroyed, and say so with `nestor forget %s --env staging`", orchestrator.SnapshotName(database, 100))
	if failed := failure(t, err); !strings.Contains(failed.Message(), want) {
		t.Fatalf("got %v", failed)
	}
	_, err = f.Registry.ForgetSnapshot(t.Context(), registry.Statement{Scope: scope(), Node: database, Principal: ada}, 100)
	f.must(err)
	if res := f.done(id, large, database, orchestrator.StepApply); !res.Snapshotted {
		t.Errorf("after one was forgotten: %+v", res)
	}
}

// TestGoingBackToWhatItIs: a node that a rollback replaces although it is as the
// earlier release has it, such as for another node's output, holds what is newer
// than any snapshot; and none that the deployment took itself is what a later
// attempt restores.
func TestGoingBackToWhatItIs(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.replaced("small", "large", "small")
	f.engine.immutable = "password"
	f.vault["NESTOR_SECRET_ALPHA__DB"] = canary + "-exchanged"
	if plan := f.back(orchestrator.KindRollback, "small"); plan.Restore != nil || !plan.Empty {
		t.Errorf("restored from %+v, empty %t", plan.Restore, plan.Empty)
	}
	f.takeAway(&engine.Error{Class: engine.Transient, Message: "cut off"})
	f.engine.did()
	in := contract.StepInput{
		Deployment: f.going(orchestrator.KindRollback, ""), Node: database, Action: orchestrator.StepApply, GraphDigest: f.graph(saved("small")),
	}
	if failed := failure(t, second(f.step(in))); !strings.Contains(failed.Message(), "cut off") {
		t.Fatalf("got %v", failed)
	}
	own, known := f.run(in.Deployment).Compensation, false
	for _, s := range f.head(database).Snapshots {
		known = known || s.Taken && own != nil && s.Address == own.Snapshot
	}
	if !known {
		t.Errorf("what it held was not saved: %+v", own)
	}
	if _, err := f.step(in); err != nil {
		t.Fatalf("the second attempt: %v", err)
	}
	if from, given := f.given()["restoreFrom"]; given {
		t.Errorf("it was restored from %v", from)
	}
}

func second[T any](_ T, err error) error { return err }
