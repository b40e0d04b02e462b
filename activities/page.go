// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// pageFrame is what a page's JSON has around its nodes; a comma follows each.
const pageFrame = len(`{"nodes":[],"more":true}`)

// page cuts a graph's adjacency into pages of at most limit bytes of JSON and
// returns one of them. A node that is larger than that goes on with the next
// page; a piece has one dependency at least, whatever its size.
func page(g composer.Graph, number, limit int) (contract.LoadGraphResult, error) {
	var res contract.LoadGraphResult
	current, size := 0, pageFrame
	for _, node := range g.Nodes {
		for n, err := range pieces(adjacency(node), limit-pageFrame) {
			if err != nil {
				return res, fmt.Errorf("encode node %s: %w", node.ID, err)
			}
			if size > pageFrame && size+n.size > limit {
				current, size = current+1, pageFrame
			}
			size += n.size
			switch {
			case current == number:
				res.Nodes = append(res.Nodes, n.node)
			case current > number:
				res.More = true
				return res, nil
			}
		}
	}
	return res, nil
}

// piece of a node, and its size with the comma behind it.
type piece struct {
	node contract.GraphNode
	size int
}

// pieces cuts a node that has more dependencies than fit into limit bytes.
func pieces(n contract.GraphNode, limit int) iter.Seq2[piece, error] {
	return func(yield func(piece, error) bool) {
		for rest := n.Dependencies; ; {
			data, err := json.Marshal(n)
			if err != nil || len(data) < limit || len(rest) <= 1 {
				yield(piece{n, len(data) + 1}, err)
				return
			}
			bare := n
			bare.Dependencies = nil
			frame, err := json.Marshal(bare)
			if err != nil {
				yield(piece{}, err)
				return
			}
			fits := max(contract.Fitting(rest, limit-len(frame)-len(`"d":[],,`), contract.Weight), 1)
			bare.Dependencies = rest[:fits]
			if data, err = json.Marshal(bare); err != nil || !yield(piece{bare, len(data) + 1}, nil) {
				return
			}
			rest = rest[fits:]
			n.Dependencies = rest
			if len(rest) == 0 {
				return
			}
		}
	}
}

func adjacency(n composer.Node) contract.GraphNode {
	return contract.GraphNode{
		ID:           n.ID,
		Dependencies: n.Dependencies,
		Engine:       n.Engine,
		Queue:        n.Queue,
		Definition:   n.Definition + "@" + n.Version,
		Timeout:      int(time.Duration(n.Timeouts.Apply) / time.Second),
		Destroy:      int(time.Duration(n.Timeouts.Destroy) / time.Second),
		ForwardOnly:  n.RollbackClass == catalog.ForwardOnly,
		Retain:       n.DeletionPolicy == catalog.RetainPolicy,
	}
}
