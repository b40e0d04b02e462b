// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

const (
	// maxMessage bounds what a record says of one paused node, in bytes.
	maxMessage = 400
	// maxReason bounds the reason of a status, in bytes.
	maxReason = 2000
)

// pause is a node that waits for a yes or no to what it found.
type pause struct {
	digest    string // of its change set
	message   string
	approvers []string
	verdict   *decision
}

// decision is what became of a paused node, and through whom.
type decision struct {
	approved bool
	by       string
	comment  string
}

func (v decision) refusal() string {
	text := "its change set was rejected by " + v.by
	if v.comment != "" {
		text += ": " + v.comment
	}
	return text
}

// pause holds a node until enough people have decided; it fails when its context is
// canceled.
func (d *deployment) pause(ctx workflow.Context, node, digest, why string) (decision, error) {
	p := &pause{digest: digest, message: why}
	d.paused[node] = p
	d.untold = true
	err := workflow.Await(ctx, func() bool { return p.verdict != nil })
	delete(d.paused, node)
	d.untold = true
	if err != nil {
		return decision{}, err
	}
	return *p.verdict, nil
}

// receiveDecisions follows approve and reject; they matter to paused nodes.
func (d *deployment) receiveDecisions(ctx workflow.Context) {
	approve := workflow.GetSignalChannel(ctx, contract.SignalApprove)
	reject := workflow.GetSignalChannel(ctx, contract.SignalReject)
	take := func(approved bool) func(workflow.ReceiveChannel, bool) {
		return func(c workflow.ReceiveChannel, _ bool) {
			var s contract.DecisionSignal
			c.Receive(ctx, &s)
			d.decide(ctx, s, approved)
		}
	}
	selector := workflow.NewSelector(ctx).AddReceive(approve, take(true)).AddReceive(reject, take(false))
	for {
		selector.Select(ctx)
	}
}

// decide records what somebody said to the change sets of nodes, and lets it
// take effect where these are what the nodes wait with.
func (d *deployment) decide(ctx workflow.Context, s contract.DecisionSignal, approved bool) {
	said := orchestrator.Approval{Principal: s.Principal, Approved: approved, Comment: s.Comment}
	if len(s.Changes) == 0 {
		said.ChangeDigest, said.Void = s.ChangeDigest, "the deployment had begun, and it names no node"
		d.take(ctx, said)
	}
	for changes := range slices.Chunk(s.Changes, contract.MaxPaused) {
		all := make([]orchestrator.Approval, 0, len(changes))
		for _, change := range changes {
			said.Node, said.ChangeDigest, said.Void = change.Node, change.ChangeDigest, d.void(s.Principal, change, approved)
			all = append(all, said)
		}
		d.take(ctx, all...)
	}
}

// take records decisions of one principal, and then counts them: what is not
// on record has no effect.
func (d *deployment) take(ctx workflow.Context, all ...orchestrator.Approval) {
	in := contract.StatusInput{Deployment: d.in.Deployment, Principal: all[0].Principal, Approvals: all}
	if err := record(ctx, contract.ActivitySetStatus, in, nil); err != nil {
		workflow.GetLogger(ctx).Error("a decision could not be recorded, and does not count", "principal", in.Principal, "error", err)
		return
	}
	for _, a := range all {
		if a.Void == "" {
			d.count(a)
		}
	}
}

// void says why a decision changes nothing; empty when it counts.
func (d *deployment) void(principal string, change orchestrator.NodeChange, approved bool) string {
	p, paused := d.paused[change.Node]
	switch {
	case !paused || p.verdict != nil:
		return change.Node + " waits for no decision"
	case p.digest != change.ChangeDigest:
		return "the change set of " + change.Node + " is another by now"
	case approved && d.in.ApprovalsRequired > 0 && principal == d.in.Principal:
		return d.in.Environment + " asks for approvals from others than " + principal
	}
	return ""
}

// count lets a recorded decision take effect. The node may have gone on while
// it was recorded.
func (d *deployment) count(a orchestrator.Approval) {
	p, paused := d.paused[a.Node]
	if !paused || p.verdict != nil || p.digest != a.ChangeDigest {
		return
	}
	if !a.Approved {
		p.verdict = &decision{by: a.Principal, comment: a.Comment}
		return
	}
	if !slices.Contains(p.approvers, a.Principal) {
		p.approvers = append(p.approvers, a.Principal)
	}
	if len(p.approvers) >= max(1, d.in.ApprovalsRequired) {
		p.verdict = &decision{approved: true}
	}
}

// waiting lists the paused nodes, by node, as far as a record holds them, and
// the reason for a status that names them.
func (d *deployment) waiting() (nodes []orchestrator.PausedNode, reason string) {
	for _, node := range slices.Sorted(keys(d.paused)) {
		if len(nodes) == contract.MaxPaused {
			break
		}
		p := d.paused[node]
		nodes = append(nodes, orchestrator.PausedNode{
			Node: node, ChangeDigest: p.digest, Message: contract.Cut(p.message, maxMessage),
		})
	}
	var b strings.Builder
	if len(d.paused) > 1 {
		fmt.Fprintf(&b, "%d nodes wait for a decision: ", len(d.paused))
	}
	for i, p := range nodes {
		part := p.Node + ": " + p.Message
		if b.Len()+len(part) > maxReason && i > 0 {
			fmt.Fprintf(&b, "; and %d more", len(d.paused)-i)
			return nodes, b.String()
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(part)
	}
	if more := len(d.paused) - len(nodes); more > 0 {
		fmt.Fprintf(&b, "; and %d more", more)
	}
	return nodes, b.String()
}
