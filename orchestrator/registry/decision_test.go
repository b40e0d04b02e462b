// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

// decide records decisions of one principal.
func (f *fixture) decide(id, who string, all ...orchestrator.Approval) {
	f.tb.Helper()
	for i := range all {
		all[i].Principal = who
	}
	f.must(f.SetStatus(f.tb.Context(), contract.StatusInput{Deployment: id, Principal: who, Approvals: all}))
}

// decisions of a deployment without their times, after a check of these.
func (f *fixture) decisions(id string) []orchestrator.Approval {
	f.tb.Helper()
	all := f.deployment(id).Approvals
	for i := range all {
		if all[i].Time.IsZero() {
			f.tb.Errorf("a decision without a time: %+v", all[i])
		}
		all[i].Time = time.Time{}
	}
	return all
}

func TestDecisionsCountOnceForEachChangeSet(t *testing.T) {
	t.Parallel()
	f := open(t)
	req := request("one")
	req.PlanID = f.plan("first", "", nodePlans()).ID
	d, err := f.Accept(t.Context(), req, "")
	f.must(err)
	first := f.deployment(d.ID).ChangeDigest
	if first == "" || first != f.deployment(d.ID).ChangeDigest {
		t.Fatalf("a deployment that waits has the change set %q", first)
	}
	yes := orchestrator.Approval{Approved: true, Comment: "fine"}
	f.decide(d.ID, "user:bob", yes)
	f.decide(d.ID, "user:bob", orchestrator.Approval{Approved: true, Comment: "said so"})
	f.must(f.Freeze(t.Context(), d.ID, ada, registry.Frozen{Graph: "g", ChangeDigest: "another"}))
	f.decide(d.ID, "user:bob", yes)
	f.decide(d.ID, "user:bob", orchestrator.Approval{ChangeDigest: first})
	want := []orchestrator.Approval{
		{Principal: "user:bob", Approved: true, Comment: "fine", ChangeDigest: first},
		{Principal: "user:bob", Approved: true, Comment: "fine", ChangeDigest: "another"},
		{Principal: "user:bob", ChangeDigest: first},
	}
	if diff := cmp.Diff(want, f.decisions(d.ID)); diff != "" {
		t.Errorf("decisions (-want +got):\n%s", diff)
	}
	if now := f.deployment(d.ID); now.Status != orchestrator.StatusQueued {
		t.Errorf("a decision alone made it %s", now.Status)
	}
}

func TestPausedNodesAreListed(t *testing.T) {
	t.Parallel()
	f := open(t)
	id := f.accept("one").ID
	f.setStatus(id, orchestrator.StatusRunning, "")
	cache := orchestrator.PausedNode{Node: "web.cache", ChangeDigest: "c", Message: "goes beyond"}
	database := orchestrator.PausedNode{Node: "web.database", ChangeDigest: "d", Message: "so does this"}
	set := func(paused ...orchestrator.PausedNode) {
		t.Helper()
		f.must(f.SetStatus(t.Context(), contract.StatusInput{
			Deployment: id, Status: orchestrator.StatusPaused, Reason: "why", Paused: paused, Principal: ada,
		}))
		if diff := cmp.Diff(paused, f.deployment(id).Paused); diff != "" {
			t.Errorf("paused (-want +got):\n%s", diff)
		}
	}
	set(cache)
	set(cache, database)
	f.decide(id, "user:bob", orchestrator.Approval{Approved: true, Node: cache.Node, ChangeDigest: cache.ChangeDigest})
	if paused := f.deployment(id).Paused; len(paused) != 2 {
		t.Errorf("a decision alone released a node: %v", paused)
	}
	set(database)
	f.setStatus(id, orchestrator.StatusRunning, "")
	if paused := f.deployment(id).Paused; len(paused) != 0 {
		t.Errorf("it runs, with %v paused", paused)
	}
	set(cache)
	f.finish(id, orchestrator.StatusCanceled)
	if paused := f.deployment(id).Paused; len(paused) != 0 {
		t.Errorf("it is over, with %v paused", paused)
	}
	want := []string{
		"deployment.queued", "deployment.status", "deployment.status", "deployment.status",
		"deployment.approval web.cache", "deployment.status", "deployment.status", "deployment.status", "deployment.finished",
	}
	if diff := cmp.Diff(want, f.events(id)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// A deployment of thousands of nodes can be asked about each of them.
func TestDecisionsOnNodesAreBounded(t *testing.T) {
	t.Parallel()
	f := open(t)
	id := f.accept("one").ID
	f.decide(id, "user:eve", orchestrator.Approval{Approved: true})
	const rounds, each = 4, 25
	for round := range rounds {
		var all []orchestrator.Approval
		for i := range each {
			all = append(all, orchestrator.Approval{
				Approved: true, Node: fmt.Sprintf("web.n%d", round*each+i), ChangeDigest: "c", Comment: strings.Repeat("x", 1000),
			})
		}
		f.decide(id, "user:bob", all...)
	}
	all := f.deployment(id).Approvals
	if len(all) > 30 || all[0].Principal != "user:eve" || all[len(all)-1].Node != "web.n99" {
		t.Errorf("%d decisions, from %+v to %+v", len(all), all[0], all[len(all)-1])
	}
	told := 0
	for _, e := range f.events(id) {
		if strings.HasPrefix(e, "deployment.approval") {
			told++
		}
	}
	if told != rounds*each+1 {
		t.Errorf("the events tell of %d decisions, want all %d", told, rounds*each+1)
	}
}

func TestReplan(t *testing.T) {
	t.Parallel()
	f := open(t)
	req := request("one")
	req.PlanID = f.plan("first", "", nodePlans()).ID
	d, err := f.Accept(t.Context(), req, "")
	f.must(err)
	for _, id := range []string{"second", "third"} {
		plan := orchestrator.Plan{ID: id, Scope: scope(), Status: orchestrator.PlanRunning, CreatedAt: f.clock.read()}
		f.must(f.Replan(t.Context(), d.ID, ada, plan))
		stored, err := f.GetPlanRecord(t.Context(), id)
		f.must(err)
		if diff := cmp.Diff(plan, stored); diff != "" {
			t.Errorf("the record of the plan (-want +got):\n%s", diff)
		}
		now := f.deployment(d.ID)
		if now.PlanID != id || now.ReplacedPlanID != "first" || now.ChangeDigest != d.ChangeDigest {
			t.Errorf("after plan %s: %+v", id, now)
		}
	}
	if err := f.Replan(t.Context(), d.ID, ada, orchestrator.Plan{ID: "first"}); err == nil {
		t.Error("a plan took the place of another's record")
	}
}
