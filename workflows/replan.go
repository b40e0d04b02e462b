// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"errors"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/HatiCode/nestor/orchestrator/contract"
)

// replanPause is how long a lane waits for a plan that somebody else makes.
const replanPause = 2 * time.Second

// replan makes a plan whose record is there, and returns when it is closed or
// worth another look, or when the deployment is canceled. A plan that cannot be
// made is closed as failed.
func (l *lane) replan(ctx workflow.Context, in contract.PlanInput) error {
	l.app.busy++
	defer func() { l.app.busy-- }()
	running, stop := workflow.WithCancel(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:        "plan/" + in.Plan,
		TaskQueue:         contract.QueueControl,
		ParentClosePolicy: enumspb.PARENT_CLOSE_POLICY_ABANDON,
		StaticSummary:     "plan again: " + in.String() + " has changed",
	}))
	defer stop()
	child := workflow.ExecuteChildWorkflow(running, contract.WorkflowPlan, in)
	err := workflow.Await(ctx, func() bool { return child.IsReady() || l.state.Canceled != nil })
	if err != nil || !child.IsReady() {
		return err
	}
	err = child.Get(ctx, nil)
	var already *temporal.ChildWorkflowExecutionAlreadyStartedError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &already): // by an earlier run of this application
		_, err := workflow.AwaitWithTimeout(ctx, replanPause, func() bool { return l.state.Canceled != nil })
		return err
	default:
		closing := contract.FinishPlanInput{Plan: in.Plan, Error: message(err), Principal: in.Principal}
		return record(ctx, contract.ActivityFinishPlan, closing, nil)
	}
}
