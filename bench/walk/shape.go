// SPDX-License-Identifier: Apache-2.0

package walk

import (
	"fmt"
	"math/rand/v2"

	"github.com/HatiCode/nestor/composer"
)

// shape is a graph to be deployed.
type shape struct {
	name  string
	edges [][2]int // the second needs the first
	nodes int
}

func chain(n int) shape {
	s := shape{name: fmt.Sprintf("chain of %d", n), nodes: n}
	for i := 1; i < n; i++ {
		s.edges = append(s.edges, [2]int{i - 1, i})
	}
	return s
}

func wide(n int) shape { return shape{name: fmt.Sprintf("%d side by side", n), nodes: n} }

// diamonds is a row of diamonds, each one node, then many, then one.
func diamonds(count, width int) shape {
	s := shape{name: fmt.Sprintf("%d diamonds of %d", count, width), nodes: 1}
	for range count {
		top := s.nodes - 1
		bottom := s.nodes + width
		for i := s.nodes; i < bottom; i++ {
			s.edges = append(s.edges, [2]int{top, i}, [2]int{i, bottom})
		}
		s.nodes = bottom + 1
	}
	return s
}

// random gives each node up to three earlier ones that it needs, the same every
// time.
func random(n int) shape {
	s := shape{name: fmt.Sprintf("random graph of %d", n), nodes: n}
	source := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the graph shall be the same every time
	for i := 1; i < n; i++ {
		needed := map[int]bool{}
		for range source.IntN(4) {
			needed[source.IntN(i)] = true
		}
		for j := range i {
			if needed[j] {
				s.edges = append(s.edges, [2]int{j, i})
			}
		}
	}
	return s
}

// depth is the number of nodes on the longest path.
func (s shape) depth() int {
	depths := make([]int, s.nodes)
	longest := 0
	// Every edge leads from a lower to a higher number.
	needs := make([][]int, s.nodes)
	for _, edge := range s.edges {
		needs[edge[1]] = append(needs[edge[1]], edge[0])
	}
	for i := range depths {
		depths[i] = 1
		for _, j := range needs[i] {
			depths[i] = max(depths[i], depths[j]+1)
		}
		longest = max(longest, depths[i])
	}
	return longest
}

func resource(i int) string { return fmt.Sprintf("n%05d", i) }

// composition of the shape, all nodes of one definition.
func (s shape) composition(definition string) composer.CompositionSpec {
	var spec composer.CompositionSpec
	for i := range s.nodes {
		spec.Resources = append(spec.Resources, composer.Resource{Name: resource(i), CatalogRef: definition})
	}
	for _, edge := range s.edges {
		spec.Dependencies = append(spec.Dependencies, resource(edge[0])+" -> "+resource(edge[1]))
	}
	return spec
}

// Chain is a composition of n resources of a definition, each of which needs the
// one before it.
func Chain(n int, definition string) composer.CompositionSpec {
	return chain(n).composition(definition)
}
