// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/HatiCode/nestor/internal/driftschedule"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// StartDrift implements Temporal.
func (t *TemporalClient) StartDrift(ctx context.Context, input contract.DriftInput) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	set := func(name, value string) temporal.SearchAttributeUpdate {
		return temporal.NewSearchAttributeKeyKeyword(name).ValueSet(value)
	}
	_, err := t.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                       orchestrator.DriftWorkflowID(input.Scope, input.Drift),
		TaskQueue:                contract.QueueControl,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		Priority:                 temporal.Priority{FairnessKey: input.Team},
		StaticSummary:            "drift of " + input.String(),
		TypedSearchAttributes: temporal.NewSearchAttributes(
			set(contract.AttributeTeam, input.Team),
			set(contract.AttributeApplication, input.Application),
			set(contract.AttributeEnvironment, input.Environment),
		),
	}, contract.WorkflowDrift, input)
	return t.explain(err, "repeat the request")
}

// DriftEnding implements Temporal.
func (t *TemporalClient) DriftEnding(ctx context.Context, scope orchestrator.Scope, id string) (string, error) {
	return t.ending(ctx, orchestrator.DriftWorkflowID(scope, id))
}

// ScheduleDrift implements Temporal.
func (t *TemporalClient) ScheduleDrift(ctx context.Context, e orchestrator.Environment) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return driftschedule.Reconcile(ctx, t.client.ScheduleClient(), e)
}
