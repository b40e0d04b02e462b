// SPDX-License-Identifier: Apache-2.0

package composer

import (
	"fmt"
	"slices"
	"strings"
)

// Reassemble makes a graph of nodes that come from several graphs of one
// application in one environment: what is there after a deployment that did
// not bring every node to the same graph. Dependencies on nodes that are not
// there are dropped. It has no release, and a digest of its own; each node names
// the release that it is of.
func Reassemble(team, application, environment string, nodes []Node) (Graph, error) {
	g := Graph{SchemaVersion: GraphSchema, Team: team, Application: application, Environment: environment}
	there := make(map[string]bool, len(nodes))
	for _, n := range nodes {
		if there[n.ID] {
			return Graph{}, fmt.Errorf("node %s comes twice", n.ID)
		}
		there[n.ID] = true
	}
	for _, n := range nodes {
		n.Dependencies = slices.DeleteFunc(slices.Clone(n.Dependencies), func(id string) bool { return !there[id] })
		g.Nodes = append(g.Nodes, n)
	}
	slices.SortFunc(g.Nodes, func(a, b Node) int { return strings.Compare(a.ID, b.ID) })
	digest, err := GraphDigest(g)
	if err != nil {
		return Graph{}, fmt.Errorf("digest of the reassembled graph: %w", err)
	}
	g.Digest = digest
	return g, nil
}
