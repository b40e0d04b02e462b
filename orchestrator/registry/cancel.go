// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"slices"

	"github.com/HatiCode/nestor/orchestrator"
)

// Cancel records that somebody wants a deployment to stop, and why, before its
// workflow is told. A later word about the same phase takes the place of an
// earlier one, and saying the same again changes nothing; nor does any word once
// the deployment is over.
func (r *Registry) Cancel(ctx context.Context, id string, c orchestrator.Cancellation) error {
	return r.update(ctx, id, c.Principal, func(d *orchestrator.Deployment, b *batch) {
		rollback := c.Phase == orchestrator.PhaseRollback
		if d.Canceled(rollback) == c.String() {
			return
		}
		c.Time = r.now()
		d.Cancellations = slices.DeleteFunc(d.Cancellations, func(have orchestrator.Cancellation) bool {
			return (have.Phase == orchestrator.PhaseRollback) == rollback
		})
		d.Cancellations = append(d.Cancellations, c)
		b.event(orchestrator.Event{Deployment: d.ID, Type: orchestrator.EventCancel}, map[string]any{
			"phase": c.Phase, "reason": c.Reason,
		})
	})
}

// because is the reason of a status. What somebody has asked for tells more than
// what it came to in the nodes.
func because(d orchestrator.Deployment, status orchestrator.Status, reason string) string {
	var asked string
	switch status {
	case orchestrator.StatusRollingBack:
		asked = d.Canceled(false)
		if stopped := d.Canceled(true); stopped != "" {
			asked = stopped
		}
	case orchestrator.StatusCanceled:
		if !d.StartedAt.IsZero() { // otherwise the error says it
			asked = d.Canceled(false)
		}
		if asked == "" {
			asked = d.Canceled(true)
		}
	default:
	}
	if asked != "" {
		return asked
	}
	return reason
}
