// SPDX-License-Identifier: Apache-2.0

package api

import (
	"cmp"
	"context"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/HatiCode/nestor/api/auth"
	"github.com/HatiCode/nestor/api/gen"
	"github.com/HatiCode/nestor/api/problem"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/compile"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// CreateDrift implements POST /drift. While a check runs, its report is the
// answer, whoever asked for it.
func (s *Server) CreateDrift(ctx context.Context, r gen.CreateDriftRequestObject) (gen.CreateDriftResponseObject, error) {
	// Asked first, so that no record is left which nobody will finish.
	if err := s.d.Temporal.Ready(ctx); err != nil {
		return nil, err
	}
	report, err := s.beginDrift(ctx, compile.DriftRequest{
		Scope:     orchestrator.Scope{Team: r.Body.Team, Application: r.Body.Application, Environment: r.Body.Environment},
		Trigger:   orchestrator.TriggerManual,
		Repair:    r.Body.Repair,
		RequestID: cmp.Or(r.Params.IdempotencyKey, ulid.Make().String()),
		Principal: string(auth.From(ctx).Name),
	})
	if err != nil {
		return nil, err
	}
	return gen.CreateDrift202JSONResponse{
		Body: report, Headers: gen.CreateDrift202ResponseHeaders{Location: "/api/v1/drift/" + report.String() + "/" + report.ID},
	}, nil
}

func (s *Server) beginDrift(ctx context.Context, req compile.DriftRequest) (orchestrator.Drift, error) {
	report, created, err := s.d.Compiler.Drift(ctx, req)
	if err == nil && !created && report.RequestID != req.RequestID {
		if report, err = s.closeGoneDrift(ctx, report); err == nil && report.Status != orchestrator.DriftRunning {
			report, created, err = s.d.Compiler.Drift(ctx, req)
		}
	}
	switch {
	case err != nil:
		return report, err
	case created:
		return report, s.d.Temporal.StartDrift(ctx, contract.DriftInput{
			Drift: report.ID, Scope: report.Scope, GraphDigest: report.GraphDigest, Principal: report.Principal,
		})
	case report.Repair != req.Repair && req.Repair:
		return report, problem.New(problem.TypeConflict,
			"check %s of %s, which %s asked for, is at work and does not repair; repeat the request when it is over", report.ID, report.Scope, report.Principal)
	default:
		return report, nil
	}
}

// ListDrifts implements GET /drift.
func (s *Server) ListDrifts(ctx context.Context, r gen.ListDriftsRequestObject) (gen.ListDriftsResponseObject, error) {
	team, err := teamOrOwn(ctx, r.Params.Team)
	if err != nil {
		return nil, err
	}
	reports, err := s.d.Records.ListDrifts(ctx, orchestrator.Scope{
		Team: team, Application: r.Params.Application, Environment: r.Params.Environment,
	})
	if err != nil {
		return nil, err
	}
	return gen.ListDrifts200JSONResponse{Items: list(reports)}, nil
}

// GetDrift implements GET /drift/{…}. A check whose workflow is gone is closed
// here: whoever asks would wait for ever.
func (s *Server) GetDrift(ctx context.Context, r gen.GetDriftRequestObject) (gen.GetDriftResponseObject, error) {
	scope := orchestrator.Scope{Team: r.Team, Application: r.Application, Environment: r.Environment}
	report, err := s.d.Records.GetDrift(ctx, scope, r.ID)
	if err == nil {
		report, err = s.closeGoneDrift(ctx, report)
	}
	if err != nil {
		return nil, err
	}
	return gen.GetDrift200JSONResponse(report), nil
}

// closeGoneDrift closes a check that has run for a while and whose workflow has
// ended. While nobody can tell, the report stays as it is.
func (s *Server) closeGoneDrift(ctx context.Context, d orchestrator.Drift) (orchestrator.Drift, error) {
	if d.Status != orchestrator.DriftRunning || time.Since(d.StartedAt) <= s.config.PlanGrace {
		return d, nil
	}
	why, err := s.d.Temporal.DriftEnding(ctx, d.Scope, d.ID)
	if err != nil {
		s.log.WarnContext(ctx, "it cannot be told whether a drift check is still at work", "check", d.ID, "error", err)
		return d, nil
	}
	if why == "" {
		return d, nil
	}
	if _, err := s.d.Records.FinishDrift(ctx, auth.From(ctx).Name, d.Scope, d.ID, why+"; check again"); err != nil {
		return d, err
	}
	return s.d.Records.GetDrift(ctx, d.Scope, d.ID)
}

// validDrift is the latest report of a scope that is about what is deployed
// now; nil when there is none.
func (s *Server) validDrift(ctx context.Context, scope orchestrator.Scope) (*orchestrator.Drift, error) {
	reports, err := s.d.Records.ListDrifts(ctx, scope)
	if err != nil || len(reports) == 0 {
		return nil, err
	}
	state, err := s.d.Records.Scope(ctx, scope)
	if err != nil {
		return nil, err
	}
	for i, d := range reports {
		over := d.Status != orchestrator.DriftRunning && d.Status != orchestrator.DriftOvertaken
		if over && d.Basis == state.Basis {
			return &reports[i], nil
		}
	}
	return nil, nil //nolint:nilnil // there is none, and that is no failure
}
