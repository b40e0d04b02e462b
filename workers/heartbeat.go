// SPDX-License-Identifier: Apache-2.0

package workers

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"

	"github.com/HatiCode/nestor/activities"
)

// heartbeats tells Temporal that an activity lives, for those that do not do it
// themselves: without it, what a killed worker had taken would stand still until
// its whole time is over.
type heartbeats struct {
	interceptor.WorkerInterceptorBase
	every time.Duration
}

// InterceptActivity implements interceptor.WorkerInterceptor.
func (h *heartbeats) InterceptActivity(
	_ context.Context, next interceptor.ActivityInboundInterceptor,
) interceptor.ActivityInboundInterceptor {
	return &beating{ActivityInboundInterceptorBase: interceptor.ActivityInboundInterceptorBase{Next: next}, every: h.every}
}

type beating struct {
	interceptor.ActivityInboundInterceptorBase
	every time.Duration
}

// ExecuteActivity implements interceptor.ActivityInboundInterceptor.
func (b *beating) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	if info := activity.GetInfo(ctx); info.IsLocalActivity || info.HeartbeatTimeout == 0 {
		return b.Next.ExecuteActivity(ctx, in)
	}
	defer activities.Beat(ctx, b.every)()
	return b.Next.ExecuteActivity(ctx, in)
}
