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
	statement := registry.Statement{
		Scope: orchestrator.Scope{Team: r.Team, Application: r.Application, Environment: r.Environment},
		Node:  r.Node, Gone: r.Body.Gone, Reason: r.Body.Reason, Principal: string(auth.From(ctx).Name),
	}
	answer := gen.ForgetNode200JSONResponse{
		Team: r.Team, Application: r.Application, Environment: r.Environment, Node: r.Node,
		Principal: statement.Principal, Gone: r.Body.Gone, Reason: r.Body.Reason,
	}
	if node, n, is := orchestrator.ParseSnapshotName(r.Node); is {
		statement.Node = node
		snapshot, err := s.forgetSnapshot(ctx, statement, n)
		answer.Snapshot = snapshot.Address
		return answer, err
	}
	head, err := s.d.Records.Forget(ctx, statement)
	answer.Snapshots = slices.Concat(head.SnapshotAddresses(), head.UnfinishedSnapshots())
	return answer, err
}

// forgetSnapshot drops one snapshot of a node. That nothing is left of it is no
// more than what the statement says anyway.
func (s *Server) forgetSnapshot(ctx context.Context, st registry.Statement, n int64) (orchestrator.Snapshot, error) {
	if st.Gone {
		return orchestrator.Snapshot{}, &orchestrator.Refusal{
			Reason: orchestrator.SnapshotName(st.Node, n) + " is a snapshot; only a whole node can be stated to be gone",
			Hint:   "leave that out: of a snapshot that is forgotten, nothing stays on record",
		}
	}
	return s.d.Records.ForgetSnapshot(ctx, st, n)
}
