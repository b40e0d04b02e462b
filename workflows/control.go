// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/walk"
)

// receiveCancels follows the cancel signal.
func (d *deployment) receiveCancels(ctx workflow.Context) {
	signals := workflow.GetSignalChannel(ctx, contract.SignalCancel)
	for {
		var s contract.CancelSignal
		if !signals.Receive(ctx, &s) {
			return
		}
		d.cancel(orchestrator.Cancellation{Principal: s.Principal, Phase: s.Phase, Reason: contract.Cut(s.Reason, maxReason)})
	}
}

// cancel stops what runs forward; once the rollback runs, only a cancel that
// names it stops that. One of the other phase does nothing.
func (d *deployment) cancel(c orchestrator.Cancellation) {
	rollback := d.walk.Phase().Compensating()
	switch {
	case c.OfRollback() != rollback:
		workflow.GetLogger(d.root).Info("a cancel of another phase", "phase", c.Phase, "principal", c.Principal)
	case rollback:
		d.canceled, d.in.Canceled = true, c.String()
		d.cancelCompensation()
	case d.forward.Err() == nil:
		d.canceled, d.in.Canceled = true, c.String()
		d.cancelForward()
	}
}

// tell records the status when it has changed, and shows it in the Temporal
// Web UI.
func (d *deployment) tell() error {
	d.untold = false
	status, reason := orchestrator.StatusRunning, ""
	var paused []orchestrator.PausedNode
	switch {
	case len(d.paused) > 0:
		status = orchestrator.StatusPaused
		paused, reason = d.waiting()
	case d.walk.Done():
		return nil // finish tells
	case d.walk.Phase().Compensating():
		status = orchestrator.StatusRollingBack
		if first, found := walk.FirstFailed(d.walk.Failures()); found {
			reason = fmt.Sprintf("%s of %s failed", first.Action, first.Node)
		}
	}
	reason = d.because(reason)
	if status == d.status && reason == d.reason && slices.Equal(paused, d.listed) {
		return nil
	}
	d.status, d.reason, d.listed = status, reason, paused
	in := contract.StatusInput{
		Deployment: d.in.Deployment, Status: status, Reason: reason, Paused: paused, Principal: d.in.Principal,
		RunID: workflow.GetInfo(d.root).WorkflowExecution.RunID,
	}
	if err := record(d.root, contract.ActivitySetStatus, in, nil); err != nil {
		return err
	}
	return d.show()
}

// show puts the status where the Temporal Web UI finds it.
func (d *deployment) show() error {
	workflow.SetCurrentDetails(d.root, d.details())
	key := temporal.NewSearchAttributeKeyKeyword(contract.AttributeStatus)
	return workflow.UpsertTypedSearchAttributes(d.root, key.ValueSet(string(d.status)))
}

// details is the story so far, in Markdown, bounded.
func (d *deployment) details() string {
	const maxListed = 10
	var b strings.Builder
	fmt.Fprintf(&b, "**%s** of `%s` to **%s** by %s: **%s** (phase %s)\n",
		d.in.Kind, d.in.Application, d.in.Environment, d.in.Principal, d.status, d.walk.Phase())
	fmt.Fprintf(&b, "\n%d nodes, %d changed\n", d.walk.Size(), d.walk.Changed())
	if d.reason != "" {
		fmt.Fprintf(&b, "\n%s\n", d.reason)
	}
	if d.in.Canceled != "" && d.status != orchestrator.StatusSucceeded { // then it came too late
		fmt.Fprintf(&b, "\n%s\n", d.in.Canceled)
	}
	failures := d.walk.Failures()
	for _, f := range failures[:min(len(failures), maxListed)] {
		fmt.Fprintf(&b, "- %s of `%s`: %s\n", f.Action, f.Node, contract.Cut(f.Message, maxMessage))
	}
	if more := len(failures) - maxListed; more > 0 {
		fmt.Fprintf(&b, "- … and %d more\n", more)
	}
	if d.walk.Phase() != walk.PhaseDone {
		return b.String()
	}
	all := d.walk.Result().Left
	for _, left := range all[:min(len(all), maxListed)] {
		fmt.Fprintf(&b, "- left: `%s`: %s; %s\n", left.Node, contract.Cut(left.Reason, maxMessage), left.Action)
	}
	if more := len(all) - maxListed; more > 0 {
		fmt.Fprintf(&b, "- … and %d more left; see `nestor status`\n", more)
	}
	return b.String()
}
