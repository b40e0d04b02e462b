// SPDX-License-Identifier: Apache-2.0

package walk

import (
	"fmt"
	"sort"
)

// graph is an index over nodes.
type graph struct {
	ids        []string // ordered
	nodes      map[string]Node
	dependents map[string][]string
}

func newGraph(nodes []Node) (graph, error) {
	g := graph{
		ids:        make([]string, 0, len(nodes)),
		nodes:      make(map[string]Node, len(nodes)),
		dependents: make(map[string][]string, len(nodes)),
	}
	for _, n := range nodes {
		if _, twice := g.nodes[n.ID]; twice {
			return graph{}, fmt.Errorf("node %s is listed twice", n.ID)
		}
		g.nodes[n.ID] = n
		g.ids = append(g.ids, n.ID)
	}
	sort.Strings(g.ids)
	for _, id := range g.ids {
		for _, dep := range g.nodes[id].Dependencies {
			if _, known := g.nodes[dep]; !known {
				return graph{}, fmt.Errorf("node %s depends on %s, which is not in the graph", id, dep)
			}
			g.dependents[dep] = append(g.dependents[dep], id)
		}
	}
	return g, g.acyclic()
}

// acyclic fails on a graph that could never be walked to its end.
func (g graph) acyclic() error {
	o := newOrder(g.ids, g.dependencies)
	for id, ok := o.next(); ok; id, ok = o.next() {
		o.done(id)
	}
	if o.finished() {
		return nil
	}
	return fmt.Errorf("%d nodes depend on each other in a cycle", o.open)
}

func (g graph) has(id string) bool {
	_, ok := g.nodes[id]
	return ok
}

func (g graph) dependencies(id string) []string { return g.nodes[id].Dependencies }

func (g graph) dependentsOf(id string) []string { return g.dependents[id] }
