// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"cmp"
	"context"

	"go.temporal.io/sdk/activity"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/store"
)

// driftNode finds out whether a node is as it was deployed, and records what
// would make it so again. What cannot be found out is recorded too, and keeps
// nobody from asking about the nodes that depend on it: their inputs are the
// outputs that were recorded.
func (s *Steps) driftNode(
	ctx context.Context, scope orchestrator.Scope, node composer.Node, in contract.PlanNodeInput, hidden *mask,
) (contract.PlanNodeResult, error) {
	np := orchestrator.NodePlan{
		Node: in.Node, Engine: node.Engine, Definition: node.Definition, Version: node.Version,
	}
	var res contract.PlanNodeResult
	preview, err := s.compare(ctx, scope, node, in, &np, hidden)
	if ctx.Err() != nil {
		return res, ctx.Err()
	}
	if err != nil {
		ne := hidden.nodeError(err)
		if ne.Retryable && activity.GetInfo(ctx).Attempt < contract.StepFailures {
			return res, stepFailure(err, *ne, 1, s.Backoff)
		}
		np.Error, np.Drift = describe(*ne), orchestrator.NodeUnchecked
		if ne.Class == string(engine.Unreadable) {
			np.Drift = orchestrator.NodeUnreadable
		}
		preview = engine.Preview{}
	}
	recorded, err := s.recorded(ctx, scope, in.Node)
	if err != nil {
		return res, toTemporal(err)
	}
	np.Changes = hidden.changes(preview.Changes)
	err = s.Registry.PutNodePlan(ctx, store.Principal(principal(s.Engine)), in.Plan, np, changing(node, preview, recorded))
	return res, toTemporal(err)
}

// compare observes and previews a node, and says in what state it is. The
// preview is the one that a repair goes by: what the nodes before it would
// change is not known there. Whether the node differs by itself is told by
// another one, with what is known now.
func (s *Steps) compare(
	ctx context.Context, scope orchestrator.Scope, node composer.Node, in contract.PlanNodeInput,
	np *orchestrator.NodePlan, hidden *mask,
) (engine.Preview, error) {
	req, head, err := s.previewRequest(ctx, scope, node, in, nil, hidden)
	if err != nil {
		return engine.Preview{}, err
	}
	graph, err := s.Graphs.Get(ctx, cmp.Or(head.GraphDigest, in.GraphDigest))
	if err != nil {
		return engine.Preview{}, err
	}
	np.Release = graph.ReleaseOf(node)
	seen, err := s.Engine.Observe(ctx, req)
	if err != nil {
		return engine.Preview{}, err
	}
	own, err := s.previewOf(ctx, req, head)
	if err != nil {
		return engine.Preview{}, err
	}
	unknown, err := s.unknownTo(ctx, in.Plan, node)
	if err != nil {
		return engine.Preview{}, err
	}
	whole := own
	for _, outputs := range unknown {
		if len(outputs) > 0 {
			if whole, err = s.preview(ctx, scope, node, in, hidden); err != nil {
				return engine.Preview{}, err
			}
			break
		}
	}
	switch {
	case head.Forgotten:
		np.Drift = orchestrator.NodeNotKnown
	case head.InputsRef == "":
		np.Drift = orchestrator.NodePartial
	case !seen.Exists && !own.Empty():
		np.Drift = orchestrator.NodeGone
	case !own.Empty():
		np.Drift = orchestrator.NodeDrifted
	case !whole.Empty():
		np.Drift = orchestrator.NodeFollows
	default:
		np.Drift = orchestrator.NodeInSync
	}
	return whole, nil
}
