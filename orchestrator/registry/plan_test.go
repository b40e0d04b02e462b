// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

func nodePlans() []orchestrator.NodePlan {
	change := func(address string, action orchestrator.Action, after any) []orchestrator.Change {
		return []orchestrator.Change{{
			Address: address, Action: action, Attributes: []orchestrator.AttributeChange{{Path: "size", After: after}},
		}}
	}
	return []orchestrator.NodePlan{
		{Node: "web.app", Engine: "tiny", Changes: change("app.main", orchestrator.ActionCreate, 1)},
		{Node: "web.cache", Engine: "tiny"},
		{Node: "web.database", Engine: "tiny", Changes: change("db.main", orchestrator.ActionReplace, "large")},
		{Node: "web.old", Engine: "tiny", Remove: true, Retain: true},
		{Node: "web.older", Engine: "tiny", Remove: true, Changes: change("x.y", orchestrator.ActionDelete, nil)},
	}
}

// plan writes a plan with its nodes in the given order and finishes it.
func (f *fixture) plan(id, failure string, nodes []orchestrator.NodePlan) orchestrator.Plan {
	f.tb.Helper()
	ctx := f.tb.Context()
	f.must(f.CreatePlan(ctx, ada, orchestrator.Plan{ID: id, Scope: scope(), Status: orchestrator.PlanRunning}))
	for _, n := range nodes {
		f.must(f.PutNodePlan(ctx, "worker:tiny", id, n, nil))
	}
	f.must(f.FinishPlan(ctx, ada, id, failure))
	plan, err := f.GetPlan(ctx, id)
	f.must(err)
	return plan
}

func TestPlanReady(t *testing.T) {
	t.Parallel()
	f := open(t)
	plan := f.plan("one", "", nodePlans())
	if plan.Status != orchestrator.PlanReady || plan.Error != "" || plan.FinishedAt.IsZero() {
		t.Errorf("plan: %+v", plan)
	}
	if diff := cmp.Diff(orchestrator.Counts{Create: 1, Replace: 1, Delete: 1}, plan.Summary); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	var names []string
	for _, n := range plan.Nodes {
		names = append(names, n.Node)
		if n.Digest == "" {
			t.Errorf("%s has no digest", n.Node)
		}
	}
	if diff := cmp.Diff([]string{"web.app", "web.cache", "web.database", "web.old", "web.older"}, names); diff != "" {
		t.Errorf("nodes (-want +got):\n%s", diff)
	}
	record, err := f.GetPlanRecord(t.Context(), "one")
	f.must(err)
	if len(record.Nodes) != 0 || record.ChangeDigest != plan.ChangeDigest {
		t.Errorf("the record by itself: %+v", record)
	}
	f.must(f.FinishPlan(t.Context(), ada, "one", "too late"))
	again, err := f.GetPlan(t.Context(), "one")
	f.must(err)
	if diff := cmp.Diff(plan, again); diff != "" {
		t.Errorf("finishing again changed it (-before +after):\n%s", diff)
	}
	if err := f.CreatePlan(t.Context(), ada, orchestrator.Plan{ID: "one"}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a second plan of one id: %v", err)
	}
}

func TestChangeDigest(t *testing.T) {
	t.Parallel()
	f := open(t)
	want := f.plan("first", "", nodePlans()).ChangeDigest
	backwards := nodePlans()
	slices.Reverse(backwards)
	if got := f.plan("second", "", backwards).ChangeDigest; got != want {
		t.Errorf("the digest depends on the order of the previews: %s, %s", want, got)
	}
	quiet := slices.DeleteFunc(nodePlans(), func(n orchestrator.NodePlan) bool { return n.Node == "web.cache" })
	if got := f.plan("third", "", quiet).ChangeDigest; got != want {
		t.Error("the digest covers nodes without a change")
	}
	for name, change := range map[string]func([]orchestrator.NodePlan){
		"value":    func(n []orchestrator.NodePlan) { n[0].Changes[0].Attributes[0].After = 2 },
		"path":     func(n []orchestrator.NodePlan) { n[0].Changes[0].Attributes[0].Path = "length" },
		"action":   func(n []orchestrator.NodePlan) { n[0].Changes[0].Action = orchestrator.ActionUpdate },
		"address":  func(n []orchestrator.NodePlan) { n[0].Changes[0].Address = "app.other" },
		"node":     func(n []orchestrator.NodePlan) { n[0].Node = "web.apps" },
		"removed":  func(n []orchestrator.NodePlan) { n[0].Remove = !n[0].Remove },
		"kept":     func(n []orchestrator.NodePlan) { n[3].Retain = !n[3].Retain },
		"retained": func(n []orchestrator.NodePlan) { n[3].Remove = false },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nodes := nodePlans()
			change(nodes)
			g := *f
			g.tb = t
			if got := g.plan("other-"+name, "", nodes).ChangeDigest; got == want {
				t.Error("the digest does not cover it")
			}
		})
	}
}

func TestPlanFailed(t *testing.T) {
	t.Parallel()
	f := open(t)
	nodes := nodePlans()
	nodes[2].Error, nodes[0].Error = "no quota", "no image"
	plan := f.plan("one", "one node was skipped", nodes)
	if plan.Status != orchestrator.PlanFailed || plan.ChangeDigest != "" {
		t.Errorf("plan: %+v", plan)
	}
	if want := "one node was skipped\nweb.app: no image\nweb.database: no quota"; plan.Error != want {
		t.Errorf("got error %q, want %q", plan.Error, want)
	}
}

func TestAClosedPlanDoesNotChange(t *testing.T) {
	t.Parallel()
	f := open(t)
	plan := f.plan("one", "", nodePlans())
	late := nodePlans()[0]
	late.Changes = nil
	if err := f.PutNodePlan(t.Context(), "worker:tiny", "one", late, nil); !errors.Is(err, registry.ErrPlanClosed) {
		t.Errorf("a preview after the end: %v", err)
	}
	after, err := f.GetPlan(t.Context(), "one")
	f.must(err)
	if diff := cmp.Diff(plan, after); diff != "" {
		t.Errorf("a finished plan changed (-before +after):\n%s", diff)
	}
	if err := f.PutNodePlan(t.Context(), "worker:tiny", "none", late, nil); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a preview of no plan: %v", err)
	}
}

func TestPromotionHasOneOutcome(t *testing.T) {
	t.Parallel()
	f := open(t)
	p := orchestrator.Promotion{ID: "p1", Team: "alpha", Application: "shop", From: "staging", To: "production", Principal: ada}
	f.must(f.CreatePromotion(t.Context(), ada, p))
	var g errgroup.Group
	for _, deployment := range []string{"alpha/shop/production/1", "alpha/shop/production/2", ""} {
		g.Go(func() error {
			refused := ""
			if deployment == "" {
				refused = "no"
			}
			return f.SettlePromotion(t.Context(), ada, "p1", deployment, refused)
		})
	}
	f.must(g.Wait())
	first, err := f.GetPromotion(t.Context(), "p1")
	f.must(err)
	if (first.Deployment == "") == (first.Refused == "") {
		t.Fatalf("not exactly one outcome: %+v", first)
	}
	f.must(f.SettlePromotion(t.Context(), ada, "p1", "alpha/shop/production/3", "late"))
	after, err := f.GetPromotion(t.Context(), "p1")
	f.must(err)
	if diff := cmp.Diff(first, after); diff != "" {
		t.Errorf("a second outcome was written (-first +after):\n%s", diff)
	}
	if err := f.SettlePromotion(t.Context(), ada, "p2", "x", ""); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an unknown promotion: %v", err)
	}
}

func TestGraphs(t *testing.T) {
	t.Parallel()
	f := open(t)
	digest := f.putGraph("sha256:a")
	if again := f.putGraph("sha256:a"); again != digest {
		t.Errorf("digests %s, %s", digest, again)
	}
	g, err := f.GetGraph(t.Context(), digest)
	if err != nil || len(g.Nodes) != 1 {
		t.Errorf("graph: %+v %v", g, err)
	}
	if _, err := f.GetGraph(t.Context(), "sha256:none"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("no such graph: %v", err)
	}
}
