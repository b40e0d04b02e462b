// SPDX-License-Identifier: Apache-2.0

package workers

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/HatiCode/nestor/internal/driftschedule"
	"github.com/HatiCode/nestor/orchestrator"
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
	id := orchestrator.ApplicationWorkflowID(req.Team, req.Application)
	start := d.temporal.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
		ID: id, TaskQueue: contract.QueueControl, WorkflowTaskTimeout: contract.WorkflowTaskTimeout,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary:            "deployments of " + id,
	}, contract.WorkflowApplication, contract.ApplicationInput{Team: req.Team, Application: req.Application})
	handle, err := d.temporal.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: start,
		UpdateOptions: client.UpdateWorkflowOptions{
			UpdateID: req.UpdateID(), UpdateName: contract.UpdateDeploy, Args: []any{req},
			WaitForStage: client.WorkflowUpdateStageCompleted,
		},
	})
	var accepted contract.DeployAccepted
	if err == nil {
		err = handle.Get(ctx, &accepted)
	}
	return accepted, err
}
