// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"slices"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// OpenDeployments lists what a new Application workflow takes up.
func (c *Control) OpenDeployments(ctx context.Context, in contract.OpenDeploymentsInput) (contract.OpenDeploymentsResult, error) {
	open, err := c.Registry.OpenDeployments(ctx, in.Team, in.Application, "")
	return contract.OpenDeploymentsResult{Lanes: lanes(open)}, toTemporal(err)
}

// lanes orders deployments, which come by their numbers, by environment: first
// the one that runs, then those that wait.
func lanes(open []orchestrator.Deployment) map[string]*contract.Lane {
	// Of one environment, at most one runs. Should there be more, they are
	// waited for before any other begins.
	slices.SortStableFunc(open, func(a, b orchestrator.Deployment) int {
		switch started, other := !a.StartedAt.IsZero(), !b.StartedAt.IsZero(); {
		case started == other:
			return 0
		case started:
			return -1
		default:
			return 1
		}
	})
	all := map[string]*contract.Lane{}
	for _, d := range open {
		lane := all[d.Environment]
		if lane == nil {
			lane = &contract.Lane{}
			all[d.Environment] = lane
		}
		if lane.Current == "" && !d.StartedAt.IsZero() {
			lane.Current, lane.Started = d.ID, true
			continue
		}
		lane.Queue = append(lane.Queue, d.ID)
	}
	return all
}
