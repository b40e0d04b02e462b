// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// TestPruneKeeps: of the two descriptions that the node left last, the newest
// snapshot stays.
func TestPruneKeeps(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		sizes  []string // that the node is given, one deployment each
		want   []int64  // whose snapshots stay
		reason string
	}{
		"one":             {[]string{"small", "large"}, []int64{2}, "it is needed to go back"},
		"two":             {[]string{"small", "large", "huge"}, []int64{2, 3}, "so is that of the release before"},
		"three":           {[]string{"small", "large", "huge", "vast"}, []int64{3, 4}, "nothing goes back further"},
		"again the same":  {[]string{"small", "large", "small", "large"}, []int64{3, 4}, "the newest of each"},
		"the same at end": {[]string{"small", "large", "huge", "large", "huge"}, []int64{4, 5}, "what was saved of small went before"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			for _, size := range tc.sizes {
				id, graph := f.deployment(""), f.graph(saved(size))
				if f.done(id, graph, database, orchestrator.StepApply).Snapshotted {
					f.done(id, graph, database, orchestrator.StepPrune)
				}
			}
			var stay []int64
			for _, s := range f.head(database).Snapshots {
				d, err := f.Registry.GetDeployment(t.Context(), s.Deployment)
				f.must(err)
				stay = append(stay, d.N)
				if _, there := f.engine.made[s.Address]; !there {
					t.Errorf("%s is recorded, and not there", s.Address)
				}
			}
			if diff := cmp.Diff(tc.want, stay); diff != "" || len(f.engine.made) != len(stay)+1 {
				t.Errorf("%s (-want +got):\n%s%v", tc.reason, diff, f.engine.made)
			}
		})
	}
}

// TestPruneTakesTheUnfinished: a snapshot that was begun and not taken is kept
// apart, and goes with the next that is pruned.
func TestPruneTakesTheUnfinished(t *testing.T) {
	t.Parallel()
	f := setup(t)
	id, _, large := f.grown()
	f.engine.during = failing("apply", &engine.Error{Class: engine.Rejected, Message: "no room for a copy"})
	_, err := f.step(contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepApply, GraphDigest: large})
	if failed := failure(t, err); !strings.Contains(failed.Message(), "no room for a copy") {
		t.Fatalf("got %v", failed)
	}
	head := f.head(database)
	if diff := cmp.Diff([]string{firstSnapshot}, head.UnfinishedSnapshots()); diff != "" || len(head.SnapshotAddresses()) > 0 {
		t.Errorf("what failed is listed as taken: %v; unfinished (-want +got):\n%s", head.SnapshotAddresses(), diff)
	}
	f.engine.mu.Lock()
	f.engine.made[firstSnapshot] = map[string]any{"half": true}
	f.engine.mu.Unlock()
	f.engine.during = func(context.Context, string) error { return nil }
	next := f.deployment("")
	f.done(next, large, database, orchestrator.StepApply)
	f.done(next, large, database, orchestrator.StepPrune)
	if _, there := f.engine.made[firstSnapshot]; there || len(f.head(database).UnfinishedSnapshots()) > 0 {
		t.Errorf("half a snapshot is left: %+v", f.head(database).Snapshots)
	}
}

// TestPruneThatFails leaves the node as it should be, and says what is still
// there.
func TestPruneThatFails(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.done(f.deployment(""), f.graph(saved("small")), database, orchestrator.StepApply)
	f.done(f.deployment(""), f.graph(saved("large")), database, orchestrator.StepApply)
	f.done(f.deployment(""), f.graph(saved("huge")), database, orchestrator.StepApply)
	next, vast := f.deployment(""), f.graph(saved("vast"))
	f.done(next, vast, database, orchestrator.StepApply)
	f.engine.during = failing("destroy", &engine.Error{Class: engine.Rejected, Message: "it is protected"})
	prune := contract.StepInput{Deployment: next, Node: database, Action: orchestrator.StepPrune, GraphDigest: vast}
	_, err := f.step(prune)
	if failed := failure(t, err); !strings.Contains(failed.Message(), firstSnapshot) || !strings.Contains(failed.Message(), "it is protected") {
		t.Errorf("got %v", failed)
	}
	if head := f.head(database); head.Status != orchestrator.NodeReady || head.Snapshots[0].Error == "" {
		t.Errorf("the node is as it should be, and its snapshot is not gone: %+v", head)
	}
	f.engine.during = func(context.Context, string) error { return nil }
	_, err = f.step(prune)
	f.must(err)
	if all := f.head(database).Snapshots; len(all) != 2 || all[1].Deployment != next {
		t.Errorf("left are %+v", all)
	}
	if run := f.run(next); !run.Changed || run.Counts.Update != 1 || run.Status != orchestrator.NodeReady {
		t.Errorf("what the deployment did is still told: %+v", run)
	}
	if _, there := f.engine.made[firstSnapshot]; there {
		t.Error("the first snapshot is still there")
	}
}
