// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"testing"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

// TestSettledUntilTheNextIntent: a person's word is about what was cut off
// before it. It reaches each attempt that comes before an engine acts, and none
// after.
func TestSettledUntilTheNextIntent(t *testing.T) {
	t.Parallel()
	f := open(t)
	settled := func() bool {
		t.Helper()
		head, err := f.Head(t.Context(), scope(), node)
		if err != nil {
			head = orchestrator.NodeHead{}
		}
		stands, err := f.Settled(t.Context(), scope(), node, head)
		f.must(err)
		return stands
	}
	id := f.accept("one").ID
	a := f.begin(id, orchestrator.StepApply)
	f.must(f.Intend(t.Context(), &a, registry.Intent{Graph: "sha256:new"}))
	cutOff := &orchestrator.NodeError{Class: "uncertain", Message: "cut off"}
	f.must(f.Commit(t.Context(), a, registry.Commit{Status: orchestrator.NodeFailed, Error: cutOff}))
	if a.Settled || settled() {
		t.Error("nobody has said anything yet")
	}
	_, err := f.Forget(t.Context(), statement())
	f.must(err)
	if !settled() {
		t.Error("a plan does not know of the statement")
	}
	for range 2 { // the first attempt dies before it acts
		if a = f.begin(id, orchestrator.StepApply); !a.Settled || !settled() {
			t.Error("an attempt does not know of the statement")
		}
	}
	f.must(f.Intend(t.Context(), &a, registry.Intent{Graph: "sha256:new"}))
	if a = f.begin(id, orchestrator.StepApply); a.Settled || settled() {
		t.Error("the statement is taken for one about a later creation")
	}
}

// TestUnlockKeepsWhatIsSettled: that an attempt died before it asked an engine for
// anything takes nothing from the statement.
func TestUnlockKeepsWhatIsSettled(t *testing.T) {
	t.Parallel()
	f := open(t)
	id := f.accept("one").ID
	f.must(f.Commit(t.Context(), f.work(id, "a", orchestrator.StepApply, 1), registry.Commit{Status: orchestrator.NodeFailed}))
	_, err := f.Forget(t.Context(), statement())
	f.must(err)
	f.work(id, "b", orchestrator.StepApply, 2)
	f.silence()
	_, err = f.Unlock(t.Context(), statement())
	f.must(err)
	if a := f.work(id, "c", orchestrator.StepApply, 3); !a.Settled {
		t.Error("the statement is lost")
	}
}
