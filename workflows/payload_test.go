// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/workflows"
)

// guard is the usual data converter, which fails the test when a payload is
// larger than any may be.
type guard struct {
	converter.DataConverter
	t *testing.T
}

func (g guard) ToPayload(value any) (*commonpb.Payload, error) {
	payload, err := g.DataConverter.ToPayload(value)
	if size := payload.Size(); size > contract.MaxPayload {
		g.t.Errorf("a payload of %d bytes: %T", size, value)
	}
	return payload, err
}

func (g guard) ToPayloads(values ...any) (*commonpb.Payloads, error) {
	payloads, err := g.DataConverter.ToPayloads(values...)
	if size := payloads.Size(); size > contract.MaxPayload {
		g.t.Errorf("payloads of %d bytes: %T", size, values)
	}
	return payloads, err
}

// worstNodes with the longest ids that two DNS labels make, and the longest
// messages, are far more than a payload holds; the test environment of the SDK
// takes long for more of them.
const worstNodes = 600

func worstID(i int) string {
	id := fmt.Sprintf("%05d.", i)
	return id + strings.Repeat("x", 127-len(id))
}

// worst answers LoadGraph with worstNodes nodes side by side, in pages as large
// as they may be.
func (w *world) worst(prefix string) {
	const perPage = 150
	w.on(contract.ActivityLoadGraph, func(_ context.Context, in contract.LoadGraphInput) (contract.LoadGraphResult, error) {
		var res contract.LoadGraphResult
		for i := in.Page * perPage; i < (in.Page+1)*perPage; i++ {
			res.Nodes = append(res.Nodes, contract.GraphNode{
				ID: prefix + worstID(i)[len(prefix):], Engine: "fake", Queue: "nestor-engine-fake", Definition: "d@1.0.0",
			})
		}
		res.More = (in.Page+1)*perPage < worstNodes
		return res, nil
	})
}

func worstDeployment() contract.DeploymentInput {
	return contract.DeploymentInput{
		Deployment: first, Scope: staging(), Kind: orchestrator.KindApply, GraphDigest: "g",
		OnFailure: orchestrator.OnFailureContinue, MaxInFlight: 50, Principal: "user:ada", Partial: contract.NodeSet{}.With(worstNodes - 1),
	}
}

// TestWorstEnd: a deployment whose every step fails, each with the longest
// message, ends with an account of it that fits.
func TestWorstEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SetTestTimeout(time.Minute)
	w.register(contract.WorkflowDeployment, workflows.Deployment)
	w.worst("")
	long := strings.Repeat("<why> ", 2000)
	w.on(contract.ActivityRunStep, func(context.Context, contract.StepInput) (contract.StepResult, error) {
		return contract.StepResult{}, temporal.NewNonRetryableApplicationError(long, "rejected", nil)
	})
	w.OnSignalExternalWorkflow("default-test-namespace", "alpha/shop", "", contract.SignalEnded,
		contract.EndedSignal{Deployment: first, Status: orchestrator.StatusFailed}).Return(nil)
	w.ExecuteWorkflow(contract.WorkflowDeployment, worstDeployment())
	if len(w.finished) != 1 {
		t.Fatalf("finished %d times: %v", len(w.finished), w.GetWorkflowError())
	}
	end := w.finished[0]
	if all := len(end.Residue) + end.MoreResidue; all != worstNodes || len(end.Residue) == 0 {
		t.Errorf("%d nodes are left, and %d more, want %d", len(end.Residue), end.MoreResidue, worstNodes)
	}
}

// TestWorstContinue: a deployment that continues as new after many failures
// hands on no more than fits, and the next run knows them all.
func TestWorstContinue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SetTestTimeout(time.Minute)
	w.register(contract.WorkflowDeployment, workflows.Deployment)
	w.worst("")
	w.on(contract.ActivityRunStep, func(context.Context, contract.StepInput) (contract.StepResult, error) {
		n := w.count("steps")
		if n == worstNodes-300 {
			w.long(true)
		}
		return contract.StepResult{}, temporal.NewNonRetryableApplicationError(fmt.Sprintf("failure %d %s", n, strings.Repeat("y", 4000)), "rejected", nil)
	})
	w.ExecuteWorkflow(contract.WorkflowDeployment, worstDeployment())
	next := continued[contract.DeploymentInput](w)
	if next.Resume == nil || !next.Partial.Has(worstNodes-1) || next.Partial.Has(0) {
		t.Fatalf("continued with %d bytes, partial %v", len(next.Resume), next.Partial)
	}
	before := w.counts["steps"]
	w = newWorld(t)
	w.SetTestTimeout(time.Minute)
	w.register(contract.WorkflowDeployment, workflows.Deployment)
	w.worst("")
	w.on(contract.ActivityRunStep, func(context.Context, contract.StepInput) (contract.StepResult, error) {
		w.count("steps")
		return contract.StepResult{Changed: true}, nil
	})
	w.OnSignalExternalWorkflow("default-test-namespace", "alpha/shop", "", contract.SignalEnded,
		contract.EndedSignal{Deployment: first, Status: orchestrator.StatusFailed}).Return(nil)
	w.ExecuteWorkflow(contract.WorkflowDeployment, next)
	var failed *temporal.ApplicationError
	if err := w.GetWorkflowError(); !errors.As(err, &failed) || failed.Type() != string(orchestrator.StatusFailed) {
		t.Fatalf("the second run ended with %v", err)
	}
	if after := w.counts["steps"]; before+after != worstNodes {
		t.Errorf("%d and then %d steps, want %d together: none is lost, none is repeated", before, after, worstNodes)
	}
}

// TestGraphLargerThanTheSuggestion: a graph that alone is so long that the
// server suggests to continue as new is deployed all the same.
func TestGraphLargerThanTheSuggestion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register(contract.WorkflowDeployment, workflows.Deployment)
	w.graph(chain()...)
	w.SetContinueAsNewSuggested(true)
	w.SetCurrentHistoryLength(20)
	w.on(contract.ActivityRunStep, func(context.Context, contract.StepInput) (contract.StepResult, error) {
		return contract.StepResult{}, nil
	})
	w.OnSignalExternalWorkflow("default-test-namespace", "alpha/shop", "", contract.SignalEnded,
		contract.EndedSignal{Deployment: first, Status: orchestrator.StatusSucceeded}).Return(nil)
	in := worstDeployment()
	in.Partial = nil
	w.ExecuteWorkflow(contract.WorkflowDeployment, in)
	if err := w.GetWorkflowError(); err != nil {
		t.Error(err)
	}
}

// TestRecentBounded: an application that has answered many long requests hands on
// the latest of its answers.
func TestRecentBounded(t *testing.T) {
	t.Parallel()
	const requests = 200
	w := newWorld(t)
	w.SetTestTimeout(time.Minute)
	w.on(contract.ActivityAcceptDeployment, func(_ context.Context, req contract.DeployRequest) (contract.AcceptResult, error) {
		return contract.AcceptResult{Deployment: req.RequestID[:10], Ended: true}, nil
	})
	for i := range requests {
		w.update(time.Duration(i)*time.Second, contract.DeployRequest{
			RequestID: fmt.Sprintf("request%03d", i) + strings.Repeat("z", 500), Scope: staging(), Kind: orchestrator.KindApply,
		})
	}
	w.renew(requests * time.Second)
	w.ExecuteWorkflow(contract.WorkflowApplication, shop(nil))
	recent := continued[contract.ApplicationInput](w).State.Recent
	if len(recent) == 0 || len(recent) == requests {
		t.Fatalf("%d of %d answers are handed on", len(recent), requests)
	}
	if last := recent[len(recent)-1].Deployment; last != fmt.Sprintf("request%03d", requests-1) {
		t.Errorf("the last answer is %s", last)
	}
	size := 0
	for _, r := range recent {
		size += len(r.Update) + len(r.Deployment)
	}
	if size > contract.MaxRecent {
		t.Errorf("%d bytes of answers", size)
	}
}

// TestNodeOverPages: a node whose dependencies are cut over two pages waits for
// them all.
func TestNodeOverPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register(contract.WorkflowDeployment, workflows.Deployment)
	w.on(contract.ActivityLoadGraph, func(_ context.Context, in contract.LoadGraphInput) (contract.LoadGraphResult, error) {
		if in.Page == 0 {
			return contract.LoadGraphResult{More: true, Nodes: []contract.GraphNode{
				{ID: "a"}, {ID: "b", Dependencies: []string{"a"}}, {ID: "c", Dependencies: []string{"a"}},
			}}, nil
		}
		return contract.LoadGraphResult{Nodes: []contract.GraphNode{{ID: "c", Dependencies: []string{"b"}}, {ID: "d"}}}, nil
	})
	var order []string
	w.on(contract.ActivityRunStep, func(_ context.Context, in contract.StepInput) (contract.StepResult, error) {
		return contract.StepResult{}, keep(w, &order, in.Node)
	})
	w.OnSignalExternalWorkflow("default-test-namespace", "alpha/shop", "", contract.SignalEnded,
		contract.EndedSignal{Deployment: first, Status: orchestrator.StatusSucceeded}).Return(nil)
	in := worstDeployment()
	in.Partial, in.MaxInFlight = nil, 1
	w.ExecuteWorkflow(contract.WorkflowDeployment, in)
	if err := w.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(order, " "); got != "a b c d" {
		t.Errorf("steps %s", got)
	}
}
