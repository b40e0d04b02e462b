// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/store"
)

// graphs are what a deployment would walk now, and the basis they were found on.
type graphs struct {
	target, previous string
	basis            int64
}

// planning is what is known of a deployment's plan.
type planning struct {
	plan    orchestrator.Plan // without its nodes; zero where none is needed
	anew    *contract.PlanInput
	refused string
}

// bound says that a deployment may do no more than its plan shows: always,
// except where its principal takes what comes and nobody else has a say.
func bound(d orchestrator.Deployment, e orchestrator.Environment) bool {
	return !d.AutoApprove || e.Spec.Approvals.Required > 0
}

// planned finds the plan that a deployment is bound to. Where that shows what
// is no longer true, since another deployment came between, or where there is
// none, it writes the record of a new one, which somebody has to make.
func (c *Compiler) planned(
	ctx context.Context, d orchestrator.Deployment, e orchestrator.Environment, now graphs, principal string,
) (planning, error) {
	var p planning
	if d.PlanID != "" {
		var err error
		if p.plan, err = c.registry.GetPlanRecord(ctx, d.PlanID); err != nil {
			return p, err
		}
	}
	plan := p.plan
	moved := plan.Basis != now.basis || plan.PreviousGraphDigest != now.previous
	switch {
	case !bound(d, e):
		return p, nil
	case plan.ID == "" || moved:
		return p, c.replan(ctx, d, principal, &p)
	case plan.Status == orchestrator.PlanRunning:
		p.anew = planInput(plan)
	case plan.Status == orchestrator.PlanFailed:
		p.refused = fmt.Sprintf("%s has changed since it was planned, and a new plan cannot be made: %s", d.Environment, plan.Error)
	case plan.GraphDigest != now.target:
		p.refused = "the environment or its engines have changed since the plan was made; plan and apply again"
	}
	return p, nil
}

// replan writes the record of a plan of what a deployment would do now.
func (c *Compiler) replan(ctx context.Context, d orchestrator.Deployment, principal string, p *planning) error {
	plan, err := c.draft(ctx, store.Principal(principal), PlanRequest{Scope: d.Scope, Kind: d.Kind, Release: d.Release})
	if why, refused := Refused(err); refused {
		p.refused = why
		return nil
	}
	if err != nil {
		return err
	}
	if err := c.registry.Replan(ctx, d.ID, principal, plan); err != nil {
		return err
	}
	p.plan, p.anew = plan, planInput(plan)
	return nil
}

func planInput(plan orchestrator.Plan) *contract.PlanInput {
	return &contract.PlanInput{
		Plan: plan.ID, Scope: plan.Scope, GraphDigest: plan.GraphDigest,
		PreviousGraphDigest: plan.PreviousGraphDigest, Principal: plan.Principal,
	}
}

// consent counts the approvals that a deployment still needs for the change set
// of its plan, and says why it needs them: those that the environment asks for,
// and one where its principal has seen another change set.
func (c *Compiler) consent(
	ctx context.Context, d orchestrator.Deployment, e orchestrator.Environment, plan orchestrator.Plan,
) (missing int, why string, err error) {
	required := e.Spec.Approvals.Required
	if !bound(d, e) {
		return 0, "", nil
	}
	var reasons []string
	if d.ReplacedPlanID != "" {
		seen, err := c.registry.GetPlanRecord(ctx, d.ReplacedPlanID)
		if err != nil {
			return 0, "", err
		}
		if seen.ChangeDigest != plan.ChangeDigest {
			between, err := c.between(ctx, d, seen)
			if err != nil {
				return 0, "", err
			}
			reasons = append(reasons, fmt.Sprintf("%s has changed since plan %s was made%s; plan %s shows what would change now",
				d.Environment, seen.ID, between, plan.ID))
		}
	}
	need := required
	if need == 0 && len(reasons) > 0 {
		need = 1
	}
	if missing = max(0, need-approvals(d, plan.ChangeDigest, required)); missing == 0 {
		return 0, "", nil
	}
	if required > 0 {
		reasons = append(reasons, fmt.Sprintf("%s asks for %d more approval(s), from others than %s", d.Environment, missing, d.Principal))
	} else {
		reasons = append(reasons, "approve that, or reject it")
	}
	return missing, strings.Join(reasons, "; "), nil
}

// approvals counts who has approved a deployment's change set: its own
// principal only where the environment asks for nobody else.
func approvals(d orchestrator.Deployment, changes string, required int) int {
	who := map[string]bool{}
	for _, a := range d.Approvals {
		about := a.Node == "" && a.Void == "" && a.ChangeDigest == changes
		if a.Approved && about && (required == 0 || a.Principal != d.Principal) {
			who[a.Principal] = true
		}
	}
	return len(who)
}

// between names the deployments that ended after a plan was made and before d.
func (c *Compiler) between(ctx context.Context, d orchestrator.Deployment, plan orchestrator.Plan) (string, error) {
	const most = 5
	var numbers []string
	for n := d.N - 1; n > 0 && len(numbers) < most; n-- {
		earlier, err := c.registry.GetDeployment(ctx, orchestrator.DeploymentID(d.Scope, n))
		if errors.Is(err, store.ErrNotFound) || err == nil && earlier.FinishedAt.Before(plan.CreatedAt) {
			break
		}
		if err != nil {
			return "", err
		}
		if !earlier.StartedAt.IsZero() {
			numbers = append(numbers, fmt.Sprintf("deployment %d", n))
		}
	}
	if len(numbers) == 0 {
		return "", nil
	}
	return " (" + strings.Join(numbers, ", ") + " came between)", nil
}
