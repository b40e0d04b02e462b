// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/compile"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/store"
)

// readyPlan makes a plan and closes it as the Plan workflow does.
func (f *fixture) readyPlan(scope orchestrator.Scope, kind orchestrator.Kind, release, failure string) orchestrator.Plan {
	f.t.Helper()
	plan, err := f.Compiler.Plan(f.t.Context(), ada, compile.PlanRequest{Scope: scope, Kind: kind, Release: release})
	f.must(err)
	return f.closePlan(plan.ID, failure, orchestrator.Change{Address: "db", Action: orchestrator.ActionCreate})
}

// closePlan writes a preview of each node, with the changes on the database,
// and closes the plan.
func (f *fixture) closePlan(id, failure string, changes ...orchestrator.Change) orchestrator.Plan {
	f.t.Helper()
	plan, err := f.Registry.GetPlanRecord(f.t.Context(), id)
	f.must(err)
	previews := map[string]orchestrator.NodePlan{}
	if plan.PreviousGraphDigest != "" {
		for _, n := range f.graph(plan.PreviousGraphDigest).Nodes {
			previews[n.ID] = orchestrator.NodePlan{Node: n.ID, Remove: true}
		}
	}
	if plan.GraphDigest != "" {
		for _, n := range f.graph(plan.GraphDigest).Nodes {
			previews[n.ID] = orchestrator.NodePlan{Node: n.ID}
		}
	}
	for node, preview := range previews {
		if node == "web.database" {
			preview.Changes = changes
		}
		f.must(f.Registry.PutNodePlan(f.t.Context(), ada, id, preview, nil))
	}
	f.must(f.Registry.FinishPlan(f.t.Context(), ada, id, failure))
	plan, err = f.Registry.GetPlan(f.t.Context(), id)
	f.must(err)
	return plan
}

func TestCheckDeployRefuses(t *testing.T) {
	t.Parallel()
	f := setup(t)
	small, large := f.release("shop", "small"), f.release("shop", "large")
	ready := f.readyPlan(in("dev"), orchestrator.KindApply, small.Digest, "")
	failed := f.readyPlan(in("dev"), orchestrator.KindApply, small.Digest, "no quota")
	running, err := f.Compiler.Plan(t.Context(), ada, compile.PlanRequest{Scope: in("dev"), Kind: orchestrator.KindApply, Release: small.Digest})
	f.must(err)

	for name, tc := range map[string]struct {
		change func(*contract.DeployRequest)
		want   []string // empty: accepted
		gone   bool     // store.ErrNotFound instead of a refusal
		reason string
	}{
		"plan":             {func(r *contract.DeployRequest) { r.PlanID, r.AutoApprove = ready.ID, false }, nil, false, "what was planned"},
		"auto approve":     {func(*contract.DeployRequest) {}, nil, false, "--yes needs no plan"},
		"no plan":          {func(r *contract.DeployRequest) { r.AutoApprove = false }, []string{"needs a plan that somebody has seen", "planId"}, false, "nobody saw what it does"},
		"no request id":    {func(r *contract.DeployRequest) { r.RequestID = "" }, []string{"request id", "Idempotency-Key"}, false, "it could be taken twice"},
		"on failure":       {func(r *contract.DeployRequest) { r.OnFailure = "panic" }, []string{`onFailure "panic"`, "rollback, stop or continue"}, false, "no such choice"},
		"kind":             {func(r *contract.DeployRequest) { r.Kind = "explode" }, []string{`kind "explode" is unknown`}, false, "no such kind"},
		"no release":       {func(r *contract.DeployRequest) { r.Release = "" }, []string{"apply needs a release", "nestor history"}, false, "nothing to apply"},
		"destroy release":  {func(r *contract.DeployRequest) { r.Kind = orchestrator.KindDestroy }, []string{"takes no release"}, false, "a destruction has no target"},
		"unknown release":  {func(r *contract.DeployRequest) { r.Release = "sha256:" + strings.Repeat("0", 64) }, []string{"release 000000000000"}, true, "no such release"},
		"environment":      {func(r *contract.DeployRequest) { r.Environment = "moon" }, []string{"environment moon"}, true, "no such environment"},
		"never deployed":   {func(r *contract.DeployRequest) { r.Kind, r.Release = orchestrator.KindDestroy, "" }, []string{"never deployed to dev"}, true, "there is nothing to destroy"},
		"unknown plan":     {func(r *contract.DeployRequest) { r.PlanID = "nope" }, []string{"plan nope"}, true, "no such plan"},
		"failed plan":      {func(r *contract.DeployRequest) { r.PlanID = failed.ID }, []string{failed.ID + " is failed", "make a new plan"}, false, "nobody knows what it does"},
		"running plan":     {func(r *contract.DeployRequest) { r.PlanID = running.ID }, []string{running.ID + " is running"}, false, "nobody has seen it"},
		"other release":    {func(r *contract.DeployRequest) { r.PlanID, r.Release = ready.ID, large.Digest }, []string{"another release or configuration"}, false, "not what was planned"},
		"other scope":      {func(r *contract.DeployRequest) { r.PlanID, r.Environment = ready.ID, "staging" }, []string{"is for alpha/shop/dev, not for alpha/shop/staging"}, false, "not where it was planned"},
		"other team's own": {func(r *contract.DeployRequest) { r.Team = "beta" }, []string{"release"}, true, "releases belong to teams"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := deploy(in("dev"), small.Digest)
			tc.change(&req)
			err := f.Compiler.CheckDeploy(t.Context(), req)
			switch {
			case len(tc.want) == 0 && err != nil:
				t.Errorf("%s: %v", tc.reason, err)
			case len(tc.want) > 0 && !tc.gone:
				wantRefusal(t, tc.reason, err, tc.want...)
			case tc.gone && (!errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), tc.want[0])):
				t.Errorf("%s: %v", tc.reason, err)
			}
			if _, err := f.Registry.LatestDeployment(t.Context(), in("dev")); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: checking wrote a deployment: %v", tc.reason, err)
			}
		})
	}
}

func TestPromotable(t *testing.T) {
	t.Parallel()
	release := func(f *fixture) string { return f.release("shop", "small").Digest }
	for name, tc := range map[string]struct {
		before   func(f *fixture)
		from, to string
		want     []string
		reason   string
	}{
		"never": {
			from: "dev", to: "staging", want: []string{"shop was never deployed to dev", "nestor apply --env dev"},
			reason: "nothing to promote",
		},
		"failed": {
			before: func(f *fixture) { f.run(deploy(in("dev"), release(f)), orchestrator.StatusFailed) },
			from:   "dev", to: "staging", want: []string{"alpha/shop/dev/1, ended failed"}, reason: "the last one failed",
		},
		"failed after a success": {
			before: func(f *fixture) {
				f.run(deploy(in("dev"), release(f)), orchestrator.StatusSucceeded)
				f.run(deploy(in("dev"), f.release("shop", "large").Digest), orchestrator.StatusFailed)
			},
			from: "dev", to: "staging", want: []string{"alpha/shop/dev/2, ended failed"}, reason: "the state is in doubt",
		},
		"running": {
			before: func(f *fixture) { f.run(deploy(in("dev"), release(f)), orchestrator.StatusRunning) },
			from:   "dev", to: "staging", want: []string{"alpha/shop/dev/1 is still running", "wait"}, reason: "it is not over",
		},
		"rolled back from nothing": {
			before: func(f *fixture) { f.run(deploy(in("dev"), release(f)), orchestrator.StatusRolledBack) },
			from:   "dev", to: "staging", want: []string{"nothing of shop is deployed in dev"}, reason: "the first one was taken back",
		},
		"destroyed": {
			before: func(f *fixture) {
				f.run(deploy(in("dev"), release(f)), orchestrator.StatusSucceeded)
				f.destroyAll("dev")
			},
			from: "dev", to: "staging", want: []string{"nothing of shop is deployed in dev"}, reason: "it is gone again",
		},
		"pipeline": {
			before: func(f *fixture) { f.run(deploy(in("dev"), release(f)), orchestrator.StatusSucceeded) },
			from:   "dev", to: "production", want: []string{"production comes after staging in the pipeline, not after dev", "promote staging to production"},
			reason: "an environment was left out",
		},
		"itself": {from: "dev", to: "dev", want: []string{"dev cannot be promoted to itself"}, reason: "nowhere to go"},
		"newer environment": {
			before: func(f *fixture) {
				f.run(deploy(in("dev"), release(f)), orchestrator.StatusSucceeded)
				f.environment("qa", "dev", nil)
			},
			from: "dev", to: "qa", want: []string{"does not know qa, which is newer", "nestor apply"}, reason: "the release has no bindings for it",
		},
		"unbound": {
			before: func(f *fixture) {
				f.environment("staging", "dev", func(s *orchestrator.EnvironmentSpec) { s.Provider = "mars" })
				f.run(deploy(in("dev"), release(f)), orchestrator.StatusSucceeded)
			},
			from: "dev", to: "staging", want: []string{"cannot go to staging", "mars"}, reason: "no definition for that provider",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			if tc.before != nil {
				tc.before(f)
			}
			_, _, err := f.Compiler.Promotable(t.Context(), "alpha", "shop", tc.from, tc.to)
			wantRefusal(t, tc.reason, err, tc.want...)
			_, err = f.Compiler.Promotion(t.Context(), ada, compile.PromotionRequest{
				Team: "alpha", Application: "shop", From: tc.from, To: tc.to, AutoApprove: true, OnFailure: orchestrator.OnFailureRollback,
			})
			wantRefusal(t, tc.reason, err, tc.want...)
		})
	}
}

func TestPromotionToNowhere(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for _, names := range [][2]string{{"dev", "moon"}, {"moon", "staging"}} {
		_, _, err := f.Compiler.Promotable(t.Context(), "alpha", "shop", names[0], names[1])
		if !errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), "environment moon") {
			t.Errorf("%v: %v", names, err)
		}
	}
}

func TestPromotion(t *testing.T) {
	t.Parallel()
	f := setup(t)
	small := f.release("shop", "small")
	f.run(deploy(in("dev"), small.Digest), orchestrator.StatusSucceeded)
	ask := compile.PromotionRequest{
		Team: "alpha", Application: "shop", From: "dev", To: "staging", OnFailure: orchestrator.OnFailureRollback,
	}
	_, err := f.Compiler.Promotion(t.Context(), ada, ask)
	wantRefusal(t, "neither a plan nor --yes", err, "needs a plan")

	plan := f.readyPlan(in("staging"), orchestrator.KindPromote, small.Digest, "")
	ask.PlanID = plan.ID
	p, err := f.Compiler.Promotion(t.Context(), ada, ask)
	f.must(err)
	stored, err := f.Registry.GetPromotion(t.Context(), p.ID)
	f.must(err)
	if diff := cmp.Diff(p, stored); diff != "" {
		t.Errorf("the record (-returned +stored):\n%s", diff)
	}
	if p.Release != small.Digest || p.Principal != ada || len(p.Unexercised) != 0 {
		t.Errorf("promotion: %+v", p)
	}
	want := contract.DeployRequest{
		RequestID: "promotion/" + p.ID, Scope: in("staging"), Kind: orchestrator.KindPromote, Release: small.Digest,
		PlanID: plan.ID, OnFailure: orchestrator.OnFailureRollback, Principal: ada,
	}
	if diff := cmp.Diff(want, compile.PromotionDeploy(p)); diff != "" {
		t.Errorf("the deployment it asks for (-want +got):\n%s", diff)
	}
}

const marsDB = `apiVersion: catalog.nestor.io/v1
kind: ResourceDefinition
metadata: {name: mars-db, version: "3.0.0"}
spec:
  provider: mars
  category: database
  resourceType: db
  engines: [fake]
  inputs: [{name: size, type: string, required: true}]
  outputs: [{name: endpoint, type: string}]
  implementations: {fake: {}}
`

func TestUnexercisedDefinitionsAreNamed(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.publish(marsDB)
	f.environment("staging", "dev", func(s *orchestrator.EnvironmentSpec) {
		s.Provider, s.SharedProviders = "mars", []string{"local"}
	})
	f.compose(strings.NewReplacer("TEAM", "alpha", "catalogRef: db", "resourceType: db").Replace(webApp))
	release := f.release("shop", "small")
	f.run(deploy(in("dev"), release.Digest), orchestrator.StatusSucceeded)
	got, unexercised, err := f.Compiler.Promotable(t.Context(), "alpha", "shop", "dev", "staging")
	f.must(err)
	if diff := cmp.Diff([]string{"web.database: mars-db@3.0.0"}, unexercised); diff != "" || got != release.Digest {
		t.Errorf("release %s, unexercised (-want +got):\n%s", got, diff)
	}
}

// destroyAll carries a destruction out.
func (f *fixture) destroyAll(environment string) {
	f.t.Helper()
	req := deploy(in(environment), "")
	req.Kind = orchestrator.KindDestroy
	f.must(f.Compiler.CheckDeploy(f.t.Context(), req))
	d, err := f.Registry.Accept(f.t.Context(), req, "")
	f.must(err)
	prepared, err := f.Compiler.Prepare(f.t.Context(), d.ID, ada)
	f.must(err)
	if prepared.Input.GraphDigest != "" || prepared.Input.PreviousGraphDigest == "" {
		f.t.Errorf("a destruction walks the previous graph: %+v", prepared.Input)
	}
	for _, n := range f.graph(prepared.Input.PreviousGraphDigest).Nodes {
		f.remove(d.ID, n.ID)
	}
	f.must(f.Registry.Finish(f.t.Context(), contract.FinishInput{Deployment: d.ID, Status: orchestrator.StatusSucceeded, Principal: ada}))
}
