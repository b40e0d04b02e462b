// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"time"

	"github.com/HatiCode/nestor/api/auth"
	"github.com/HatiCode/nestor/api/gen"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/compile"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// CreatePlan implements POST /plans.
func (s *Server) CreatePlan(ctx context.Context, r gen.CreatePlanRequestObject) (gen.CreatePlanResponseObject, error) {
	// Asked first, so that no record is left which nobody will finish.
	if err := s.d.Temporal.Ready(ctx); err != nil {
		return nil, err
	}
	principal := auth.From(ctx).Name
	plan, err := s.d.Compiler.Plan(ctx, principal, compile.PlanRequest{
		Scope:   orchestrator.Scope{Team: r.Body.Team, Application: r.Body.Application, Environment: r.Body.Environment},
		Kind:    r.Body.Kind,
		Release: r.Body.Release,
	})
	if err != nil {
		return nil, err
	}
	err = s.d.Temporal.StartPlan(ctx, contract.PlanInput{
		Plan: plan.ID, Scope: plan.Scope,
		GraphDigest: plan.GraphDigest, PreviousGraphDigest: plan.PreviousGraphDigest, Principal: string(principal),
	})
	if err != nil {
		return nil, err
	}
	return gen.CreatePlan202JSONResponse{
		Body: plan, Headers: gen.CreatePlan202ResponseHeaders{Location: "/api/v1/plans/" + plan.ID},
	}, nil
}

// GetPlan implements GET /plans/{id}. A plan whose workflow is gone is closed
// here: nobody else would, and whoever asks would wait for ever.
func (s *Server) GetPlan(ctx context.Context, r gen.GetPlanRequestObject) (gen.GetPlanResponseObject, error) {
	plan, err := s.visiblePlan(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	if plan.Status == orchestrator.PlanRunning && time.Since(plan.CreatedAt) > s.config.PlanGrace {
		if plan, err = s.closeGone(ctx, plan); err != nil {
			return nil, err
		}
	}
	return gen.GetPlan200JSONResponse(plan), nil
}

// CancelPlan implements POST /plans/{id}/cancel.
func (s *Server) CancelPlan(ctx context.Context, r gen.CancelPlanRequestObject) (gen.CancelPlanResponseObject, error) {
	plan, err := s.visiblePlan(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	if plan.Status == orchestrator.PlanRunning {
		if err := s.d.Temporal.CancelPlan(ctx, plan.ID); err != nil {
			return nil, err
		}
	}
	return gen.CancelPlan202JSONResponse(plan), nil
}

// closeGone closes a plan whose workflow has ended. While nobody can tell, the
// plan stays as it is.
func (s *Server) closeGone(ctx context.Context, plan orchestrator.Plan) (orchestrator.Plan, error) {
	why, err := s.d.Temporal.PlanEnding(ctx, plan.ID)
	if err != nil {
		s.log.WarnContext(ctx, "it cannot be told whether a plan is still being made", "plan", plan.ID, "error", err)
		return plan, nil
	}
	if why == "" {
		return plan, nil
	}
	if err := s.d.Records.FinishPlan(ctx, auth.From(ctx).Name, plan.ID, why+"; make a new plan"); err != nil {
		return plan, err
	}
	return s.d.Records.GetPlan(ctx, plan.ID)
}

// visiblePlan is a plan of one of the caller's teams; another team's looks as
// if it did not exist.
func (s *Server) visiblePlan(ctx context.Context, id string) (orchestrator.Plan, error) {
	plan, err := s.d.Records.GetPlan(ctx, id)
	if err != nil {
		return plan, err
	}
	return plan, visibleTeam(ctx, plan.Team, "plan "+id)
}
