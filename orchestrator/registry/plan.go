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
	"github.com/HatiCode/nestor/orchestrator/contract"
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

// nodePlanRecord is a preview as it is stored.
type nodePlanRecord struct {
	orchestrator.NodePlan
	// Unknown outputs: those that will or may have another value afterwards.
	Unknown []string `json:"unknown,omitempty"`
}

// PutNodePlan records the preview of one node, and the names of the outputs that
// will or may have another value afterwards; a repeated one replaces it, until
// the plan is finished (ErrPlanClosed).
func (r *Registry) PutNodePlan(
	ctx context.Context, p store.Principal, plan string, node orchestrator.NodePlan, unknown []string,
) error {
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
	op, err := put(planNodeKey(plan, node.Node), nodePlanRecord{NodePlan: node, Unknown: unknown})
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

// UnknownOutputs names the outputs of a node that will or may have another value
// when the plan was applied; none where the node has no preview.
func (r *Registry) UnknownOutputs(ctx context.Context, plan, node string) ([]string, error) {
	var np nodePlanRecord
	_, err := r.readOrZero(ctx, planNodeKey(plan, node), "plan of "+node, &np)
	return np.Unknown, err
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

// FinishPlan closes a plan: ready when each node of its graphs has a preview
// and nothing failed, failed otherwise. failure is one that is no node's.
// Finishing it again changes nothing.
func (r *Registry) FinishPlan(
	ctx context.Context, p store.Principal, id, failure string, failures ...contract.PlanFailure,
) error {
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
		problems, err := r.problems(ctx, plan, failure, failures)
		if err != nil {
			return err
		}
		if err := closePlan(&plan, problems); err != nil {
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

// notPreviewed begins the problem that names the nodes of which nothing is known.
const notPreviewed = "not previewed: "

// problems lists what keeps a plan from being ready.
func (r *Registry) problems(
	ctx context.Context, plan orchestrator.Plan, failure string, failures []contract.PlanFailure,
) ([]string, error) {
	why, seen := map[string]string{}, map[string]bool{}
	for _, f := range failures {
		why[f.Node] = f.Message
	}
	for _, node := range plan.Nodes {
		seen[node.Node] = true
		if node.Error != "" {
			why[node.Node] = node.Error
		}
	}
	problems := make([]string, 0, len(why)+2)
	for node, message := range why {
		problems = append(problems, node+": "+message)
	}
	slices.Sort(problems)
	if failure != "" {
		return boundedProblems(append([]string{failure}, problems...))
	}
	missing, err := r.missing(ctx, plan, func(node string) bool { return seen[node] || why[node] != "" })
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		problems = append(problems, notPreviewed+strings.Join(missing, ", "))
	}
	return boundedProblems(problems)
}

// missing lists the nodes of a plan's graphs that are not known.
func (r *Registry) missing(ctx context.Context, plan orchestrator.Plan, known func(string) bool) ([]string, error) {
	var nodes []string
	for _, digest := range []string{plan.GraphDigest, plan.PreviousGraphDigest} {
		if digest == "" {
			continue
		}
		graph, err := r.GetGraph(ctx, digest)
		if err != nil {
			return nil, err
		}
		for _, node := range graph.Nodes {
			if !known(node.ID) {
				nodes = append(nodes, node.ID)
			}
		}
	}
	slices.Sort(nodes)
	return boundedNames(slices.Compact(nodes), 0)
}

func closePlan(plan *orchestrator.Plan, problems []string) error {
	type change struct {
		Node   string `json:"node"`
		Digest string `json:"digest"`
		Remove bool   `json:"remove"`
		Retain bool   `json:"retain"`
		// Restore is the snapshot that what is made anew gets its content from.
		Restore string `json:"restore,omitempty"`
	}
	changes := make([]change, 0, len(plan.Nodes))
	for _, node := range plan.Nodes {
		if len(node.Changes) > 0 || node.Remove {
			c := change{Node: node.Node, Digest: node.Digest, Remove: node.Remove, Retain: node.Retain}
			if node.Restore != nil {
				c.Restore = node.Restore.Snapshot
			}
			changes = append(changes, c)
		}
		plan.Summary = plan.Summary.Add(orchestrator.CountChanges(node.Changes))
	}
	if len(problems) > 0 {
		plan.Status, plan.Error = orchestrator.PlanFailed, strings.Join(problems, "\n")
		return nil
	}
	digest, err := canonical.Digest(changes)
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
