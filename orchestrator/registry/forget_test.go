// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

// adoptedHead is one with a place and a claim of its own, beside a claim that its
// identity makes.
func (f *fixture) adoptedHead() (deployment string, claims []orchestrator.Claim) {
	f.tb.Helper()
	id := f.accept("one").ID
	a := f.begin(id, orchestrator.StepAdopt)
	claims = []orchestrator.Claim{{Engine: "tiny", Key: "adopted", Adopted: true}, {Engine: "tiny", Key: "identity"}}
	f.must(f.Intend(f.tb.Context(), &a, registry.Intent{Graph: "sha256:new", Claims: claims}))
	done := ready(registry.OutputValue{Name: "endpoint", Type: "string", Value: "x"})
	done.Head.StateRef, done.Head.Backend = "legacy/db", orchestrator.Backend{Type: "s3"}
	done.Head.Lineage, done.Head.Serial = "l", 7
	done.Inputs, done.Claims = []registry.OutputValue{{Name: "size", Type: "string", Value: "s", Sensitive: true}}, claims
	f.must(f.Commit(f.tb.Context(), a, done))
	return id, claims
}

// TestForgettingKeepsThePlace and nothing else that was believed.
func TestForgettingKeepsThePlace(t *testing.T) {
	t.Parallel()
	f := open(t)
	id, claims := f.adoptedHead()
	before, err := f.Head(t.Context(), scope(), node)
	f.must(err)
	_, err = f.Forget(t.Context(), statement())
	f.must(err)
	after, err := f.Head(t.Context(), scope(), node)
	f.must(err)
	want := before
	want.Status, want.Forgotten, want.Claims = orchestrator.NodeForgotten, true, claims[:1]
	want.InputsRef, want.OutputsRef, want.OutputsDigest, want.Lineage, want.Serial = "", "", "", "", 0
	want.Revision, want.UpdatedAt = after.Revision, after.UpdatedAt
	if diff := cmp.Diff(want, after); diff != "" {
		t.Errorf("the head (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"adopted"}, f.claimed()); diff != "" {
		t.Errorf("claims on record (-want +got):\n%s", diff)
	}
	for key := range f.all(id) {
		if strings.HasPrefix(key, "values/") && !strings.HasSuffix(key, "/inputs") {
			t.Errorf("%s is left", key)
		}
	}
	if inputs, err := f.RevealInputs(t.Context(), after, after.GraphDigest); err != nil || len(inputs) != 1 || inputs[0].Value != "s" {
		t.Errorf("an engine cannot look with %v: %v", inputs, err)
	}
}

// TestForgottenUntilAnEngineIsAsked: whoever fails before that leaves it so.
func TestForgottenUntilAnEngineIsAsked(t *testing.T) {
	t.Parallel()
	f := open(t)
	f.adoptedHead()
	_, err := f.Forget(t.Context(), statement())
	f.must(err)
	id := f.accept("two").ID
	forgotten := func(want bool, when string) {
		t.Helper()
		head, err := f.Head(t.Context(), scope(), node)
		f.must(err)
		if head.Forgotten != want || head.StateRef != "legacy/db" {
			t.Errorf("%s: forgotten: %t, at %q", when, head.Forgotten, head.StateRef)
		}
	}
	a := f.begin(id, orchestrator.StepApply)
	if !a.Run.Forgotten || a.Run.BeforeRef != "" || a.Interrupted {
		t.Errorf("the run: %+v, interrupted: %t", a.Run, a.Interrupted)
	}
	head := *a.Head
	f.must(f.Commit(t.Context(), a, registry.Commit{Head: &head, Status: orchestrator.NodeFailed}))
	forgotten(true, "after a failure")
	a = f.begin(id, orchestrator.StepApply)
	f.must(f.Intend(t.Context(), &a, registry.Intent{Created: true, Graph: "sha256:new"}))
	forgotten(false, "when an engine is asked")
	f.must(f.Commit(t.Context(), a, registry.Commit{Head: &head, Status: orchestrator.NodeFailed}))
	forgotten(false, "after the engine has failed")
	a = f.begin(id, orchestrator.StepDestroy)
	if !a.Run.Forgotten {
		t.Error("the deployment does not know any more that it was forgotten")
	}
	f.must(f.Commit(t.Context(), a, registry.Commit{ForgetHead: true, Status: orchestrator.NodeDestroyed}))
	forgotten(true, "after it was taken back")
}

// TestForgettingASnapshot drops it alone: its node stays as it is, and who began
// with it on record cannot write it back.
func TestForgettingASnapshot(t *testing.T) {
	t.Parallel()
	f := open(t)
	first, id := f.accept("one").ID, f.accept("two").ID
	f.must(f.Commit(t.Context(), f.begin(first, orchestrator.StepApply), ready()))
	a := f.begin(id, orchestrator.StepApply)
	values := []registry.OutputValue{{Name: "id", Type: "string", Value: "snap"}}
	for _, s := range []orchestrator.Snapshot{
		{Deployment: first, Address: "saved.snapshot-1", Taken: true}, {Deployment: id, Address: "saved.snapshot-2"},
	} {
		f.must(f.RecordSnapshot(t.Context(), &a, s, values, nil))
	}
	_, err := f.ForgetSnapshot(t.Context(), statement(), 3)
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("one that nobody took: %v", err)
	}
	failed := registry.Commit{Head: a.Head, Status: orchestrator.NodeFailed}
	failed.Head.Status = orchestrator.NodeReady
	f.must(f.Commit(t.Context(), a, failed))
	before, err := f.Head(t.Context(), scope(), node)
	f.must(err)
	gone, err := f.ForgetSnapshot(t.Context(), statement(), 2)
	f.must(err)
	if gone.Address != "saved.snapshot-2" {
		t.Errorf("the answer: %+v", gone)
	}
	after, err := f.Head(t.Context(), scope(), node)
	f.must(err)
	want := before
	want.Revision, want.Snapshots = after.Revision, before.Snapshots[:1]
	if diff := cmp.Diff(want, after); diff != "" {
		t.Errorf("the head (-want +got):\n%s", diff)
	}
	for key := range f.all(id) {
		if strings.Contains(key, "/snapshot/") && !strings.Contains(key, "1/inputs") {
			t.Errorf("%s is left", key)
		}
	}
	if told := f.events(id); !slices.Contains(told, "node.snapshot_forgotten "+node) {
		t.Errorf("events: %v", told)
	}
	if err := f.Commit(t.Context(), a, failed); !errors.Is(err, registry.ErrFenced) {
		t.Errorf("a late write brings it back: %v", err)
	}
}

// TestForgettingASnapshotAtWork is refused.
func TestForgettingASnapshotAtWork(t *testing.T) {
	t.Parallel()
	f := open(t)
	id := f.accept("one").ID
	a := f.work(id, "vm", orchestrator.StepApply, 1)
	f.must(f.RecordSnapshot(t.Context(), &a, orchestrator.Snapshot{Deployment: id, Address: "saved.snapshot-1"}, nil, nil))
	_, err := f.ForgetSnapshot(t.Context(), statement(), 1)
	refusedWith(t, err, "is held by process 7 on vm")
}
