// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/temporal"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/workflows"
)

// TestAdoption: one step for one node, and another that lets go of it when that
// fails.
func TestAdoption(t *testing.T) {
	t.Parallel()
	refused := temporal.NewNonRetryableApplicationError("adopting web.b would change: update x", "invalid", nil)
	stuck := temporal.NewNonRetryableApplicationError("no way", "rejected", nil)
	for name, tc := range map[string]struct {
		reason string
		fail   map[orchestrator.StepAction]error
		cancel bool
		steps  []orchestrator.StepAction
		want   contract.FinishInput
	}{
		"adopted": {
			reason: "the other nodes are none of its business",
			steps:  []orchestrator.StepAction{orchestrator.StepAdopt},
			want:   contract.FinishInput{Status: orchestrator.StatusSucceeded},
		},
		"refused": {
			reason: "nothing is left behind",
			fail:   map[orchestrator.StepAction]error{orchestrator.StepAdopt: refused},
			steps:  []orchestrator.StepAction{orchestrator.StepAdopt, orchestrator.StepForget},
			want:   contract.FinishInput{Status: orchestrator.StatusRolledBack, Error: "adopt of b: adopting web.b would change: update x"},
		},
		"left behind": {
			reason: "what is left is named",
			fail:   map[orchestrator.StepAction]error{orchestrator.StepAdopt: refused, orchestrator.StepForget: stuck},
			steps:  []orchestrator.StepAction{orchestrator.StepAdopt, orchestrator.StepForget},
			want: contract.FinishInput{
				Status: orchestrator.StatusFailed, Error: "adopt of b: adopting web.b would change: update x",
				Residue: []orchestrator.Residue{{
					Node: "b", Reason: "letting go of what was adopted failed: no way",
					Action: "adopt it again; or remove the state that was taken over by hand, and nothing that it lists",
				}},
			},
		},
		"canceled": {
			reason: "a cancel lets go of it", cancel: true,
			steps: []orchestrator.StepAction{orchestrator.StepAdopt, orchestrator.StepForget},
			want:  contract.FinishInput{Status: orchestrator.StatusCanceled, Error: "adopt of b: canceled"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.register(contract.WorkflowDeployment, workflows.Deployment)
			w.graph(chain()...)
			in := contract.DeploymentInput{
				Deployment: first, Scope: staging(), Kind: orchestrator.KindAdopt, GraphDigest: "g", Adopt: "b",
				OnFailure: orchestrator.OnFailureRollback, MaxInFlight: 10, Principal: "user:ada",
			}
			var steps []orchestrator.StepAction
			w.on(contract.ActivityRunStep, func(_ context.Context, step contract.StepInput) (contract.StepResult, error) {
				if step.Node != "b" || step.GraphDigest != "g" {
					t.Errorf("%s: step %+v", tc.reason, step)
				}
				if tc.cancel && step.Action == orchestrator.StepAdopt {
					w.SignalWorkflow(contract.SignalCancel, contract.CancelSignal{Deployment: first, Principal: "user:ada"})
				}
				return contract.StepResult{}, keepAnd(w, &steps, step.Action, tc.fail[step.Action])
			})
			tc.want.Deployment, tc.want.Principal = first, "user:ada"
			w.OnSignalExternalWorkflow("default-test-namespace", "alpha/shop", "", contract.SignalEnded,
				contract.EndedSignal{Deployment: first, Status: tc.want.Status}).Return(nil)
			w.ExecuteWorkflow(contract.WorkflowDeployment, in)
			if diff := cmp.Diff(tc.steps, steps); diff != "" {
				t.Errorf("%s: steps (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff([]contract.FinishInput{tc.want}, w.finished); diff != "" {
				t.Errorf("%s: the end (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// keepAnd keeps one and returns an error.
func keepAnd[T any](w *world, all *[]T, one T, err error) error {
	if kept := keep(w, all, one); kept != nil {
		return kept
	}
	return err
}

// TestAdoptionOfNothing: a node that is not in the graph is nobody's to adopt.
func TestAdoptionOfNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register(contract.WorkflowDeployment, workflows.Deployment)
	w.graph(chain()...)
	w.ExecuteWorkflow(contract.WorkflowDeployment, contract.DeploymentInput{
		Deployment: first, Scope: staging(), Kind: orchestrator.KindAdopt, GraphDigest: "g", Adopt: "x", MaxInFlight: 1,
	})
	if err := w.GetWorkflowError(); err == nil {
		t.Error("it succeeded")
	}
}
