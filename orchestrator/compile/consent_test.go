// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"strings"
	"testing"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/compile"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

func asking(required int) func(*orchestrator.EnvironmentSpec) {
	return func(s *orchestrator.EnvironmentSpec) { s.Approvals.Required = required }
}

// approve records a yes to a deployment's plan; an empty digest is about the
// plan that it has now.
func (f *fixture) approve(id, who, digest string) {
	f.t.Helper()
	f.must(f.Registry.SetStatus(f.t.Context(), contract.StatusInput{
		Deployment: id, Principal: who,
		Approvals: []orchestrator.Approval{{Principal: who, Approved: true, ChangeDigest: digest}},
	}))
}

func updated() orchestrator.Change {
	return orchestrator.Change{
		Address: "db", Action: orchestrator.ActionUpdate, Attributes: []orchestrator.AttributeChange{{Path: "size", After: "small"}},
	}
}

// queued is a deployment with a plan that shows one change.
func (f *fixture) queued(release string, auto bool) (orchestrator.Deployment, orchestrator.Plan) {
	f.t.Helper()
	plan := f.readyPlan(in("dev"), orchestrator.KindApply, release, "")
	req := deploy(in("dev"), release)
	req.RequestID, req.PlanID, req.AutoApprove = "planned", plan.ID, auto
	f.must(f.Compiler.CheckDeploy(f.t.Context(), req))
	d, err := f.Registry.Accept(f.t.Context(), req, "")
	f.must(err)
	return d, plan
}

func TestPrepareCountsApprovals(t *testing.T) {
	t.Parallel()
	for name, auto := range map[string]bool{"asked": false, "with --yes": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			f.environment("dev", "", asking(2))
			d, plan := f.queued(f.release("shop", "small").Digest, auto)
			if d.ChangeDigest != plan.ChangeDigest {
				t.Errorf("before its turn it has the change set %q, want its plan's", d.ChangeDigest)
			}
			for _, step := range []struct {
				by, about string
				missing   int
			}{{"", "", 2}, {ada, "", 2}, {"user:bob", "", 1}, {"user:bob", "", 1}, {"user:eve", "another", 1}, {"user:eve", "", 0}} {
				if step.by != "" {
					f.approve(d.ID, step.by, step.about)
				}
				p := f.prepare(d.ID)
				if p.ApprovalsMissing != step.missing || p.Refused != "" || p.Replan != nil || p.Input.ApprovalsRequired != 2 {
					t.Errorf("after %+v: %+v", step, p)
				}
				if told := strings.Contains(p.Reason, "more approval(s), from others than "+ada); told != (step.missing > 0) {
					t.Errorf("after %+v: reason %q", step, p.Reason)
				}
			}
			if recorded := f.deployment(d.ID); recorded.ApprovalsRequired != 2 {
				t.Errorf("the record asks for %d approvals", recorded.ApprovalsRequired)
			}
		})
	}
}

// Whoever must approve has to have something to look at.
func TestApprovalsNeedAPlan(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.environment("dev", "", asking(1))
	f.environment("staging", "dev", asking(1))
	release := f.release("shop", "small")
	req := deploy(in("dev"), release.Digest)
	err := f.Compiler.CheckDeploy(t.Context(), req)
	wantRefusal(t, "--yes alone", err, "dev asks for 1 approval(s) by others than "+ada, "nestor plan --env dev")

	f.environment("dev", "", nil)
	f.run(req, orchestrator.StatusSucceeded)
	_, err = f.Compiler.Promotion(t.Context(), ada, compile.PromotionRequest{
		Team: "alpha", Application: "shop", From: "dev", To: "staging", AutoApprove: true, OnFailure: orchestrator.OnFailureRollback,
	})
	wantRefusal(t, "a promotion with --yes alone", err, "staging asks for 1 approval(s)")
}

// The environment began to ask for approvals while a deployment waited.
func TestPreparePlansWhereApprovalsAreAskedForLate(t *testing.T) {
	t.Parallel()
	f := setup(t)
	d, err := f.Registry.Accept(t.Context(), deploy(in("dev"), f.release("shop", "small").Digest), "")
	f.must(err)
	f.environment("dev", "", asking(1))
	p := f.prepare(d.ID)
	if p.Replan == nil {
		t.Fatalf("prepared without a plan: %+v", p)
	}
	f.closePlan(p.Replan.Plan, "", updated())
	if p = f.prepare(d.ID); p.ApprovalsMissing != 1 || p.Replan != nil {
		t.Errorf("with a plan: %+v", p)
	}
	f.approve(d.ID, "user:bob", "")
	if p = f.prepare(d.ID); p.ApprovalsMissing != 0 {
		t.Errorf("approved: %+v", p)
	}
}

// overtaken is a queued deployment whose environment another one has changed
// since it was planned.
func (f *fixture) overtaken(required int, auto bool) (orchestrator.Deployment, orchestrator.Plan) {
	f.t.Helper()
	earlier := f.run(deploy(in("dev"), f.release("shop", "large").Digest), orchestrator.StatusRunning)
	f.environment("dev", "", asking(required))
	d, plan := f.queued(f.release("shop", "small").Digest, auto)
	if p := f.prepare(d.ID); p.Waiting == "" {
		f.t.Errorf("it did not wait for the one that runs: %+v", p)
	}
	f.must(f.Registry.Finish(f.t.Context(), contract.FinishInput{Deployment: earlier.ID, Status: orchestrator.StatusSucceeded, Principal: ada}))
	return d, plan
}

func TestAMovedBasisPlansAgain(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		required int
		auto     bool
		change   orchestrator.Change // that the new plan shows
		waits    string              // part of the reason; empty: it runs
		by       []string            // whose approvals let it run
		reason   string
	}{
		"the same change set": {
			change: orchestrator.Change{Address: "db", Action: orchestrator.ActionCreate},
			reason: "what was approved is still what happens",
		},
		"another change set": {
			change: updated(), waits: "(deployment 1 came between)", by: []string{ada},
			reason: "its own principal may look again",
		},
		"the same, approvals": {
			required: 1, change: orchestrator.Change{Address: "db", Action: orchestrator.ActionCreate}, reason: "the approval holds",
		},
		"another, approvals": {
			required: 1, change: updated(), waits: "from others than " + ada, by: []string{"user:bob"},
			reason: "nobody else has seen it",
		},
		"another, approvals and --yes": {
			required: 1, auto: true, change: updated(), waits: "has changed since plan", by: []string{"user:bob"},
			reason: "--yes speaks for its principal alone",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			d, plan := f.overtaken(tc.required, tc.auto)
			if tc.required > 0 {
				f.approve(d.ID, "user:bob", "")
			}
			p := f.prepare(d.ID)
			if p.Replan == nil || p.Replan.Plan == plan.ID {
				t.Fatalf("%s: prepared %+v, want a new plan", tc.reason, p)
			}
			if again := f.prepare(d.ID); again.Replan == nil || *again.Replan != *p.Replan {
				t.Fatalf("%s: asked again, %+v, want the same plan until it is made", tc.reason, again)
			}
			anew := f.closePlan(p.Replan.Plan, "", tc.change)
			p = f.prepare(d.ID)
			if p.Replan != nil || p.Refused != "" || (p.ApprovalsMissing > 0) != (tc.waits != "") || !strings.Contains(p.Reason, tc.waits) {
				t.Fatalf("%s: with the new plan: %+v", tc.reason, p)
			}
			if now := f.deployment(d.ID); now.PlanID != anew.ID || now.ReplacedPlanID != plan.ID || now.ChangeDigest != anew.ChangeDigest {
				t.Errorf("%s: the record: %+v", tc.reason, now)
			}
			if tc.waits == "" {
				return
			}
			if !strings.Contains(p.Reason, "dev has changed since plan "+plan.ID) || !strings.Contains(p.Reason, anew.ID) {
				t.Errorf("%s: reason %q", tc.reason, p.Reason)
			}
			f.approve(d.ID, "user:eve", plan.ChangeDigest)
			if p = f.prepare(d.ID); p.ApprovalsMissing == 0 {
				t.Errorf("%s: a yes to the old plan let it run", tc.reason)
			}
			for _, who := range tc.by {
				f.approve(d.ID, who, "")
			}
			if p = f.prepare(d.ID); p.ApprovalsMissing > 0 {
				t.Errorf("%s: approved by %v: %+v", tc.reason, tc.by, p)
			}
		})
	}
}

func TestAMovedBasisWithYes(t *testing.T) {
	t.Parallel()
	f := setup(t)
	d, plan := f.overtaken(0, true)
	if p := f.prepare(d.ID); p.Replan != nil || p.ApprovalsMissing > 0 || p.Refused != "" {
		t.Errorf("whoever says yes to all takes what comes: %+v", p)
	}
	if now := f.deployment(d.ID); now.PlanID != plan.ID || now.ReplacedPlanID != "" {
		t.Errorf("the record: %+v", now)
	}
}

func TestANewPlanThatCannotBeMade(t *testing.T) {
	t.Parallel()
	f := setup(t)
	d, _ := f.overtaken(0, false)
	f.closePlan(f.prepare(d.ID).Replan.Plan, "no quota")
	if p := f.prepare(d.ID); !strings.Contains(p.Refused, "a new plan cannot be made: no quota") {
		t.Errorf("prepared: %+v", p)
	}
}

func TestAnOvertakenPlanIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	f := setup(t)
	small := f.release("shop", "small").Digest
	plan := f.readyPlan(in("dev"), orchestrator.KindApply, small, "")
	planned := deploy(in("dev"), small)
	planned.RequestID, planned.PlanID, planned.AutoApprove = "planned", plan.ID, false
	f.run(planned, orchestrator.StatusSucceeded)
	if err := f.Compiler.CheckDeploy(t.Context(), planned); err != nil {
		t.Errorf("a repeated request, whose answer was lost: %v", err)
	}
	planned.RequestID = "another"
	wantRefusal(t, "a plan that was carried out", f.Compiler.CheckDeploy(t.Context(), planned),
		"dev has changed since plan "+plan.ID+" was made", "make a new plan")
	planned.AutoApprove = true
	if err := f.Compiler.CheckDeploy(t.Context(), planned); err != nil {
		t.Errorf("with --yes: %v", err)
	}
	f.environment("dev", "", asking(1))
	wantRefusal(t, "others have a say", f.Compiler.CheckDeploy(t.Context(), planned), "make a new plan")

	// What a destruction would destroy is another thing by now.
	f.environment("dev", "", nil)
	gone := f.readyPlan(in("dev"), orchestrator.KindDestroy, "", "")
	f.run(deploy(in("dev"), f.release("shop", "large").Digest), orchestrator.StatusSucceeded)
	destroy := deploy(in("dev"), "")
	destroy.Kind, destroy.PlanID, destroy.AutoApprove = orchestrator.KindDestroy, gone.ID, false
	wantRefusal(t, "an older destruction", f.Compiler.CheckDeploy(t.Context(), destroy), "make a new plan")
}

// What is there has changed, though no deployment has ended since.
func TestAnotherPreviousGraphPlansAgain(t *testing.T) {
	t.Parallel()
	f := setup(t)
	large := f.release("shop", "large").Digest
	f.run(deploy(in("dev"), large), orchestrator.StatusSucceeded)
	d, plan := f.queued(f.release("shop", "small").Digest, false)
	graph := f.graph(plan.GraphDigest)
	f.step(d, graph.Digest, graph.Nodes[0])
	if p := f.prepare(d.ID); p.Replan == nil || p.Replan.PreviousGraphDigest == plan.PreviousGraphDigest {
		t.Errorf("prepared %+v, want a new plan", p)
	}
}
