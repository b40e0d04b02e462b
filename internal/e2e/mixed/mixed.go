// SPDX-License-Identifier: Apache-2.0

// Package mixed makes a graph of nodes of every kind out of a seed, once as it
// was and once as it shall be, for tests of what a failure leaves behind: nodes
// of each rollback class, such as keep their resources, such as are updated,
// replaced, created, removed or left alone between the two.
//
// The same seed gives the same graphs. The package runs nothing; whoever walks
// the graphs brings the platform.
package mixed

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
)

// Provider of the definitions, for the environment that the graphs go to.
const Provider = "mixed"

// Instance is the claim's; a node's id is "<Instance>.<Node.Name>".
const Instance = "m"

// Change says what becomes of a node between the two graphs.
type Change string

// The changes.
const (
	Unchanged Change = "unchanged"
	Updated   Change = "updated"
	Replaced  Change = "replaced"
	Created   Change = "created"
	Removed   Change = "removed"
)

// Node of the graphs.
type Node struct {
	Name string
	// Engine is a real one; empty for the one of Definitions.
	Engine string
	// Definition is one of those that Definitions gives, or, of a real engine,
	// "plain-<engine>".
	Definition string
	// Config are inputs beside those that all nodes have.
	Config map[string]any
	Class  catalog.RollbackClass
	Retain bool
	Change Change
	// Needs are the nodes whose outputs it takes: in the graph as it was, and in
	// the one that shall be.
	Before, After []string
}

// ID of the node in a graph.
func (n Node) ID() string { return Instance + "." + n.Name }

// TakenBack says that a rollback restores or destroys the node, once the change
// was made. The others stay as the change made them, and are named: what a
// replaced resource held is gone without a snapshot.
func (n Node) TakenBack() bool {
	switch n.Change {
	case Updated:
		return n.Class != catalog.ForwardOnly
	case Replaced:
		return n.Class == catalog.SnapshotFirst
	case Created:
		return n.Class != catalog.ForwardOnly && !n.Retain
	case Unchanged, Removed:
	}
	return false
}

// Graph is both graphs.
type Graph struct {
	Seed  uint64
	Nodes []Node
}

// kind of definition, and how many of ten nodes are of it.
type kind struct {
	name   string
	class  catalog.RollbackClass
	retain bool
	of10   int
}

func kinds() []kind {
	return []kind{
		{plainKind, catalog.Revertible, false, 5},
		{"precious", catalog.SnapshotFirst, false, 3},
		{"one-way", catalog.ForwardOnly, false, 1},
		{"kept", catalog.Revertible, true, 1},
	}
}

// plainKind is what most nodes are.
const plainKind = "plain"

// kindOf the node that drew a number below ten.
func kindOf(number int) kind {
	var last kind
	for _, last = range kinds() {
		if number -= last.of10; number < 0 {
			break
		}
	}
	return last
}

// Over gives the plain nodes to real engines, in turn. One that does not change
// gets Terraform's, which alone can be made to fail there, and one that is replaced
// is updated where an engine replaces nothing.
func (g Graph) Over(engines ...string) Graph {
	over := Graph{Seed: g.Seed, Nodes: slices.Clone(g.Nodes)}
	given := 0
	for i := range over.Nodes {
		n := &over.Nodes[i]
		if n.Definition != plainKind {
			continue
		}
		n.Engine = engines[given%len(engines)]
		given++
		switch {
		case n.Change == Unchanged:
			n.Engine = orchestrator.EngineTerraform
		case n.Change == Replaced && n.Engine != orchestrator.EngineTerraform && n.Engine != orchestrator.EnginePulumi:
			n.Change = Updated
		}
		n.Definition += "-" + n.Engine
	}
	return over
}

// New draws a graph of so many nodes.
func New(seed uint64, nodes int) Graph {
	r := rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // a test's graph
	g := Graph{Seed: seed}
	changes := []Change{Unchanged, Updated, Updated, Updated, Replaced, Replaced, Created, Created, Removed}
	for i := range nodes {
		n := Node{Name: fmt.Sprintf("n%02d", i), Change: changes[r.IntN(len(changes))]}
		k := kindOf(r.IntN(10))
		n.Definition, n.Class, n.Retain = k.name, k.class, k.retain
		for range 3 {
			if i > 0 && r.IntN(2) > 0 {
				n = need(n, g.Nodes[r.IntN(i)])
			}
		}
		if n.Change == Unchanged { // it needs the same before and after
			n.Before = n.After
		}
		g.Nodes = append(g.Nodes, n)
	}
	return g
}

// need lets n need an earlier node in each graph that has both. A node that is
// left alone needs nothing that changes.
func need(n, earlier Node) Node {
	if n.Change != Created && earlier.Change != Created {
		n.Before = with(n.Before, earlier.Name)
	}
	switch n.Change {
	case Removed:
	case Unchanged:
		if earlier.Change == Unchanged {
			n.After = with(n.After, earlier.Name)
		}
	default:
		if earlier.Change != Removed {
			n.After = with(n.After, earlier.Name)
		}
	}
	return n
}

func with(names []string, name string) []string {
	for _, there := range names {
		if there == name {
			return names
		}
	}
	return append(names, name)
}

// Definitions of the nodes, for an engine that behaves as the fake one does.
func Definitions(engine string) string {
	var b strings.Builder
	for i, k := range kinds() {
		if i > 0 {
			b.WriteString("---\n")
		}
		policy := catalog.DeletePolicy
		if k.retain {
			policy = catalog.RetainPolicy
		}
		fmt.Fprintf(&b, `apiVersion: catalog.nestor.io/v1
kind: ResourceDefinition
metadata: {name: %s, version: "1.0.0"}
spec:
  provider: %s
  category: test
  resourceType: %s
  engines: [%s]
  rollback: %s
  deletionPolicy: %s
  inputs:
    - {name: size, type: integer, required: true}
    - {name: kind, type: string, required: true, immutable: true}
    - {name: upstream, type: string, default: ""}
    - {name: restoreFrom, type: string, default: ""}
  outputs:
    - {name: address, type: string}
    - {name: content, type: string}
  implementations:
    %s:
      settings:
        immutable: [kind]
        content: restoreFrom
        outputs: {address: "{node}/{kind}/{size}", content: "{content}"}
`, k.name, Provider, k.name, engine, k.class, policy, engine)
		if k.class == catalog.SnapshotFirst {
			b.WriteString(`      snapshot:
        inputs: {of: "${outputs.content}", name: "${deployment}"}
        outputs: [{name: copy, type: string}]
        settings: {outputs: {copy: "{of}"}}
        restore: {restoreFrom: copy}
`)
		}
	}
	return b.String()
}

// Names of the two compositions.
const (
	CompositionBefore = "before"
	CompositionAfter  = "after"
)

// Composition is the graph as it was, or as it shall be.
func (g Graph) Composition(team, name string) composer.Composition {
	c := composer.Composition{
		APIVersion: composer.APIVersion, Kind: composer.KindComposition,
		Metadata: composer.CompositionMetadata{Name: name, Team: team},
	}
	for _, n := range g.Nodes {
		needs, size, kind := n.Before, 1, "a"
		if name == CompositionAfter {
			needs = n.After
			switch n.Change {
			case Updated:
				size = 2
			case Replaced:
				kind = "b"
			case Unchanged, Created, Removed:
			}
		}
		if name == CompositionAfter && n.Change == Removed || name == CompositionBefore && n.Change == Created {
			continue
		}
		upstream := make([]string, 0, len(needs))
		for _, need := range needs {
			upstream = append(upstream, fmt.Sprintf("${resources.%s.outputs.address}", need))
		}
		config := map[string]any{"size": size, "kind": kind, "upstream": strings.Join(upstream, " ")}
		maps.Copy(config, n.Config)
		c.Spec.Resources = append(c.Spec.Resources, composer.Resource{Name: n.Name, CatalogRef: n.Definition, Config: config})
	}
	return c
}
