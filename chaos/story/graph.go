// SPDX-License-Identifier: Apache-2.0

// Package story makes what the harness deploys: seeded random graphs of fake and
// real nodes, the changes to them, and what the world looks like when each is
// done. The same seed gives the same stories.
//
// It deploys nothing; see package run.
package story

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/composer"
)

// Instance of the one claim of every application.
const Instance = "it"

// Kind of a node: the definition that it uses.
type Kind string

// The kinds.
const (
	// Known nodes are found by themselves after a create that was cut off.
	Known Kind = "known"
	// Named nodes are found by the identity that their definition declares.
	Named Kind = "named"
	// Blind nodes have none: a create that was cut off ends as listed residue.
	Blind Kind = "blind"
	// Real nodes are OpenTofu's, without an identity.
	Real Kind = "real"
)

// Uncertain says that a create that was cut off is not found again.
func (k Kind) Uncertain() bool { return k == Blind || k == Real }

// Node of a graph.
type Node struct {
	Name  string
	Kind  Kind
	Needs []string // nodes before it
	Size  int
	Fails bool // for good, when it is created or changed
}

// ID of the node in Nestor.
func (n Node) ID() string { return Instance + "." + n.Name }

// Graph in an order in which each node comes after those that it needs.
type Graph []Node

// shapes of graphs: the earlier nodes that node i of n needs.
func shapes() []func(source *rand.Rand, i, n int) []int {
	return []func(*rand.Rand, int, int) []int{
		func(_ *rand.Rand, i, _ int) []int { return []int{i - 1} }, // a chain
		func(_ *rand.Rand, i, _ int) []int { // diamonds, three wide
			switch i % 4 {
			case 0:
				return []int{i - 1, i - 2, i - 3}
			default:
				return []int{i - i%4}
			}
		},
		func(_ *rand.Rand, i, n int) []int { // wide: all between the first and the last
			if i == n-1 {
				return []int{1, n / 2, n - 2}
			}
			return []int{0}
		},
		func(source *rand.Rand, i, _ int) []int { // whatever comes
			var needs []int
			for range source.IntN(4) {
				needs = append(needs, source.IntN(i))
			}
			return needs
		},
	}
}

// newGraph makes a random graph of n nodes.
func newGraph(source *rand.Rand, n int, kind func(i int) Kind) Graph {
	needs := shapes()[source.IntN(len(shapes()))]
	g := make(Graph, 0, n)
	for i := range n {
		node := Node{Name: fmt.Sprintf("n%02d", i), Kind: kind(i), Size: 1 + source.IntN(9)}
		if i > 0 {
			for _, j := range needs(source, i, n) {
				if name := g[max(j, 0)].Name; !slices.Contains(node.Needs, name) {
					node.Needs = append(node.Needs, name)
				}
			}
		}
		g = append(g, node)
	}
	return g
}

// changed gives a third of the nodes another size, takes a node away that none
// needs, and adds one under a new name.
func (g Graph) changed(source *rand.Rand, added string) Graph {
	var next Graph
	last := len(g) - 1 // needed by none
	for i, node := range g {
		if i == last {
			continue
		}
		if source.IntN(3) == 0 {
			node.Size++
		}
		next = append(next, node)
	}
	return append(next, Node{
		Name: added, Kind: Known, Size: 1 + source.IntN(9), Needs: []string{next[source.IntN(len(next))].Name},
	})
}

// failing is a change of which one node in the second half fails for good.
func (g Graph) failing(source *rand.Rand, added string) Graph {
	next := g.changed(source, added)
	for i := len(next)/2 + source.IntN(len(next)/2); ; i = (i + 1) % len(next) {
		if !next[i].Kind.Uncertain() {
			next[i].Size++
			next[i].Fails = true
			return next
		}
	}
}

// RealLedger is the file in a directory to which the real nodes of an
// environment write.
func RealLedger(dir, environment string) string {
	return filepath.Join(dir, "opentofu-"+environment+".ledger")
}

// Composition of the graph, for an application whose real nodes have their
// ledgers in a directory.
func (g Graph) Composition(application, dir string) composer.CompositionSpec {
	var spec composer.CompositionSpec
	for _, node := range g {
		config := map[string]any{
			"name": application + "-" + node.Name, "size": node.Size,
			"token": "secret://env/" + TokenVariable,
		}
		if len(node.Needs) > 0 {
			config["upstream"] = "{{ .resources." + node.Needs[0] + ".outputs.endpoint }}"
		}
		switch {
		case node.Kind == Real:
			config["ledger"] = RealLedger(dir, "{{ .env.name }}")
		case len(node.Needs) > 0:
			config["carried"] = "{{ .resources." + node.Needs[0] + ".outputs.key }}"
		}
		if node.Fails {
			config["fake"] = map[string]any{"fail": map[string]any{"create": -1, "update": -1}, "message": "the quota is used up"}
		}
		spec.Resources = append(spec.Resources, composer.Resource{Name: node.Name, CatalogRef: string(node.Kind), Config: config})
		for _, other := range node.Needs {
			spec.Dependencies = append(spec.Dependencies, other+" -> "+node.Name)
		}
	}
	return spec
}

// Attributes that each fake node's resource has when the graph is deployed, by
// the node's ID. token is the secret's value.
func (g Graph) Attributes(application, token string) map[string]map[string]any {
	all := map[string]map[string]any{}
	endpoint := map[string]string{}
	for _, node := range g {
		name := application + "-" + node.Name
		endpoint[node.Name] = fmt.Sprintf("%s:%d", name, node.Size)
		if node.Kind == Real {
			continue
		}
		attributes := map[string]any{"name": name, "size": node.Size, "token": token, "upstream": ""}
		if len(node.Needs) > 0 {
			attributes["upstream"] = endpoint[node.Needs[0]]
			attributes["carried"] = token + "/" + application + "-" + node.Needs[0]
		}
		all[node.ID()] = attributes
	}
	return all
}

// RealNames are the names of the real nodes' resources in their ledger.
func (g Graph) RealNames(application string) []string {
	var names []string
	for _, node := range g {
		if node.Kind == Real {
			names = append(names, application+"-"+node.Name)
		}
	}
	return names
}

// Node by its ID.
func (g Graph) Node(id string) (Node, bool) {
	i := slices.IndexFunc(g, func(n Node) bool { return n.ID() == id })
	if i < 0 {
		return Node{}, false
	}
	return g[i], true
}

// String draws the graph in a line.
func (g Graph) String() string {
	var parts []string
	for _, n := range g {
		part := n.Name + ":" + string(n.Kind)
		if n.Fails {
			part += "!"
		}
		if len(n.Needs) > 0 {
			part += "<" + strings.Join(n.Needs, "+")
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " ")
}
