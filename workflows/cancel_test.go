// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

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
