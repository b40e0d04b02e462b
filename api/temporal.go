// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"time"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// Temporal is what the API asks of Temporal. A server that cannot be reached is
// a *problem.UnavailableError, a workflow that refuses a *problem.Problem.
type Temporal interface {
	// Deploy hands a request to the application's workflow, which it starts
	// where needed, and returns when the request is queued. A repeated request
	// id gets the first answer again.
	Deploy(ctx context.Context, request contract.DeployRequest) (contract.DeployAccepted, error)
	// Promote signals the application's workflow, which it starts where needed.
	Promote(ctx context.Context, team, application string, signal contract.PromoteSignal) error
	// Approve, Reject and Cancel signal the application's workflow, which they
	// start where it is gone.
	Approve(ctx context.Context, team, application string, signal contract.DecisionSignal) error
	Reject(ctx context.Context, team, application string, signal contract.DecisionSignal) error
	Cancel(ctx context.Context, team, application string, signal contract.CancelSignal) error
	// StartPlan starts the workflow of a plan; starting it again is no error.
	StartPlan(ctx context.Context, input contract.PlanInput) error
	// CancelPlan stops the workflow of a plan; where it has ended, that is no error.
	CancelPlan(ctx context.Context, plan string) error
	// PlanEnding says how the workflow of a plan ended; empty while it runs.
	PlanEnding(ctx context.Context, plan string) (string, error)
	// StartDrift starts the workflow of a drift check; starting it again is no
	// error.
	StartDrift(ctx context.Context, input contract.DriftInput) error
	// DriftEnding says how the workflow of a drift check ended; empty while it
	// runs.
	DriftEnding(ctx context.Context, scope orchestrator.Scope, id string) (string, error)
	// ScheduleDrift brings the schedule of an environment's drift checks to what
	// the environment asks for.
	ScheduleDrift(ctx context.Context, e orchestrator.Environment) error
	// Pollers lists who asked a task queue for work lately.
	Pollers(ctx context.Context, queue string) ([]Poller, error)
	// Check fails when the server cannot be reached.
	Check(ctx context.Context) error
	// Ready fails when the server cannot be reached, or no worker takes up what
	// is handed to it. It is asked before a record is written for a workflow.
	Ready(ctx context.Context) error
}

// Poller is a worker process as Temporal sees it.
type Poller struct {
	Identity string
	LastSeen time.Time
}
