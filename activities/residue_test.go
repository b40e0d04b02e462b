// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/orchestrator/walk"
)

// running is a deployment that has started on a graph.
func (f *fixture) running(graph string) string {
	f.t.Helper()
	id := f.deployment("")
	f.must(f.Registry.Freeze(f.t.Context(), id, ada, registry.Frozen{Graph: graph}))
	f.must(f.Registry.SetStatus(f.t.Context(), contract.StatusInput{Deployment: id, Status: orchestrator.StatusRunning, Principal: ada}))
	return id
}

// finish ends a deployment as its workflow does, and returns what it left.
func (f *fixture) finish(id string, status orchestrator.Status, left ...orchestrator.Residue) []orchestrator.Residue {
	f.t.Helper()
	_, err := control[any](f, contract.ActivityFinishDeployment, contract.FinishInput{
		Deployment: id, Status: status, Principal: ada, Residue: left,
	})
	f.must(err)
	d, err := f.Registry.GetDeployment(f.t.Context(), id)
	f.must(err)
	return d.Residue
}

// left makes a deployment that brings the database to another description than
// the deployed one, and leaves it so.
func (f *fixture) left() (small, large string) {
	f.t.Helper()
	small, large = f.graph(saved("small")), f.graph(saved("large"))
	first := f.running(small)
	f.done(first, small, database, orchestrator.StepApply)
	f.finish(first, orchestrator.StatusSucceeded)
	second := f.running(large)
	f.done(second, large, database, orchestrator.StepApply)
	f.finish(second, orchestrator.StatusFailed, orchestrator.Residue{Node: database, Reason: "it stays", Action: "wait, then " + walk.GoBack})
	return small, large
}

// TestResidueIsCarriedOn until the node is mended.
func TestResidueIsCarriedOn(t *testing.T) {
	t.Parallel()
	carried := orchestrator.Residue{
		Node: database, Engine: "tiny", Address: databaseAddress, Reason: "it stays", Since: "alpha/shop/staging/2",
		Action: "wait, then go back with `nestor rollback --env staging --to release`",
	}
	for name, tc := range map[string]struct {
		act    func(f *fixture, id, small, large string)
		status orchestrator.Status
		own    []orchestrator.Residue
		want   []orchestrator.Residue
		reason string
	}{
		"not come to": {
			act: func(*fixture, string, string, string) {}, status: orchestrator.StatusRolledBack,
			want: []orchestrator.Residue{carried}, reason: "nobody has mended it",
		},
		"found as it was": {
			act: func(f *fixture, id, _, large string) { f.done(id, large, database, orchestrator.StepApply) }, status: orchestrator.StatusRolledBack,
			want: []orchestrator.Residue{carried}, reason: "it was taken back to what it was, which is not the release",
		},
		"mended": {
			act: func(f *fixture, id, small, _ string) { f.done(id, small, database, orchestrator.StepApply) }, status: orchestrator.StatusFailed,
			reason: "it is as the release has it, although something else failed",
		},
		"gone": {
			act: func(f *fixture, id, _, large string) { f.done(id, large, database, orchestrator.StepRemove) }, status: orchestrator.StatusFailed,
			reason: "nothing of it is left",
		},
		"succeeded": {
			act: func(*fixture, string, string, string) {}, status: orchestrator.StatusSucceeded, reason: "everything is as its release has it",
		},
		"named anew": {
			act: func(*fixture, string, string, string) {}, status: orchestrator.StatusFailed,
			own:    []orchestrator.Residue{{Node: database, Reason: "it broke", Action: "look"}},
			want:   []orchestrator.Residue{{Node: database, Engine: "tiny", Address: databaseAddress, Reason: "it broke", Action: "look"}},
			reason: "what is said last counts",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			small, large := f.left()
			id := f.running(large)
			tc.act(f, id, small, large)
			if diff := cmp.Diff(tc.want, f.finish(id, tc.status, tc.own...), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// TestResidueOutlivesTheQueue: a deployment that never started has left nothing,
// and what was left before it is not lost.
func TestResidueOutlivesTheQueue(t *testing.T) {
	t.Parallel()
	f := setup(t)
	_, large := f.left()
	if left := f.finish(f.deployment(""), orchestrator.StatusCanceled); len(left) > 0 {
		t.Errorf("canceled in the queue, it lists %+v", left)
	}
	left := f.finish(f.running(large), orchestrator.StatusRolledBack)
	if len(left) != 1 || left[0].Node != database || left[0].Since != "alpha/shop/staging/2" {
		t.Errorf("carried on is %+v", left)
	}
}

// TestResidueOfNobody: a node that is not whole and that nobody has listed is.
func TestResidueOfNobody(t *testing.T) {
	t.Parallel()
	f := setup(t)
	small, large := f.graph(saved("small")), f.graph(saved("large"))
	first := f.running(small)
	f.done(first, small, database, orchestrator.StepApply)
	f.finish(first, orchestrator.StatusSucceeded)
	second := f.running(large)
	f.engine.during = failing("apply", &engine.Error{Class: engine.Rejected, Message: "no"})
	_, err := f.step(contract.StepInput{Deployment: second, Node: database, Action: orchestrator.StepApply, GraphDigest: f.graph(nil)})
	if failed := failure(t, err); !failed.NonRetryable() {
		t.Fatalf("got %v", failed)
	}
	f.engine.during = func(context.Context, string) error { return nil }
	f.finish(second, orchestrator.StatusFailed)
	want := []orchestrator.Residue{{
		Node: database, Engine: "tiny", Address: databaseAddress, Since: second,
		Reason: "its last step did not succeed, and nothing has made it whole since",
		Action: "apply again, or go back with `nestor rollback --env staging --to release`",
	}}
	if diff := cmp.Diff(want, f.finish(f.running(large), orchestrator.StatusRolledBack)); diff != "" {
		t.Errorf("residue (-want +got):\n%s", diff)
	}
}
