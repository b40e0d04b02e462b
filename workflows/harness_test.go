// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"go.temporal.io/api/sdk/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/workflows"
)

// world is Temporal's test environment with activities that a test programs.
// Time in it passes at once.
type world struct {
	*testsuite.TestWorkflowEnvironment
	t *testing.T

	mu       sync.Mutex
	statuses []contract.StatusInput
	finished []contract.FinishInput
	plans    []contract.FinishPlanInput
	signals  []string
	counts   map[string]int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	w := &world{TestWorkflowEnvironment: suite.NewTestWorkflowEnvironment(), t: t, counts: map[string]int{}}
	w.SetTestTimeout(20 * time.Second)
	w.SetDataConverter(guard{converter.GetDefaultDataConverter(), t})
	w.SetDetachedChildWait(false)
	w.register(contract.WorkflowApplication, workflows.Application)
	w.register(contract.WorkflowPlan, workflows.Plan)
	w.on(contract.ActivityOpenDeployments, func(context.Context, contract.OpenDeploymentsInput) (contract.OpenDeploymentsResult, error) {
		return contract.OpenDeploymentsResult{}, nil
	})
	w.on(contract.ActivitySetStatus, func(_ context.Context, in contract.StatusInput) error {
		return keep(w, &w.statuses, in)
	})
	w.on(contract.ActivityFinishDeployment, func(_ context.Context, in contract.FinishInput) error {
		return keep(w, &w.finished, in)
	})
	w.on(contract.ActivityFinishPlan, func(_ context.Context, in contract.FinishPlanInput) error {
		return keep(w, &w.plans, in)
	})
	return w
}

func keep[T any](w *world, all *[]T, one T) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	*all = append(*all, one)
	return nil
}

func (w *world) register(name string, do any) {
	w.RegisterWorkflowWithOptions(do, workflow.RegisterOptions{Name: name})
}

// on programs an activity.
func (w *world) on(name string, do any) {
	w.RegisterActivityWithOptions(do, activity.RegisterOptions{Name: name, DisableAlreadyRegisteredCheck: true})
}

// count counts something, from 1: activities run beside each other.
func (w *world) count(what string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[what]++
	return w.counts[what]
}

// graph is what LoadGraph answers for the digest "g".
func (w *world) graph(nodes ...contract.GraphNode) {
	w.on(contract.ActivityLoadGraph, func(_ context.Context, in contract.LoadGraphInput) (contract.LoadGraphResult, error) {
		if in.Digest != "g" {
			return contract.LoadGraphResult{}, errors.New("no graph " + in.Digest)
		}
		return contract.LoadGraphResult{Nodes: slices.Clone(nodes)}, nil
	})
}

// shown is what the Temporal Web UI shows of the workflow.
func (w *world) shown() string {
	w.t.Helper()
	value, err := w.QueryWorkflow("__temporal_workflow_metadata")
	if err != nil {
		w.t.Fatal(err)
	}
	var metadata sdk.WorkflowMetadata
	if err := value.Get(&metadata); err != nil {
		w.t.Fatal(err)
	}
	return metadata.GetCurrentDetails()
}

// continued is the input with which the workflow continued as new.
func continued[T any](w *world) T {
	w.t.Helper()
	var next T
	var again *workflow.ContinueAsNewError
	if err := w.GetWorkflowError(); !errors.As(err, &again) {
		w.t.Fatalf("the workflow ended with %v, want that it continues as new", err)
	}
	if err := converter.GetDefaultDataConverter().FromPayloads(again.Input, &next); err != nil {
		w.t.Fatal(err)
	}
	return next
}

// long makes the server suggest to continue as new, because of the history's
// length.
func (w *world) long(is bool) {
	w.SetContinueAsNewSuggested(is)
	if is {
		w.SetCurrentHistoryLength(5000)
	}
}

// renew makes an Application continue as new at some time.
func (w *world) renew(after time.Duration) {
	w.RegisterDelayedCallback(func() {
		w.SetContinueAsNewSuggested(true)
		w.SignalWorkflow(contract.SignalEnded, contract.EndedSignal{Deployment: "none"})
	}, after)
}
