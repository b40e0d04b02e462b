// SPDX-License-Identifier: Apache-2.0

package crossplane

import (
	"context"
	"time"
)

// deadline is when a wait gives up by itself, a little before its context does,
// so that it can still say what it waited for.
type deadline struct{ at time.Time }

func deadlineOf(ctx context.Context) deadline {
	end, has := ctx.Deadline()
	if !has {
		return deadline{}
	}
	return deadline{at: end.Add(-min(time.Until(end)/5, 5*time.Second))}
}

func (d deadline) passed() bool { return !d.at.IsZero() && time.Now().After(d.at) }

// cut shortens a pause so that it ends no later than the deadline.
func (d deadline) cut(wait time.Duration) time.Duration {
	if d.at.IsZero() {
		return wait
	}
	return max(0, min(wait, time.Until(d.at)))
}
