// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/api"
	"github.com/HatiCode/nestor/api/gen"
	"github.com/HatiCode/nestor/api/problem"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

const driftPath = "/api/v1/drift"

func driftBody(repair bool) map[string]any {
	return map[string]any{"team": "alpha", "application": "shop", "environment": "staging", "repair": repair}
}

// settled has one deployment of one node that succeeded.
func (h *harness) settled() {
	h.t.Helper()
	release := h.deployed()
	h.run(release)
	h.finish(orchestrator.StatusSucceeded)
	h.temporal.clear()
}

// found records what a check found out about the one node.
func (h *harness) found(id string, np orchestrator.NodePlan) {
	h.t.Helper()
	np.Node = node
	check(h.t, h.records.PutNodePlan(h.t.Context(), "worker:fake", id, np, nil))
	_, err := h.records.FinishDrift(h.t.Context(), "worker:test", shop(), id, "")
	check(h.t, err)
}

func differs() orchestrator.NodePlan {
	return orchestrator.NodePlan{Drift: orchestrator.NodeDrifted, Changes: []orchestrator.Change{{
		Address: "db", Action: orchestrator.ActionUpdate,
		Attributes: []orchestrator.AttributeChange{{Path: "size", Before: "9", After: "3"}, {Path: "password", Sensitive: true}},
	}}}
}

func TestDriftFromStartToStatus(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.settled()
	key := header{"Idempotency-Key", "once"}
	begun := decode[orchestrator.Drift](h.post(alphaToken, driftPath, driftBody(false), key).want(http.StatusAccepted))
	again := decode[orchestrator.Drift](h.post(alphaToken, driftPath, driftBody(false), key).want(http.StatusAccepted))
	joined := decode[orchestrator.Drift](h.post(alphaToken, driftPath, driftBody(false)).want(http.StatusAccepted))
	if begun.Status != orchestrator.DriftRunning || again.ID != begun.ID || joined.ID != begun.ID {
		t.Errorf("one check runs at a time: %+v, %s, %s", begun, again.ID, joined.ID)
	}
	if begun.Trigger != orchestrator.TriggerManual || begun.Principal != "user:ada" {
		t.Errorf("who asked: %s by %s", begun.Trigger, begun.Principal)
	}
	want := []any{contract.DriftInput{Drift: begun.ID, Scope: shop(), GraphDigest: begun.GraphDigest, Principal: "user:ada"}}
	if diff := cmp.Diff(want, h.temporal.seen()); diff != "" {
		t.Errorf("workflows started (-want +got):\n%s", diff)
	}
	h.post(alphaToken, driftPath, driftBody(true)).problem(http.StatusConflict, problem.TypeConflict)

	h.found(begun.ID, differs())
	report := decode[orchestrator.Drift](h.get(alphaToken, driftPath+"/alpha/shop/staging/"+begun.ID).want(http.StatusOK))
	if report.Status != orchestrator.DriftDrifted || len(report.Nodes) != 1 || report.Nodes[0].State != orchestrator.NodeDrifted {
		t.Errorf("the report: %+v", report)
	}
	list := decode[gen.DriftList](h.get(alphaToken, driftPath+"?application=shop&environment=staging").want(http.StatusOK))
	if len(list.Items) != 1 || list.Items[0].ID != begun.ID || len(list.Items[0].Nodes) > 0 {
		t.Errorf("the list: %+v", list.Items)
	}
	status := decode[gen.ApplicationStatus](h.get(alphaToken, statusPath).want(http.StatusOK))
	if status.Drift == nil || status.Drift.Summary.Update != 1 {
		t.Errorf("the status tells of %+v", status.Drift)
	}
}

// TestDriftBecomesARepair: a deployment that goes by a check's plan is known as
// its repair, and then the report is no longer about what is deployed.
func TestDriftBecomesARepair(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.settled()
	d := decode[orchestrator.Drift](h.post(alphaToken, driftPath, driftBody(false)).want(http.StatusAccepted))
	h.found(d.ID, differs())
	accepted := decode[contract.DeployAccepted](h.post(alphaToken, "/api/v1/deployments", map[string]any{
		"team": "alpha", "application": "shop", "environment": "staging", "kind": "apply", "release": d.Release, "planId": d.ID,
	}).want(http.StatusAccepted))
	report := decode[orchestrator.Drift](h.get(alphaToken, driftPath+"/alpha/shop/staging/"+d.ID).want(http.StatusOK))
	repair := decode[orchestrator.Deployment](h.get(alphaToken, "/api/v1/deployments/"+accepted.Deployment).want(http.StatusOK))
	if report.Repaired != accepted.Deployment || repair.Trigger != orchestrator.TriggerDrift {
		t.Errorf("the report names %q, the deployment's trigger is %q", report.Repaired, repair.Trigger)
	}
}

func TestDriftRefuses(t *testing.T) {
	t.Parallel()
	t.Run("nothing deployed", func(t *testing.T) {
		t.Parallel()
		h := newHarness(t)
		h.platform()
		p := h.post(alphaToken, driftPath, driftBody(false)).problem(http.StatusConflict, problem.TypeConflict)
		if !strings.Contains(p.Detail, "nothing of shop is deployed in staging") {
			t.Errorf("it says %q", p.Detail)
		}
	})
	t.Run("a deployment at work", func(t *testing.T) {
		t.Parallel()
		h := newHarness(t)
		h.run(h.deployed())
		p := h.post(alphaToken, driftPath, driftBody(false)).problem(http.StatusConflict, problem.TypeConflict)
		if !strings.Contains(p.Detail, "deployment alpha/shop/staging/1 is running, and would be taken for drift") {
			t.Errorf("it says %q", p.Detail)
		}
	})
	t.Run("another team", func(t *testing.T) {
		t.Parallel()
		h := newHarness(t)
		h.settled()
		h.post(betaToken, driftPath, driftBody(false)).problem(http.StatusForbidden, problem.TypeForbidden)
		h.get(betaToken, driftPath+"?team=alpha&application=shop&environment=staging").problem(http.StatusForbidden, problem.TypeForbidden)
		h.get(betaToken, driftPath+"/alpha/shop/staging/X").problem(http.StatusForbidden, problem.TypeForbidden)
	})
	t.Run("no such report", func(t *testing.T) {
		t.Parallel()
		h := newHarness(t)
		h.settled()
		h.get(alphaToken, driftPath+"/alpha/shop/staging/01JD3Y6ZK9V2T8Q4W7M5N1C0RB").problem(http.StatusNotFound, problem.TypeNotFound)
	})
}

// TestDriftOfAGoneWorkflow: a check whose workflow was terminated is closed when
// somebody asks, and keeps no other from being made.
func TestDriftOfAGoneWorkflow(t *testing.T) {
	t.Parallel()
	h := newHarnessWith(t, api.Config{Version: "test", PlanGrace: time.Nanosecond}, tokensYAML)
	h.settled()
	first := decode[orchestrator.Drift](h.post(alphaToken, driftPath, driftBody(false)).want(http.StatusAccepted))
	h.temporal.end(first.ID, "its workflow ended as Terminated")
	second := decode[orchestrator.Drift](h.post(alphaToken, driftPath, driftBody(false)).want(http.StatusAccepted))
	closed := decode[orchestrator.Drift](h.get(alphaToken, driftPath+"/alpha/shop/staging/"+first.ID).want(http.StatusOK))
	if second.ID == first.ID || closed.Status != orchestrator.DriftFailed || !strings.Contains(closed.Error, "Terminated") {
		t.Errorf("the first ended %s (%s), the second is %s", closed.Status, closed.Error, second.ID)
	}
}

// TestEnvironmentBringsItsSchedule: what an environment says about drift gets to
// Temporal when it is written, and is written whether or not Temporal is there.
func TestEnvironmentBringsItsSchedule(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	yaml := stagingYAML + "  drift: {schedule: {every: 6h}, policy: repair, jitter: 10m}\n"
	h.putEnvironment(platformToken, "staging", yaml).want(http.StatusCreated)
	if diff := cmp.Diff([]string{"staging"}, h.temporal.scheduled); diff != "" {
		t.Errorf("schedules (-want +got):\n%s", diff)
	}
	h.temporal.setDown(true)
	h.putEnvironment(platformToken, "staging", yaml).want(http.StatusOK)
	if !strings.Contains(h.log.String(), "schedule of drift checks") {
		t.Error("nobody is told that the schedule waits")
	}
}
