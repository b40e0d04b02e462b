// SPDX-License-Identifier: Apache-2.0

package api

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/HatiCode/nestor/api/auth"
	"github.com/HatiCode/nestor/api/gen"
	"github.com/HatiCode/nestor/api/problem"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// ApproveDeployment implements POST /deployments/{…}/approve.
func (s *Server) ApproveDeployment(ctx context.Context, r gen.ApproveDeploymentRequestObject) (gen.ApproveDeploymentResponseObject, error) {
	deployment, err := s.waiting(ctx, deploymentID(r.Team, r.Application, r.Environment, r.N))
	if err != nil {
		return nil, err
	}
	signal, err := decision(ctx, deployment, *r.Body)
	if err != nil {
		return nil, err
	}
	if err := s.approvable(ctx, deployment); err != nil {
		return nil, err
	}
	if err := s.d.Temporal.Approve(ctx, deployment.Team, deployment.Application, signal); err != nil {
		return nil, err
	}
	return gen.ApproveDeployment202JSONResponse(deployment), nil
}

// RejectDeployment implements POST /deployments/{…}/reject.
func (s *Server) RejectDeployment(ctx context.Context, r gen.RejectDeploymentRequestObject) (gen.RejectDeploymentResponseObject, error) {
	deployment, err := s.waiting(ctx, deploymentID(r.Team, r.Application, r.Environment, r.N))
	if err != nil {
		return nil, err
	}
	signal, err := decision(ctx, deployment, *r.Body)
	if err != nil {
		return nil, err
	}
	if err := s.d.Temporal.Reject(ctx, deployment.Team, deployment.Application, signal); err != nil {
		return nil, err
	}
	return gen.RejectDeployment202JSONResponse(deployment), nil
}

// CancelDeployment implements POST /deployments/{…}/cancel.
func (s *Server) CancelDeployment(ctx context.Context, r gen.CancelDeploymentRequestObject) (gen.CancelDeploymentResponseObject, error) {
	deployment, err := s.unfinished(ctx, deploymentID(r.Team, r.Application, r.Environment, r.N))
	if err != nil {
		return nil, err
	}
	asked := orchestrator.Cancellation{
		Phase: r.Body.Phase, Principal: string(auth.From(ctx).Name), Reason: cmp.Or(r.Body.Reason, r.Body.Comment),
	}
	if err := s.cancel(ctx, deployment, asked); err != nil {
		return nil, err
	}
	if deployment, err = s.d.Records.GetDeployment(ctx, deployment.ID); err != nil {
		return nil, err
	}
	return gen.CancelDeployment202JSONResponse(deployment), nil
}

// cancel records a cancellation, so that what the workflow does about it can be
// explained, and tells the workflow. Whoever reads the events hears of it once that
// was done. One of another phase does nothing.
func (s *Server) cancel(ctx context.Context, d orchestrator.Deployment, c orchestrator.Cancellation) error {
	known, err := s.d.Records.Cancel(ctx, d.ID, c)
	if err != nil || !known {
		return err
	}
	err = s.d.Temporal.Cancel(ctx, d.Team, d.Application, contract.CancelSignal{
		Deployment: d.ID, Phase: c.Phase, Principal: c.Principal, Reason: c.Reason,
	})
	// Whoever asked may have gone meanwhile; the record has to be true nevertheless.
	settle, stop := context.WithTimeout(context.WithoutCancel(ctx), cancelRecord)
	defer stop()
	if err != nil {
		return errors.Join(err, s.d.Records.CancelLost(settle, d.ID, c))
	}
	return s.d.Records.CancelSent(settle, d.ID, c)
}

// cancelRecord bounds how long it takes to record what became of a cancellation.
const cancelRecord = 5 * time.Second

// decision is about the change sets that the body names, which must be what the
// deployment waits with; or about all of these.
func decision(ctx context.Context, d orchestrator.Deployment, body gen.Decision) (contract.DecisionSignal, error) {
	signal := contract.DecisionSignal{
		Deployment: d.ID, Principal: string(auth.From(ctx).Name), Comment: cmp.Or(body.Comment, body.Reason),
	}
	if d.Status != orchestrator.StatusPaused {
		return signal, aboutPlan(d, body, &signal)
	}
	if body.ChangeDigest != "" {
		return signal, problem.New(problem.TypeConflict,
			"deployment %s has begun; it is not its plan that waits for a decision but %s", d.ID, pausedNodes(d))
	}
	for _, p := range d.Paused {
		if len(body.Changes) == 0 || slices.Contains(body.Changes, p.Change()) {
			signal.Changes = append(signal.Changes, p.Change())
		}
	}
	for _, change := range body.Changes {
		if !slices.Contains(signal.Changes, change) {
			return signal, problem.New(problem.TypeConflict,
				"%s of deployment %s does not wait with the change set %s; what waits now is %s",
				change.Node, d.ID, change.ChangeDigest, pausedNodes(d))
		}
	}
	return signal, nil
}

// aboutPlan makes a decision one about a plan, for a deployment that has not
// begun.
func aboutPlan(d orchestrator.Deployment, body gen.Decision, signal *contract.DecisionSignal) error {
	if len(body.Changes) > 0 {
		return problem.New(problem.TypeConflict, "deployment %s is %s; no node of it is paused", d.ID, d.Status)
	}
	if body.ChangeDigest != "" && body.ChangeDigest != d.ChangeDigest {
		return problem.New(problem.TypeConflict,
			"the plan of deployment %s is another by now (%s); look at that one first", d.ID, cmp.Or(d.PlanID, "none"))
	}
	signal.ChangeDigest = d.ChangeDigest
	return nil
}

// pausedNodes lists what waits, for a message.
func pausedNodes(d orchestrator.Deployment) string {
	const most = 10
	names := make([]string, 0, most+1)
	for i, p := range d.Paused {
		if i == most {
			names = append(names, "…")
			break
		}
		names = append(names, p.Node+" with "+p.ChangeDigest)
	}
	return cmp.Or(strings.Join(names, ", "), "nothing")
}

// approvable refuses an approval that could not count.
func (s *Server) approvable(ctx context.Context, d orchestrator.Deployment) error {
	if d.Status != orchestrator.StatusPaused && d.ChangeDigest == "" {
		return problem.New(problem.TypeConflict, "deployment %s has no plan that could be approved", d.ID)
	}
	environment, _, err := s.d.Records.GetEnvironment(ctx, d.Environment)
	if err != nil {
		return err
	}
	required := environment.Spec.Approvals.Required
	if d.Status == orchestrator.StatusPaused {
		required = d.ApprovalsRequired
	}
	if required > 0 && string(auth.From(ctx).Name) == d.Principal {
		return problem.New(problem.TypeConflict,
			"%s asks for approvals from others than %s, who asked for deployment %s", d.Environment, d.Principal, d.ID)
	}
	return nil
}

// unfinished is a deployment that a signal can still reach.
func (s *Server) unfinished(ctx context.Context, id string) (orchestrator.Deployment, error) {
	deployment, err := s.d.Records.GetDeployment(ctx, id)
	if err != nil {
		return deployment, err
	}
	if deployment.Status.Final() {
		return deployment, problem.New(problem.TypeConflict, "deployment %s is over (%s); there is nothing to change", id, deployment.Status)
	}
	return deployment, nil
}

// waiting is a deployment that asks for a decision, or may come to ask: one in
// the queue has not been looked at yet.
func (s *Server) waiting(ctx context.Context, id string) (orchestrator.Deployment, error) {
	deployment, err := s.unfinished(ctx, id)
	if err != nil {
		return deployment, err
	}
	switch deployment.Status {
	case orchestrator.StatusAwaitingApproval, orchestrator.StatusPaused, orchestrator.StatusQueued:
		return deployment, nil
	default:
		return deployment, problem.New(problem.TypeConflict, "deployment %s is %s and asks for no decision", id, deployment.Status)
	}
}
