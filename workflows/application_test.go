// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

const (
	first  = "alpha/shop/staging/1"
	second = "alpha/shop/staging/2"
	third  = "alpha/shop/staging/3"
)

func staging() orchestrator.Scope {
	return orchestrator.Scope{Team: "alpha", Application: "shop", Environment: "staging"}
}

func shop(lanes map[string]*contract.Lane) contract.ApplicationInput {
	in := contract.ApplicationInput{Team: "alpha", Application: "shop"}
	if lanes != nil {
		in.State = &contract.ApplicationState{Lanes: lanes}
	}
	return in
}

// may lets every deployment run, and makes known which began.
func (w *world) may(prepare func(id string) contract.Prepared) {
	w.on(contract.ActivityPrepareDeployment, func(_ context.Context, in contract.PrepareInput) (contract.Prepared, error) {
		p := prepare(in.Deployment)
		p.Input = contract.DeploymentInput{Deployment: in.Deployment, Scope: staging()}
		return p, nil
	})
	w.on(contract.ActivityDescribeRun, func(context.Context, contract.DescribeInput) (contract.DescribeResult, error) {
		return contract.DescribeResult{}, nil
	})
}

func ready(string) contract.Prepared { return contract.Prepared{} }

// deployments stands for the workflow Deployment: it runs until it is canceled.
func (w *world) deployments(began func(id string)) {
	w.register(contract.WorkflowDeployment, func(ctx workflow.Context, in contract.DeploymentInput) (contract.DeploymentResult, error) {
		began(in.Deployment)
		var s contract.CancelSignal
		workflow.GetSignalChannel(ctx, contract.SignalCancel).Receive(ctx, &s)
		err := keep(w, &w.signals, in.Deployment+" canceled by "+s.Principal)
		workflow.SignalExternalWorkflow(ctx, "alpha/shop", "", contract.SignalEnded, contract.EndedSignal{Deployment: in.Deployment})
		return contract.DeploymentResult{Status: orchestrator.StatusCanceled}, err
	})
}

func (w *world) cancel(deployment string) {
	w.SignalWorkflow(contract.SignalCancel, contract.CancelSignal{Deployment: deployment, Principal: "user:ada"})
}

// update asks for a deployment and returns its answer, once it is there.
func (w *world) update(after time.Duration, req contract.DeployRequest) *answer {
	a := &answer{}
	w.RegisterDelayedCallback(func() {
		w.UpdateWorkflow(contract.UpdateDeploy, req.UpdateID()+after.String(), a, req)
	}, after)
	return a
}

// answer of an update.
type answer struct {
	got contract.DeployAccepted
	err error
}

func (a *answer) Accept()          {}
func (a *answer) Reject(err error) { a.err = err }
func (a *answer) Complete(v any, err error) {
	a.got, _ = v.(contract.DeployAccepted)
	a.err = err
}

// TestLanesAreTakenUp: an Application that starts with no state, since the one
// before it was terminated, goes on where that one was.
func TestLanesAreTakenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SetStartWorkflowOptions(applicationOptions())
	w.on(contract.ActivityOpenDeployments, func(_ context.Context, in contract.OpenDeploymentsInput) (contract.OpenDeploymentsResult, error) {
		if in.Team != "alpha" || in.Application != "shop" {
			t.Errorf("asked for %+v", in)
		}
		return contract.OpenDeploymentsResult{Lanes: map[string]*contract.Lane{
			"staging": {Current: first, Started: true, Queue: []string{second}},
		}}, nil
	})
	w.on(contract.ActivityAcceptDeployment, func(_ context.Context, req contract.DeployRequest) (contract.AcceptResult, error) {
		return contract.AcceptResult{Deployment: req.RequestID}, nil
	})
	w.may(ready)
	var began []string
	w.deployments(func(id string) { began = append(began, id) })
	// Asked before the lanes are known, the one that was queued keeps its place.
	again := w.update(0, contract.DeployRequest{RequestID: second, Scope: staging()})
	next := w.update(time.Minute, contract.DeployRequest{RequestID: third, Scope: staging()})
	w.renew(10 * time.Minute)
	w.ExecuteWorkflow(contract.WorkflowApplication, shop(nil))

	want := map[string]*contract.Lane{"staging": {Current: first, Started: true, Queue: []string{second, third}}}
	if diff := cmp.Diff(want, continued[contract.ApplicationInput](w).State.Lanes); diff != "" {
		t.Errorf("lanes (-want +got):\n%s", diff)
	}
	if again.err != nil || again.got != (contract.DeployAccepted{Deployment: second, Position: 1}) {
		t.Errorf("the queued one again: %+v", again)
	}
	if next.err != nil || next.got != (contract.DeployAccepted{Deployment: third, Position: 2}) {
		t.Errorf("the next one: %+v", next)
	}
	if len(began) > 0 {
		t.Errorf("%v began beside %s, which runs", began, first)
	}
}

// TestApplicationIsNotCanceled: an Application has no end of its own.
func TestApplicationIsNotCanceled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SetStartWorkflowOptions(applicationOptions())
	w.on(contract.ActivityAcceptDeployment, func(_ context.Context, req contract.DeployRequest) (contract.AcceptResult, error) {
		return contract.AcceptResult{Deployment: req.RequestID}, nil
	})
	w.may(ready)
	w.deployments(func(string) {})
	w.RegisterDelayedCallback(w.CancelWorkflow, time.Minute)
	later := w.update(2*time.Minute, contract.DeployRequest{RequestID: third, Scope: staging()})
	w.RegisterDelayedCallback(func() { w.cancel(second) }, 3*time.Minute)
	w.RegisterDelayedCallback(func() { // of a rollback, which it has none of
		w.SignalWorkflow(contract.SignalCancel, contract.CancelSignal{Deployment: third, Phase: orchestrator.PhaseRollback})
	}, 4*time.Minute)
	w.renew(10 * time.Minute)
	w.ExecuteWorkflow(contract.WorkflowApplication, shop(map[string]*contract.Lane{
		"staging": {Current: first, Started: true, Queue: []string{second}},
	}))
	want := map[string]*contract.Lane{"staging": {Current: first, Started: true, Queue: []string{third}}}
	if diff := cmp.Diff(want, continued[contract.ApplicationInput](w).State.Lanes); diff != "" {
		t.Errorf("lanes (-want +got):\n%s", diff)
	}
	if later.err != nil || later.got.Deployment != third {
		t.Errorf("a request after the cancel: %+v", later)
	}
	if len(w.finished) != 1 || w.finished[0].Deployment != second || w.finished[0].Status != orchestrator.StatusCanceled {
		t.Errorf("finished %+v, want the queued one, canceled", w.finished)
	}
}

// TestRequestIDs: a request id counts once in each environment, and what is
// over is not queued again.
func TestRequestIDs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SetStartWorkflowOptions(applicationOptions())
	w.on(contract.ActivityAcceptDeployment, func(_ context.Context, req contract.DeployRequest) (contract.AcceptResult, error) {
		w.count("accepted")
		return contract.AcceptResult{Deployment: req.Environment + req.Release, Ended: req.Release == "over"}, nil
	})
	w.on(contract.ActivityPrepareDeployment, func(context.Context, contract.PrepareInput) (contract.Prepared, error) {
		return contract.Prepared{ApprovalsMissing: 1}, nil
	})
	request := func(environment, release string) contract.DeployRequest {
		s := staging()
		s.Environment = environment
		return contract.DeployRequest{RequestID: "one", Scope: s, Release: release}
	}
	var got []*answer
	for i, req := range []contract.DeployRequest{
		request("staging", "a"), request("production", "a"), request("staging", "a"), request("staging", "b"), request("test", "over"),
	} {
		got = append(got, w.update(time.Duration(i+1)*time.Second, req))
	}
	w.renew(time.Minute)
	w.ExecuteWorkflow(contract.WorkflowApplication, shop(map[string]*contract.Lane{}))
	var ids []string
	for _, a := range got {
		if a.err != nil {
			t.Error(a.err)
		}
		ids = append(ids, a.got.Deployment)
	}
	if diff := cmp.Diff([]string{"staginga", "productiona", "staginga", "stagingb", "testover"}, ids); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if n := w.counts["accepted"]; n != 4 {
		t.Errorf("the store was asked %d times, want each request once", n)
	}
	want := map[string]*contract.Lane{"staging": {Current: "staginga", Queue: []string{"stagingb"}}, "production": {Current: "productiona"}}
	if diff := cmp.Diff(want, continued[contract.ApplicationInput](w).State.Lanes); diff != "" {
		t.Errorf("lanes (-want +got):\n%s", diff)
	}
}

// TestAPromotionThatIsOver is not queued again when its signal comes twice.
func TestAPromotionThatIsOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.on(contract.ActivityAcceptPromotion, func(context.Context, contract.PromoteSignal) (contract.AcceptPromotionResult, error) {
		return contract.AcceptPromotionResult{Deployment: first, Environment: "staging", Ended: true}, nil
	})
	w.RegisterDelayedCallback(func() { w.SignalWorkflow(contract.SignalPromote, contract.PromoteSignal{Promotion: "p"}) }, time.Second)
	w.renew(time.Minute)
	w.ExecuteWorkflow(contract.WorkflowApplication, shop(map[string]*contract.Lane{}))
	if lanes := continued[contract.ApplicationInput](w).State.Lanes; len(lanes) > 0 {
		t.Errorf("it was queued: %v", lanes)
	}
}

// TestCancelIsNotLost: a cancel counts whenever it comes.
func TestCancelIsNotLost(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		prepare func(w *world) func(id string) contract.Prepared
		runs    bool
		reason  string
	}{
		"while it is prepared": {
			prepare: func(w *world) func(string) contract.Prepared {
				return func(id string) contract.Prepared {
					w.cancel(id)
					return contract.Prepared{}
				}
			},
			reason: "it was ready at that very moment",
		},
		"while its workflow starts": {
			prepare: func(w *world) func(string) contract.Prepared {
				w.SetOnChildWorkflowStartedListener(func(*workflow.Info, workflow.Context, converter.EncodedValues) { w.cancel(first) })
				return ready
			},
			runs: true, reason: "the signal is passed on once the workflow can take it",
		},
		"while it waits for a worker": {
			prepare: func(w *world) func(string) contract.Prepared {
				w.RegisterDelayedCallback(func() { w.cancel(first) }, time.Minute)
				return func(string) contract.Prepared { return contract.Prepared{Waiting: "nobody serves it"} }
			},
			reason: "nobody has to wait for what may never come",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.SetStartWorkflowOptions(applicationOptions())
			w.may(tc.prepare(w))
			ran := false
			w.deployments(func(string) { ran = true })
			w.renew(10 * time.Minute)
			w.ExecuteWorkflow(contract.WorkflowApplication, shop(map[string]*contract.Lane{"staging": {Queue: []string{first}}}))
			want := map[string]*contract.Lane{"staging": {}}
			if diff := cmp.Diff(want, continued[contract.ApplicationInput](w).State.Lanes); diff != "" {
				t.Errorf("%s: lanes (-want +got):\n%s", tc.reason, diff)
			}
			if ran != tc.runs {
				t.Fatalf("%s: its workflow ran: %v", tc.reason, ran)
			}
			if tc.runs {
				if diff := cmp.Diff([]string{first + " canceled by user:ada"}, w.signals); diff != "" {
					t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
				}
				return
			}
			if len(w.finished) != 1 || w.finished[0].Status != orchestrator.StatusCanceled || !strings.Contains(w.finished[0].Error, "user:ada") {
				t.Errorf("%s: finished %+v", tc.reason, w.finished)
			}
		})
	}
}

// TestWaitingIsLookedAtAgain: a deployment that waits for what nobody signals
// says so once, and begins when it is there.
func TestWaitingIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SetStartWorkflowOptions(applicationOptions())
	w.may(func(string) contract.Prepared {
		if w.count("looks") < 20 {
			return contract.Prepared{Waiting: "nobody serves it"}
		}
		return contract.Prepared{}
	})
	var began time.Time
	start := w.Now()
	w.deployments(func(string) { began = w.Now() })
	w.renew(10 * time.Minute)
	w.ExecuteWorkflow(contract.WorkflowApplication, shop(map[string]*contract.Lane{"staging": {Queue: []string{first}}}))
	if waited := began.Sub(start); waited < time.Minute || waited > 2*time.Minute {
		t.Errorf("19 looks took %s, want a few seconds each", waited)
	}
	want := []contract.StatusInput{{
		Deployment: first, Status: orchestrator.StatusQueued, Reason: "nobody serves it", Principal: "workflow:Application",
	}}
	if diff := cmp.Diff(want, w.statuses); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
}

// TestWhatRunsIsWatched: a deployment that was queued by mistake while its
// workflow runs is not started again.
func TestWhatRunsIsWatched(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SetStartWorkflowOptions(applicationOptions())
	w.may(func(string) contract.Prepared { return contract.Prepared{Started: true} })
	w.deployments(func(id string) { t.Errorf("%s was started again", id) })
	w.renew(10 * time.Minute)
	w.ExecuteWorkflow(contract.WorkflowApplication, shop(map[string]*contract.Lane{"staging": {Queue: []string{first}}}))
	want := map[string]*contract.Lane{"staging": {Current: first, Started: true}}
	if diff := cmp.Diff(want, continued[contract.ApplicationInput](w).State.Lanes); diff != "" {
		t.Errorf("lanes (-want +got):\n%s", diff)
	}
}

func applicationOptions() client.StartWorkflowOptions {
	return client.StartWorkflowOptions{ID: "alpha/shop", TaskQueue: contract.QueueControl}
}
