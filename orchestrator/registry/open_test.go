// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

// open lists the ids of an application's open deployments.
func (f *fixture) open(environment string) []string {
	f.tb.Helper()
	all, err := f.OpenDeployments(f.tb.Context(), "alpha", "shop", environment)
	f.must(err)
	var ids []string
	for _, d := range all {
		ids = append(ids, d.ID)
	}
	return ids
}

func TestOpenDeployments(t *testing.T) {
	t.Parallel()
	f := open(t)
	first, second := f.accept("1"), f.accept("2")
	req := request("3")
	req.Environment = "stag"
	_, err := f.Accept(t.Context(), req, "")
	f.must(err)
	f.accept("2") // again
	if diff := cmp.Diff([]string{first.ID, second.ID}, f.open("staging")); diff != "" {
		t.Errorf("of one environment (-want +got):\n%s", diff)
	}
	f.must(f.SetStatus(t.Context(), contract.StatusInput{Deployment: second.ID, Status: orchestrator.StatusRunning, Principal: ada}))
	f.must(f.Finish(t.Context(), contract.FinishInput{Deployment: first.ID, Status: orchestrator.StatusCanceled, Principal: ada}))
	if diff := cmp.Diff([]string{"alpha/shop/stag/1", second.ID}, f.open("")); diff != "" {
		t.Errorf("of all environments, after one has ended (-want +got):\n%s", diff)
	}
}

func TestARequestIDHasOneBody(t *testing.T) {
	t.Parallel()
	f := open(t)
	d := f.accept("one")
	for name, change := range map[string]func(*contract.DeployRequest){
		"kind":       func(r *contract.DeployRequest) { r.Kind = orchestrator.KindDestroy },
		"release":    func(r *contract.DeployRequest) { r.Release = "sha256:other" },
		"plan":       func(r *contract.DeployRequest) { r.PlanID = "other" },
		"yes":        func(r *contract.DeployRequest) { r.AutoApprove = false },
		"on failure": func(r *contract.DeployRequest) { r.OnFailure = orchestrator.OnFailureStop },
		"principal":  func(r *contract.DeployRequest) { r.Principal = "user:eve" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := request("one")
			before := req.UpdateID()
			change(&req)
			var refused *orchestrator.Refusal
			if _, err := f.Accept(t.Context(), req, ""); !errors.As(err, &refused) || !strings.Contains(err.Error(), d.ID) {
				t.Errorf("got %v, want a refusal that names %s", err, d.ID)
			}
			if req.UpdateID() == before {
				t.Error("Temporal would give the answer to the other request")
			}
		})
	}
	elsewhere := request("one")
	elsewhere.Environment = "production"
	if elsewhere.UpdateID() == request("one").UpdateID() {
		t.Error("an update id of two environments")
	}
}

// TestWhatRunsIsNotFrozenAgain: a deployment's record tells what it walks, not
// what it would walk by now.
func TestWhatRunsIsNotFrozenAgain(t *testing.T) {
	t.Parallel()
	f := open(t)
	id := f.accept("one").ID
	f.must(f.Freeze(t.Context(), id, ada, registry.Frozen{Graph: "sha256:a", Previous: "sha256:b", Basis: 3}))
	f.must(f.SetStatus(t.Context(), contract.StatusInput{Deployment: id, Status: orchestrator.StatusRunning, Principal: ada}))
	f.must(f.Freeze(t.Context(), id, ada, registry.Frozen{Graph: "sha256:c", Basis: 4}))
	d, err := f.GetDeployment(t.Context(), id)
	f.must(err)
	if d.GraphDigest != "sha256:a" || d.PreviousGraphDigest != "sha256:b" || d.Basis != 3 {
		t.Errorf("record: %+v", d)
	}
}

// TestPlanOfWholeGraphs: a plan is ready only when every node of its graphs has
// a preview; one that failed before it could record anything is told.
func TestPlanOfWholeGraphs(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		previewed []string
		failure   string
		failures  []contract.PlanFailure
		want      string // error; empty: ready
		reason    string
	}{
		"all": {previewed: []string{"web.n0", "web.n1", "web.n2"}, reason: "both graphs are covered"},
		"a leaf failed": {
			previewed: []string{"web.n0", "web.n2"}, failures: []contract.PlanFailure{{Node: "web.n1", Message: "no network"}},
			want: "web.n1: no network", reason: "a preview that never answered has no record",
		},
		"removal left out": {
			previewed: []string{"web.n0", "web.n1"}, want: "not previewed: web.n2",
			reason: "what goes away is part of what is approved",
		},
		"dependents": {
			previewed: []string{"web.n2"}, failures: []contract.PlanFailure{{Node: "web.n0", Message: "no quota"}},
			want: "web.n0: no quota\nnot previewed: web.n1", reason: "what needs it was not come to",
		},
		"canceled": {previewed: []string{"web.n0"}, failure: "canceled", want: "canceled", reason: "the list would say nothing more"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := open(t)
			ctx := t.Context()
			f.must(f.CreatePlan(ctx, ada, orchestrator.Plan{
				ID: "p", Scope: scope(), Status: orchestrator.PlanRunning,
				GraphDigest: f.putGraph("sha256:a", "sha256:b"), PreviousGraphDigest: f.putGraph("sha256:a", "sha256:b", "sha256:c"),
			}))
			for _, node := range tc.previewed {
				f.must(f.PutNodePlan(ctx, "worker:tiny", "p", orchestrator.NodePlan{Node: node}, nil))
			}
			f.must(f.FinishPlan(ctx, ada, "p", tc.failure, tc.failures...))
			plan, err := f.GetPlan(ctx, "p")
			f.must(err)
			if ready := plan.Status == orchestrator.PlanReady; ready != (tc.want == "") || plan.Error != tc.want {
				t.Errorf("%s: %s with %q, want %q", tc.reason, plan.Status, plan.Error, tc.want)
			}
		})
	}
}
