// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/supervise"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

// The pace of leases.
const (
	// firstRenewal spares a step that is over sooner any write.
	firstRenewal = 2 * time.Second
	// renewals in a TTL: one may be lost.
	renewals = 3
	// commitRetry is how soon a commit that failed is tried again.
	commitRetry = 200 * time.Millisecond
)

func (s *Steps) ttl() time.Duration { return cmp.Or(s.LeaseTTL, orchestrator.LeaseTTL) }

// heldError says that an attempt before may still be at work.
type heldError struct {
	tenure orchestrator.Tenure
	scope  orchestrator.Scope
}

func (e *heldError) Error() string {
	return fmt.Sprintf("%s is held by %s, which is not provably dead; nothing is started beside it. "+
		"If it is dead, say so with `nestor unlock %s --env %s`",
		e.tenure.Node, e.tenure.Holder(), e.tenure.Node, e.scope.Environment)
}

// proof that an attempt which began and did not end is over: somebody said so,
// its machine has started again, or its process can be seen from here to be
// dead. One that can be seen to live is no worker of another host, and the
// workspace keeps the two apart (see supervise.Acquire).
func (s *Steps) proof(t orchestrator.Tenure) (dead bool, err error) {
	switch {
	case t.Ended():
		return true, nil
	case t.Lease == s.Lease:
		return false, nil
	}
	if alive, known := supervise.Alive(t.Lease); known {
		return !alive, nil
	}
	return false, &heldError{tenure: t}
}

// known tells an engine who died at work on the node, what a person has settled,
// and whom to tell for whom it waits. Each of the dead would have had to renew its
// lease to live for longer.
func (j *job) known(req *engine.Request) {
	for _, t := range j.attempt.Dead {
		req.Dead = append(req.Dead, engine.DeadHolder{Host: t.Lease.Host, From: t.StartedAt, Until: t.Due()})
	}
	req.Settled = j.attempt.Settled
	req.Attempt, req.CutOff = j.attempt.Run.Fence, j.attempt.CutOff
	if j.tenancy != nil {
		req.Waiting = j.tenancy.waiting
	}
}

// waitForProof is the answer of a step that may not start its engine. It is no
// failure, and is asked again without end.
func (s *Steps) waitForProof(ctx context.Context, in contract.StepInput, held *heldError) error {
	d, err := s.Registry.GetDeployment(ctx, in.Deployment)
	if err != nil {
		return toTemporal(err)
	}
	held.scope = d.Scope
	if !s.blocked.knows(in.Deployment, held.tenure) {
		activity.GetLogger(ctx).Warn(held.Error(), "deployment", in.Deployment)
		told, err := s.Registry.Blocked(ctx, principal(s.Engine), d.Scope, in.Deployment, held.tenure, held.Error())
		if err != nil {
			return toTemporal(err)
		}
		if told {
			s.blocked.tell(in.Deployment, held.tenure)
		}
	}
	return temporal.NewApplicationErrorWithOptions(held.Error(), string(engine.Locked), temporal.ApplicationErrorOptions{
		NextRetryDelay: s.ttl() / renewals,
	})
}

// blockedOnce remembers what was told, so that a step which waits for days
// tells it once.
type blockedOnce struct {
	mu   sync.Mutex
	told map[string]int64 // fence by deployment and node
}

// knows says whether that was told of an attempt.
func (b *blockedOnce) knows(deployment string, t orchestrator.Tenure) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return t.Fence > 0 && b.told[deployment+"#"+t.Node] == t.Fence
}

// tell notes that it was.
func (b *blockedOnce) tell(deployment string, t orchestrator.Tenure) {
	const most = 10_000
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.told == nil || len(b.told) > most {
		b.told = map[string]int64{}
	}
	b.told[deployment+"#"+t.Node] = t.Fence
}

// lostError is the cause of a step's end that may not go on: somebody else has
// the node, or the store was out of reach for too long.
type lostError struct{ err error }

// LostNode begins the message of a step that was stopped because of its lease.
const LostNode = "the engine was stopped, since the step may have lost its node"

func (e *lostError) Error() string { return LostNode + ": " + e.err.Error() }
func (e *lostError) Unwrap() error { return e.err }

// tenancy renews the lease of a step while it runs.
type tenancy struct {
	stop func()
	held bool // whether a lease was written; read after stop

	mu    sync.Mutex
	waits *orchestrator.Occupant // that the engine waits for
	tell  chan struct{}          // holds one entry while that has changed
}

// waiting notes for whom the engine waits, nil for nobody, and has it told soon.
func (t *tenancy) waiting(o *orchestrator.Occupant) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if o == t.waits || o != nil && t.waits != nil && *o == *t.waits {
		return
	}
	t.waits = o
	select {
	case t.tell <- struct{}{}:
	default:
	}
}

func (t *tenancy) waitsFor() *orchestrator.Occupant {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.waits
}

// hold renews the attempt's lease from now on. A step that is over within
// moments writes none. The context that it returns ends, with a lostError for a
// cause, when a later attempt has begun or the lease could not be renewed for
// as long as it lasts.
func (s *Steps) hold(ctx context.Context, j *job) (context.Context, *tenancy) {
	working, cancel := context.WithCancelCause(ctx)
	t := &tenancy{tell: make(chan struct{}, 1)}
	j.tenancy = t
	// A step that was asked to stop still holds the node until it has.
	renewals, stop := context.WithCancel(context.WithoutCancel(ctx))
	attempt, done := j.attempt, make(chan struct{})
	go func() {
		defer close(done)
		if err := s.renewing(renewals, attempt, t); err != nil {
			cancel(&lostError{err})
		}
	}()
	t.stop = func() {
		stop()
		<-done
		cancel(context.Canceled)
	}
	return working, t
}

// renewing returns nil when ctx ends.
func (s *Steps) renewing(ctx context.Context, a registry.Attempt, t *tenancy) error {
	ttl := s.ttl()
	renewed := time.Now()
	timer := time.NewTimer(min(firstRenewal, ttl/renewals))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-t.tell:
		}
		now := time.Now()
		a.WaitsFor = t.waitsFor()
		t.held = true // also one that failed may have been written
		renewal, cancel := context.WithDeadline(ctx, laterOf(renewed.Add(ttl), now.Add(ttl/renewals)))
		err := s.Registry.Renew(renewal, a)
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			renewed = now
			timer.Reset(ttl / renewals)
			continue
		case errors.Is(err, registry.ErrFenced):
			return err
		case time.Since(renewed) >= ttl:
			return fmt.Errorf("its lease could not be renewed for %s: %w", ttl, err)
		}
		timer.Reset(min(time.Second, ttl/(2*renewals)))
	}
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// release ends the renewals. The step's own commit removes the lease.
func (t *tenancy) release(j *job) {
	t.stop()
	j.attempt.Held = j.attempt.Held || t.held
}

// explain tells an engine that stopped because the lease was lost, or because
// Temporal was not told in time that it is at work, from one that somebody asked to
// stop. working is the context that hold gave the step.
func explain(working context.Context, err error) error {
	if engine.ClassOf(err) != engine.Canceled {
		return err
	}
	if lost := (*lostError)(nil); errors.As(context.Cause(working), &lost) {
		return lost
	}
	stopped, is := engine.AsError(err)
	if unheard := serviceerror.ServiceError(nil); is && errors.As(context.Cause(working), &unheard) {
		return &engine.Error{
			Class: engine.Canceled, Engine: stopped.Engine, Resource: stopped.Resource, Err: err,
			Message: "stopped, since its worker did not reach Temporal in time; the next attempt goes on with it",
		}
	}
	return err
}

// commit records the end of a step, and tries again while the store is out of
// reach: what is not recorded needs proof that it is over. Where that fails,
// too, the end alone is recorded as soon as the store is back.
func (s *Steps) commit(ctx context.Context, j *job, c registry.Commit) error {
	for {
		err := s.Registry.Commit(ctx, j.attempt, c)
		if err == nil {
			return nil
		}
		if errors.Is(err, registry.ErrFenced) {
			s.cameLate(ctx, j)
		}
		if claimed := (*registry.ClaimedError)(nil); errors.As(err, &claimed) {
			return err // nothing was changed, or it had been announced and claimed
		}
		if !unreached(err) {
			return stepFailure(err, *nodeError(err), 1, s.Backoff)
		}
		select {
		case <-ctx.Done():
			go s.end(context.WithoutCancel(ctx), j.attempt)
			return stepFailure(err, *nodeError(err), 1, s.Backoff)
		case <-time.After(commitRetry):
		}
	}
}

// unreached says that a write may succeed at another time.
func unreached(err error) bool {
	var claimed *registry.ClaimedError
	for _, never := range []error{registry.ErrFenced, store.ErrLimit, store.ErrNoPrincipal, store.ErrNotFound} {
		if errors.Is(err, never) {
			return false
		}
	}
	return !errors.As(err, &claimed)
}

// end records, as soon as the store is back and while this worker lives, that an
// attempt is over.
func (s *Steps) end(ctx context.Context, a registry.Attempt) {
	ticker := time.NewTicker(s.ttl() / renewals)
	defer ticker.Stop()
	for {
		err := s.Registry.End(ctx, a, "the step has ended, and its result could not be recorded")
		if err == nil || !unreached(err) {
			return
		}
		select {
		case <-activity.GetWorkerStopChannel(ctx):
			return
		case <-ticker.C:
		}
	}
}

// cameLate says in the deployment's log that what an attempt wanted to record
// was refused.
func (s *Steps) cameLate(ctx context.Context, j *job) {
	run := j.attempt.Run
	text := fmt.Sprintf("attempt %d (process %d on %s) came late: a later attempt owns %s, and nothing of what this one wanted to record was taken\n",
		run.Attempt, s.Lease.PID, s.Lease.Host, run.Node)
	activity.GetLogger(ctx).Warn("the commit of a step was refused, since a later attempt owns its node",
		"deployment", run.Deployment, "node", run.Node, "attempt", run.Attempt, "fence", run.Fence)
	chunk := registry.LogChunk{Node: run.Node, Attempt: run.Attempt, Text: text}
	if err := s.Registry.AppendLog(ctx, store.Principal(principal(s.Engine)), run.Deployment, chunk); err != nil {
		activity.GetLogger(ctx).Error("a part of the step's log could not be stored", "node", run.Node, "error", err)
	}
}

// fenceError is the failure of a step that may not have its node, as it is
// recorded and shown; nil for every other error.
func fenceError(err error) *orchestrator.NodeError {
	if claimed := (*registry.ClaimedError)(nil); errors.As(err, &claimed) {
		return &orchestrator.NodeError{Class: string(engine.Rejected), Message: claimed.Error()}
	}
	if lost := (*lostError)(nil); errors.As(err, &lost) {
		return &orchestrator.NodeError{Class: string(engine.Locked), Retryable: true, Message: lost.Error()}
	}
	return nil
}
