// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"errors"
	"testing"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

// TestALateAttemptIsFenced: a worker that was paused comes back with an attempt
// that was given up, when the node is further on.
func TestALateAttemptIsFenced(t *testing.T) {
	t.Parallel()
	step := func(id string, action orchestrator.StepAction, order int64, attempt int32) orchestrator.NodeRun {
		return orchestrator.NodeRun{
			Deployment: id, Node: node, Action: action, WorkflowRun: "run", Order: order, Attempt: attempt,
		}
	}
	numbered := func(run int, workflow string, action orchestrator.StepAction, number int64, attempt int32) orchestrator.NodeRun {
		// Order counts from the start in each run.
		return orchestrator.NodeRun{
			Node: node, Action: action, Run: run, Step: number, WorkflowRun: workflow, Order: number % 10, Attempt: attempt,
		}
	}
	tests := map[string]struct {
		reason string
		done   orchestrator.NodeRun
		comes  orchestrator.NodeRun
		fenced bool
	}{
		"earlier attempt": {
			"the later one has ended already", step("", orchestrator.StepApply, 7, 2), step("", orchestrator.StepApply, 7, 1), true,
		},
		"earlier step": {
			"the rollback has taken it back already", step("", orchestrator.StepDestroy, 21, 1), step("", orchestrator.StepApply, 7, 1), true,
		},
		"next attempt": {
			"the one before failed", step("", orchestrator.StepApply, 7, 1), step("", orchestrator.StepApply, 7, 2), false,
		},
		"same step again": {
			"after a pause it was approved", step("", orchestrator.StepApply, 7, 3), step("", orchestrator.StepApply, 9, 1), false,
		},
		"next step": {
			"the rollback", step("", orchestrator.StepApply, 7, 3), step("", orchestrator.StepRestore, 21, 1), false,
		},
		"step of the run before": {
			"the workflow has continued as new since, and rolled back",
			numbered(2, "second", orchestrator.StepRestore, 21, 1), numbered(1, "first", orchestrator.StepApply, 7, 1), true,
		},
		"attempt of the run before": {
			"the same step was done by another worker, and taken back since",
			numbered(2, "second", orchestrator.StepObserve, 12, 1), numbered(1, "first", orchestrator.StepApply, 9, 4), true,
		},
		"step of the next run": {
			"its order begins anew, its number does not",
			numbered(1, "first", orchestrator.StepApply, 9, 2), numbered(2, "second", orchestrator.StepRestore, 11, 1), false,
		},
		"earlier attempt by number": {
			"the later one has ended already",
			numbered(1, "first", orchestrator.StepApply, 7, 2), numbered(1, "first", orchestrator.StepApply, 7, 1), true,
		},
		"reset run": {
			"an operator has had the workflow begin again in its middle",
			numbered(1, "first", orchestrator.StepRestore, 21, 1), numbered(1, "reset", orchestrator.StepApply, 7, 1), false,
		},
		"number after none": {
			"a deployment that a new program took over in its middle",
			step("", orchestrator.StepApply, 7, 1), numbered(1, "run", orchestrator.StepRestore, 8, 1), false,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := open(t)
			id := f.accept("one").ID
			test.done.Deployment, test.comes.Deployment = id, id
			a, err := f.Begin(t.Context(), "worker:fake", scope(), test.done, orchestrator.NodeHead{Engine: "fake"})
			f.must(err)
			f.must(f.Commit(t.Context(), a, ready()))
			before := f.contents(id)
			_, err = f.Begin(t.Context(), "worker:fake", scope(), test.comes, orchestrator.NodeHead{Engine: "fake"})
			if errors.Is(err, registry.ErrFenced) != test.fenced {
				t.Fatalf("%s: got %v", test.reason, err)
			}
			if test.fenced && len(before) != len(f.contents(id)) {
				t.Errorf("%s: a fenced attempt wrote something", test.reason)
			}
		})
	}
}
