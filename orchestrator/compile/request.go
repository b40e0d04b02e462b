// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"context"
	"fmt"
	"slices"

	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

// PlanRequest asks what a deployment would change.
type PlanRequest struct {
	orchestrator.Scope
	Kind    orchestrator.Kind
	Release string // digest; empty for a destruction
}

// Plan compiles the graphs of a plan and writes its record. Whoever calls it
// then starts the Plan workflow.
func (c *Compiler) Plan(ctx context.Context, p store.Principal, req PlanRequest) (orchestrator.Plan, error) {
	plan, err := c.draft(ctx, p, req)
	if err != nil {
		return plan, err
	}
	return plan, c.registry.CreatePlan(ctx, p, plan)
}

// draft is the record of a plan that is not written yet.
func (c *Compiler) draft(ctx context.Context, p store.Principal, req PlanRequest) (orchestrator.Plan, error) {
	plan := orchestrator.Plan{
		ID: c.newID(), Scope: req.Scope, Kind: req.Kind, Principal: string(p),
		Status: orchestrator.PlanRunning, CreatedAt: c.now(),
	}
	target, err := c.target(ctx, req.Scope, req.Kind, req.Release)
	if err != nil {
		return plan, err
	}
	plan.Release, plan.GraphDigest = target.Release, target.Digest
	if plan.PreviousGraphDigest, err = c.before(ctx, req.Scope, target); err != nil {
		return plan, err
	}
	state, err := c.registry.Scope(ctx, req.Scope)
	if err != nil {
		return plan, err
	}
	plan.Basis = state.Basis
	return plan, nil
}

// target compiles what shall be; for a destruction that is the empty graph.
func (c *Compiler) target(
	ctx context.Context, scope orchestrator.Scope, kind orchestrator.Kind, release string,
) (composer.Graph, error) {
	switch kind {
	case orchestrator.KindDestroy:
		if release != "" {
			return composer.Graph{}, &orchestrator.Refusal{Reason: "a destruction takes no release"}
		}
		if _, _, err := c.registry.GetEnvironment(ctx, scope.Environment); err != nil {
			return composer.Graph{}, err
		}
		if _, err := c.registry.LatestDeployment(ctx, scope); err != nil {
			return composer.Graph{}, err
		}
		return composer.Graph{}, nil
	case orchestrator.KindApply, orchestrator.KindPromote, orchestrator.KindRollback, orchestrator.KindAdopt:
		if release == "" {
			return composer.Graph{}, &orchestrator.Refusal{
				Reason: fmt.Sprintf("%s needs a release", kind),
				Hint:   "name its digest; `nestor history` lists those that were deployed",
			}
		}
		return c.Graph(ctx, scope, release)
	default:
		return composer.Graph{}, &orchestrator.Refusal{
			Reason: fmt.Sprintf("kind %q is unknown", kind),
			Hint:   "expected apply, promote, rollback or destroy",
		}
	}
}

// CheckDeploy refuses what can be refused before Temporal is asked, so that
// nothing is half-accepted.
func (c *Compiler) CheckDeploy(ctx context.Context, req contract.DeployRequest) error {
	if err := checkOnFailure(req.OnFailure); err != nil {
		return err
	}
	if req.RequestID == "" {
		return &orchestrator.Refusal{Reason: "a deployment needs a request id", Hint: "send an Idempotency-Key"}
	}
	if req.Kind == orchestrator.KindAdopt {
		return c.checkAdopt(ctx, req)
	}
	if !req.AutoApprove && req.PlanID == "" {
		return &orchestrator.Refusal{
			Reason: "a deployment needs a plan that somebody has seen",
			Hint:   "name a planId, or set autoApprove",
		}
	}
	target, err := c.target(ctx, req.Scope, req.Kind, req.Release)
	if err != nil {
		return err
	}
	environment, _, err := c.registry.GetEnvironment(ctx, req.Environment)
	if err != nil {
		return err
	}
	if required := environment.Spec.Approvals.Required; required > 0 && req.PlanID == "" {
		return &orchestrator.Refusal{
			Reason: fmt.Sprintf("%s asks for %d approval(s) by others than %s, who need a plan to look at", req.Environment, required, req.Principal),
			Hint:   "make one with `nestor plan --env " + req.Environment + "` and name it as planId; `nestor apply` does both",
		}
	}
	if req.PlanID == "" {
		return nil
	}
	plan, err := c.registry.GetPlanRecord(ctx, req.PlanID)
	if err != nil {
		return err
	}
	if err := fits(plan, req.Scope, target); err != nil || req.AutoApprove && environment.Spec.Approvals.Required == 0 {
		return err
	}
	return c.current(ctx, req, plan)
}

// current refuses a plan that a deployment has overtaken by now. One that is
// overtaken later, in the queue, is made anew when its turn comes.
func (c *Compiler) current(ctx context.Context, req contract.DeployRequest, plan orchestrator.Plan) error {
	state, err := c.registry.Scope(ctx, req.Scope)
	if err != nil || state.Basis == plan.Basis {
		return err
	}
	// A repeated request gets its first answer, whatever came after that.
	known, err := c.registry.Requested(ctx, req.Scope, req.RequestID)
	if err != nil || known {
		return err
	}
	return &orchestrator.Refusal{
		Reason: fmt.Sprintf("%s has changed since plan %s was made", req.Environment, plan.ID), Hint: "make a new plan",
	}
}

func checkOnFailure(o orchestrator.OnFailure) error {
	all := []orchestrator.OnFailure{
		orchestrator.OnFailureRollback, orchestrator.OnFailureStop, orchestrator.OnFailureContinue,
	}
	if slices.Contains(all, o) {
		return nil
	}
	return &orchestrator.Refusal{
		Reason: fmt.Sprintf("onFailure %q is unknown", o), Hint: "expected rollback, stop or continue",
	}
}

// fits says whether a plan was made for what is asked.
func fits(plan orchestrator.Plan, scope orchestrator.Scope, target composer.Graph) error {
	again := "make a new plan"
	switch {
	case plan.Scope != scope:
		return &orchestrator.Refusal{Reason: fmt.Sprintf("plan %s is for %s, not for %s", plan.ID, plan.Scope, scope), Hint: again}
	case plan.Status != orchestrator.PlanReady:
		return &orchestrator.Refusal{Reason: fmt.Sprintf("plan %s is %s", plan.ID, plan.Status), Hint: again}
	case plan.GraphDigest != target.Digest && plan.Drift:
		return &orchestrator.Refusal{
			Reason: fmt.Sprintf("what is there in %s is not what release %s says there now, so that a repair cannot make it so again",
				scope.Environment, orchestrator.ShortDigest(target.Release)),
			Hint: fmt.Sprintf("deploy with `nestor apply --env %s`, which shows what it changes", scope.Environment),
		}
	case plan.GraphDigest != target.Digest:
		return &orchestrator.Refusal{Reason: fmt.Sprintf("plan %s was made for another release or configuration", plan.ID), Hint: again}
	}
	return nil
}

// PromotionRequest asks to take what runs in one environment to another.
type PromotionRequest struct {
	Team, Application, From, To string
	PlanID                      string
	AutoApprove                 bool
	OnFailure                   orchestrator.OnFailure
}

// Promotable returns the release that a promotion would take, and the nodes
// whose definitions never ran in the environment it comes from.
func (c *Compiler) Promotable(ctx context.Context, team, application, from, to string) (release string, unexercised []string, err error) {
	target, _, err := c.registry.GetEnvironment(ctx, to)
	if err != nil {
		return "", nil, err
	}
	if _, _, err := c.registry.GetEnvironment(ctx, from); err != nil {
		return "", nil, err
	}
	if from == to {
		return "", nil, &orchestrator.Refusal{Reason: from + " cannot be promoted to itself"}
	}
	if after := target.Spec.After; after != "" && after != from {
		return "", nil, &orchestrator.Refusal{
			Reason: fmt.Sprintf("%s comes after %s in the pipeline, not after %s", to, after, from),
			Hint:   fmt.Sprintf("promote %s to %s", after, to),
		}
	}
	if err := c.refuseBackwards(ctx, from, to); err != nil {
		return "", nil, err
	}
	scope := orchestrator.Scope{Team: team, Application: application, Environment: from}
	state, err := c.tested(ctx, scope)
	if err != nil {
		return "", nil, err
	}
	r, err := c.compositions.GetRelease(ctx, team, application, state.Release)
	if err != nil {
		return "", nil, err
	}
	bindings, bound := r.Bindings[to]
	if !bound {
		return "", nil, unbound(r, to)
	}
	for node, b := range bindings {
		if _, ran := slices.BinarySearch(state.Exercised, b.Digest); !ran {
			unexercised = append(unexercised, fmt.Sprintf("%s: %s@%s", node, b.Definition, b.Version))
		}
	}
	slices.Sort(unexercised)
	return state.Release, unexercised, nil
}

// refuseBackwards refuses a promotion to an environment that comes before the
// one it would come from.
func (c *Compiler) refuseBackwards(ctx context.Context, from, to string) error {
	for at := from; at != ""; {
		e, _, err := c.registry.GetEnvironment(ctx, at)
		if err != nil {
			return err
		}
		if at = e.Spec.After; at == to {
			return &orchestrator.Refusal{
				Reason: fmt.Sprintf("%s comes before %s in the pipeline", to, from),
				Hint:   fmt.Sprintf("promote %s to %s, or `nestor apply --env %s`", to, from, to),
			}
		}
	}
	return nil
}

func unbound(r composer.Release, environment string) error {
	if why, known := r.Unbound[environment]; known {
		return &orchestrator.Refusal{
			Reason: fmt.Sprintf("the release cannot go to %s: %s", environment, why),
			Hint:   "mend that, then make a new release with `nestor apply`",
		}
	}
	return &orchestrator.Refusal{
		Reason: fmt.Sprintf("the release does not know %s, which is newer than it", environment),
		Hint:   "make a new release with `nestor apply`",
	}
}

// tested returns the state of a scope whose present release was deployed with
// success, and nothing came after that left it in doubt.
func (c *Compiler) tested(ctx context.Context, scope orchestrator.Scope) (registry.ScopeState, error) {
	state, err := c.registry.Scope(ctx, scope)
	if err != nil {
		return state, err
	}
	deploy := fmt.Sprintf("run `nestor apply --env %s` first", scope.Environment)
	if state.Deployments == 0 {
		return state, &orchestrator.Refusal{
			Reason: fmt.Sprintf("%s was never deployed to %s", scope.Application, scope.Environment), Hint: deploy,
		}
	}
	latest, err := c.latest(ctx, scope, state.Deployments)
	if err != nil {
		return state, err
	}
	switch {
	case !latest.Status.Final():
		return state, &orchestrator.Refusal{
			Reason: fmt.Sprintf("deployment %s is still %s", latest.ID, latest.Status), Hint: "wait for its end",
		}
	case !latest.Settled():
		return state, &orchestrator.Refusal{
			Reason: fmt.Sprintf("the last deployment to %s, %s, ended %s", scope.Environment, latest.ID, latest.Status), Hint: deploy,
		}
	case state.Release == "":
		return state, &orchestrator.Refusal{
			Reason: fmt.Sprintf("nothing of %s is deployed in %s", scope.Application, scope.Environment), Hint: deploy,
		}
	}
	return state, nil
}

// latest is the last deployment that tells how a scope stands: an adoption that
// is over and left nothing behind has changed nothing, and so has one that never
// started.
func (c *Compiler) latest(ctx context.Context, scope orchestrator.Scope, n int64) (orchestrator.Deployment, error) {
	for ; ; n-- {
		d, err := c.registry.GetDeployment(ctx, orchestrator.DeploymentID(scope, n))
		silent := d.Status.Final() && len(d.Residue) == 0 && (d.Kind == orchestrator.KindAdopt || d.StartedAt.IsZero())
		if err != nil || !silent || n == 1 {
			return d, err
		}
	}
}

// Promotion checks a promotion and writes its record. Whoever calls it then
// signals the Application workflow with the record's id.
func (c *Compiler) Promotion(ctx context.Context, p store.Principal, req PromotionRequest) (orchestrator.Promotion, error) {
	release, unexercised, err := c.Promotable(ctx, req.Team, req.Application, req.From, req.To)
	if err != nil {
		return orchestrator.Promotion{}, err
	}
	promotion := orchestrator.Promotion{
		ID: c.newID(), Team: req.Team, Application: req.Application, From: req.From, To: req.To,
		Release: release, PlanID: req.PlanID, AutoApprove: req.AutoApprove, OnFailure: req.OnFailure,
		Principal: string(p), CreatedAt: c.now(), Unexercised: unexercised,
	}
	if err := c.CheckDeploy(ctx, PromotionDeploy(promotion)); err != nil {
		return orchestrator.Promotion{}, err
	}
	return promotion, c.registry.CreatePromotion(ctx, p, promotion)
}

// PromotionDeploy is the deployment that a promotion asks for. Its request id
// is the promotion's, so that it is accepted once.
func PromotionDeploy(p orchestrator.Promotion) contract.DeployRequest {
	return contract.DeployRequest{
		RequestID: "promotion/" + p.ID,
		Scope:     orchestrator.Scope{Team: p.Team, Application: p.Application, Environment: p.To},
		Kind:      orchestrator.KindPromote, Release: p.Release, PlanID: p.PlanID,
		AutoApprove: p.AutoApprove, OnFailure: p.OnFailure, Principal: p.Principal,
	}
}
