// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"slices"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// inbox is the signals of an application that were not taken yet.
type inbox struct {
	promote, approve, reject, cancel, ended workflow.ReceiveChannel
}

func receive(ctx workflow.Context) inbox {
	return inbox{
		promote: workflow.GetSignalChannel(ctx, contract.SignalPromote),
		approve: workflow.GetSignalChannel(ctx, contract.SignalApprove),
		reject:  workflow.GetSignalChannel(ctx, contract.SignalReject),
		cancel:  workflow.GetSignalChannel(ctx, contract.SignalCancel),
		ended:   workflow.GetSignalChannel(ctx, contract.SignalEnded),
	}
}

func (i inbox) pending() bool {
	return i.promote.Len()+i.approve.Len()+i.reject.Len()+i.cancel.Len()+i.ended.Len() > 0
}

// take handles every signal that is there, in a fixed order of kinds.
func (a *application) take(ctx workflow.Context, in inbox) {
	for in.pending() {
		takeAll(in.promote, func(s contract.PromoteSignal) { a.promote(ctx, s) })
		takeAll(in.approve, func(s contract.DecisionSignal) { a.decide(ctx, s, true) })
		takeAll(in.reject, func(s contract.DecisionSignal) { a.decide(ctx, s, false) })
		takeAll(in.cancel, func(s contract.CancelSignal) { a.cancel(ctx, s) })
		takeAll(in.ended, func(s contract.EndedSignal) { a.end(s) })
	}
}

func takeAll[T any](c workflow.ReceiveChannel, handle func(T)) {
	var s T
	for c.ReceiveAsync(&s) {
		handle(s)
		s = *new(T)
	}
}

// promote turns a promotion record into a deployment, or records why not.
func (a *application) promote(ctx workflow.Context, s contract.PromoteSignal) {
	a.state.Handled++
	if err := a.accepting.Lock(ctx); err != nil {
		return
	}
	defer a.accepting.Unlock()
	var res contract.AcceptPromotionResult
	if err := a.record(ctx, contract.ActivityAcceptPromotion, s, &res); err != nil {
		workflow.GetLogger(ctx).Error("a promotion could not be taken up", "promotion", s.Promotion, "error", err)
		return
	}
	if res.Deployment != "" && !res.Ended {
		a.enqueue(res.Environment, res.Deployment)
	}
}

// decide passes a decision on to a running deployment, or counts it for one
// that waits.
func (a *application) decide(ctx workflow.Context, s contract.DecisionSignal, approved bool) {
	l, known := a.laneOf(s.Deployment)
	if !known {
		workflow.GetLogger(ctx).Warn("a decision on a deployment that is not under way", "deployment", s.Deployment)
		return
	}
	if l.state.Current == s.Deployment && l.state.Started {
		name := contract.SignalReject
		if approved {
			name = contract.SignalApprove
		}
		a.forward(ctx, s.Deployment, name, s)
		return
	}
	in := contract.StatusInput{
		Deployment: s.Deployment, Principal: s.Principal,
		Approvals: []orchestrator.Approval{{
			Principal: s.Principal, Approved: approved, Comment: s.Comment, ChangeDigest: s.ChangeDigest,
		}},
	}
	if err := a.record(ctx, contract.ActivitySetStatus, in, nil); err != nil {
		workflow.GetLogger(ctx).Error("a decision could not be recorded, and does not count", "deployment", s.Deployment, "error", err)
		return
	}
	if approved {
		a.decided[s.Deployment]++
		return
	}
	a.cancel(ctx, contract.CancelSignal{
		Deployment: s.Deployment, Principal: s.Principal, Reason: strings.TrimSpace("rejected " + s.Comment),
	})
}

// cancel ends what waits and passes the signal on to what runs.
func (a *application) cancel(ctx workflow.Context, s contract.CancelSignal) {
	l, known := a.laneOf(s.Deployment)
	switch {
	case !known:
		workflow.GetLogger(ctx).Warn("a cancel of a deployment that is not under way", "deployment", s.Deployment)
	case s.Phase == orchestrator.PhaseRollback && (l.state.Current != s.Deployment || !l.state.Started):
		workflow.GetLogger(ctx).Info("a cancel of a rollback that has not begun", "deployment", s.Deployment)
	case l.state.Current != s.Deployment:
		at := slices.Index(l.state.Queue, s.Deployment)
		l.state.Queue = slices.Delete(l.state.Queue, at, at+1)
		if err := l.end(ctx, s.Deployment, orchestrator.StatusCanceled, canceledBy(s)); err != nil {
			workflow.GetLogger(ctx).Error("a canceled deployment could not be closed", "deployment", s.Deployment, "error", err)
		}
	case l.state.Started:
		a.forward(ctx, s.Deployment, contract.SignalCancel, s)
	default:
		l.state.Canceled = &s
	}
}

func (a *application) end(s contract.EndedSignal) {
	if l, known := a.laneOf(s.Deployment); known && l.state.Current == s.Deployment {
		l.state.Ended = true
	}
}

// forward signals a running deployment. One that has just ended cannot be
// signaled, and needs no signal.
func (a *application) forward(ctx workflow.Context, deployment, name string, signal any) {
	a.busy++
	defer func() { a.busy-- }()
	err := workflow.SignalExternalWorkflow(ctx, deployment, "", name, signal).Get(ctx, nil)
	if err != nil {
		workflow.GetLogger(ctx).Warn("the deployment could not be signaled", "deployment", deployment, "signal", name, "error", err)
	}
}
