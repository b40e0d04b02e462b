// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/HatiCode/nestor/orchestrator/contract"
)

// Drift finds out whether what is deployed is still as it was deployed, by a
// plan of what is deployed; see contract.PlanInput.Drift. Where a repair is
// wanted, it then queues a deployment like any other. It changes nothing
// itself. However it ends, it closes the report, unless it is terminated: then
// whoever reads the report, or asks for the next one, finds that out.
func Drift(ctx workflow.Context, in contract.DriftInput) error {
	root, _ := workflow.NewDisconnectedContext(ctx)
	finish := contract.FinishDriftInput{Scope: in.Scope, Drift: in.Drift, Principal: in.Principal}
	if err := look(ctx, in); err != nil {
		finish.Error = message(err)
	}
	var found contract.FinishDriftResult
	if err := record(root, contract.ActivityFinishDrift, finish, &found); err != nil {
		return err
	}
	workflow.SetCurrentDetails(root, fmt.Sprintf("Drift of `%s`: **%s**", in.Scope, found.Status))
	if !found.Repair || temporal.IsCanceledError(ctx.Err()) {
		return nil
	}
	repair := contract.RepairDriftInput{Scope: in.Scope, Drift: in.Drift}
	var res contract.RepairDriftResult
	if err := workflow.ExecuteActivity(withControl(root), contract.ActivityRepairDrift, repair).Get(root, &res); err != nil {
		return err
	}
	said := "repaired by deployment `" + res.Deployment + "`"
	if res.Refused != "" {
		said = "not repaired: " + res.Refused
	}
	workflow.SetCurrentDetails(root, fmt.Sprintf("Drift of `%s`: **%s**, %s", in.Scope, found.Status, said))
	return nil
}

// look makes the plan that the report is drawn from. A cancel reaches it, and
// it closes its record.
func look(ctx workflow.Context, in contract.DriftInput) error {
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:          "plan/" + in.Drift,
		TaskQueue:           contract.QueueControl,
		WaitForCancellation: true,
		Priority:            fair(in.Team),
		ParentClosePolicy:   enumspb.PARENT_CLOSE_POLICY_REQUEST_CANCEL,
		StaticSummary:       "look for drift of " + in.String(),
	})
	return workflow.ExecuteChildWorkflow(ctx, contract.WorkflowPlan, in.Plan()).Get(ctx, nil)
}

// scopeAttributes are the search attributes of work on one scope.
func scopeAttributes(in contract.DriftInput) temporal.SearchAttributes {
	set := func(name, value string) temporal.SearchAttributeUpdate {
		return temporal.NewSearchAttributeKeyKeyword(name).ValueSet(value)
	}
	return temporal.NewSearchAttributes(
		set(contract.AttributeTeam, in.Team),
		set(contract.AttributeApplication, in.Application),
		set(contract.AttributeEnvironment, in.Environment),
	)
}
