// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/store"
)

// ErrFenced says that a later attempt owns the node; what the earlier one
// wanted to write was refused.
var ErrFenced = errors.New("a later attempt owns this node")

// fenceRecord is the fence of a node: its document's revision, which only grows.
// It stays when the head goes.
type fenceRecord struct {
	// Settled says that a person has looked for what was cut off before, and
	// has stated that it counts no more. Overtaken by the first intent after it,
	// which the head tells.
	Settled bool `json:"settled,omitempty"`
}

// stands says that no engine was asked to act on the node since the statement.
func (f fenceRecord) stands(head orchestrator.NodeHead) bool {
	return f.Settled && head.InputsRef == "" && head.Intended == ""
}

// Attempt is a step that was allowed to begin: who may write, and what was
// there before.
type Attempt struct {
	Scope orchestrator.Scope
	Run   orchestrator.NodeRun
	// Head before the step, nil when there was none; HeadRevision 0 then.
	Head         *orchestrator.NodeHead
	HeadRevision int64
	// Settled says that what was cut off before counts no more: a person has
	// stated it, and no engine was asked to act since.
	Settled bool
	// Interrupted says that an earlier attempt of any step on this node began
	// and never ended, so that what it did is not known.
	Interrupted bool
	// Intended is the graph that this attempt, or an earlier one that has not
	// succeeded, has recorded an intent for.
	Intended string
	Adopting bool // see orchestrator.NodeHead
	Removing bool // likewise
	// Creating is orchestrator.NodeHead's; CutOff is what it was before this attempt.
	Creating, CutOff int64
	// Forgotten says that the head is one that was forgotten, until an engine is
	// about to be asked for a change.
	Forgotten bool
	// Before is the attempt that was at work when this one began and is over by
	// its Proof; nil where there was none. Dead are all that died at work on the
	// node and may have left a lock, with that one.
	Before *orchestrator.Tenure
	Dead   []orchestrator.Tenure
	// WaitsFor is told by Renew.
	WaitsFor *orchestrator.Occupant
	// Held says that a lease was written for the attempt, or left by one that died
	// before it, which its end removes.
	Held bool
	// Claims that the head holds, or will hold once the step commits.
	Claims    []orchestrator.Claim
	principal string
}

// Begin records the intent of a step before the engine acts: it takes the
// node's next fence, marks head and run as running, and tells so in the
// deployment's stream. From then on no earlier attempt can write.
//
// head is what a new head shall say; of an existing head only the status is
// changed. Failures, Created, BeforeRef, Changed and Replaced of the run are
// taken from earlier attempts of the same step.
//
// It takes the word of whoever asks that no earlier attempt is at work;
// BeginAfter wants proof.
func (r *Registry) Begin(
	ctx context.Context, principal string, scope orchestrator.Scope,
	run orchestrator.NodeRun, head orchestrator.NodeHead,
) (Attempt, error) {
	return r.BeginAfter(ctx, principal, scope, run, head, nil)
}

// BeginAfter is Begin where an attempt that began and did not end is over by
// proof. Without proof its error is returned, and nothing is written.
func (r *Registry) BeginAfter(
	ctx context.Context, principal string, scope orchestrator.Scope,
	run orchestrator.NodeRun, head orchestrator.NodeHead, proof Proof,
) (Attempt, error) {
	var a Attempt
	err := retry(ctx, func() error {
		var err error
		a, err = r.begin(ctx, principal, scope, run, head, proof)
		return err
	})
	if err != nil {
		return Attempt{}, fmt.Errorf("begin %s of %s: %w", run.Action, run.Node, err)
	}
	return a, nil
}

func (r *Registry) begin(
	ctx context.Context, principal string, scope orchestrator.Scope,
	run orchestrator.NodeRun, head orchestrator.NodeHead, proof Proof,
) (Attempt, error) {
	a := Attempt{Scope: scope, principal: principal}
	var fence fenceRecord
	fenceRevision, err := r.readOrZero(ctx, fenceKey(scope, run.Node), "fence of "+run.Node, &fence)
	if err != nil {
		return a, err
	}
	var before orchestrator.NodeHead
	buried := false
	a.HeadRevision, err = r.readOrZero(ctx, headKey(scope, run.Node), "head of "+run.Node, &before)
	if err != nil {
		return a, err
	}
	if a.HeadRevision > 0 {
		before.Revision = a.HeadRevision
		if buried, err = r.found(ctx, &a, &run, before, proof); err != nil {
			return a, err
		}
		before, head = *a.Head, *a.Head
	}
	fence.Settled = fence.stands(before)
	a.Settled = fence.Settled
	if a.Held, err = r.leased(ctx, scope, run.Node); err != nil {
		return a, err
	}
	// An attempt that is being overtaken may renew its lease until this one has begun.
	a.Held = a.Held || a.Interrupted || run.Attempt > 1
	run.Fence = fenceRevision + 1
	if err := r.continues(ctx, &run); err != nil {
		return a, err
	}
	run.Status = orchestrator.NodeRunning
	run.StartedAt = r.now()
	head.Scope, head.Node = scope, run.Node
	head.Fence, head.Status, head.LastDeployment, head.UpdatedAt = run.Fence, orchestrator.NodeRunning, run.Deployment, r.now()

	b := r.batch(principal)
	b.replace(fenceKey(scope, run.Node), fenceRevision, fence)
	b.put(runKey(run.Deployment, run.Node), run)
	switch {
	case run.Action != orchestrator.StepObserve:
		b.replace(headKey(scope, run.Node), a.HeadRevision, head)
		a.HeadRevision++
	case buried: // all that an observation writes of the head
		b.replace(headKey(scope, run.Node), a.HeadRevision, before)
		a.HeadRevision++
	}
	b.event(orchestrator.Event{Deployment: run.Deployment, Type: orchestrator.EventNodeStart, Node: run.Node}, map[string]any{
		"action": run.Action, "attempt": run.Attempt,
	})
	a.Run = run
	return a, b.commit(ctx)
}

// found takes into an attempt what the node's head says, once nobody else is at
// work. buried says that whoever was has died.
func (r *Registry) found(
	ctx context.Context, a *Attempt, run *orchestrator.NodeRun, head orchestrator.NodeHead, proof Proof,
) (buried bool, err error) {
	if err := notOvertaken(head, *run); err != nil {
		return false, err
	}
	a.Dead = head.Dead
	if buried, err = r.proven(ctx, a, head, proof); err != nil {
		return false, err
	}
	head.Dead = a.Dead
	a.Head, a.Intended, a.Adopting = &head, head.Intended, head.Adopting
	a.Removing, a.Claims, a.Forgotten = head.Removing, head.Claims, head.Forgotten
	a.Creating, a.CutOff = head.Creating, head.Creating
	a.Interrupted = head.Status == orchestrator.NodeRunning || head.Status == orchestrator.NodeUncertain
	if run.Forgotten = head.Forgotten; !run.Forgotten {
		run.BeforeRef = head.GraphDigest
	}
	return buried, nil
}

// notOvertaken refuses a step of a deployment when a later one has acted on the
// node: it was given up, and comes late.
func notOvertaken(head orchestrator.NodeHead, run orchestrator.NodeRun) error {
	if head.LastDeployment == "" {
		return nil
	}
	_, mine, err := ParseDeploymentID(run.Deployment)
	if err != nil {
		return err
	}
	_, last, err := ParseDeploymentID(head.LastDeployment)
	if err != nil {
		return err
	}
	if last > mine {
		return fmt.Errorf("deployment %s has acted on it since: %w", head.LastDeployment, ErrFenced)
	}
	return nil
}

// continues brings over what earlier steps of the deployment are known to have
// done to the node: they made it, or may have changed or replaced something,
// also where this attempt finds nothing left to do.
func (r *Registry) continues(ctx context.Context, run *orchestrator.NodeRun) error {
	var earlier orchestrator.NodeRun
	revision, err := r.readOrZero(ctx, runKey(run.Deployment, run.Node), "run of "+run.Node, &earlier)
	if err != nil || revision == 0 {
		return err
	}
	if late(earlier, *run) {
		return fmt.Errorf("%s of attempt %d has begun since, this is %s of attempt %d: %w",
			earlier.Action, earlier.Attempt, run.Action, run.Attempt, ErrFenced)
	}
	run.Created, run.Replaced, run.BeforeRef = earlier.Created, earlier.Replaced, earlier.BeforeRef
	run.Replacing = earlier.Replacing
	run.Compensation, run.Forgotten = earlier.Compensation, run.Forgotten || earlier.Forgotten
	if run.Action == orchestrator.StepRestore && earlier.Action != run.Action {
		run.Replaced = false // by the restoration
	}
	if run.Action == orchestrator.StepPrune { // what the deployment did to the node is still to be read here
		run.Changed, run.Counts, run.ChangeDigest = earlier.Changed, earlier.Counts, earlier.ChangeDigest
	}
	if earlier.Action != run.Action {
		return nil
	}
	run.Failures, run.Refilled = earlier.Failures, earlier.Refilled
	run.Changed = earlier.Changed || mayHaveChanged(earlier)
	return nil
}

// mayHaveChanged says that a cut-off attempt may have changed its node. What an
// engine applies is announced with the digest of its changes; before that
// nothing was done.
func mayHaveChanged(run orchestrator.NodeRun) bool {
	if run.Status != orchestrator.NodeRunning {
		return false
	}
	switch run.Action {
	case orchestrator.StepApply, orchestrator.StepRestore:
		return run.ChangeDigest != ""
	case orchestrator.StepObserve, orchestrator.StepPrune, orchestrator.StepForget:
		return false
	case orchestrator.StepAdopt, orchestrator.StepRemove, orchestrator.StepDestroy:
		return true
	}
	return true
}

// late says that an attempt comes when a later one, or another step of the node,
// has begun, ended or not: its worker was paused or cut off for a while. Let in,
// it would do again what a rollback may have undone.
func late(earlier, run orchestrator.NodeRun) bool {
	if earlier.Step > 0 && run.Step > 0 {
		// A run that was reset hands out the same numbers once more: then the
		// order of what it does and what the other did is not known.
		if earlier.Run != run.Run || earlier.WorkflowRun == run.WorkflowRun {
			return earlier.Step > run.Step || earlier.Step == run.Step && earlier.Attempt > run.Attempt
		}
		return overtakes(earlier, run)
	}
	if earlier.WorkflowRun != "" && earlier.WorkflowRun == run.WorkflowRun {
		return earlier.Order > run.Order || earlier.Order == run.Order && earlier.Attempt > run.Attempt
	}
	return overtakes(earlier, run)
}

// overtakes: of attempts whose order is not known, one that is at work stays.
func overtakes(earlier, run orchestrator.NodeRun) bool {
	return earlier.Action == run.Action && earlier.Status == orchestrator.NodeRunning && earlier.Attempt > run.Attempt
}

// Intent is what an engine is about to be asked for.
type Intent struct {
	// Created says that nothing of the node was there.
	Created bool
	// Adopting says that what is there then was adopted.
	Adopting bool
	Counts   orchestrator.Counts
	// ChangeDigest of the previewed changes.
	ChangeDigest string
	// Replacing is added to NodeRun's.
	Replacing []string
	// Graph and Inputs that are applied.
	Graph  string
	Inputs []OutputValue
	// Claims that the node makes, beside those that it has.
	Claims []orchestrator.Claim
	// Compensation is the way back; nil leaves what the run says of it.
	Compensation *orchestrator.Compensation
	// Refilled says that a restoration gives back what a snapshot holds.
	Refilled bool
}

// Intend records what an engine is about to do, before it does it. Whatever
// happens then, the rollback knows what was made, what was replaced, and with
// which inputs it can be destroyed. Like Commit it fails with ErrFenced.
// Where another node has one of the claims it fails with *ClaimedError.
func (r *Registry) Intend(ctx context.Context, a *Attempt, in Intent) error {
	return retryClaims(ctx, func() error { return r.intend(ctx, a, in) })
}

func (r *Registry) intend(ctx context.Context, a *Attempt, in Intent) error {
	run := a.Run
	run.Created = run.Created || in.Created
	run.Replaced = run.Replaced || in.Counts.Replace > 0
	run.Replacing = union(run.Replacing, in.Replacing)
	run.Counts, run.ChangeDigest = in.Counts, in.ChangeDigest
	run.Compensation = cmp.Or(in.Compensation, run.Compensation)
	run.Refilled = run.Refilled || in.Refilled

	var head orchestrator.NodeHead
	if _, err := r.read(ctx, headKey(a.Scope, run.Node), "head of "+run.Node, &head); err != nil {
		return err
	}
	head.Intended, head.Adopting, head.Forgotten = in.Graph, in.Adopting, false
	if head.Creating = 0; in.Counts.Create+in.Counts.Replace > 0 {
		head.Creating = run.Fence
	}
	b := r.batch(a.principal)
	var err error
	if head.Claims, err = r.claim(ctx, b, *a, in.Claims); err != nil {
		return err
	}
	b.check(fenceKey(a.Scope, run.Node), run.Fence)
	b.put(runKey(run.Deployment, run.Node), run)
	b.put(headKey(a.Scope, run.Node), head)
	if err := r.putValues(ctx, b, a.Scope, run.Node, intendedDocument, in.Inputs); err != nil {
		return err
	}
	if err := b.fenced(ctx, run); err != nil {
		return fmt.Errorf("record the intent of %s of %s: %w", run.Action, run.Node, err)
	}
	a.Run, a.Intended, a.Adopting, a.Claims, a.Forgotten = run, in.Graph, in.Adopting, head.Claims, false
	a.Creating = head.Creating
	return nil
}

// union of two sets of texts, ordered.
func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// fenced commits; a fence that has moved is ErrFenced.
func (b *batch) fenced(ctx context.Context, run orchestrator.NodeRun) error {
	err := b.commit(ctx)
	if errors.Is(err, store.ErrConflict) && !claimConflict(err) {
		return fmt.Errorf("%w (fence %d)", ErrFenced, run.Fence)
	}
	return err
}
