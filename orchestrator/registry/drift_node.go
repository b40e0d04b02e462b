// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
)

// driftNodes is what a check has found out about each node of its graph, by id, and
// what has ended it before it came to all of them, if anything has.
func (r *Registry) driftNodes(ctx context.Context, d orchestrator.Drift) (nodes []orchestrator.NodeDrift, ended string, err error) {
	plan, err := r.GetPlan(ctx, d.ID)
	if err != nil {
		return nil, "", err
	}
	graph, err := r.GetGraph(ctx, d.GraphDigest)
	if err != nil {
		return nil, "", err
	}
	found := make(map[string]orchestrator.NodePlan, len(plan.Nodes))
	for _, np := range plan.Nodes {
		found[np.Node] = np
	}
	var deployed composer.Graph
	if d.DeployedGraph != "" && d.DeployedGraph != d.GraphDigest {
		if deployed, err = r.GetGraph(ctx, d.DeployedGraph); err != nil {
			return nil, "", err
		}
	}
	nodes = make([]orchestrator.NodeDrift, 0, len(graph.Nodes))
	for _, node := range graph.Nodes {
		n := orchestrator.NodeDrift{
			Node: node.ID, Engine: node.Engine, Definition: node.Definition, Version: node.Version,
			State: orchestrator.NodeUnchecked, Error: uncheckedBecause(plan, node.ID),
		}
		if np, asked := found[node.ID]; asked {
			n.State, n.Changes, n.Error = np.Drift, np.Changes, np.Error
			if n.State.Differs() {
				n.Deleted = orchestrator.DeletedResources(np.Changes)
			}
			if d.Unsettled != "" && d.DeployedGraph != d.GraphDigest {
				standAt(&n, node, np.Release, d.Release, deployed)
			}
		}
		nodes = append(nodes, n)
	}
	ended = endedBecause(plan, graph)
	if len(deployed.Nodes) == 0 {
		return nodes, ended, nil
	}
	return withMissing(nodes, graph, deployed), ended, nil
}

// endedBecause is what a plan says of itself before what it says of its nodes; empty
// where it came to its end.
func endedBecause(plan orchestrator.Plan, graph composer.Graph) string {
	first, _, _ := strings.Cut(plan.Error, "\n")
	if strings.HasPrefix(first, notPreviewed) || slices.ContainsFunc(graph.Nodes, func(n composer.Node) bool {
		return strings.HasPrefix(first, n.ID+": ")
	}) {
		return ""
	}
	return first
}

// standAt says of a node after a deployment that did not succeed whether it is at
// the release that is deployed, as far as its description goes.
func standAt(n *orchestrator.NodeDrift, node composer.Node, at, deployed string, graph composer.Graph) {
	shall, wanted := graph.Node(n.Node)
	if wanted && shall.DescribedLike(node) {
		return
	}
	if at != deployed {
		n.Release = at
	}
	if n.State == orchestrator.NodeInSync || n.State == orchestrator.NodeFollows {
		n.State = orchestrator.NodeElsewhere
	}
}

// withMissing adds the nodes that a graph should have and does not, by id.
func withMissing(nodes []orchestrator.NodeDrift, graph, deployed composer.Graph) []orchestrator.NodeDrift {
	for _, node := range deployed.Nodes {
		if _, there := graph.Node(node.ID); !there {
			nodes = append(nodes, orchestrator.NodeDrift{
				Node: node.ID, Engine: node.Engine, Definition: node.Definition, Version: node.Version,
				State: orchestrator.NodeMissing,
			})
		}
	}
	slices.SortFunc(nodes, func(a, b orchestrator.NodeDrift) int { return strings.Compare(a.Node, b.Node) })
	return nodes
}

// uncheckedBecause finds what the plan says of a node that has no preview.
func uncheckedBecause(plan orchestrator.Plan, node string) string {
	for line := range strings.SplitSeq(plan.Error, "\n") {
		if why, about := strings.CutPrefix(line, node+": "); about {
			return why
		}
	}
	return "it was not asked, since the check ended before"
}
