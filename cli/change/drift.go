// SPDX-License-Identifier: Apache-2.0

package change

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/orchestrator"
)

// StartDrift asks for a drift check. Where one is at work already, its report is
// the answer.
func (c *Change) StartDrift(ctx context.Context, request client.CreateDriftJSONRequestBody) (orchestrator.Drift, error) {
	key := uuid.NewString()
	return remote.Decode[orchestrator.Drift](c.API.CreateDrift(ctx, &client.CreateDriftParams{IdempotencyKey: &key}, request))
}

// AwaitDrift waits for the end of a drift check. When the wait is interrupted,
// the check goes on, and the error says how to come back.
func (c *Change) AwaitDrift(ctx context.Context, report orchestrator.Drift) (orchestrator.Drift, error) {
	id, scope := report.ID, report.Scope
	wait := c.waiting("Looking for drift")
	var err error
	for attempt := 1; err == nil && report.Status == orchestrator.DriftRunning; attempt++ {
		wait.tick()
		if err = remote.Wait(ctx, pace(attempt)); err == nil {
			report, err = remote.Decode[orchestrator.Drift](
				c.API.GetDrift(ctx, scope.Team, scope.Application, scope.Environment, id))
		}
	}
	wait.done()
	if err == nil || ctx.Err() == nil {
		return report, err
	}
	c.F.IO.Notef("Detached. The check goes on in %s:\n  nestor drift --env %s --last    shows its report\n", scope.Environment, scope.Environment)
	if cause := context.Cause(ctx); errors.Is(cause, cli.ErrTimeout) {
		return report, &cli.ExitError{Code: cli.CodeInterrupted, Err: cause}
	}
	return report, &cli.ExitError{Code: cli.CodeInterrupted}
}

// ShowDrift writes a report where a person reads along.
func (c *Change) ShowDrift(report orchestrator.Drift) error {
	w, canvas := c.talk()
	return canvas.Drift(w, report)
}
