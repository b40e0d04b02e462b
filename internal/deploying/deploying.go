// SPDX-License-Identifier: Apache-2.0

// Package deploying queues deployments with an application's workflow, which it
// starts where it is gone. Whoever asks, people through the API or a drift check,
// the workflow begins in the same way and has its team's fair share.
//
// What it is not for: checking a request, or explaining to people why it failed.
package deploying

import (
	"context"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// Queue returns when the application's workflow has queued the request. A
// repeated request id gets the first answer again.
func Queue(ctx context.Context, c client.Client, request contract.DeployRequest) (contract.DeployAccepted, error) {
	start := c.NewWithStartWorkflowOperation(
		Options(request.Team, request.Application), contract.WorkflowApplication,
		contract.ApplicationInput{Team: request.Team, Application: request.Application})
	handle, err := c.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: start,
		UpdateOptions: client.UpdateWorkflowOptions{
			UpdateID:     request.UpdateID(),
			UpdateName:   contract.UpdateDeploy,
			Args:         []any{request},
			WaitForStage: client.WorkflowUpdateStageCompleted,
		},
	})
	if err != nil {
		return contract.DeployAccepted{}, err //nolint:wrapcheck // the caller tells Temporal's errors apart
	}
	var accepted contract.DeployAccepted
	err = handle.Get(ctx, &accepted)
	return accepted, err //nolint:wrapcheck // likewise
}

// Options start an application's workflow, or take the one that runs.
func Options(team, application string) client.StartWorkflowOptions {
	id := orchestrator.ApplicationWorkflowID(team, application)
	return client.StartWorkflowOptions{
		ID:                       id,
		TaskQueue:                contract.QueueControl,
		WorkflowTaskTimeout:      contract.WorkflowTaskTimeout,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		Priority:                 temporal.Priority{FairnessKey: team},
		StaticSummary:            "deployments of " + id,
	}
}
