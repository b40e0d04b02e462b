// SPDX-License-Identifier: Apache-2.0

package workers

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/HatiCode/nestor/internal/deploying"
	"github.com/HatiCode/nestor/internal/driftschedule"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

// reconcileEvery is how often the schedules of drift checks are compared with
// the environments. Usually the API has brought them there already.
const reconcileEvery = 5 * time.Minute

// schedules keeps the schedules of drift checks, until the context ends.
func schedules(ctx context.Context, c Config, r *registry.Registry, t client.Client, logger *slog.Logger) {
	if !slices.Contains(c.Roles, RoleControl) {
		return
	}
	ticker := time.NewTicker(reconcileEvery)
	defer ticker.Stop()
	for {
		if err := reconcile(ctx, r, t); err != nil && ctx.Err() == nil {
			logger.Error("drift checks are not scheduled as the environments say", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func reconcile(ctx context.Context, r *registry.Registry, t client.Client) error {
	environments, err := r.ListEnvironments(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range environments {
		errs = append(errs, driftschedule.Reconcile(ctx, t.ScheduleClient(), e))
	}
	return errors.Join(errs...)
}

// deployer queues deployments on behalf of the control activities.
type deployer struct{ temporal client.Client }

// Deploy returns when the application's workflow has queued the request; it is
// started where it is gone. A repeated request id gets the first answer again.
func (d deployer) Deploy(ctx context.Context, req contract.DeployRequest) (contract.DeployAccepted, error) {
	return deploying.Queue(ctx, d.temporal, req)
}
