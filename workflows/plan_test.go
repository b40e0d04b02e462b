// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"

	"github.com/HatiCode/nestor/orchestrator/contract"
)

const pulumi = "nestor-engine-pulumi"

func planInput() contract.PlanInput {
	return contract.PlanInput{Plan: "p", Scope: staging(), GraphDigest: "g", Principal: "user:ada"}
}

// chain is a before b, and c by itself.
func chain() []contract.GraphNode {
	return []contract.GraphNode{
		{ID: "a", Queue: pulumi}, {ID: "b", Dependencies: []string{"a"}, Queue: pulumi}, {ID: "c", Queue: pulumi},
	}
}

// closed is how the plan's record was closed.
func (w *world) closed() contract.FinishPlanInput {
	w.t.Helper()
	if !w.IsWorkflowCompleted() || w.GetWorkflowError() != nil {
		w.t.Fatalf("the workflow ended with %v", w.GetWorkflowError())
	}
	if len(w.plans) != 1 {
		w.t.Fatalf("the plan was closed %d times", len(w.plans))
	}
	return w.plans[0]
}

// TestPlanTellsWhatFailed: a preview that never answered has recorded nothing;
// its failure goes to the plan's record.
func TestPlanTellsWhatFailed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.graph(chain()...)
	w.on(contract.ActivityPlanNode, func(_ context.Context, in contract.PlanNodeInput) (contract.PlanNodeResult, error) {
		w.count(in.Node)
		if in.Node == "c" {
			return contract.PlanNodeResult{}, temporal.NewApplicationError("no network", "transient")
		}
		return contract.PlanNodeResult{}, nil
	})
	w.ExecuteWorkflow(contract.WorkflowPlan, planInput())
	want := contract.FinishPlanInput{Plan: "p", Principal: "user:ada", Failures: []contract.PlanFailure{{Node: "c", Message: "no network"}}}
	if diff := cmp.Diff(want, w.closed()); diff != "" {
		t.Errorf("closed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"a": 1, "b": 1, "c": contract.StepFailures}, w.counts); diff != "" {
		t.Errorf("tries (-want +got):\n%s", diff)
	}
}

// TestPlanWithoutAWorker: a preview that nobody takes up fails when no worker
// serves its queue, and waits on when one does.
func TestPlanWithoutAWorker(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		served bool
		want   []contract.PlanFailure
		reason string
	}{
		"none": {
			want: []contract.PlanFailure{
				{Node: "a", Message: "no worker serves the queue nestor-engine-pulumi; start one with NESTOR_QUEUES=pulumi"},
				{Node: "c", Message: "no worker serves the queue nestor-engine-pulumi; start one with NESTOR_QUEUES=pulumi"},
			},
			reason: "whoever made the plan would wait for ever",
		},
		"busy": {served: true, reason: "all slots of the worker are taken for a while"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.graph(chain()...)
			w.on(contract.ActivityServed, func(_ context.Context, in contract.ServedInput) (contract.ServedResult, error) {
				if w.count("looks"); in.Queue != pulumi {
					t.Errorf("looked at %s", in.Queue)
				}
				return contract.ServedResult{Served: tc.served}, nil
			})
			w.on(contract.ActivityPlanNode, func(context.Context, contract.PlanNodeInput) (contract.PlanNodeResult, error) {
				if n := w.count("tries"); !tc.served || n <= 2 {
					return contract.PlanNodeResult{}, temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START, nil)
				}
				return contract.PlanNodeResult{}, nil
			})
			w.ExecuteWorkflow(contract.WorkflowPlan, planInput())
			byNode := cmpopts.SortSlices(func(a, b contract.PlanFailure) bool { return a.Node < b.Node })
			if diff := cmp.Diff(tc.want, w.closed().Failures, byNode); diff != "" {
				t.Errorf("%s: failures (-want +got):\n%s", tc.reason, diff)
			}
			if w.counts["looks"] == 0 {
				t.Errorf("%s: nobody looked for workers", tc.reason)
			}
		})
	}
}

// TestPlanContinuesAsNew: a long plan goes on in a new run, and no node is
// previewed twice.
func TestPlanContinuesAsNew(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	previewed := map[string]int{}
	run := func(in contract.PlanInput, long bool) *world {
		w := newWorld(t)
		w.graph(chain()...)
		w.on(contract.ActivityPlanNode, func(_ context.Context, in contract.PlanNodeInput) (contract.PlanNodeResult, error) {
			mu.Lock()
			previewed[in.Node]++
			mu.Unlock()
			w.long(long)
			if in.Node == "c" {
				return contract.PlanNodeResult{Error: "no quota"}, nil
			}
			return contract.PlanNodeResult{}, nil
		})
		w.ExecuteWorkflow(contract.WorkflowPlan, in)
		return w
	}
	first := run(planInput(), true)
	next := continued[contract.PlanInput](first)
	if len(first.plans) > 0 || len(previewed) != 2 || next.Plan != "p" {
		t.Fatalf("the first run closed %v after %v and continued with %+v", first.plans, previewed, next)
	}
	last := run(next, false).closed()
	if diff := cmp.Diff([]contract.PlanFailure{{Node: "c", Message: "no quota"}}, last.Failures); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"a": 1, "b": 1, "c": 1}, previewed); diff != "" {
		t.Errorf("previews (-want +got):\n%s", diff)
	}
}

// TestPlanCanceled: a canceled plan is closed, whenever the cancel comes.
func TestPlanCanceled(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		onLoad, onPreview bool
		reason            string
	}{
		"while it loads":    {onLoad: true, reason: "nothing was previewed yet"},
		"while it previews": {onPreview: true, reason: "previews are given up"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.on(contract.ActivityLoadGraph, func(context.Context, contract.LoadGraphInput) (contract.LoadGraphResult, error) {
				if tc.onLoad {
					w.CancelWorkflow()
				}
				return contract.LoadGraphResult{Nodes: chain()}, nil
			})
			w.on(contract.ActivityPlanNode, func(ctx context.Context, _ contract.PlanNodeInput) (contract.PlanNodeResult, error) {
				w.CancelWorkflow()
				<-ctx.Done()
				return contract.PlanNodeResult{}, ctx.Err()
			})
			w.RegisterDelayedCallback(w.CancelWorkflow, time.Hour) // never comes
			w.ExecuteWorkflow(contract.WorkflowPlan, planInput())
			if closed := w.closed(); closed.Error != "canceled" {
				t.Errorf("%s: closed %+v", tc.reason, closed)
			}
		})
	}
}

// TestPlanWithoutItsGraph is closed with the reason.
func TestPlanWithoutItsGraph(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.on(contract.ActivityLoadGraph, func(context.Context, contract.LoadGraphInput) (contract.LoadGraphResult, error) {
		return contract.LoadGraphResult{}, temporal.NewNonRetryableApplicationError("no graph g", contract.ErrorNotFound, nil)
	})
	w.ExecuteWorkflow(contract.WorkflowPlan, planInput())
	if closed := w.closed(); !strings.Contains(closed.Error, "no graph g") {
		t.Errorf("closed %+v", closed)
	}
}
