// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"context"
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

// saved makes the database snapshot-first, at a size.
func saved(size string) func(app, db *composer.Node) {
	return func(_, db *composer.Node) {
		db.RollbackClass = catalog.SnapshotFirst
		db.Inputs[1].Value, db.InputDigest = literal(size), "sha256:"+size
		db.Implementation.Snapshot = &catalog.SnapshotStep{
			Inputs:  map[string]string{"of": "${outputs.endpoint}", "key": "${inputs.password}", "name": "db-${deployment}"},
			Outputs: []catalog.Field{{Name: "token", Type: catalog.TypeString, Sensitive: true}},
			Restore: map[string]string{"restoreFrom": "token"},
		}
	}
}

const firstSnapshot = "alpha/shop/staging/web.database.snapshot-2"

// grown applies the database, and then makes ready another deployment that
// changes it.
func (f *fixture) grown() (id, small, large string) {
	f.t.Helper()
	small, large = f.graph(saved("small")), f.graph(saved("large"))
	f.done(f.deployment(""), small, database, orchestrator.StepApply)
	f.engine.did()
	return f.deployment(""), small, large
}

func TestSnapshotFirst(t *testing.T) {
	t.Parallel()
	f := setup(t)
	id, small, large := f.grown()
	res := f.done(id, large, database, orchestrator.StepApply)
	if !res.Snapshotted || !res.Changed {
		t.Errorf("result: %+v", res)
	}
	f.wantDid("the snapshot comes before the change", "preview", "preview", "apply", "apply")
	d, err := f.Registry.GetDeployment(t.Context(), id)
	f.must(err)
	given := map[string]any{"of": "db.example", "key": canary, "name": "db-" + d.Mark()}
	if diff := cmp.Diff(given, f.engine.made[firstSnapshot]); diff != "" {
		t.Errorf("what the snapshot was given (-want +got):\n%s", diff)
	}
	head := f.head(database)
	if len(head.Snapshots) != 1 || !head.Snapshots[0].Taken || head.Snapshots[0].Address != firstSnapshot || head.Snapshots[0].GraphDigest != small {
		t.Errorf("snapshots: %+v", head.Snapshots)
	}
	way := f.run(id).Compensation
	if way == nil || way.Action != orchestrator.CompensateRestore || way.Graph != small || way.Snapshot != firstSnapshot || way.Class != "snapshot-first" {
		t.Errorf("the way back: %+v", way)
	}
	inputs, outputs, err := f.Registry.RevealSnapshot(t.Context(), head, head.Snapshots[0])
	f.must(err)
	if !cmp.Equal(given, byName(inputs)) || byName(outputs)["token"] != canary {
		t.Errorf("recorded: %v, %v", byName(inputs), byName(outputs))
	}
	f.noSecrets()
}

func TestSnapshotThatFails(t *testing.T) {
	t.Parallel()
	f := setup(t)
	id, _, large := f.grown()
	f.engine.during = func(_ context.Context, verb string) error {
		if verb == "apply" {
			return &engine.Error{Class: engine.Rejected, Message: "no room for a copy"}
		}
		return nil
	}
	_, err := f.step(contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepApply, GraphDigest: large})
	if failed := failure(t, err); !strings.Contains(failed.Message(), "its snapshot could not be taken, so nothing of it was changed: no room for a copy") {
		t.Errorf("got %v", failed)
	}
	if f.engine.made["alpha/shop/staging/web.database"]["size"] != "small" {
		t.Error("the database was changed without a snapshot")
	}
	if run := f.run(id); run.Changed || run.Compensation != nil {
		t.Errorf("nothing was asked of the engine but a snapshot: %+v", run)
	}
	// Nothing of the node was touched: looking at it says so.
	f.engine.during = func(context.Context, string) error { return nil }
	if res := f.done(id, large, database, orchestrator.StepObserve); !res.Untouched || !res.Exists {
		t.Errorf("observed: %+v", res)
	}
}

func TestSnapshotIsTakenOnce(t *testing.T) {
	t.Parallel()
	f := setup(t)
	id, _, large := f.grown()
	applies := 0
	f.engine.during = func(_ context.Context, verb string) error {
		if verb == "apply" {
			applies++
		}
		if applies == 2 {
			return &engine.Error{Class: engine.Transient, Message: "throttled"}
		}
		return nil
	}
	_, err := f.step(contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepApply, GraphDigest: large})
	if failed := failure(t, err); failed.NonRetryable() {
		t.Fatalf("got %v", failed)
	}
	f.engine.did()
	applies = 2 + 1
	f.done(id, large, database, orchestrator.StepApply)
	f.wantDid("the retry has the snapshot", "preview", "apply")
	if n := len(f.head(database).Snapshots); n != 1 {
		t.Errorf("%d snapshots", n)
	}
}

func TestNoSnapshot(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(app, database *composer.Node)
		reason string
	}{
		"another class": {
			change: func(_, db *composer.Node) { saved("large")(nil, db); db.RollbackClass = catalog.Revertible },
			reason: "the node's own class counts",
		},
		"no change": {change: saved("small"), reason: "what is not changed needs none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			id, _, _ := f.grown()
			f.done(id, f.graph(tc.change), database, orchestrator.StepApply)
			if all := f.head(database).Snapshots; len(all) > 0 {
				t.Errorf("%s: %+v", tc.reason, all)
			}
		})
	}
}

// TestRestoreFillsWhatIsMadeAnew: what was replaced is made again with what the
// snapshot holds, and that is proven with the inputs of the previous graph.
func TestRestoreFillsWhatIsMadeAnew(t *testing.T) {
	t.Parallel()
	f := setup(t)
	id, small, large := f.grown()
	f.done(id, large, database, orchestrator.StepApply)
	delete(f.engine.made, "alpha/shop/staging/web.database") // the way back makes it anew
	f.engine.did()
	given := map[string]any{}
	f.engine.during = func(_ context.Context, verb string) error {
		if verb == "apply" {
			f.engine.mu.Lock()
			defer f.engine.mu.Unlock()
			given = f.engine.requests[len(f.engine.requests)-1].Inputs
			f.engine.ignore = "restoreFrom" // as a module does that reads it only once
		}
		return nil
	}
	res := f.done(id, small, database, orchestrator.StepRestore)
	if !res.Snapshotted || res.Differs || res.Status != orchestrator.NodeReverted {
		t.Errorf("result: %+v", res)
	}
	if diff := cmp.Diff(map[string]any{"size": "small", "password": canary, "restoreFrom": canary}, given); diff != "" {
		t.Errorf("the engine's inputs (-want +got):\n%s", diff)
	}
	f.wantDid("seen to be back", "preview", "preview", "apply", "preview")
	f.noSecrets()
}

func TestRestoreThatStillDiffers(t *testing.T) {
	t.Parallel()
	f := setup(t)
	id, small, large := f.grown()
	f.done(id, large, database, orchestrator.StepApply)
	f.engine.changes = []orchestrator.Change{{Address: "tiny.database", Action: orchestrator.ActionUpdate}}
	_, err := f.step(contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepRestore, GraphDigest: small})
	failed := failure(t, err)
	if !strings.Contains(failed.Message(), "still differs from what it was: update tiny.database") || failed.NonRetryable() {
		t.Errorf("got %v; it may settle", failed)
	}
	for range contract.StepFailures - 1 {
		_, err = f.step(contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepRestore, GraphDigest: small})
	}
	if failed := failure(t, err); !failed.NonRetryable() || f.head(database).Error.Resource != "tiny.database" {
		t.Errorf("after %d failures it is over: %v", contract.StepFailures, failed)
	}
}

func TestDestroyTakesSnapshotsAlong(t *testing.T) {
	t.Parallel()
	f := setup(t)
	id, _, large := f.grown()
	f.done(id, large, database, orchestrator.StepApply)
	f.done(f.deployment(""), large, database, orchestrator.StepRemove)
	if len(f.engine.made) > 0 {
		t.Errorf("left are %v", f.engine.made)
	}
	if _, err := f.Registry.Head(t.Context(), scope(), database); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the head: %v", err)
	}
}

// TestDestroyIsReadBack: an engine that says it has destroyed is not believed.
func TestDestroyIsReadBack(t *testing.T) {
	t.Parallel()
	f := setup(t)
	graph := f.graph(nil)
	f.done(f.deployment(""), graph, database, orchestrator.StepApply)
	f.engine.stubborn = true
	id := f.deployment("")
	_, err := f.step(contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepRemove, GraphDigest: graph})
	if failed := failure(t, err); !strings.Contains(failed.Message(), "reading it back still finds something of it") {
		t.Errorf("got %v", failed)
	}
	if head := f.head(database); head.Status != orchestrator.NodeFailed || head.InputsRef == "" {
		t.Errorf("what is still there is lost: %+v", head)
	}
}

// TestCompensationsArePatient: a step of a rollback gets more tries where
// another would not.
func TestCompensationsArePatient(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		action orchestrator.StepAction
		class  engine.Class
		final  bool
		reason string
	}{
		"rejected destroy":   {action: orchestrator.StepDestroy, class: engine.Rejected, reason: "the refusal may pass"},
		"locked destroy":     {action: orchestrator.StepDestroy, class: engine.Locked, reason: "the holder may let go"},
		"rejected observe":   {action: orchestrator.StepObserve, class: engine.Rejected, reason: "the refusal may pass"},
		"unreadable observe": {action: orchestrator.StepObserve, class: engine.Unreadable, final: true, reason: "reading again reads the same"},
		"invalid destroy":    {action: orchestrator.StepDestroy, class: engine.Invalid, final: true, reason: "somebody has to change it"},
		"uncertain destroy":  {action: orchestrator.StepDestroy, class: engine.Uncertain, final: true, reason: "somebody has to look"},
		"rejected remove":    {action: orchestrator.StepRemove, class: engine.Rejected, final: true, reason: "it is no rollback"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			graph, id := f.graph(nil), f.deployment("")
			f.done(id, graph, database, orchestrator.StepApply)
			verb := "destroy"
			if tc.action == orchestrator.StepObserve {
				verb = "observe"
			}
			f.engine.during = failing(verb, &engine.Error{Class: tc.class, Message: "no"})
			_, err := f.step(contract.StepInput{Deployment: id, Node: database, Action: tc.action, GraphDigest: graph})
			if failed := failure(t, err); failed.NonRetryable() != tc.final {
				t.Errorf("%s: final is %t", tc.reason, failed.NonRetryable())
			}
		})
	}
}
