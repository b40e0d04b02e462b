// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/compile"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/store"
)

// Deployer hands a request to the application's workflow, as the API does.
type Deployer interface {
	Deploy(ctx context.Context, req contract.DeployRequest) (contract.DeployAccepted, error)
}

// driftGrace is how long a check is left alone before somebody looks whether it
// has a workflow: its record comes first.
const driftGrace = time.Minute

// ListDeployed lists a page of what is deployed in an environment.
func (c *Control) ListDeployed(ctx context.Context, in contract.ListDeployedInput) (contract.ListDeployedResult, error) {
	scopes, next, err := c.Registry.DeployedPage(ctx, in.Environment, in.Cursor, contract.DeployedPage)
	return contract.ListDeployedResult{Scopes: scopes, Next: next}, toTemporal(err)
}

// BeginDrift writes the record of a check that an environment's policy asks for.
func (c *Control) BeginDrift(ctx context.Context, in contract.BeginDriftInput) (contract.BeginDriftResult, error) {
	environment, _, err := c.Registry.GetEnvironment(ctx, in.Environment)
	if err != nil {
		return contract.BeginDriftResult{}, toTemporal(err)
	}
	if environment.Spec.Drift == nil {
		return contract.BeginDriftResult{Skipped: "the environment asks for no checks any more"}, nil
	}
	req := compile.DriftRequest{
		Scope: in.Scope, Trigger: orchestrator.TriggerSchedule, Repair: environment.Spec.Drift.Repairs(),
		RequestID: in.RequestID, Principal: orchestrator.DriftPrincipal(in.Environment),
	}
	d, created, err := c.Compiler.Drift(ctx, req)
	if err == nil && !created && d.RequestID != in.RequestID && time.Since(d.StartedAt) > driftGrace {
		var gone bool
		if gone, err = c.closeGone(ctx, d); err == nil && gone {
			d, _, err = c.Compiler.Drift(ctx, req)
		}
	}
	if why, refused := compile.Refused(err); refused {
		return contract.BeginDriftResult{Skipped: why}, nil
	}
	if err != nil {
		return contract.BeginDriftResult{}, toTemporal(err)
	}
	if d.RequestID != in.RequestID {
		return contract.BeginDriftResult{Skipped: "check " + d.ID + " is at work already"}, nil
	}
	return contract.BeginDriftResult{Input: contract.DriftInput{
		Drift: d.ID, Scope: d.Scope, GraphDigest: d.GraphDigest, Principal: d.Principal,
	}}, nil
}

// closeGone closes a check whose workflow has ended without doing so.
func (c *Control) closeGone(ctx context.Context, d orchestrator.Drift) (gone bool, err error) {
	why, err := c.ending(ctx, orchestrator.DriftWorkflowID(d.Scope, d.ID))
	if err != nil || why == "" {
		return false, err
	}
	_, err = c.Registry.FinishDrift(ctx, store.Principal(orchestrator.DriftPrincipal(d.Environment)), d.Scope, d.ID, why)
	return true, err
}

// FinishDrift closes a report.
func (c *Control) FinishDrift(ctx context.Context, in contract.FinishDriftInput) (contract.FinishDriftResult, error) {
	d, err := c.Registry.FinishDrift(ctx, store.Principal(in.Principal), in.Scope, in.Drift, in.Error)
	return contract.FinishDriftResult{
		Status: d.Status, Repair: d.Repair && d.Status == orchestrator.DriftDrifted,
	}, toTemporal(err)
}

// RepairDrift queues the deployment that repairs what a check has found, or
// records why there is none. The request id is the check's, so that it is
// queued once.
func (c *Control) RepairDrift(ctx context.Context, in contract.RepairDriftInput) (contract.RepairDriftResult, error) {
	d, err := c.Registry.DriftRecord(ctx, in.Scope, in.Drift)
	if err != nil || d.Repaired != "" || d.Unrepaired != "" {
		return contract.RepairDriftResult{Deployment: d.Repaired, Refused: d.Unrepaired}, toTemporal(err)
	}
	req, why, err := c.Compiler.Repair(ctx, in.Scope, in.Drift)
	if err != nil {
		return contract.RepairDriftResult{}, toTemporal(err)
	}
	var res contract.RepairDriftResult
	if why == "" {
		accepted, err := c.Deployer.Deploy(ctx, req)
		var refused *temporal.ApplicationError
		switch {
		case err == nil:
			res.Deployment = accepted.Deployment
		case errors.As(err, &refused) && refused.NonRetryable():
			why = refused.Message()
		default:
			return res, toTemporal(fmt.Errorf("queue the repair of drift %s: %w", in.Drift, err))
		}
	}
	if why == "" {
		return res, nil
	}
	res.Refused = why
	return res, toTemporal(c.Registry.LeaveUnrepaired(ctx, store.Principal(d.Principal), in.Scope, in.Drift, why))
}
