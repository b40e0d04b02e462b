// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"slices"

	"github.com/HatiCode/nestor/api/auth"
	"github.com/HatiCode/nestor/api/gen"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

// UnlockNode implements POST /applications/{…}/environments/{…}/nodes/{…}/unlock.
func (s *Server) UnlockNode(ctx context.Context, r gen.UnlockNodeRequestObject) (gen.UnlockNodeResponseObject, error) {
	tenure, err := s.d.Records.Unlock(ctx, registry.Statement{
		Scope: orchestrator.Scope{Team: r.Team, Application: r.Application, Environment: r.Environment},
		Node:  r.Node, Host: r.Body.Host, Reason: r.Body.Reason, Principal: string(auth.From(ctx).Name),
	})
	if err != nil {
		return nil, err
	}
	return gen.UnlockNode200JSONResponse(tenure), nil
}

// ForgetNode implements POST /applications/{…}/environments/{…}/nodes/{…}/forget.
func (s *Server) ForgetNode(ctx context.Context, r gen.ForgetNodeRequestObject) (gen.ForgetNodeResponseObject, error) {
	principal := string(auth.From(ctx).Name)
	head, err := s.d.Records.Forget(ctx, registry.Statement{
		Scope: orchestrator.Scope{Team: r.Team, Application: r.Application, Environment: r.Environment},
		Node:  r.Node, Gone: r.Body.Gone, Reason: r.Body.Reason, Principal: principal,
	})
	if err != nil {
		return nil, err
	}
	return gen.ForgetNode200JSONResponse{
		Team: r.Team, Application: r.Application, Environment: r.Environment, Node: r.Node,
		Principal: principal, Gone: r.Body.Gone, Reason: r.Body.Reason,
		Snapshots: slices.Concat(head.SnapshotAddresses(), head.UnfinishedSnapshots()),
	}, nil
}
