// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/store"
)

// Proof says whether an attempt that began and did not end is over. dead says
// that it provably is; without an error and alive it is known to be kept apart
// from the next one. That its lease was not renewed is no proof.
type Proof func(orchestrator.Tenure) (dead bool, err error)

// proven asks for the proof that the attempt before is over. One that died is
// buried: it is among the attempt's dead from then on.
func (r *Registry) proven(
	ctx context.Context, a *Attempt, head orchestrator.NodeHead, proof Proof,
) (buried bool, err error) {
	if proof == nil || head.Status != orchestrator.NodeRunning || head.LastDeployment == "" {
		return false, nil
	}
	tenure, err := r.tenure(ctx, head)
	if err != nil || tenure == nil {
		return false, err
	}
	a.Before = tenure
	dead, err := proof(*tenure)
	if err != nil || !dead {
		return false, err
	}
	a.Dead = r.bury(a.principal, a.Dead, *tenure)
	return true, nil
}

// maxDead bounds how many dead attempts a head remembers: the latest.
const maxDead = 16

// bury adds a dead attempt to those that are known, with what proves its death.
func (r *Registry) bury(principal string, known []orchestrator.Tenure, t orchestrator.Tenure) []orchestrator.Tenure {
	if slices.ContainsFunc(known, func(o orchestrator.Tenure) bool { return o.Fence == t.Fence }) {
		return known
	}
	if !t.Ended() {
		t.EndedAt, t.EndedBy, t.Reason = r.now(), principal, "its process was seen to be dead"
	}
	t.Awaited, t.WaitsFor = false, nil
	all := append(slices.Clone(known), t)
	return all[max(0, len(all)-maxDead):]
}

// tenure of the attempt that the head says is at work; nil where nobody knows
// who it was. A step that was too short to have a document was last heard of
// when it began.
func (r *Registry) tenure(ctx context.Context, head orchestrator.NodeHead) (*orchestrator.Tenure, error) {
	var run orchestrator.NodeRun
	revision, err := r.readOrZero(ctx, runKey(head.LastDeployment, head.Node), "run of "+head.Node, &run)
	if err != nil || revision == 0 || run.Lease == nil || run.Status != orchestrator.NodeRunning {
		return nil, err
	}
	known, recorded, err := r.lease(ctx, head.Scope, head.Node)
	if err != nil {
		return nil, err
	}
	if recorded > 0 && known.Fence == run.Fence && known.Deployment == run.Deployment {
		return &known, nil
	}
	fresh := tenureOf(run)
	return &fresh, nil
}

// leased says that a node has a lease, whoever wrote it.
func (r *Registry) leased(ctx context.Context, s orchestrator.Scope, node string) (bool, error) {
	_, revision, err := r.lease(ctx, s, node)
	return revision > 0, err
}

// tenureOf a run that was last heard of when it began.
func tenureOf(run orchestrator.NodeRun) orchestrator.Tenure {
	t := orchestrator.Tenure{
		Deployment: run.Deployment, Node: run.Node, Action: run.Action, Fence: run.Fence,
		StartedAt: run.StartedAt, RenewedAt: run.StartedAt, TTL: run.TTL,
	}
	if run.Lease != nil {
		t.Lease = *run.Lease
	}
	return t
}

// Renew says in the store that an attempt is at work still, and for whom it
// waits. That somebody waits for its end stays known. With ErrFenced it has lost
// the node, and its engine has to stop.
func (r *Registry) Renew(ctx context.Context, a Attempt) error {
	err := retry(ctx, func() error {
		known, revision, err := r.lease(ctx, a.Scope, a.Run.Node)
		if err != nil {
			return err
		}
		t := tenureOf(a.Run)
		t.RenewedAt, t.WaitsFor = r.now(), a.WaitsFor
		t.Awaited = known.Awaited && known.Fence == t.Fence
		b := r.batch(a.principal)
		b.check(fenceKey(a.Scope, a.Run.Node), a.Run.Fence)
		b.replace(leaseKey(a.Scope, a.Run.Node), revision, t)
		if err = b.commit(ctx); errors.Is(err, store.ErrConflict) {
			return r.unlessFenced(ctx, a.Scope, a.Run.Node, a.Run.Fence, err)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("renew the lease of %s: %w", a.Run.Node, err)
	}
	return nil
}

// unlessFenced is a conflict, or ErrFenced where its reason is that a later attempt
// has the node.
func (r *Registry) unlessFenced(ctx context.Context, s orchestrator.Scope, node string, fence int64, conflict error) error {
	now, err := r.readOrZero(ctx, fenceKey(s, node), "fence of "+node, &fenceRecord{})
	switch {
	case err != nil:
		return err
	case now != fence:
		return fmt.Errorf("%w (fence %d)", ErrFenced, fence)
	}
	return conflict
}

// lease of a node, and its document's revision; 0 where there is none.
func (r *Registry) lease(ctx context.Context, s orchestrator.Scope, node string) (t orchestrator.Tenure, revision int64, err error) {
	revision, err = r.readOrZero(ctx, leaseKey(s, node), "lease of "+node, &t)
	return t, revision, err
}

// End says that an attempt is over whose result could not be recorded: nobody
// needs another proof. Like Commit it fails with ErrFenced.
func (r *Registry) End(ctx context.Context, a Attempt, reason string) error {
	t := tenureOf(a.Run)
	t.RenewedAt = r.now()
	t.EndedAt, t.EndedBy, t.Reason = t.RenewedAt, a.principal, reason
	b := r.batch(a.principal)
	b.check(fenceKey(a.Scope, a.Run.Node), a.Run.Fence)
	b.put(leaseKey(a.Scope, a.Run.Node), t)
	if err := b.fenced(ctx, a.Run); err != nil {
		return fmt.Errorf("record the end of an attempt on %s: %w", a.Run.Node, err)
	}
	return nil
}

// Tenures lists the leases of a scope's steps that run for longer, by node.
func (r *Registry) Tenures(ctx context.Context, s orchestrator.Scope) ([]orchestrator.Tenure, error) {
	all, err := collect[orchestrator.Tenure](ctx, r.store, leasePartition(s), "")
	if err != nil {
		return nil, fmt.Errorf("leases of %s: %w", s, err)
	}
	return all, nil
}

// Blocked tells in a deployment's stream that one of its steps waits for proof
// that the attempt t is over, and shows who holds the node even if that attempt was
// too short to say so itself. It says whether it has: not where the node is another
// attempt's by now, of which the next look tells.
func (r *Registry) Blocked(
	ctx context.Context, principal string, s orchestrator.Scope, deployment string, t orchestrator.Tenure, message string,
) (told bool, err error) {
	err = retry(ctx, func() error {
		known, revision, err := r.lease(ctx, s, t.Node)
		if err != nil {
			return err
		}
		if known.Fence < t.Fence {
			known = t // it has none of its own
		}
		known.Awaited = true
		b := r.batch(principal)
		b.check(fenceKey(s, t.Node), t.Fence)
		b.replace(leaseKey(s, t.Node), revision, known)
		data := heldBy(known)
		data["message"] = message
		b.event(orchestrator.Event{Deployment: deployment, Type: orchestrator.EventNodeLocked, Node: t.Node}, data)
		if err = b.commit(ctx); errors.Is(err, store.ErrConflict) {
			return r.unlessFenced(ctx, s, t.Node, t.Fence, err)
		}
		return err
	})
	switch {
	case errors.Is(err, ErrFenced):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("record that %s is held: %w", t.Node, err)
	}
	return true, nil
}

func heldBy(t orchestrator.Tenure) map[string]any {
	return map[string]any{"host": t.Lease.Host, "pid": t.Lease.PID, "since": t.StartedAt, "heard": t.RenewedAt}
}

// Moved tells in the deployment's stream that somebody wrote a node's state
// since its last step. Like Commit it fails with ErrFenced.
func (r *Registry) Moved(ctx context.Context, a Attempt, from, to int64, lineage string) error {
	b := r.batch(a.principal)
	b.check(fenceKey(a.Scope, a.Run.Node), a.Run.Fence)
	b.event(orchestrator.Event{Deployment: a.Run.Deployment, Type: orchestrator.EventNodeMoved, Node: a.Run.Node}, map[string]any{
		"from": from, "to": to, "lineage": lineage,
	})
	if err := b.fenced(ctx, a.Run); err != nil {
		return fmt.Errorf("record that the state of %s has moved: %w", a.Run.Node, err)
	}
	return nil
}

// IntendRemoval records that an engine is about to destroy a node, so that a
// state which is gone then is no lost one. Like Commit it fails with ErrFenced.
func (r *Registry) IntendRemoval(ctx context.Context, a *Attempt) error {
	var head orchestrator.NodeHead
	if _, err := r.read(ctx, headKey(a.Scope, a.Run.Node), "head of "+a.Run.Node, &head); err != nil {
		return err
	}
	head.Removing = true
	b := r.batch(a.principal)
	b.check(fenceKey(a.Scope, a.Run.Node), a.Run.Fence)
	b.put(headKey(a.Scope, a.Run.Node), head)
	if err := b.fenced(ctx, a.Run); err != nil {
		return fmt.Errorf("record the intent of %s of %s: %w", a.Run.Action, a.Run.Node, err)
	}
	a.Removing = true
	return nil
}
