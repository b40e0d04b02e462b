// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/internal/canonical"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/store"
)

// CreatePlan writes the record of a plan that is about to be made.
func (r *Registry) CreatePlan(ctx context.Context, p store.Principal, plan orchestrator.Plan) error {
	op, err := replace(planKey(plan.ID), 0, plan)
	if err != nil {
		return err
	}
	if _, err := r.write(ctx, p, op); err != nil {
		return fmt.Errorf("create plan %s: %w", plan.ID, err)
	}
	return nil
}

// ErrPlanClosed says that a plan was finished: what it shows may be approved by
// now, and never changes again.
var ErrPlanClosed = errors.New("the plan is closed")

// PutNodePlan records the preview of one node; a repeated one replaces it, until
// the plan is finished (ErrPlanClosed).
func (r *Registry) PutNodePlan(ctx context.Context, p store.Principal, plan string, node orchestrator.NodePlan) error {
	digest, err := canonical.Digest(node.Changes)
	if err != nil {
		return fmt.Errorf("digest of the changes of %s: %w", node.Node, err)
	}
	node.Digest = digest
	var record orchestrator.Plan
	revision, err := r.read(ctx, planKey(plan), "plan "+plan, &record)
	if err != nil {
		return err
	}
	op, err := put(planNodeKey(plan, node.Node), node)
	if err != nil {
		return err
	}
	if record.Status == orchestrator.PlanRunning {
		_, err = r.write(ctx, p, op, store.Check(planKey(plan), revision))
	}
	if record.Status != orchestrator.PlanRunning || errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("record the plan of %s: plan %s: %w", node.Node, plan, ErrPlanClosed)
	}
	if err != nil {
		return fmt.Errorf("record the plan of %s: %w", node.Node, err)
	}
	return nil
}

// NodePlan returns the preview of one node.
func (r *Registry) NodePlan(ctx context.Context, plan, node string) (orchestrator.NodePlan, error) {
	var np orchestrator.NodePlan
	_, err := r.read(ctx, planNodeKey(plan, node), "plan of "+node, &np)
	return np, err
}

// GetPlanRecord returns a plan without its nodes.
func (r *Registry) GetPlanRecord(ctx context.Context, id string) (orchestrator.Plan, error) {
	var plan orchestrator.Plan
	_, err := r.read(ctx, planKey(id), "plan "+id, &plan)
	return plan, err
}

// GetPlan returns a plan with all its nodes.
func (r *Registry) GetPlan(ctx context.Context, id string) (orchestrator.Plan, error) {
	plan, err := r.GetPlanRecord(ctx, id)
	if err != nil {
		return plan, err
	}
	nodes, err := collect[orchestrator.NodePlan](ctx, r.store, "plans/"+id, planNodePrefix)
	if err != nil {
		return plan, fmt.Errorf("nodes of plan %s: %w", id, err)
	}
	plan.Nodes = nodes
	return plan, nil
}

// FinishPlan closes a plan: ready when every node could be previewed, failed
// otherwise. Finishing it again changes nothing.
func (r *Registry) FinishPlan(ctx context.Context, p store.Principal, id, failure string) error {
	return retry(ctx, func() error {
		plan, err := r.GetPlan(ctx, id)
		if err != nil {
			return err
		}
		if plan.Status != orchestrator.PlanRunning {
			return nil
		}
		revision, err := r.read(ctx, planKey(id), "plan "+id, &orchestrator.Plan{})
		if err != nil {
			return err
		}
		if err := closePlan(&plan, failure); err != nil {
			return err
		}
		plan.FinishedAt = r.now()
		plan.Nodes = nil // each is a document of its own
		op, err := replace(planKey(id), revision, plan)
		if err != nil {
			return err
		}
		_, err = r.write(ctx, p, op)
		return err
	})
}

func closePlan(plan *orchestrator.Plan, failure string) error {
	problems := []string{}
	if failure != "" {
		problems = append(problems, failure)
	}
	digests := make([][2]string, 0, len(plan.Nodes))
	for _, node := range plan.Nodes {
		if node.Error != "" {
			problems = append(problems, node.Node+": "+node.Error)
		}
		if len(node.Changes) > 0 || node.Remove {
			digests = append(digests, [2]string{node.Node, node.Digest})
		}
		plan.Summary = plan.Summary.Add(orchestrator.CountChanges(node.Changes))
	}
	if len(problems) > 0 {
		slices.Sort(problems)
		plan.Status, plan.Error = orchestrator.PlanFailed, strings.Join(problems, "\n")
		return nil
	}
	digest, err := canonical.Digest(digests)
	if err != nil {
		return err
	}
	plan.Status, plan.ChangeDigest = orchestrator.PlanReady, digest
	return nil
}

// CreatePromotion writes the record that a promote signal will name.
func (r *Registry) CreatePromotion(ctx context.Context, p store.Principal, promotion orchestrator.Promotion) error {
	op, err := replace(promotionKey(promotion.ID), 0, promotion)
	if err != nil {
		return err
	}
	if _, err := r.write(ctx, p, op); err != nil {
		return fmt.Errorf("create promotion %s: %w", promotion.ID, err)
	}
	return nil
}

// GetPromotion returns a promotion record.
func (r *Registry) GetPromotion(ctx context.Context, id string) (orchestrator.Promotion, error) {
	var p orchestrator.Promotion
	_, err := r.read(ctx, promotionKey(id), "promotion "+id, &p)
	return p, err
}

// errOutcomeTold stops a second outcome of one promotion.
var errOutcomeTold = errors.New("the outcome was recorded already")

// SettlePromotion records the deployment that a promotion became, or why it
// was refused. The first outcome stays.
func (r *Registry) SettlePromotion(ctx context.Context, principal store.Principal, id, deployment, refused string) error {
	err := retry(ctx, func() error {
		var p orchestrator.Promotion
		revision, err := r.read(ctx, promotionKey(id), "promotion "+id, &p)
		if err != nil {
			return err
		}
		if p.Deployment != "" || p.Refused != "" {
			return errOutcomeTold
		}
		p.Deployment, p.Refused = deployment, refused
		op, err := replace(promotionKey(id), revision, p)
		if err != nil {
			return err
		}
		_, err = r.write(ctx, principal, op)
		return err
	})
	if errors.Is(err, errOutcomeTold) {
		return nil
	}
	return err
}
