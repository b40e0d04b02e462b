// SPDX-License-Identifier: Apache-2.0

package mixed_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/internal/e2e/mixed"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/compile"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// TestRollbackToARelease: a deployment that succeeded is gone back on. The plan
// names what is not simply reverted, and where what is made anew comes from; nodes
// come back, one with what it held, and go.
func TestRollbackToARelease(t *testing.T) {
	t.Parallel()
	g := few()
	g.Nodes[3].Change = mixed.Updated
	a := &application{house: newHouse(t, g), t: t, name: "back"}
	a.whole(a.deploy(mixed.CompositionBefore))
	before := a.picture()
	older := a.release(mixed.CompositionBefore)
	a.whole(a.deploy(mixed.CompositionAfter))

	plan := a.Plan(compile.PlanRequest{Scope: a.scope(), Kind: orchestrator.KindRollback, Release: older})
	classes := map[string]string{}
	for _, n := range plan.Nodes {
		if n.Rollback != "" && len(n.Changes) > 0 {
			classes[n.Node] = n.Rollback
		}
	}
	snapshot := a.scope().String() + "/m.mid.snapshot-2"
	for _, n := range plan.Nodes {
		if n.Node == "m.mid" && (n.Restore == nil || n.Restore.Snapshot != snapshot || n.Restore.Release != older || n.Empty) {
			t.Errorf("m.mid is to be restored from %+v, empty %t; want %s of release %s", n.Restore, n.Empty, snapshot, older)
		}
	}
	if len(classes) != 2 || classes["m.mid"] != "snapshot-first" || classes["m.way"] != "forward-only" {
		t.Errorf("the plan names the classes of %v", classes)
	}
	d := a.run(contract.DeployRequest{Kind: orchestrator.KindRollback, Release: older})
	a.whole(d)
	if differ := a.differing(before); len(differ) != 1 || differ[0] != "m.gone" {
		t.Errorf("not as they were are %v; want the one that was removed alone, since nothing was saved of it", differ)
	}
	a.wantRemovedLast(d, "m.made", "m.top")
	head, err := a.Registry.Head(t.Context(), a.scope(), "m.mid")
	a.must(err)
	own := a.scope().String() + "/m.mid.snapshot-3"
	if diff := cmp.Diff([]string{snapshot, own}, head.SnapshotAddresses()); diff != "" {
		t.Errorf("the snapshots of m.mid (-want +got):\n%s", diff)
	}
	run, err := a.Registry.Run(t.Context(), d.ID, "m.mid")
	a.must(err)
	if way := run.Compensation; way == nil || way.Action != orchestrator.CompensateRestore || way.Snapshot != own {
		t.Errorf("the way back was recorded as %+v", way)
	}
}

// TestRollbackBeyondTheSnapshots: what no snapshot is left of comes back empty,
// and the plan says so.
func TestRollbackBeyondTheSnapshots(t *testing.T) {
	t.Parallel()
	a := &application{house: newHouse(t, few()), t: t, name: "beyond"}
	a.whole(a.deploy(mixed.CompositionBefore))
	older := a.release(mixed.CompositionBefore)
	req := contract.DeployRequest{Kind: orchestrator.KindApply, Release: a.release(mixed.CompositionAfter), OnFailure: orchestrator.OnFailureStop}
	a.whole(a.run(req)) // takes no snapshot, since it would not go back

	plan := a.Plan(compile.PlanRequest{Scope: a.scope(), Kind: orchestrator.KindRollback, Release: older})
	for _, n := range plan.Nodes {
		if empty := n.Node == "m.mid"; n.Empty != empty || n.Restore != nil {
			t.Errorf("%s comes back empty: %t, from %+v", n.Node, n.Empty, n.Restore)
		}
	}
	a.whole(a.run(contract.DeployRequest{Kind: orchestrator.KindRollback, Release: older, PlanID: plan.ID}))
}

// wantRemovedLast: no removal began before every other step had ended.
func (a *application) wantRemovedLast(d orchestrator.Deployment, want ...string) {
	a.t.Helper()
	runs, err := a.Registry.NodeStates(a.t.Context(), d.ID)
	a.must(err)
	removed := map[string]bool{}
	for _, removal := range runs {
		if removal.Action != orchestrator.StepRemove {
			continue
		}
		removed[removal.Node] = true
		for _, other := range runs {
			if other.Action == orchestrator.StepApply && other.FinishedAt.After(removal.StartedAt) {
				a.t.Errorf("%s was removed before %s was applied", removal.Node, other.Node)
			}
		}
	}
	for _, id := range want {
		if !removed[id] || len(removed) != len(want) {
			a.t.Errorf("removed were %v, want %v", removed, want)
		}
	}
}
