// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/workflows"
)

// drifting is a world with the activities of a drift check of the graph "g".
func drifting(t *testing.T, found contract.FinishDriftResult) *world {
	t.Helper()
	w := newWorld(t)
	w.register(contract.WorkflowDrift, workflows.Drift)
	w.graph(chain()...)
	w.on(contract.ActivityFinishDrift, func(_ context.Context, in contract.FinishDriftInput) (contract.FinishDriftResult, error) {
		w.count("finished")
		if in.Error != "" {
			w.count(in.Error)
		}
		return found, nil
	})
	w.on(contract.ActivityRepairDrift, func(context.Context, contract.RepairDriftInput) (contract.RepairDriftResult, error) {
		if w.count("repairs") == 1 {
			return contract.RepairDriftResult{}, temporal.NewApplicationError("no store", "internal")
		}
		return contract.RepairDriftResult{Deployment: "d"}, nil
	})
	return w
}

func driftInput() contract.DriftInput {
	return contract.DriftInput{Drift: "p", Scope: staging(), GraphDigest: "g", Principal: "drift:staging"}
}

// TestDriftAsksEveryNode as a drift check's, and repairs only what is to be
// repaired, until it has an answer.
func TestDriftAsksEveryNode(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		repair bool
		want   int
		reason string
	}{
		"report": {repair: false, want: 0, reason: "nothing is changed by a check"},
		"repair": {repair: true, want: 2, reason: "the first try did not get an answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := drifting(t, contract.FinishDriftResult{Status: orchestrator.DriftDrifted, Repair: tc.repair})
			w.on(contract.ActivityPlanNode, func(_ context.Context, in contract.PlanNodeInput) (contract.PlanNodeResult, error) {
				if w.count("nodes"); !in.Drift || in.Plan != "p" || in.GraphDigest != "g" || in.Remove {
					t.Errorf("it was asked %+v", in)
				}
				return contract.PlanNodeResult{}, nil
			})
			w.ExecuteWorkflow(contract.WorkflowDrift, driftInput())
			if err := w.GetWorkflowError(); err != nil {
				t.Fatal(err)
			}
			if w.counts["nodes"] != 3 || w.counts["finished"] != 1 || w.counts["repairs"] != tc.want {
				t.Errorf("%s: %v", tc.reason, w.counts)
			}
		})
	}
}

// TestDriftCanceled closes the plan and the report, and repairs nothing.
func TestDriftCanceled(t *testing.T) {
	t.Parallel()
	w := drifting(t, contract.FinishDriftResult{Status: orchestrator.DriftDrifted, Repair: true})
	w.on(contract.ActivityPlanNode, func(ctx context.Context, _ contract.PlanNodeInput) (contract.PlanNodeResult, error) {
		w.CancelWorkflow()
		<-ctx.Done()
		return contract.PlanNodeResult{}, ctx.Err()
	})
	w.ExecuteWorkflow(contract.WorkflowDrift, driftInput())
	if err := w.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	if w.counts["finished"] != 1 || w.counts["repairs"] != 0 {
		t.Errorf("closed and repaired: %v", w.counts)
	}
}

// sweeping is a world with n scopes in pages of contract.DeployedPage, and with
// checks that take a minute.
func sweeping(t *testing.T, n int, check func(workflow.Context, contract.DriftInput) error) *world {
	t.Helper()
	w := newWorld(t)
	w.register(contract.WorkflowDriftSweep, workflows.DriftSweep)
	w.register(contract.WorkflowDrift, check)
	w.on(contract.ActivityListDeployed, func(_ context.Context, in contract.ListDeployedInput) (contract.ListDeployedResult, error) {
		var all []orchestrator.Scope
		for i := range n {
			all = append(all, orchestrator.Scope{Team: "alpha", Application: fmt.Sprintf("app-%04d", i), Environment: in.Environment})
		}
		from := slices.IndexFunc(all, func(s orchestrator.Scope) bool { return s.Application > in.Cursor })
		if from+contract.DeployedPage >= n {
			return contract.ListDeployedResult{Scopes: all[from:]}, nil
		}
		page := all[from : from+contract.DeployedPage]
		return contract.ListDeployedResult{Scopes: page, Next: page[len(page)-1].Application}, nil
	})
	w.on(contract.ActivityBeginDrift, func(_ context.Context, in contract.BeginDriftInput) (contract.BeginDriftResult, error) {
		w.count(in.RequestID)
		if strings.HasSuffix(in.Application, "7") {
			return contract.BeginDriftResult{Skipped: "a deployment is at work"}, nil
		}
		return contract.BeginDriftResult{Input: contract.DriftInput{Drift: in.Application, Scope: in.Scope}}, nil
	})
	return w
}

// TestSweepChecksAllAFewAtOnce: whatever the number of applications, a few are
// looked at side by side, and one that fails or is skipped keeps no other back.
func TestSweepChecksAllAFewAtOnce(t *testing.T) {
	t.Parallel()
	running, most, done := 0, 0, 0
	w := sweeping(t, 40, func(ctx workflow.Context, in contract.DriftInput) error {
		running++
		most = max(most, running)
		err := workflow.Sleep(ctx, time.Minute)
		running--
		done++
		if strings.HasSuffix(in.Application, "3") {
			return temporal.NewApplicationError("cannot be checked", "internal")
		}
		return err
	})
	w.ExecuteWorkflow(contract.WorkflowDriftSweep, contract.DriftSweepInput{Environment: "staging"})
	if err := w.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	if most != 10 || done != 36 {
		t.Errorf("%d were checked, at most %d at once; want 36 and 10", done, most)
	}
}

// TestSweepContinuesPageByPage with one request id for the whole round, so that
// no application is checked twice in it.
func TestSweepContinuesPageByPage(t *testing.T) {
	t.Parallel()
	quick := func(workflow.Context, contract.DriftInput) error { return nil }
	first := sweeping(t, 130, quick)
	first.ExecuteWorkflow(contract.WorkflowDriftSweep, contract.DriftSweepInput{Environment: "staging"})
	next := continued[contract.DriftSweepInput](first)
	if next.Cursor != "app-0099" || next.Environment != "staging" || next.Round == "" {
		t.Errorf("it goes on with %+v", next)
	}
	second := sweeping(t, 130, quick)
	second.ExecuteWorkflow(contract.WorkflowDriftSweep, next)
	if err := second.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	id := "round/" + next.Round
	if diff := cmp.Diff([]int{100, 30}, []int{first.counts[id], second.counts[id]}); diff != "" {
		t.Errorf("applications with the round's request id (-want +got):\n%s", diff)
	}
}
