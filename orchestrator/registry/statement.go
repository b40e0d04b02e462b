// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/HatiCode/nestor/orchestrator"
)

// Statement is what a person states of a node where nothing can be proven. It is
// recorded with who and why.
type Statement struct {
	Scope     orchestrator.Scope
	Node      string
	Principal string
	Reason    string
	// Host that must hold the node, for Unlock; empty: whichever does.
	Host string
	// Gone, for Forget: nothing is there, not even a state.
	Gone bool
}

// Unlock records a person's word that the attempt at work on a node is dead, and
// takes its fence away: if it lives after all, it can write nothing more and
// stops its engine. Unlocking twice is the same as once. What cannot be
// unlocked is refused with *orchestrator.Refusal.
func (r *Registry) Unlock(ctx context.Context, st Statement) (orchestrator.Tenure, error) {
	var t orchestrator.Tenure
	err := retry(ctx, func() error {
		var err error
		t, err = r.unlock(ctx, st)
		return err
	})
	if err != nil {
		return t, fmt.Errorf("unlock %s: %w", st.Node, err)
	}
	return t, nil
}

func (r *Registry) unlock(ctx context.Context, st Statement) (orchestrator.Tenure, error) {
	head, err := r.Head(ctx, st.Scope, st.Node)
	if err != nil {
		return orchestrator.Tenure{}, err
	}
	var held *orchestrator.Tenure
	if head.Status == orchestrator.NodeRunning {
		if held, err = r.tenure(ctx, head); err != nil {
			return orchestrator.Tenure{}, err
		}
	}
	if held == nil {
		return orchestrator.Tenure{}, &orchestrator.Refusal{
			Reason: fmt.Sprintf("nobody is at work on %s: it is %s", st.Node, head.Status),
			Hint:   "there is nothing to unlock",
		}
	}
	if held.Ended() {
		return *held, nil
	}
	if st.Host != "" && st.Host != held.Lease.Host {
		return *held, &orchestrator.Refusal{
			Reason: fmt.Sprintf("%s is held by %s, not by one on %s", st.Node, held.Holder(), st.Host),
			Hint:   "look whether that process is dead",
		}
	}
	var fence fenceRecord
	if _, err := r.readOrZero(ctx, fenceKey(st.Scope, st.Node), "fence of "+st.Node, &fence); err != nil {
		return *held, err
	}
	now := r.now()
	if !held.Overdue(now) {
		return *held, lively(*held, now)
	}
	held.EndedAt, held.EndedBy, held.Reason = now, st.Principal, st.Reason
	b := r.batch(st.Principal)
	b.replace(fenceKey(st.Scope, st.Node), held.Fence, fence)
	b.put(leaseKey(st.Scope, st.Node), *held)
	data := heldBy(*held)
	data["reason"] = st.Reason
	b.event(orchestrator.Event{Deployment: held.Deployment, Type: orchestrator.EventNodeUnlocked, Node: st.Node}, data)
	return *held, b.commit(ctx)
}

// lively refuses to take a node from an attempt that was heard of just now. One
// that waits itself does not hold the node: no word lets it go on but the end of
// the program that does.
func lively(held orchestrator.Tenure, now time.Time) error {
	if program := held.WaitsFor; program != nil {
		return &orchestrator.Refusal{
			Reason: fmt.Sprintf("%s is held by %s, for whose end process %d on %s waits", held.Node, program, held.Lease.PID, held.Lease.Host),
			Hint:   "let that program go on, or end it on " + program.Host + ": the step then goes on by itself",
		}
	}
	return &orchestrator.Refusal{
		Reason: fmt.Sprintf("%s is held by %s, which is %s ago", held.Node, held.Holder(), now.Sub(held.RenewedAt).Round(time.Second)),
		Hint: fmt.Sprintf("cancel the deployment if it shall stop; a holder that is silent for %s can be unlocked",
			held.Due().Sub(held.RenewedAt)),
	}
}

// Forget records a person's word that what is recorded of a node holds no more,
// such as after its state was lost. The head stays for what is no less true than
// before: where the node's state lives, by which engine, what was adopted, and its
// snapshots. Lineage, outputs, errors and the claims of its identity go, and
// nothing is known to exist; what an interrupted create may have made is in doubt
// no more. The next apply looks at that place, takes what is there, or makes it
// anew. A statement that it is Gone deletes the head, too; its snapshots are then
// known to nobody, and whoever calls it has to name them.
//
// Nothing is asked of an engine. The head that is returned is the one before. A
// node at work is refused with *orchestrator.Refusal.
func (r *Registry) Forget(ctx context.Context, st Statement) (orchestrator.NodeHead, error) {
	var head orchestrator.NodeHead
	err := retry(ctx, func() error {
		var err error
		head, err = r.forget(ctx, st)
		return err
	})
	if err != nil {
		return head, fmt.Errorf("forget %s: %w", st.Node, err)
	}
	return head, nil
}

// Settled says that a person has forgotten the node, and no engine was asked to
// act on it since. head is what is recorded of it now, a zero one for nothing.
func (r *Registry) Settled(ctx context.Context, s orchestrator.Scope, node string, head orchestrator.NodeHead) (bool, error) {
	var fence fenceRecord
	_, err := r.readOrZero(ctx, fenceKey(s, node), "fence of "+node, &fence)
	return fence.stands(head), err
}

// idle is the head of the statement's node, which nobody may be at work on.
func (r *Registry) idle(ctx context.Context, st Statement) (orchestrator.NodeHead, error) {
	head, err := r.Head(ctx, st.Scope, st.Node)
	if err != nil || head.Status != orchestrator.NodeRunning {
		return head, err
	}
	held, err := r.tenure(ctx, head)
	if err == nil && held != nil && !held.Ended() {
		err = &orchestrator.Refusal{
			Reason: fmt.Sprintf("%s is held by %s", st.Node, held.Holder()),
			Hint:   "wait for it, cancel its deployment or, if it is dead, unlock the node first",
		}
	}
	return head, err
}

func (r *Registry) forget(ctx context.Context, st Statement) (orchestrator.NodeHead, error) {
	head, err := r.idle(ctx, st)
	if err != nil {
		return head, err
	}
	var fence fenceRecord
	revision, err := r.readOrZero(ctx, fenceKey(st.Scope, st.Node), "fence of "+st.Node, &fence)
	if err != nil {
		return head, err
	}
	b := r.batch(st.Principal)
	fence.Settled = true
	b.replace(fenceKey(st.Scope, st.Node), revision, fence)
	if st.Gone {
		err = r.deleteHead(ctx, b, st.Scope, st.Node, head.Claims, head.Snapshots)
	} else {
		err = r.forgetHead(ctx, b, head)
	}
	if err != nil {
		return head, err
	}
	b.delete(leaseKey(st.Scope, st.Node))
	b.event(orchestrator.Event{Deployment: head.LastDeployment, Type: orchestrator.EventNodeForgotten, Node: st.Node}, map[string]any{
		"lineage": head.Lineage, "serial": head.Serial, "gone": st.Gone, "reason": st.Reason,
		"snapshots": slices.Concat(head.SnapshotAddresses(), head.UnfinishedSnapshots()),
	})
	return head, b.commit(ctx)
}
