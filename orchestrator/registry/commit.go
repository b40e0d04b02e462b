// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"fmt"
	"slices"

	"github.com/HatiCode/nestor/orchestrator"
)

// Commit is the end of a step.
type Commit struct {
	// Head to write; nil leaves it, and DeleteHead removes it. ForgetHead leaves of
	// it what Forget does: nothing of the node is known to exist any more.
	Head       *orchestrator.NodeHead
	DeleteHead bool
	ForgetHead bool
	// Inputs and Outputs to write beside the head; nil leaves them.
	Inputs  []OutputValue
	Outputs []OutputValue
	// Status, Changed, Counts, ChangeDigest and Error of the run. What an
	// earlier attempt of the step has changed stays true of the run.
	Status       orchestrator.NodeStatus
	Changed      bool
	Counts       orchestrator.Counts
	ChangeDigest string
	Error        *orchestrator.NodeError
	// Renewed says what NodeRun's does.
	Renewed bool
	// Retrying says that another attempt follows.
	Retrying bool
	// Paused says that the step waits for a decision; it has changed nothing.
	Paused bool
	// Unsettled says that it is not on record what came of the creations that the
	// attempt announced: its engine did not end by itself, or could not write it down.
	Unsettled bool
	// Claims are all that a head with Inputs makes from now on. Those that the
	// attempt does not have are added; the others that it has are given back, by a
	// step that goes forward not before its deployment is over.
	Claims []orchestrator.Claim
}

// Commit ends a step: head, values, run and event in one transaction. It fails
// with ErrFenced, and changes nothing, when a later attempt has begun, and with
// *ClaimedError where another node has one of the claims.
func (r *Registry) Commit(ctx context.Context, a Attempt, c Commit) error {
	return retryClaims(ctx, func() error { return r.commit(ctx, a, c) })
}

func (r *Registry) commit(ctx context.Context, a Attempt, c Commit) error {
	run := a.Run
	run.Status, run.Counts = c.Status, c.Counts
	run.Changed = run.Changed || c.Changed
	run.Replaced = run.Replaced || c.Counts.Replace > 0
	run.Renewed = c.Renewed
	run.ChangeDigest, run.Error, run.FinishedAt = c.ChangeDigest, c.Error, r.now()

	b := r.batch(a.principal)
	b.check(fenceKey(a.Scope, run.Node), run.Fence)
	b.put(runKey(run.Deployment, run.Node), run)
	if a.Held {
		b.delete(leaseKey(a.Scope, run.Node))
	}
	switch {
	case c.ForgetHead && a.Head != nil:
		if err := r.forgetAgain(ctx, b, a); err != nil {
			return fmt.Errorf("commit %s of %s: %w", run.Action, run.Node, err)
		}
	case c.DeleteHead, c.ForgetHead:
		var snapshots []orchestrator.Snapshot
		if a.Head != nil {
			snapshots = a.Head.Snapshots
		}
		if err := r.deleteHead(ctx, b, a.Scope, run.Node, a.Claims, snapshots); err != nil {
			return fmt.Errorf("commit %s of %s: %w", run.Action, run.Node, err)
		}
	case c.Head != nil:
		if err := r.commitHead(ctx, b, a, c); err != nil {
			return fmt.Errorf("commit %s of %s: %w", run.Action, run.Node, err)
		}
	}
	kind := orchestrator.EventNodeDone
	switch {
	case c.Retrying:
		kind = orchestrator.EventNodeRetry
	case c.Paused:
		kind = orchestrator.EventNodePause
	}
	b.event(orchestrator.Event{Deployment: run.Deployment, Type: kind, Node: run.Node}, map[string]any{
		"action": run.Action, "status": run.Status, "changed": run.Changed, "counts": run.Counts, "error": run.Error,
	})
	if err := b.fenced(ctx, run); err != nil {
		return fmt.Errorf("commit %s of %s: %w", run.Action, run.Node, err)
	}
	return nil
}

// forgetAgain is forgetHead at the end of a step.
func (r *Registry) forgetAgain(ctx context.Context, b *batch, a Attempt) error {
	head := *a.Head
	head.Intended, head.Claims, head.Dead = a.Intended, a.Claims, a.Dead
	head.Fence, head.LastDeployment = a.Run.Fence, a.Run.Deployment
	return r.forgetHead(ctx, b, head)
}

func (r *Registry) commitHead(ctx context.Context, b *batch, a Attempt, c Commit) error {
	head := *c.Head
	head.Scope, head.Node = a.Scope, a.Run.Node
	head.Fence, head.LastDeployment, head.UpdatedAt = a.Run.Fence, a.Run.Deployment, r.now()
	head.Intended, head.Adopting, head.Removing, head.Claims = a.Intended, a.Adopting, a.Removing, a.Claims
	head.Forgotten, head.Dead = a.Forgotten, a.Dead
	if head.Creating = a.Creating; a.Creating == a.Run.Fence && !c.Unsettled {
		head.Creating = 0
	}
	if c.Inputs != nil {
		if c.Changed && !slices.ContainsFunc(head.Snapshots, unsettled) { // the engine had the lock
			head.Dead = nil
		}
		head.Intended, head.Adopting, head.Removing, head.Forgotten = "", false, false, false
		head.Creating = 0
		// A step that found nothing to change has announced no claims yet.
		held, err := r.claim(ctx, b, a, c.Claims)
		if err != nil {
			return err
		}
		if head.Claims, err = r.release(ctx, b, a, held, c.Claims); err != nil {
			return err
		}
		b.delete(valuesKey(a.Scope, head.Node, intendedDocument))
		head.InputsRef = valuesKey(a.Scope, head.Node, inputsDocument).String()
		if err := r.putValues(ctx, b, a.Scope, head.Node, inputsDocument, c.Inputs); err != nil {
			return err
		}
	}
	if c.Outputs != nil {
		digest, err := ValuesDigest(c.Outputs)
		if err != nil {
			return err
		}
		head.OutputsDigest = digest
		head.OutputsRef = valuesKey(a.Scope, head.Node, outputsDocument).String()
		if err := r.putValues(ctx, b, a.Scope, head.Node, outputsDocument, c.Outputs); err != nil {
			return err
		}
	}
	b.put(headKey(a.Scope, head.Node), head)
	return nil
}

// unsettled says that an attempt that died may have left a lock on a snapshot's
// own state: one that was being taken or destroyed.
func unsettled(s orchestrator.Snapshot) bool { return !s.Usable() }
