// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/temporal"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/workflows"
)

const day = 24 * time.Hour

// patience is a deployment of one or two nodes that takes very long.
type patience struct {
	*world
	timers atomic.Int64
}

func newPatience(t *testing.T, nodes ...contract.GraphNode) *patience {
	t.Helper()
	w := &patience{world: newWorld(t)}
	w.register(contract.WorkflowDeployment, workflows.Deployment)
	w.graph(nodes...)
	w.SetOnTimerScheduledListener(func(string, time.Duration) { w.timers.Add(1) })
	w.on(contract.ActivityRunStep, func(context.Context, contract.StepInput) (contract.StepResult, error) {
		return contract.StepResult{}, nil
	})
	w.OnSignalExternalWorkflow("default-test-namespace", "alpha/shop", "", contract.SignalEnded,
		contract.EndedSignal{Deployment: first, Status: orchestrator.StatusSucceeded}).Return(nil)
	return w
}

// step programs what a node's step with a number takes and ends with.
func (w *patience) step(node string, number int64, takes time.Duration, err error) {
	is := mock.MatchedBy(func(in contract.StepInput) bool { return in.Node == node && (number == 0 || in.Step == number) })
	w.OnActivity(contract.ActivityRunStep, mock.Anything, is).After(takes).Return(contract.StepResult{}, err)
}

// approve says yes to a node after some time.
func (w *patience) approve(node string, after time.Duration) {
	w.RegisterDelayedCallback(func() {
		w.SignalWorkflow(contract.SignalApprove, contract.DecisionSignal{
			Deployment: first, Principal: "user:bob", Changes: []orchestrator.NodeChange{{Node: node, ChangeDigest: "d"}},
		})
	}, after)
}

func (w *patience) run() {
	w.t.Helper()
	w.ExecuteWorkflow(contract.WorkflowDeployment, contract.DeploymentInput{
		Deployment: first, Scope: staging(), Kind: orchestrator.KindApply, GraphDigest: "g", MaxInFlight: 10,
	})
	if err := w.GetWorkflowError(); err != nil {
		w.t.Fatal(err)
	}
}

func notApproved() error {
	return temporal.NewNonRetryableApplicationError("it would replace a", contract.ErrorNotApproved, nil, "d")
}

// TestAPauseCostsNothing: while all that is in flight waits for a decision,
// nobody looks at anything, for however long.
func TestAPauseCostsNothing(t *testing.T) {
	t.Parallel()
	w := newPatience(t, contract.GraphNode{ID: "a", Queue: pulumi})
	w.on(contract.ActivityServed, func(context.Context, contract.ServedInput) (contract.ServedResult, error) {
		t.Error("somebody looked whether a queue is served on which there is nothing")
		return contract.ServedResult{}, nil
	})
	w.step("a", 1, 0, notApproved())
	w.step("a", 2, 0, nil)
	w.approve("a", 60*day)
	w.run()
	if n := w.timers.Load(); n > 2 {
		t.Errorf("%d timers in a pause of 60 days", n)
	}
}

// TestLongWaitsAreLookedAtLess: the history of a deployment whose step takes
// months, or has no worker for as long, does not fill.
func TestLongWaitsAreLookedAtLess(t *testing.T) {
	t.Parallel()
	for name, served := range map[string]bool{"served": true, "unserved": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newPatience(t, contract.GraphNode{ID: "a", Queue: pulumi})
			w.on(contract.ActivityServed, func(context.Context, contract.ServedInput) (contract.ServedResult, error) {
				w.count("looks")
				return contract.ServedResult{Served: served}, nil
			})
			w.step("a", 1, 30*day, nil)
			w.run()
			if n := w.counts["looks"]; n < 100 || n > 30*6+60 {
				t.Errorf("%d looks in 30 days, want some six a day", n)
			}
		})
	}
}

// TestAnotherQueueIsLookedAtInTime: that the next look at one queue is hours away
// puts off no look at another on which a step begins.
func TestAnotherQueueIsLookedAtInTime(t *testing.T) {
	t.Parallel()
	const helm = "nestor-engine-helm"
	w := newPatience(t, contract.GraphNode{ID: "a", Queue: pulumi}, contract.GraphNode{ID: "b", Queue: helm})
	began, noticed := w.Now(), time.Duration(0)
	w.on(contract.ActivityServed, func(_ context.Context, in contract.ServedInput) (contract.ServedResult, error) {
		if in.Queue == helm && w.count("looks") == 1 {
			noticed = w.Now().Sub(began)
		}
		return contract.ServedResult{}, nil
	})
	w.step("a", 0, 10*day, nil)
	w.step("b", 2, 0, notApproved())
	w.step("b", 3, time.Hour, nil)
	w.approve("b", 5*day)
	w.run()
	if noticed < 5*day || noticed > 5*day+3*time.Minute {
		t.Errorf("the second queue was looked at after %s, want within minutes of five days", noticed)
	}
}

// TestAStepAtWorkWhenTheFirstMinuteIsOver: it began after the deployment did, so
// that it is not due yet when the first timer fires, and is not looked at too
// often either.
func TestAStepAtWorkWhenTheFirstMinuteIsOver(t *testing.T) {
	t.Parallel()
	w := newPatience(t,
		contract.GraphNode{ID: "a", Queue: pulumi},
		contract.GraphNode{ID: "b", Dependencies: []string{"a"}, Queue: pulumi},
	)
	w.on(contract.ActivityServed, func(context.Context, contract.ServedInput) (contract.ServedResult, error) {
		w.count("looks")
		return contract.ServedResult{Served: true}, nil
	})
	w.step("a", 1, 500*time.Millisecond, nil)
	w.step("b", 2, 4*time.Minute, nil)
	w.run()
	if n := w.counts["looks"]; n < 1 || n > 3 {
		t.Errorf("%d looks in four minutes, want one to three", n)
	}
}
