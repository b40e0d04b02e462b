// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

// far is a process of another machine, of which nothing can be proven here.
func far() *orchestrator.Lease {
	return &orchestrator.Lease{Host: "far", Machine: "m2", BootID: "b2", PID: 7, StartTime: "9"}
}

// beginAs begins a step as a worker, with proof asked for.
func (f *fixture) beginAs(deployment string, attempt int32, lease *orchestrator.Lease, proof registry.Proof) (registry.Attempt, error) {
	f.tb.Helper()
	run := orchestrator.NodeRun{Deployment: deployment, Node: node, Action: orchestrator.StepApply, Attempt: attempt, Lease: lease}
	return f.BeginAfter(f.tb.Context(), "worker:tiny", scope(), run, newHead(), proof)
}

// statement of a person about the node.
func statement() registry.Statement {
	return registry.Statement{Scope: scope(), Node: node, Principal: ada, Reason: "the host is gone"}
}

// silence is longer than any lease.
func (f *fixture) silence() {
	f.clock.mu.Lock()
	defer f.clock.mu.Unlock()
	f.clock.now = f.clock.now.Add(2 * orchestrator.LeaseTTL)
}

// all that is in the store of a scope and a deployment.
func (f *fixture) all(deployment string) map[string]string {
	f.tb.Helper()
	found := f.contents(deployment)
	for _, partition := range []string{"leases/" + scope().String(), "claims/tiny"} {
		for doc, err := range store.All(f.tb.Context(), f.store, store.Query{Partition: partition}) {
			f.must(err)
			found[doc.Key.String()] = string(doc.Data)
		}
	}
	return found
}

func TestNoWriteOfAnOlderFence(t *testing.T) {
	t.Parallel()
	claims := []orchestrator.Claim{{Engine: "tiny", Key: "k"}}
	for name, write := range map[string]func(ctx context.Context, f *fixture, a registry.Attempt) error{
		"intent": func(ctx context.Context, f *fixture, a registry.Attempt) error {
			return f.Intend(ctx, &a, registry.Intent{Created: true, Graph: "sha256:late", Claims: claims})
		},
		"intent of a removal": func(ctx context.Context, f *fixture, a registry.Attempt) error { return f.IntendRemoval(ctx, &a) },
		"commit":              func(ctx context.Context, f *fixture, a registry.Attempt) error { return f.Commit(ctx, a, ready()) },
		"deletion": func(ctx context.Context, f *fixture, a registry.Attempt) error {
			return f.Commit(ctx, a, registry.Commit{DeleteHead: true, Status: orchestrator.NodeDestroyed})
		},
		"renewal": func(ctx context.Context, f *fixture, a registry.Attempt) error { return f.Renew(ctx, a) },
		"end":     func(ctx context.Context, f *fixture, a registry.Attempt) error { return f.End(ctx, a, "late") },
		"event": func(ctx context.Context, f *fixture, a registry.Attempt) error {
			return f.Moved(ctx, a, 1, 2, "late")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := open(t)
			id := f.accept("one").ID
			older := f.begin(id, orchestrator.StepApply)
			f.must(f.Renew(t.Context(), older))
			newer := f.begin(id, orchestrator.StepApply)
			before := f.all(id)
			if err := write(t.Context(), f, older); !errors.Is(err, registry.ErrFenced) {
				t.Errorf("the older attempt's write: %v", err)
			}
			if diff := cmp.Diff(before, f.all(id)); diff != "" {
				t.Errorf("it changed something (-before +after):\n%s", diff)
			}
			f.must(f.Commit(t.Context(), newer, ready()))
		})
	}
	t.Run("log", func(t *testing.T) {
		t.Parallel()
		f := open(t)
		id := f.accept("one").ID
		f.must(f.AppendLog(t.Context(), "worker:tiny", id, registry.LogChunk{Node: node, Attempt: 1, Text: "late"}))
		if _, err := f.Head(t.Context(), scope(), node); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a line of a log says more than a line: %v", err)
		}
	})
}

// TestNoLeaseIsLeft: the end of a step removes the lease of an attempt that died
// before it, whatever that attempt was doing and however short this one is.
func TestNoLeaseIsLeft(t *testing.T) {
	t.Parallel()
	for _, action := range []orchestrator.StepAction{orchestrator.StepApply, orchestrator.StepObserve} {
		t.Run(string(action), func(t *testing.T) {
			t.Parallel()
			f := open(t)
			id := f.accept("one").ID
			f.must(f.Renew(t.Context(), f.begin(id, action))) // and dies
			f.must(f.Commit(t.Context(), f.begin(id, orchestrator.StepApply), ready()))
			left, err := f.Tenures(t.Context(), scope())
			f.must(err)
			if len(left) > 0 {
				t.Errorf("the lease is left: %+v", left)
			}
		})
	}
}

func TestProofOfDeath(t *testing.T) {
	t.Parallel()
	f := open(t)
	id := f.accept("one").ID
	first, err := f.beginAs(id, 1, far(), nil)
	f.must(err)
	refused := errors.New("who knows")
	var asked orchestrator.Tenure
	proof := func(tenure orchestrator.Tenure) (bool, error) {
		asked = tenure
		if tenure.Ended() {
			return true, nil
		}
		return false, refused
	}
	before := f.all(id)
	if _, err := f.beginAs(id, 2, far(), proof); !errors.Is(err, refused) {
		t.Fatalf("without proof: %v", err)
	}
	if asked.Lease != *far() || asked.Fence != first.Run.Fence || !asked.RenewedAt.Equal(first.Run.StartedAt) {
		t.Errorf("a step that was too short for a lease: %+v", asked)
	}
	if diff := cmp.Diff(before, f.all(id)); diff != "" {
		t.Errorf("without proof something was written (-before +after):\n%s", diff)
	}
	f.blocked(id, asked, true)
	if holder := f.holder(); holder.Lease.Host != "far" || !holder.Awaited {
		t.Errorf("who holds it cannot be seen: %+v", holder)
	}
	f.must(f.Renew(t.Context(), first))
	_, err = f.Unlock(t.Context(), statement())
	refusedWith(t, err, "last heard of")
	f.silence()
	elsewhere := statement()
	elsewhere.Host = "near"
	_, err = f.Unlock(t.Context(), elsewhere)
	refusedWith(t, err, "not by one on near")
	for range 2 { // the second changes nothing
		tenure, err := f.Unlock(t.Context(), statement())
		f.must(err)
		if tenure.EndedBy != ada || tenure.Reason != "the host is gone" || !tenure.Ended() {
			t.Errorf("the record of the statement: %+v", tenure)
		}
	}
	if err := f.Renew(t.Context(), first); !errors.Is(err, registry.ErrFenced) {
		t.Errorf("who is said to be dead can write: %v", err)
	}
	second, err := f.beginAs(id, 2, far(), proof)
	f.must(err)
	f.blocked(id, asked, false)
	if !second.Interrupted || second.Before == nil || second.Before.Fence != first.Run.Fence {
		t.Errorf("the attempt after: %+v", second)
	}
	want := []string{"deployment.queued", "node.started " + node, "node.locked " + node, "node.unlocked " + node, "node.started " + node}
	if diff := cmp.Diff(want, f.events(id)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// blocked tells that a step waits for an attempt.
func (f *fixture) blocked(id string, t orchestrator.Tenure, want bool) {
	f.tb.Helper()
	told, err := f.Blocked(f.tb.Context(), "worker:tiny", scope(), id, t, "it is held")
	f.must(err)
	if told != want {
		f.tb.Errorf("told: %t, want %t", told, want)
	}
}

// holder of the node.
func (f *fixture) holder() orchestrator.Tenure {
	f.tb.Helper()
	tenures, err := f.Tenures(f.tb.Context(), scope())
	f.must(err)
	if len(tenures) != 1 {
		f.tb.Fatalf("%d leases: %+v", len(tenures), tenures)
	}
	return tenures[0]
}

// TestWhoWaitsIsNotForgotten: a holder that lives renews its lease, and is awaited
// still; and who tells that it is awaited takes nothing back of what it has said
// since.
func TestWhoWaitsIsNotForgotten(t *testing.T) {
	t.Parallel()
	f := open(t)
	id := f.accept("one").ID
	a, err := f.beginAs(id, 1, far(), nil)
	f.must(err)
	f.must(f.Renew(t.Context(), a))
	seen := f.holder() // by the step that waits
	f.silence()
	a.WaitsFor = &orchestrator.Occupant{Host: "far", PID: 9}
	f.must(f.Renew(t.Context(), a))
	renewed := f.holder()
	if !renewed.RenewedAt.After(seen.RenewedAt) || renewed.WaitsFor == nil {
		t.Fatalf("the renewal: %+v", renewed)
	}
	f.blocked(id, seen, true)
	renewed.Awaited = true
	if diff := cmp.Diff(renewed, f.holder()); diff != "" {
		t.Errorf("once it is awaited (-want +got):\n%s", diff)
	}
	f.must(f.Renew(t.Context(), a))
	if !f.holder().Awaited {
		t.Error("its next renewal says that nobody waits for it")
	}
}

func refusedWith(t *testing.T, err error, word string) {
	t.Helper()
	var refusal *orchestrator.Refusal
	if !errors.As(err, &refusal) || !strings.Contains(err.Error(), word) {
		t.Errorf("got %v, want a refusal that says %q", err, word)
	}
}

func TestAStepThatEndsGivesItsLeaseBack(t *testing.T) {
	t.Parallel()
	f := open(t)
	id := f.accept("one").ID
	a, err := f.beginAs(id, 1, far(), nil)
	f.must(err)
	f.must(f.Renew(t.Context(), a))
	a.Held = true
	f.must(f.Commit(t.Context(), a, ready()))
	tenures, err := f.Tenures(t.Context(), scope())
	f.must(err)
	if len(tenures) > 0 {
		t.Errorf("a lease is left: %+v", tenures)
	}
	_, err = f.Unlock(t.Context(), statement())
	refusedWith(t, err, "nobody is at work")
	a, err = f.beginAs(f.accept("two").ID, 1, far(), nil)
	f.must(err)
	f.must(f.End(t.Context(), a, "the store was away"))
	if _, err := f.beginAs(a.Run.Deployment, 2, far(), func(tenure orchestrator.Tenure) (bool, error) {
		if !tenure.Ended() || time.Time.IsZero(tenure.EndedAt) {
			return false, errors.New("not ended")
		}
		return true, nil
	}); err != nil {
		t.Errorf("after an end that was recorded alone: %v", err)
	}
}

func TestForget(t *testing.T) {
	t.Parallel()
	f := open(t)
	id := f.accept("one").ID
	a := f.begin(id, orchestrator.StepApply)
	claims := []orchestrator.Claim{{Engine: "tiny", Key: "k"}}
	f.must(f.Intend(t.Context(), &a, registry.Intent{Graph: "sha256:new", Claims: claims}))
	done := ready(registry.OutputValue{Name: "endpoint", Type: "string", Value: "x"})
	done.Inputs, done.Claims = []registry.OutputValue{{Name: "size", Type: "string", Value: "s"}}, claims
	f.must(f.Commit(t.Context(), a, done))
	head, err := f.Head(t.Context(), scope(), node)
	f.must(err)
	if diff := cmp.Diff(claims, head.Claims); diff != "" {
		t.Errorf("claims of the head (-want +got):\n%s", diff)
	}
	gone := statement()
	gone.Gone = true
	_, err = f.Forget(t.Context(), gone)
	f.must(err)
	left := f.all(id)
	for key := range left {
		if strings.HasPrefix(key, "heads/") || strings.HasPrefix(key, "values/") || strings.HasPrefix(key, "claims/") {
			t.Errorf("%s is left", key)
		}
	}
	if err := f.Commit(t.Context(), a, done); !errors.Is(err, registry.ErrFenced) {
		t.Errorf("a late write brings it back: %v", err)
	}
	if told := f.events(id); !slices.Contains(told, "node.forgotten "+node) {
		t.Errorf("events: %v", told)
	}
	running, err := f.beginAs(id, 1, far(), nil)
	f.must(err)
	_, err = f.Forget(t.Context(), statement())
	refusedWith(t, err, "is held by process 7 on far")
	f.must(f.Commit(t.Context(), running, ready()))
}

func TestTwoNodesNeverOwnOneThing(t *testing.T) {
	t.Parallel()
	f := open(t)
	bucket, other := orchestrator.Claim{Engine: "tiny", Key: "bucket"}, orchestrator.Claim{Engine: "tiny", Key: "other"}
	begin := func(s orchestrator.Scope, name string) registry.Attempt {
		t.Helper()
		req := request(s.String() + name)
		req.Scope = s
		d, err := f.Accept(t.Context(), req, "")
		f.must(err)
		head := newHead()
		run := orchestrator.NodeRun{Deployment: d.ID, Node: name, Action: orchestrator.StepApply, Attempt: 1}
		a, err := f.Begin(t.Context(), "worker:tiny", s, run, head)
		f.must(err)
		return a
	}
	intend := func(a *registry.Attempt, claims ...orchestrator.Claim) error {
		return f.Intend(t.Context(), a, registry.Intent{Graph: "sha256:new", Claims: claims})
	}
	beta := orchestrator.Scope{Team: "beta", Application: "data", Environment: "staging"}
	owner, second, foreign := begin(scope(), node), begin(scope(), "web.copy"), begin(beta, "etl.bucket")
	f.must(intend(&owner, bucket))
	for name, tc := range map[string]struct {
		attempt *registry.Attempt
		says    string
		hides   string
		reason  string
	}{
		"own team":   {&second, node + " of shop in staging", "team alpha", "the team can look at it"},
		"other team": {&foreign, "a node of team alpha", "shop", "what another team has is its own business"},
	} {
		var claimed *registry.ClaimedError
		err := intend(tc.attempt, bucket)
		if !errors.As(err, &claimed) || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), tc.hides) {
			t.Errorf("%s: %s: %v", name, tc.reason, err)
		}
	}
	// Once whole without it, the owner gives it back when nothing can be rolled back
	// any more.
	f.must(intend(&owner, other))
	c := ready()
	c.Inputs, c.Claims = []registry.OutputValue{}, []orchestrator.Claim{other}
	f.must(f.Commit(t.Context(), owner, c))
	f.finish(owner.Run.Deployment, orchestrator.StatusFailed)
	f.must(intend(&second, bucket))
	f.must(f.Commit(t.Context(), second, registry.Commit{DeleteHead: true, Status: orchestrator.NodeDestroyed}))
	f.must(intend(&foreign, bucket))
}
