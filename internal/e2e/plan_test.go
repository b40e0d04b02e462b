// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"strings"

	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/compile"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

func (s *site) plan(r composer.Release) orchestrator.Plan {
	s.t.Helper()
	return s.Plan(compile.PlanRequest{Scope: s.scope("staging"), Kind: orchestrator.KindApply, Release: r.Digest})
}

func planWithUnknowns(s *site) {
	first := s.plan(s.release(map[string]string{"size": "3"}))
	s.record("plan-ready", "plan/"+first.ID)
	if first.Status != orchestrator.PlanReady || first.Summary.Create != 6 {
		s.t.Fatalf("the first plan is %s (%s) with %+v, want 6 to create", first.Status, first.Error, first.Summary)
	}
	if got := attribute(first, "web.deployment", "input.upstream").Unknown; got != "known after web.cache" && got != "known after web.database" {
		s.t.Errorf("what comes from upstream is %q, want known after it", got)
	}
	s.wantEffects(nil)
	s.wantStatus(s.Await(s.apply(s.release(map[string]string{"size": "3"})), patience), orchestrator.StatusSucceeded)
	again := s.plan(s.release(map[string]string{"size": "3"}))
	if again.Summary.Total() != 0 {
		s.t.Errorf("a plan of what is there shows %+v", again.Summary)
	}
	// A change that leaves the outputs alone does not unsettle the dependents.
	held := s.plan(s.release(map[string]string{"size": "3", "databaseNote": "new"}))
	if held.Status != orchestrator.PlanReady || attribute(held, "web.deployment", "input.upstream").Path != "" || held.Summary.Total() == 0 {
		s.t.Errorf("only the database changes, and none of its outputs: %s %+v", held.Error, held.Nodes)
	}
	broken := s.plan(s.release(map[string]string{"size": "3", "fail": "true"}))
	if broken.Status != orchestrator.PlanFailed || !strings.Contains(broken.Error, "told to fail: web-deployment") {
		s.t.Errorf("a plan that cannot be made is %s with %q", broken.Status, broken.Error)
	}
}

func attribute(p orchestrator.Plan, node, path string) orchestrator.AttributeChange {
	for _, n := range p.Nodes {
		for _, change := range n.Changes {
			for _, a := range change.Attributes {
				if n.Node == node && a.Path == path {
					return a
				}
			}
		}
	}
	return orchestrator.AttributeChange{}
}

// overtake plans a release, lets another deployment begin, queues the planned
// one behind it, and lets it have its turn.
func (s *site) overtake() (deployment string, plan orchestrator.Plan) {
	s.t.Helper()
	r := s.release(map[string]string{"size": "3"})
	plan = s.plan(r)
	first := s.apply(s.release(map[string]string{"size": "4", "hold": s.hold()}))
	s.eventuallyEffect("create web-deployment")
	id, err := s.Deploy(contract.DeployRequest{
		Scope: s.scope("staging"), Kind: orchestrator.KindApply, Release: r.Digest, PlanID: plan.ID,
	})
	s.must(err)
	s.letGo()
	s.wantStatus(s.Await(first, patience), orchestrator.StatusSucceeded)
	d := s.Await(id, patience, orchestrator.StatusAwaitingApproval)
	if d.ReplacedPlanID != plan.ID || d.PlanID == plan.ID || d.ChangeDigest == plan.ChangeDigest {
		s.t.Errorf("it was planned with %s, and now has plan %s instead of %s", plan.ID, d.PlanID, d.ReplacedPlanID)
	}
	for _, part := range []string{"staging has changed since plan " + plan.ID + " was made (deployment 1 came between)", d.PlanID} {
		if !strings.Contains(d.Reason, part) {
			s.t.Errorf("it waits because %q, which does not say %q", d.Reason, part)
		}
	}
	return id, plan
}

func planOvertaken(s *site) {
	id, plan := s.overtake()
	// A yes to what is no longer true does nothing; one to what is, does.
	s.signal(contract.SignalApprove, contract.DecisionSignal{Deployment: id, Principal: "user:eve", ChangeDigest: plan.ChangeDigest})
	s.signal(contract.SignalApprove, contract.DecisionSignal{Deployment: id, Principal: "user:test"})
	d := s.Await(id, patience)
	s.wantStatus(d, orchestrator.StatusSucceeded)
	s.record("application-plan-overtaken", s.team+"/"+s.application)
	s.wantOutputs("staging", "web.database", map[string]any{"address": "web-database:3", "upstream": "", "secret": nil})
	if len(d.Approvals) != 2 || d.Approvals[0].ChangeDigest != plan.ChangeDigest || d.Approvals[1].ChangeDigest != d.ChangeDigest {
		s.t.Errorf("the decisions are not recorded with what they are about: %+v", d.Approvals)
	}
}

func planRejected(s *site) {
	id, _ := s.overtake()
	s.signal(contract.SignalReject, contract.DecisionSignal{Deployment: id, Principal: "user:eve", Comment: "not like this"})
	d := s.Await(id, patience)
	s.wantStatus(d, orchestrator.StatusCanceled)
	if !strings.Contains(d.Error, "user:eve") || !strings.Contains(d.Error, "not like this") {
		s.t.Errorf("who rejected and why must be told, got %q", d.Error)
	}
	if len(d.Approvals) != 1 || d.Approvals[0].Approved || d.Approvals[0].ChangeDigest != d.ChangeDigest {
		s.t.Errorf("the rejection is not recorded: %+v", d.Approvals)
	}
	s.wantOutputs("staging", "web.database", map[string]any{"address": "web-database:4", "upstream": "", "secret": nil})
}
