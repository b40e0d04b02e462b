// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"context"
	"fmt"
	"slices"

	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// turn says whether a deployment may be prepared now: it is not over, its
// workflow does not run, and no other of its environment does. Otherwise the
// answer is in p.
func (c *Compiler) turn(ctx context.Context, d orchestrator.Deployment) (p contract.Prepared, now bool, err error) {
	switch {
	case d.Status.Final():
		p.Refused = fmt.Sprintf("deployment %s is over (%s)", d.ID, d.Status)
		return p, false, nil
	case !d.StartedAt.IsZero():
		p.Started = true
		return p, false, nil
	}
	open, err := c.registry.OpenDeployments(ctx, d.Team, d.Application, d.Environment)
	if err != nil {
		return p, false, err
	}
	for _, other := range open {
		if other.ID != d.ID && !other.StartedAt.IsZero() {
			p.Waiting = fmt.Sprintf("deployment %s is still %s", other.ID, other.Status)
			return p, false, nil
		}
	}
	return p, true, nil
}

// queues of the engines of some graphs, in order.
func queues(graphs ...composer.Graph) []string {
	var all []string
	for _, graph := range graphs {
		for _, node := range graph.Nodes {
			if !slices.Contains(all, node.Queue) {
				all = append(all, node.Queue)
			}
		}
	}
	slices.Sort(all)
	return all
}
