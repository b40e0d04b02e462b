// SPDX-License-Identifier: Apache-2.0

package api

import (
	"cmp"
	"context"
	"errors"

	"github.com/oklog/ulid/v2"

	"github.com/HatiCode/nestor/api/auth"
	"github.com/HatiCode/nestor/api/gen"
	"github.com/HatiCode/nestor/api/problem"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

// CreateAdoption implements POST /adoptions. The state goes to the registry,
// sealed, before the workflow is asked, which never sees it.
func (s *Server) CreateAdoption(ctx context.Context, r gen.CreateAdoptionRequestObject) (gen.CreateAdoptionResponseObject, error) {
	body := *r.Body
	if err := checkSource(body); err != nil {
		return nil, err
	}
	request := contract.DeployRequest{
		RequestID: cmp.Or(r.Params.IdempotencyKey, ulid.Make().String()),
		Scope:     orchestrator.Scope{Team: body.Team, Application: body.Application, Environment: body.Environment},
		Kind:      orchestrator.KindAdopt, Release: body.Release, AutoApprove: true,
		OnFailure: orchestrator.OnFailureRollback, Principal: string(auth.From(ctx).Name),
		Adoption: &orchestrator.Adoption{
			Node: body.Node, State: len(body.State) > 0, Reference: body.Reference, AllowChanges: body.AllowChanges,
		},
	}
	if err := s.d.Compiler.CheckDeploy(ctx, request); err != nil {
		return nil, err
	}
	// Asked first, so that nothing is stored for a request that cannot be
	// accepted.
	if err := s.d.Temporal.Ready(ctx); err != nil {
		return nil, err
	}
	stored, err := s.keepSource(ctx, request, registry.Source{State: body.State, Moves: body.Moves})
	if err != nil {
		return nil, err
	}
	accepted, err := s.d.Temporal.Deploy(ctx, request)
	if err != nil {
		return nil, s.refuseAdoption(ctx, request, stored, err)
	}
	return gen.CreateAdoption202JSONResponse{
		Body:    accepted,
		Headers: gen.CreateAdoption202ResponseHeaders{Location: "/api/v1/deployments/" + accepted.Deployment},
	}, nil
}

// checkSource refuses what openapi.yaml cannot.
func checkSource(body gen.AdoptionRequest) error {
	switch {
	case len(body.State) > 0 == (body.Reference != ""):
		return problem.New(problem.TypeBadRequest, "name exactly one of \"state\" and \"reference\"")
	case len(body.State) == 0 && len(body.Moves) > 0:
		return problem.New(problem.TypeBadRequest, "\"moves\" are of addresses in a state; there is none beside a reference")
	case len(body.State) > orchestrator.MaxAdoptedState:
		return problem.New(problem.TypeTooLarge, "the state has %d bytes, the limit is %d", len(body.State), orchestrator.MaxAdoptedState)
	}
	return nil
}

// keepSource stores the state of a request, unless that was accepted before: its
// deployment has the state, or is over.
func (s *Server) keepSource(ctx context.Context, r contract.DeployRequest, source registry.Source) (stored bool, err error) {
	if !r.Adoption.State {
		return false, nil
	}
	known, err := s.d.Records.Requested(ctx, r.Scope, r.RequestID)
	if err != nil || known {
		return false, err
	}
	return s.d.Records.PutSource(ctx, r.Scope, r.RequestID, source)
}

// refuseAdoption deletes the state of a request that was refused. Of one that
// may still be accepted it stays: its deployment deletes it, or a worker does
// when none comes.
func (s *Server) refuseAdoption(ctx context.Context, r contract.DeployRequest, stored bool, err error) error {
	var down *problem.UnavailableError
	if !stored || errors.As(err, &down) || ctx.Err() != nil {
		return err
	}
	if dropErr := s.d.Records.DropSource(ctx, r.Scope, r.RequestID); dropErr != nil {
		s.log.WarnContext(ctx, "the state of a refused adoption could not be deleted; a worker will", "error", dropErr)
	}
	return err
}
