// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"cmp"
	"errors"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// maxChecks bounds the drift checks that one round has at work at once: an
// environment's applications are looked at one after another, however many
// there are, and never all together.
const maxChecks = 10

// DriftSweep is one round of an environment's schedule: it checks everything
// that is deployed there, page by page, each page in a run of its own. A check
// that cannot be made, or fails, keeps no other from being made. The checks
// outlive a round that is canceled.
func DriftSweep(ctx workflow.Context, in contract.DriftSweepInput) error {
	s := &sweep{round: cmp.Or(in.Round, workflow.GetInfo(ctx).WorkflowExecution.RunID)}
	var page contract.ListDeployedResult
	list := contract.ListDeployedInput{Environment: in.Environment, Cursor: in.Cursor}
	if err := record(ctx, contract.ActivityListDeployed, list, &page); err != nil {
		return err
	}
	for _, scope := range page.Scopes {
		if err := workflow.Await(ctx, func() bool { return s.running < maxChecks }); err != nil {
			return err
		}
		s.start(ctx, scope)
	}
	if err := workflow.Await(ctx, func() bool { return s.running == 0 }); err != nil {
		return err
	}
	if page.Next == "" {
		return nil
	}
	in.Cursor, in.Round = page.Next, s.round
	return workflow.NewContinueAsNewError(ctx, contract.WorkflowDriftSweep, in)
}

// sweep is the state of one run.
type sweep struct {
	round   string // the same in all runs of a round
	running int
}

func (s *sweep) start(ctx workflow.Context, scope orchestrator.Scope) {
	s.running++
	workflow.Go(ctx, func(ctx workflow.Context) {
		defer func() { s.running-- }()
		if err := s.check(ctx, scope); err != nil {
			workflow.GetLogger(ctx).Error("an application could not be checked for drift", "application", scope.String(), "error", err)
		}
	})
}

func (s *sweep) check(ctx workflow.Context, scope orchestrator.Scope) error {
	var begun contract.BeginDriftResult
	begin := contract.BeginDriftInput{Scope: scope, RequestID: "round/" + s.round}
	if err := recordBriefly(ctx, contract.ActivityBeginDrift, begin, &begun); err != nil {
		return err
	}
	if begun.Skipped != "" {
		workflow.GetLogger(ctx).Info("an application is not checked for drift", "application", scope.String(), "because", begun.Skipped)
		return nil
	}
	in := begun.Input
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            orchestrator.DriftWorkflowID(scope, in.Drift),
		TaskQueue:             contract.QueueControl,
		Priority:              fair(in.Team),
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_ABANDON,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		StaticSummary:         "drift of " + scope.String(),
		TypedSearchAttributes: scopeAttributes(in),
	})
	err := workflow.ExecuteChildWorkflow(ctx, contract.WorkflowDrift, in).Get(ctx, nil)
	var already *temporal.ChildWorkflowExecutionAlreadyStartedError
	if errors.As(err, &already) {
		return nil // it has been checked in this round
	}
	return err
}
