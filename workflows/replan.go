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
// worth another look, when the deployment is canceled, or when the application
// drains: the plan goes on, and the next run looks at it again. A plan that
// cannot be made is closed as failed.
func (l *lane) replan(ctx workflow.Context, in contract.PlanInput) error {
	running, stop := workflow.WithCancel(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:        "plan/" + in.Plan,
		TaskQueue:         contract.QueueControl,
		Priority:          fair(in.Team),
		ParentClosePolicy: enumspb.PARENT_CLOSE_POLICY_ABANDON,
		StaticSummary:     "plan again: " + in.String() + " has changed",
	}))
	child := workflow.ExecuteChildWorkflow(running, contract.WorkflowPlan, in)
	err := l.begun(ctx, child)
	interrupted := func() bool { return l.app.draining || l.state.Canceled != nil }
	var already *temporal.ChildWorkflowExecutionAlreadyStartedError
	if errors.As(err, &already) { // by an earlier run of this application
		_, err := workflow.AwaitWithTimeout(ctx, replanPause, interrupted)
		return err
	}
	if err == nil {
		if err := workflow.Await(ctx, func() bool { return child.IsReady() || interrupted() }); err != nil {
			return err
		}
		if l.state.Canceled != nil {
			stop()
		}
		if !child.IsReady() {
			return nil
		}
		err = child.Get(ctx, nil)
	}
	if err == nil {
		return nil
	}
	closing := contract.FinishPlanInput{Plan: in.Plan, Error: message(err), Principal: in.Principal}
	return l.app.record(ctx, contract.ActivityFinishPlan, closing, nil)
}

// begun waits until a child exists, during which the application does not
// continue as new.
func (l *lane) begun(ctx workflow.Context, child workflow.ChildWorkflowFuture) error {
	l.app.busy++
	defer func() { l.app.busy-- }()
	return child.GetChildWorkflowExecution().Get(ctx, nil)
}
