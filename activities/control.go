// SPDX-License-Identifier: Apache-2.0

// Package activities holds the side effects of Nestor's workflows: Control
// writes records, Steps drive engines. Each method is one activity, registered
// under its name in orchestrator/contract, with its own input and result
// there.
//
// What it is not for: deciding what comes next (orchestrator/walk) or knowing
// how an engine works (activities/engine and its leaves).
package activities

import (
	"context"
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/compile"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

// Control holds the activities of contract.QueueControl.
type Control struct {
	Registry *registry.Registry
	Compiler *compile.Compiler
	Temporal Describer
	Queues   QueueDescriber
	Graphs   *Graphs
	// Deployer queues the deployments that repair drift.
	Deployer Deployer
}

// Describer looks at a workflow; a Temporal client does.
type Describer interface {
	DescribeWorkflowExecution(ctx context.Context, workflowID, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error)
}

// Registrar is what a worker offers for registration.
type Registrar interface {
	RegisterActivityWithOptions(a any, options activity.RegisterOptions)
}

// Register makes the activities known to a worker.
func (c *Control) Register(w Registrar) {
	for name, a := range map[string]any{
		contract.ActivityOpenDeployments:   c.OpenDeployments,
		contract.ActivityAcceptDeployment:  c.AcceptDeployment,
		contract.ActivityAcceptPromotion:   c.AcceptPromotion,
		contract.ActivityPrepareDeployment: c.PrepareDeployment,
		contract.ActivitySetStatus:         c.SetStatus,
		contract.ActivityLoadGraph:         c.LoadGraph,
		contract.ActivityFinishDeployment:  c.FinishDeployment,
		contract.ActivityDescribeRun:       c.DescribeRun,
		contract.ActivityFinishPlan:        c.FinishPlan,
		contract.ActivityServed:            c.Served,
		contract.ActivityListDeployed:      c.ListDeployed,
		contract.ActivityBeginDrift:        c.BeginDrift,
		contract.ActivityFinishDrift:       c.FinishDrift,
		contract.ActivityRepairDrift:       c.RepairDrift,
	} {
		w.RegisterActivityWithOptions(a, activity.RegisterOptions{Name: name})
	}
}

// AcceptDeployment writes the record of a request and returns its id. The same
// request id gets the same deployment; another request with it is refused.
func (c *Control) AcceptDeployment(ctx context.Context, req contract.DeployRequest) (contract.AcceptResult, error) {
	d, err := c.Registry.Accept(ctx, req, "")
	return contract.AcceptResult{Deployment: d.ID, Ended: d.Status.Final()}, toTemporal(err)
}

// AcceptPromotion turns a promotion record into a deployment, or records why
// it cannot be one.
func (c *Control) AcceptPromotion(ctx context.Context, s contract.PromoteSignal) (contract.AcceptPromotionResult, error) {
	p, err := c.Registry.GetPromotion(ctx, s.Promotion)
	if err != nil {
		return contract.AcceptPromotionResult{}, toTemporal(err)
	}
	if p.Deployment != "" || p.Refused != "" {
		// An earlier attempt came so far, and its answer was lost.
		return c.settled(ctx, p)
	}
	req := compile.PromotionDeploy(p)
	err = c.Compiler.CheckDeploy(ctx, req)
	if why, refused := compile.Refused(err); refused {
		return c.refuse(ctx, p, why)
	}
	if err != nil {
		return contract.AcceptPromotionResult{}, toTemporal(err)
	}
	d, err := c.Registry.Accept(ctx, req, p.ID)
	if why, refused := compile.Refused(err); refused {
		return c.refuse(ctx, p, why)
	}
	if err != nil {
		return contract.AcceptPromotionResult{}, toTemporal(err)
	}
	err = c.Registry.SettlePromotion(ctx, store.Principal(p.Principal), p.ID, d.ID, "")
	return contract.AcceptPromotionResult{Deployment: d.ID, Environment: d.Environment, Ended: d.Status.Final()}, toTemporal(err)
}

// refuse records why a promotion cannot be a deployment.
func (c *Control) refuse(ctx context.Context, p orchestrator.Promotion, why string) (contract.AcceptPromotionResult, error) {
	why = contract.Cut(why, contract.MaxMessage)
	err := c.Registry.SettlePromotion(ctx, store.Principal(p.Principal), p.ID, "", why)
	return contract.AcceptPromotionResult{Environment: p.To, Refused: why}, toTemporal(err)
}

// settled is what became of a promotion that has an outcome.
func (c *Control) settled(ctx context.Context, p orchestrator.Promotion) (contract.AcceptPromotionResult, error) {
	res := contract.AcceptPromotionResult{Deployment: p.Deployment, Environment: p.To, Refused: p.Refused}
	if p.Deployment == "" {
		return res, nil
	}
	d, err := c.Registry.GetDeployment(ctx, p.Deployment)
	res.Ended = d.Status.Final()
	return res, toTemporal(err)
}

// PrepareDeployment freezes the graph and says what is still missing: at last,
// workers for its engines.
func (c *Control) PrepareDeployment(ctx context.Context, in contract.PrepareInput) (contract.Prepared, error) {
	p, err := c.Compiler.Prepare(ctx, in.Deployment, in.Principal)
	if err == nil && p.ApprovalsMissing == 0 && p.Waiting == "" {
		p.Waiting, err = c.unserved(ctx, p.Queues)
	}
	return p, toTemporal(err)
}

// SetStatus records a status that is not final, or an approval.
func (c *Control) SetStatus(ctx context.Context, in contract.StatusInput) error {
	return toTemporal(c.Registry.SetStatus(ctx, in))
}

// graphPage bounds a page of adjacency, in bytes of JSON before encoding.
const graphPage = 200 << 10

// LoadGraph returns a page of a graph's adjacency. Pages of one graph are
// always cut at the same nodes.
func (c *Control) LoadGraph(ctx context.Context, in contract.LoadGraphInput) (contract.LoadGraphResult, error) {
	graph, err := c.Graphs.Get(ctx, in.Digest)
	if err != nil {
		return contract.LoadGraphResult{}, toTemporal(err)
	}
	res, err := page(graph, in.Page, graphPage)
	return res, toTemporal(err)
}

// DescribeRun looks at a Deployment workflow. One that ended without finishing
// its deployment (it was terminated, or it failed) is finished here.
func (c *Control) DescribeRun(ctx context.Context, in contract.DescribeInput) (contract.DescribeResult, error) {
	d, err := c.Registry.GetDeployment(ctx, in.Deployment)
	if err != nil {
		return contract.DescribeResult{}, toTemporal(err)
	}
	if d.Status.Final() {
		return contract.DescribeResult{Ended: true, Status: d.Status}, nil
	}
	why, err := c.ending(ctx, in.Deployment)
	if err != nil || why == "" {
		return contract.DescribeResult{}, toTemporal(err)
	}
	residue, err := c.cutOff(ctx, d)
	if err != nil {
		return contract.DescribeResult{}, toTemporal(err)
	}
	err = c.finish(ctx, contract.FinishInput{
		Deployment: in.Deployment, Status: orchestrator.StatusFailed, Principal: "workflow:" + contract.WorkflowApplication,
		Residue: residue,
		Error:   why + "; nothing was rolled back: " + again(d.Kind) + " again to come to a known state",
	}, unjudged)
	return contract.DescribeResult{Ended: true, Status: orchestrator.StatusFailed}, toTemporal(err)
}

func again(k orchestrator.Kind) string {
	if k == orchestrator.KindAdopt {
		return "adopt"
	}
	return "apply or destroy"
}

// ending says how a workflow ended; empty while it runs.
func (c *Control) ending(ctx context.Context, workflowID string) (string, error) {
	res, err := c.Temporal.DescribeWorkflowExecution(ctx, workflowID, "")
	var gone *serviceerror.NotFound
	if errors.As(err, &gone) {
		return "its workflow is gone from Temporal", nil
	}
	if err != nil {
		return "", fmt.Errorf("describe workflow %s: %w", workflowID, err)
	}
	status := res.GetWorkflowExecutionInfo().GetStatus()
	if status == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING || status == enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW {
		return "", nil
	}
	return "its workflow ended as " + status.String(), nil
}

// FinishPlan closes a plan.
func (c *Control) FinishPlan(ctx context.Context, in contract.FinishPlanInput) error {
	return toTemporal(c.Registry.FinishPlan(ctx, store.Principal(in.Principal), in.Plan, in.Error, in.Failures...))
}
