// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"context"
	"testing"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/workflows"
)

// TestCancelBeforeContinueAsNew: a cancel that comes while a record is written
// is not forgotten when the workflow continues as new right after it.
func TestCancelBeforeContinueAsNew(t *testing.T) {
	t.Parallel()
	run := func(in contract.DeploymentInput, first bool) *world {
		w := newWorld(t)
		w.register(contract.WorkflowDeployment, workflows.Deployment)
		w.graph(chain()...)
		w.on(contract.ActivitySetStatus, func(context.Context, contract.StatusInput) error {
			if first {
				w.SignalWorkflow(contract.SignalCancel, contract.CancelSignal{Deployment: in.Deployment, Principal: "user:ada"})
			}
			return nil
		})
		w.on(contract.ActivityRunStep, func(_ context.Context, in contract.StepInput) (contract.StepResult, error) {
			t.Errorf("%s of %s after the cancel", in.Action, in.Node)
			return contract.StepResult{}, nil
		})
		w.OnSignalExternalWorkflow("default-test-namespace", "alpha/shop", "", contract.SignalEnded,
			contract.EndedSignal{Deployment: in.Deployment, Status: orchestrator.StatusCanceled}).Return(nil)
		w.long(first)
		w.ExecuteWorkflow(contract.WorkflowDeployment, in)
		return w
	}
	next := continued[contract.DeploymentInput](run(contract.DeploymentInput{
		Deployment: "alpha/shop/staging/1", Scope: staging(), Kind: orchestrator.KindApply, GraphDigest: "g",
		OnFailure: orchestrator.OnFailureRollback, MaxInFlight: 10,
	}, true))
	w := run(next, false)
	if len(w.finished) != 1 || w.finished[0].Status != orchestrator.StatusCanceled {
		t.Errorf("finished %+v (%v), want it canceled", w.finished, w.GetWorkflowError())
	}
}
