// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"context"
	"slices"

	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

// neighbours finds the nodes of other applications that a graph may refer to:
// of the same team, or shared by the environment.
type neighbours struct {
	ctx         context.Context //nolint:containedctx // lives as long as one compilation
	registry    *registry.Registry
	environment orchestrator.Environment
	from        orchestrator.Scope
	// err is the first failure to look: what could not be read is not absent.
	err error
}

// find is composer.GraphInput.External.
func (n *neighbours) find(team, application, node string) (composer.ExternalNode, bool) {
	if team != n.from.Team && !slices.Contains(n.environment.Spec.Shared, team+"/"+application) {
		return composer.ExternalNode{}, false
	}
	found, there, err := n.read(orchestrator.Scope{Team: team, Application: application, Environment: n.from.Environment}, node)
	if err != nil && n.err == nil {
		n.err = err
	}
	return found, there
}

func (n *neighbours) read(scope orchestrator.Scope, id string) (composer.ExternalNode, bool, error) {
	head, err := n.registry.Head(n.ctx, scope, id)
	if isNotFound(err) || err == nil && head.Forgotten {
		return composer.ExternalNode{}, false, nil
	}
	if err != nil {
		return composer.ExternalNode{}, false, err
	}
	graph, err := n.registry.GetGraph(n.ctx, head.GraphDigest)
	if err != nil {
		return composer.ExternalNode{}, false, err
	}
	node, found := graph.Node(id)
	return composer.ExternalNode{Outputs: node.Outputs}, found, nil
}
