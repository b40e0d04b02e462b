// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// wantDead fails unless every request that the engine got names the attempt that
// died on the host "far", and its time.
func (f *fixture) wantDead(reason string) {
	f.t.Helper()
	f.engine.mu.Lock()
	defer f.engine.mu.Unlock()
	if len(f.engine.requests) == 0 {
		f.t.Errorf("%s: the engine was not asked", reason)
	}
	for i, req := range f.engine.requests {
		if !req.LeftByDead("far", time.Now()) {
			f.t.Errorf("%s: %s of %s is not told who died: %+v", reason, f.engine.calls[i], req.Node, req.Dead)
		}
	}
	f.engine.calls, f.engine.requests = nil, nil
}

// TestEveryRequestNamesTheDead: a lock that one of them left is met by whoever
// asks for it first, which need not be the attempt that comes next.
func TestEveryRequestNamesTheDead(t *testing.T) {
	t.Parallel()
	f := setup(t)
	id, small, large := f.grown()
	far := f.begun(id, large, orchestrator.Lease{Host: "far", Machine: "m", BootID: "b", PID: 9, StartTime: "1"})
	f.must(f.Registry.End(t.Context(), far, "it says so itself"))
	in := contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepApply, GraphDigest: large}

	f.engine.during = failing("preview", &engine.Error{Class: engine.Transient, Engine: "tiny", Message: "gone for a moment"})
	if _, err := f.step(in); failure(t, err).NonRetryable() {
		t.Fatalf("it is not tried again: %v", err)
	}
	f.wantDead("the first after the death")

	f.engine.during = func(context.Context, string) error { return nil }
	f.done(id, large, database, orchestrator.StepObserve)
	f.wantDead("an observation after a failure")

	f.engine.during = failing("apply", &engine.Error{Class: engine.Rejected, Engine: "tiny", Message: "no room"})
	if _, err := f.step(in); err == nil {
		t.Fatal("it was applied")
	}
	if !slices.ContainsFunc(f.engine.requests, func(req engine.Request) bool { return req.Address == firstSnapshot }) {
		t.Error("no snapshot was asked for")
	}
	f.wantDead("a snapshot")

	f.engine.during = failing("destroy", &engine.Error{Class: engine.Rejected, Engine: "tiny", Message: "no"})
	if _, err := f.step(contract.StepInput{Deployment: id, Node: database, Action: orchestrator.StepRemove, GraphDigest: small}); err == nil {
		t.Fatal("it was destroyed")
	}
	f.wantDead("a destruction")

	f.engine.during = func(context.Context, string) error { return nil }
	f.done(f.deployment(""), large, database, orchestrator.StepApply)
	f.wantDead("the apply that has the lock at last")
	if head := f.head(database); len(head.Dead) > 0 {
		t.Errorf("they are remembered after that: %+v", head.Dead)
	}
}

// TestStatusNamesWhoHolds a node whose step waits for a program that is not dead.
func TestStatusNamesWhoHolds(t *testing.T) {
	t.Parallel()
	f := setup(t)
	const ttl = 5 * time.Second // what is told is told at once, and outlasts a pause of a busy machine
	f.steps.LeaseTTL = ttl
	graph := f.graph(nil)
	frozen := orchestrator.Occupant{Host: "here", PID: 9196, Program: "tofu", Since: time.Now().UTC().Round(time.Millisecond)}
	shown := func(ctx context.Context, want bool) error {
		for {
			tenures, err := f.Registry.Tenures(ctx, scope())
			if err != nil {
				return err
			}
			if len(tenures) == 1 && (tenures[0].WaitsFor != nil) == want {
				if got := tenures[0].WaitsFor; want && *got != frozen || time.Duration(tenures[0].TTL) != ttl {
					return errors.New("it is told to be " + got.String())
				}
				return nil
			}
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	f.engine.during = func(ctx context.Context, verb string) error {
		if verb != "apply" {
			return nil
		}
		f.engine.mu.Lock()
		req := f.engine.requests[len(f.engine.requests)-1]
		f.engine.mu.Unlock()
		req.WaitsFor(&frozen)
		if err := shown(ctx, true); err != nil {
			return err
		}
		req.WaitsFor(nil)
		return shown(ctx, false)
	}
	f.done(f.deployment(""), graph, database, orchestrator.StepApply)
}
