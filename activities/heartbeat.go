// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"
)

// Beat tells Temporal that an activity lives, every so often until it is
// stopped. The first beat comes after a while: that it began, Temporal knows. A
// short activity has none, which is one transaction of the server in five.
//
// It goes on when the activity is canceled: until the activity has come to its
// end, Temporal is to wait for it.
func Beat(ctx context.Context, every time.Duration) (stop func()) {
	ctx = context.WithoutCancel(ctx)
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-over:
				return
			case <-ticker.C:
				activity.RecordHeartbeat(ctx)
			}
		}
	}()
	return func() {
		close(over)
		<-done
	}
}
