// SPDX-License-Identifier: Apache-2.0

package api

import (
	"cmp"
	"context"

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
	err = s.d.Temporal.Approve(ctx, deployment.Team, deployment.Application, decision(ctx, deployment, *r.Body))
	if err != nil {
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
	err = s.d.Temporal.Reject(ctx, deployment.Team, deployment.Application, decision(ctx, deployment, *r.Body))
	if err != nil {
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
	err = s.d.Temporal.Cancel(ctx, deployment.Team, deployment.Application, contract.CancelSignal{
		Deployment: deployment.ID,
		Phase:      r.Body.Phase,
		Principal:  string(auth.From(ctx).Name),
		Reason:     cmp.Or(r.Body.Reason, r.Body.Comment),
	})
	if err != nil {
		return nil, err
	}
	return gen.CancelDeployment202JSONResponse(deployment), nil
}

func decision(ctx context.Context, d orchestrator.Deployment, body gen.Decision) contract.DecisionSignal {
	return contract.DecisionSignal{
		Deployment: d.ID, Principal: string(auth.From(ctx).Name), Comment: cmp.Or(body.Comment, body.Reason),
	}
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
