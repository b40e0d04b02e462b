// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/mock"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/workflows"
)

// TestUnservedQueue: a deployment whose worker is gone says so after a while, and
// no longer once there is one again. The steps wait where they are.
func TestUnservedQueue(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		served func(look int) bool
		takes  time.Duration // of the one step
		want   []contract.StatusInput
	}{
		"gone": {
			reason: "the end of the step clears it",
			served: func(int) bool { return false }, takes: 30 * time.Minute,
			want: []contract.StatusInput{
				{Status: orchestrator.StatusRunning},
				{Status: orchestrator.StatusRunning, Reason: contract.NoWorker(pulumi)},
				{Status: orchestrator.StatusRunning},
			},
		},
		"back": {
			reason: "so does a look that finds one, while the step takes its time",
			served: func(look int) bool { return look > 2 }, takes: 30 * time.Minute,
			want: []contract.StatusInput{
				{Status: orchestrator.StatusRunning},
				{Status: orchestrator.StatusRunning, Reason: contract.NoWorker(pulumi)},
				{Status: orchestrator.StatusRunning},
			},
		},
		"long": {
			reason: "a step that takes long is none of anybody's business",
			served: func(int) bool { return true }, takes: 30 * time.Minute,
			want: []contract.StatusInput{{Status: orchestrator.StatusRunning}},
		},
		"short": {
			reason: "nobody looks before a while is over",
			served: func(int) bool { t.Error("somebody looked"); return false }, takes: 30 * time.Second,
			want: []contract.StatusInput{{Status: orchestrator.StatusRunning}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.register(contract.WorkflowDeployment, workflows.Deployment)
			w.graph(contract.GraphNode{ID: "a", Queue: pulumi}, contract.GraphNode{ID: "b", Dependencies: []string{"a"}, Queue: pulumi})
			w.on(contract.ActivityServed, func(context.Context, contract.ServedInput) (contract.ServedResult, error) {
				return contract.ServedResult{Served: tc.served(w.count("looks"))}, nil
			})
			w.on(contract.ActivityRunStep, func(context.Context, contract.StepInput) (contract.StepResult, error) {
				return contract.StepResult{}, nil
			})
			w.OnActivity(contract.ActivityRunStep, mock.Anything, contract.StepInput{
				Deployment: first, Node: "a", Action: orchestrator.StepApply, GraphDigest: "g", Run: 1, Step: 1,
			}).After(tc.takes).Return(contract.StepResult{}, nil)
			w.OnActivity(contract.ActivityRunStep, mock.Anything, mock.Anything).Return(contract.StepResult{}, nil)
			w.OnSignalExternalWorkflow("default-test-namespace", "alpha/shop", "", contract.SignalEnded,
				contract.EndedSignal{Deployment: first, Status: orchestrator.StatusSucceeded}).Return(nil)
			w.ExecuteWorkflow(contract.WorkflowDeployment, contract.DeploymentInput{
				Deployment: first, Scope: staging(), Kind: orchestrator.KindApply, GraphDigest: "g", MaxInFlight: 10,
			})
			if err := w.GetWorkflowError(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, w.statuses, cmpopts.IgnoreFields(contract.StatusInput{}, "Deployment", "RunID")); diff != "" {
				t.Errorf("%s: statuses (-want +got):\n%s", tc.reason, diff)
			}
			if looks := w.counts["looks"]; looks > 6 {
				t.Errorf("%s: %d looks in half an hour", tc.reason, looks)
			}
		})
	}
}
