// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"sync"

	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

// cachedGraphs bounds the graphs that a worker keeps at hand. A graph is
// immutable under its digest, so what is kept is never stale.
const cachedGraphs = 16

// graphCache keeps the graphs that steps asked for last. Its zero value is
// ready.
type graphCache struct {
	mu     sync.Mutex
	graphs map[string]composer.Graph
	order  []string // oldest first
}

func (c *graphCache) get(ctx context.Context, r *registry.Registry, digest string) (composer.Graph, error) {
	c.mu.Lock()
	graph, known := c.graphs[digest]
	c.mu.Unlock()
	if known {
		return graph, nil
	}
	graph, err := r.GetGraph(ctx, digest)
	if err != nil {
		return composer.Graph{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.graphs == nil {
		c.graphs = map[string]composer.Graph{}
	}
	if _, known := c.graphs[digest]; !known {
		c.graphs[digest] = graph
		c.order = append(c.order, digest)
	}
	if len(c.order) > cachedGraphs {
		delete(c.graphs, c.order[0])
		c.order = c.order[1:]
	}
	return graph, nil
}
