// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/workflows"
)

// TestPruneHasTheTimeOfADestruction: its activity ends after the engine does, by
// the definition's timeout, or Temporal would begin it again without end. A
// cancel in it comes too late to cancel the deployment, and nobody says that it did.
func TestPruneHasTheTimeOfADestruction(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register(contract.WorkflowDeployment, workflows.Deployment)
	w.graph(contract.GraphNode{ID: "a", Queue: "engine-fake", Timeout: 600, Destroy: 3600})
	w.on(contract.ActivityRunStep, func(ctx context.Context, in contract.StepInput) (contract.StepResult, error) {
		if in.Action == orchestrator.StepPrune {
			if got := activity.GetInfo(ctx).StartToCloseTimeout; got < time.Hour {
				t.Errorf("a prune has %s, and its destructions an hour", got)
			}
			w.SignalWorkflow(contract.SignalCancel, contract.CancelSignal{Deployment: "alpha/shop/staging/1", Principal: "user:ada"})
		}
		return contract.StepResult{Changed: true, Snapshotted: true}, nil
	})
	w.OnSignalExternalWorkflow("default-test-namespace", "alpha/shop", "", contract.SignalEnded,
		contract.EndedSignal{Deployment: "alpha/shop/staging/1", Status: orchestrator.StatusSucceeded}).Return(nil)
	w.ExecuteWorkflow(contract.WorkflowDeployment, contract.DeploymentInput{
		Deployment: "alpha/shop/staging/1", Scope: staging(), Kind: orchestrator.KindApply, GraphDigest: "g",
		OnFailure: orchestrator.OnFailureRollback, MaxInFlight: 10,
	})
	if err := w.GetWorkflowError(); err != nil || len(w.finished) != 1 || w.finished[0].Status != orchestrator.StatusSucceeded {
		t.Errorf("finished %+v (%v), want that it succeeded", w.finished, err)
	}
	shown := w.shown()
	if !strings.Contains(shown, "**succeeded**") || strings.Contains(shown, "canceled by") {
		t.Errorf("the Temporal Web UI says %q", shown)
	}
}
