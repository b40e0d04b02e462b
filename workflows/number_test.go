// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/workflows"
)

// TestStepsAreNumbered: the numbers of a deployment's steps go on where it
// continues as new, so that the later step of a node always has the larger one.
func TestStepsAreNumbered(t *testing.T) {
	t.Parallel()
	var got []contract.StepInput
	run := func(in contract.DeploymentInput, renew bool) *world {
		w := newWorld(t)
		w.register(contract.WorkflowDeployment, workflows.Deployment)
		w.graph(
			contract.GraphNode{ID: "a", Queue: pulumi}, contract.GraphNode{ID: "b", Dependencies: []string{"a"}, Queue: pulumi},
			contract.GraphNode{ID: "c", Dependencies: []string{"b"}, Queue: pulumi},
		)
		w.on(contract.ActivityRunStep, func(_ context.Context, in contract.StepInput) (contract.StepResult, error) {
			w.long(renew && in.Node == "b")
			return contract.StepResult{}, keep(w, &got, in)
		})
		w.OnSignalExternalWorkflow("default-test-namespace", "alpha/shop", "", contract.SignalEnded,
			contract.EndedSignal{Deployment: first, Status: orchestrator.StatusSucceeded}).Return(nil)
		w.ExecuteWorkflow(contract.WorkflowDeployment, in)
		return w
	}
	next := continued[contract.DeploymentInput](run(contract.DeploymentInput{
		Deployment: first, Scope: staging(), Kind: orchestrator.KindApply, GraphDigest: "g", MaxInFlight: 10,
	}, true))
	if err := run(next, false).GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	want := []contract.StepInput{{Node: "a", Run: 1, Step: 1}, {Node: "b", Run: 1, Step: 2}, {Node: "c", Run: 2, Step: 3}}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(contract.StepInput{}, "Deployment", "Action", "GraphDigest")); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}
