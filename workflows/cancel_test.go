// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// TestCanceledIsNotFailed: of a step that was canceled, at work or while it waited
// for a decision, nobody says that it failed or was rejected.
func TestCanceledIsNotFailed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		takes time.Duration
		err   error
		want  string // the error of its end
	}{
		"at work": {takes: time.Hour, want: "apply of a: canceled"},
		"paused":  {err: notApproved(), want: "apply of a: canceled while it waited for a decision"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := canceledAfterAMinute(t, tc.takes, tc.err)
			if len(w.finished) != 1 || w.finished[0].Status != orchestrator.StatusCanceled || w.finished[0].Error != tc.want {
				t.Errorf("ended with %+v, want the error %q", w.finished, tc.want)
			}
			for _, told := range w.statuses {
				if told.Status == orchestrator.StatusRollingBack && told.Reason != "" {
					t.Errorf("the rollback is explained by %q, and needs no more than who canceled, which the record has", told.Reason)
				}
			}
		})
	}
}

// canceledAfterAMinute is a deployment of one node that somebody cancels: its first
// step takes a time and ends with an error.
func canceledAfterAMinute(t *testing.T, takes time.Duration, err error) *patience {
	t.Helper()
	w := newPatience(t, contract.GraphNode{ID: "a", Queue: pulumi})
	w.on(contract.ActivityServed, func(context.Context, contract.ServedInput) (contract.ServedResult, error) {
		return contract.ServedResult{Served: true}, nil
	})
	w.OnSignalExternalWorkflow("default-test-namespace", "alpha/shop", "", contract.SignalEnded,
		contract.EndedSignal{Deployment: first, Status: orchestrator.StatusCanceled}).Return(nil)
	w.step("a", 1, takes, err)
	w.step("a", 2, 0, nil)
	w.RegisterDelayedCallback(func() {
		w.SignalWorkflow(contract.SignalCancel, contract.CancelSignal{Deployment: first, Principal: "user:ada"})
	}, time.Minute)
	w.ExecuteWorkflow(contract.WorkflowDeployment, contract.DeploymentInput{
		Deployment: first, Scope: staging(), Kind: orchestrator.KindApply, GraphDigest: "g", MaxInFlight: 10,
		OnFailure: orchestrator.OnFailureRollback, Principal: "user:bob",
	})
	return w
}

// TestCancelBeginsTheRollback, and does not end it, though the step that it stops
// ends in the same moment.
func TestCancelBeginsTheRollback(t *testing.T) {
	t.Parallel()
	w := canceledAfterAMinute(t, 0, notApproved())
	if !slices.ContainsFunc(w.statuses, func(in contract.StatusInput) bool { return in.Status == orchestrator.StatusRollingBack }) {
		t.Errorf("told is %+v, and nothing of a rollback", w.statuses)
	}
	if len(w.finished) != 1 || len(w.finished[0].Residue) > 0 {
		t.Errorf("ended with %+v, want that the rollback has found nothing", w.finished)
	}
}

// TestCancelOfAnotherPhase does nothing, as the API says.
func TestCancelOfAnotherPhase(t *testing.T) {
	t.Parallel()
	w := newPatience(t, contract.GraphNode{ID: "a", Queue: pulumi})
	w.on(contract.ActivityServed, func(context.Context, contract.ServedInput) (contract.ServedResult, error) {
		return contract.ServedResult{Served: true}, nil
	})
	w.OnActivity(contract.ActivityRunStep, mock.Anything, mock.Anything).
		After(time.Hour).Return(contract.StepResult{Changed: true}, nil)
	w.RegisterDelayedCallback(func() {
		w.SignalWorkflow(contract.SignalCancel, contract.CancelSignal{
			Deployment: first, Phase: orchestrator.PhaseRollback, Principal: "user:ada",
		})
	}, time.Minute)
	w.run()
	if len(w.finished) != 1 || w.finished[0].Status != orchestrator.StatusSucceeded {
		t.Errorf("ended with %+v, although nobody canceled what went forward", w.finished)
	}
}
