// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// pageFrame is what a page's JSON has around its nodes; a comma follows each.
const pageFrame = len(`{"nodes":[],"more":true}`)

// page cuts a graph's adjacency into pages of at most limit bytes of JSON and
// returns one of them. A node that is larger than that has a page of its own.
func page(g composer.Graph, number, limit int) (contract.LoadGraphResult, error) {
	var res contract.LoadGraphResult
	current, size := 0, pageFrame
	for _, node := range g.Nodes {
		n := adjacency(node)
		data, err := json.Marshal(n)
		if err != nil {
			return res, fmt.Errorf("encode node %s: %w", node.ID, err)
		}
		if size > pageFrame && size+len(data)+1 > limit {
			current, size = current+1, pageFrame
		}
		size += len(data) + 1
		switch {
		case current == number:
			res.Nodes = append(res.Nodes, n)
		case current > number:
			res.More = true
			return res, nil
		}
	}
	return res, nil
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
		InputDigest:  n.InputDigest,
	}
}
