// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"slices"

	"github.com/HatiCode/nestor/orchestrator"
)

// Cancel records that somebody wants a deployment to stop, and why, before its
// workflow is told; known is whether that means anything to it. It does not where
// the deployment is in another phase or over, and then nothing is recorded. Words
// of a phase are kept, and the last counts; saying it once more changes nothing.
// What follows is CancelSent, or CancelLost.
func (r *Registry) Cancel(ctx context.Context, id string, c orchestrator.Cancellation) (known bool, err error) {
	err = r.update(ctx, id, c.Principal, func(d *orchestrator.Deployment, _ *batch) {
		if known = d.Cancelable(c.OfRollback()); !known {
			return
		}
		if at := lastOf(d.Cancellations, c); at >= 0 && d.Cancellations[at].Is(c) {
			return
		}
		c.Time = r.now()
		d.Cancellations = boundedCancellations(append(d.Cancellations, c))
	})
	return known, err
}

// CancelSent records that a deployment's workflow was told of a cancellation, and
// tells it in the deployment's stream, once. What is over is left as it is: its
// reason says who canceled.
func (r *Registry) CancelSent(ctx context.Context, id string, c orchestrator.Cancellation) error {
	return r.update(ctx, id, c.Principal, func(d *orchestrator.Deployment, b *batch) {
		at := unsent(d.Cancellations, c)
		if at < 0 {
			return
		}
		d.Cancellations[at].SentAt = r.now()
		b.event(orchestrator.Event{Deployment: d.ID, Type: orchestrator.EventCancel}, map[string]any{
			"phase": c.Phase, "reason": c.Reason,
		})
	})
}

// CancelLost takes a cancellation back of which the deployment's workflow was not
// told.
func (r *Registry) CancelLost(ctx context.Context, id string, c orchestrator.Cancellation) error {
	return r.update(ctx, id, c.Principal, func(d *orchestrator.Deployment, _ *batch) {
		if at := unsent(d.Cancellations, c); at >= 0 {
			d.Cancellations = slices.Delete(d.Cancellations, at, at+1)
		}
	})
}

// unsent finds a cancellation that is not known to have been sent; -1 where there
// is none.
func unsent(all []orchestrator.Cancellation, c orchestrator.Cancellation) int {
	return slices.IndexFunc(all, func(have orchestrator.Cancellation) bool { return have.SentAt.IsZero() && have.Is(c) })
}

// lastOf finds the last word of a cancellation's phase; -1 where there is none.
func lastOf(all []orchestrator.Cancellation, c orchestrator.Cancellation) int {
	for at, have := range slices.Backward(all) {
		if have.OfRollback() == c.OfRollback() {
			return at
		}
	}
	return -1
}

// because is the reason of a status: what somebody has asked for, and then what it
// came to in the nodes, or what it waits for.
func because(d orchestrator.Deployment, status orchestrator.Status, reason string) string {
	var asked string
	switch status {
	case orchestrator.StatusRollingBack:
		asked = d.Canceled(false)
	case orchestrator.StatusCanceled:
		if !d.StartedAt.IsZero() { // otherwise the error says it
			asked = d.Canceled(false)
		}
		if asked == "" {
			asked = d.Canceled(true)
		}
	default:
	}
	if asked != "" && reason != "" {
		return asked + "; " + reason
	}
	return asked + reason
}
