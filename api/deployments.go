// SPDX-License-Identifier: Apache-2.0

package api

import (
	"cmp"
	"context"

	"github.com/oklog/ulid/v2"

	"github.com/HatiCode/nestor/api/auth"
	"github.com/HatiCode/nestor/api/gen"
	"github.com/HatiCode/nestor/api/problem"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

// CreateDeployment implements POST /deployments. The application's workflow
// accepts a request id once, so that repeating the request is safe.
func (s *Server) CreateDeployment(ctx context.Context, r gen.CreateDeploymentRequestObject) (gen.CreateDeploymentResponseObject, error) {
	if r.Body.PlanID != "" {
		if _, err := s.visiblePlan(ctx, r.Body.PlanID); err != nil {
			return nil, err
		}
	}
	request := contract.DeployRequest{
		RequestID:   cmp.Or(r.Params.IdempotencyKey, ulid.Make().String()),
		Scope:       orchestrator.Scope{Team: r.Body.Team, Application: r.Body.Application, Environment: r.Body.Environment},
		Kind:        r.Body.Kind,
		Release:     r.Body.Release,
		PlanID:      r.Body.PlanID,
		AutoApprove: r.Body.AutoApprove,
		OnFailure:   cmp.Or(r.Body.OnFailure, orchestrator.OnFailureRollback),
		Principal:   string(auth.From(ctx).Name),
	}
	if err := s.d.Compiler.CheckDeploy(ctx, request); err != nil {
		return nil, err
	}
	accepted, err := s.d.Temporal.Deploy(ctx, request)
	if err != nil {
		return nil, err
	}
	return gen.CreateDeployment202JSONResponse{
		Body:    accepted,
		Headers: gen.CreateDeployment202ResponseHeaders{Location: "/api/v1/deployments/" + accepted.Deployment},
	}, nil
}

// ListDeployments implements GET /deployments.
func (s *Server) ListDeployments(ctx context.Context, r gen.ListDeploymentsRequestObject) (gen.ListDeploymentsResponseObject, error) {
	team, err := teamOrOwn(ctx, r.Params.Team)
	if err != nil {
		return nil, err
	}
	page, err := s.d.Records.ListDeployments(ctx, registry.DeploymentFilter{
		Team: team, Application: r.Params.Application, Environment: r.Params.Environment,
		Status: r.Params.Status, Cursor: r.Params.Cursor, Limit: r.Params.Limit,
	})
	if err != nil {
		return nil, err
	}
	return gen.ListDeployments200JSONResponse{Items: list(page.Deployments), Next: page.Next}, nil
}

// GetDeployment implements GET /deployments/{…}.
func (s *Server) GetDeployment(ctx context.Context, r gen.GetDeploymentRequestObject) (gen.GetDeploymentResponseObject, error) {
	deployment, err := s.d.Records.GetDeployment(ctx, deploymentID(r.Team, r.Application, r.Environment, r.N))
	if err != nil {
		return nil, err
	}
	return gen.GetDeployment200JSONResponse(deployment), nil
}

// ListDeploymentNodes implements GET /deployments/{…}/nodes.
func (s *Server) ListDeploymentNodes(ctx context.Context, r gen.ListDeploymentNodesRequestObject) (gen.ListDeploymentNodesResponseObject, error) {
	deployment, err := s.d.Records.GetDeployment(ctx, deploymentID(r.Team, r.Application, r.Environment, r.N))
	if err != nil {
		return nil, err
	}
	nodes, err := s.d.Records.NodeStates(ctx, deployment.ID)
	if err != nil {
		return nil, err
	}
	return gen.ListDeploymentNodes200JSONResponse{Items: list(nodes)}, nil
}

// GetDeploymentGraph implements GET /deployments/{…}/graph.
func (s *Server) GetDeploymentGraph(ctx context.Context, r gen.GetDeploymentGraphRequestObject) (gen.GetDeploymentGraphResponseObject, error) {
	deployment, err := s.d.Records.GetDeployment(ctx, deploymentID(r.Team, r.Application, r.Environment, r.N))
	if err != nil {
		return nil, err
	}
	digest := cmp.Or(deployment.GraphDigest, deployment.PreviousGraphDigest)
	if digest == "" {
		return nil, problem.New(problem.TypeNotFound,
			"deployment %s has no graph: it is %s and the graph is fixed when it begins", deployment.ID, deployment.Status)
	}
	graph, err := s.d.Records.GetGraph(ctx, digest)
	if err != nil {
		return nil, err
	}
	return gen.GetDeploymentGraph200JSONResponse(graph), nil
}

func deploymentID(team, application, environment string, n int64) string {
	return orchestrator.DeploymentID(orchestrator.Scope{Team: team, Application: application, Environment: environment}, n)
}
