// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

// hosts of the attempts that a head knows to have died.
func hosts(all []orchestrator.Tenure) []string {
	var names []string
	for _, t := range all {
		names = append(names, t.Lease.Host)
	}
	return names
}

// on is a worker's process on a host.
func on(host string) *orchestrator.Lease {
	return &orchestrator.Lease{Host: host, BootID: "b", PID: 7, StartTime: "9"}
}

func dead(orchestrator.Tenure) (bool, error) { return true, nil }

// work begins a step on a host, after whoever was at work has died.
func (f *fixture) work(deployment, host string, action orchestrator.StepAction, attempt int32) registry.Attempt {
	f.tb.Helper()
	run := orchestrator.NodeRun{Deployment: deployment, Node: node, Action: action, Attempt: attempt, Lease: on(host)}
	a, err := f.BeginAfter(f.tb.Context(), "worker:tiny", scope(), run, newHead(), dead)
	f.must(err)
	return a
}

// TestTheDeadAreRemembered until an engine has changed the node: each may have
// left a lock, which the attempt after it did not meet.
func TestTheDeadAreRemembered(t *testing.T) {
	t.Parallel()
	f := open(t)
	id := f.accept("one").ID
	want := func(a registry.Attempt, reason string, names ...string) {
		t.Helper()
		if diff := cmp.Diff(names, hosts(a.Dead)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", reason, diff)
		}
	}
	failed := func(a registry.Attempt) {
		t.Helper()
		head := *a.Head
		f.must(f.Commit(t.Context(), a, registry.Commit{Head: &head, Status: orchestrator.NodeFailed}))
	}
	whole := func(a registry.Attempt, changed bool) {
		t.Helper()
		c := ready()
		c.Inputs, c.Changed = []registry.OutputValue{}, changed
		f.must(f.Commit(t.Context(), a, c))
	}
	want(f.work(id, "a", orchestrator.StepApply, 1), "nobody has died yet")
	b := f.work(id, "b", orchestrator.StepApply, 2)
	want(b, "the one before", "a")
	if d := b.Dead[0]; !d.Ended() || d.EndedBy != "worker:tiny" || d.Reason == "" {
		t.Errorf("what proves it: %+v", d)
	}
	failed(b)
	c := f.work(id, "c", orchestrator.StepApply, 3)
	want(c, "after a failure in between", "a")
	want(f.work(id, "d", orchestrator.StepObserve, 1), "an observation learns of the second", "a", "c")
	e := f.work(id, "e", orchestrator.StepRestore, 1) // the observation was killed, too
	want(e, "and so does what comes after it", "a", "c", "d")
	whole(e, false)
	g := f.work(id, "g", orchestrator.StepRestore, 2)
	want(g, "nobody has asked for the lock", "a", "c", "d")
	whole(g, true)
	want(f.work(id, "h", orchestrator.StepDestroy, 1), "it was had")
}

// TestTheDeadAreBounded, and none is remembered twice.
func TestTheDeadAreBounded(t *testing.T) {
	t.Parallel()
	f := open(t)
	id := f.accept("one").ID
	const attempts = 20
	var last registry.Attempt
	for i := range attempts {
		last = f.work(id, fmt.Sprintf("host-%d", i), orchestrator.StepApply, int32(i+1))
	}
	names := hosts(last.Dead)
	if len(names) != 16 || names[15] != "host-18" || slices.Contains(names, "host-0") {
		t.Errorf("remembered: %v", names)
	}
	head, err := f.Head(t.Context(), scope(), node)
	f.must(err)
	if diff := cmp.Diff(names, hosts(head.Dead)); diff != "" {
		t.Errorf("the head (-attempt +head):\n%s", diff)
	}
}

// TestWhoLivesIsNotBuried: an attempt of the same worker, which nobody needs to
// prove anything of.
func TestWhoLivesIsNotBuried(t *testing.T) {
	t.Parallel()
	f := open(t)
	id := f.accept("one").ID
	f.work(id, "a", orchestrator.StepApply, 1)
	alive := func(orchestrator.Tenure) (bool, error) { return false, nil }
	a, err := f.beginAs(id, 2, on("a"), alive)
	f.must(err)
	if len(a.Dead) > 0 || a.Before == nil {
		t.Errorf("dead: %+v, before: %+v", a.Dead, a.Before)
	}
}

// TestUnlockGoesByTheHoldersOwnTTL, not by one that another process has.
func TestUnlockGoesByTheHoldersOwnTTL(t *testing.T) {
	t.Parallel()
	f := open(t)
	id := f.accept("one").ID
	run := orchestrator.NodeRun{
		Deployment: id, Node: node, Action: orchestrator.StepApply, Attempt: 1, Lease: far(), TTL: catalog.Duration(5 * time.Minute),
	}
	a, err := f.Begin(t.Context(), "worker:tiny", scope(), run, newHead())
	f.must(err)
	f.must(f.Renew(t.Context(), a))
	f.silence()
	_, err = f.Unlock(t.Context(), statement())
	refusedWith(t, err, "silent for 5m0s")
	for range 10 {
		f.silence()
	}
	_, err = f.Unlock(t.Context(), statement())
	f.must(err)
}

// TestUnlockNamesWhoHolds: not the attempt that waits for it.
func TestUnlockNamesWhoHolds(t *testing.T) {
	t.Parallel()
	f := open(t)
	a := f.work(f.accept("one").ID, "vm", orchestrator.StepApply, 1)
	a.WaitsFor = &orchestrator.Occupant{Host: "vm", PID: 9196, Program: "/opt/bin/tofu", Since: a.Run.StartedAt}
	f.must(f.Renew(t.Context(), a))
	tenures, err := f.Tenures(t.Context(), scope())
	f.must(err)
	if len(tenures) != 1 || !cmp.Equal(a.WaitsFor, tenures[0].WaitsFor) {
		t.Errorf("who holds it cannot be seen: %+v", tenures)
	}
	_, err = f.Unlock(t.Context(), statement())
	refusedWith(t, err, "held by tofu, process 9196 on vm, at work since")
	refusedWith(t, err, "for whose end process 7 on vm waits")
	f.silence() // who waits may die as well
	_, err = f.Unlock(t.Context(), statement())
	f.must(err)
}

// TestCreationsThatWereCutOff are remembered until it is known what came of them,
// however often somebody else tries in between.
func TestCreationsThatWereCutOff(t *testing.T) {
	t.Parallel()
	f := open(t)
	id := f.accept("one").ID
	want := func(a registry.Attempt, reason string, cutOff int64) {
		t.Helper()
		if a.CutOff != cutOff {
			t.Errorf("%s: cut off is attempt %d, want %d", reason, a.CutOff, cutOff)
		}
	}
	creating := registry.Intent{Counts: orchestrator.Counts{Create: 1}, ChangeDigest: "made"}
	end := func(a registry.Attempt, unsettled bool) {
		t.Helper()
		head := *a.Head
		f.must(f.Commit(t.Context(), a, registry.Commit{Head: &head, Status: orchestrator.NodeFailed, Unsettled: unsettled}))
	}
	a := f.work(id, "a", orchestrator.StepApply, 1)
	want(a, "nothing was announced yet", 0)
	f.intend(&a, creating) // and killed
	b := f.work(id, "b", orchestrator.StepApply, 2)
	want(b, "the one before announced creations", 1)
	end(b, false) // it was not the one that announced them
	c := f.work(id, "c", orchestrator.StepApply, 3)
	want(c, "nobody has found out since", 1)
	f.intend(&c, registry.Intent{Counts: orchestrator.Counts{Update: 1}, ChangeDigest: "changed"})
	end(c, false)
	d := f.work(id, "d", orchestrator.StepApply, 4)
	want(d, "an engine that goes on has found out", 0)
	f.intend(&d, creating)
	end(d, true)
	e := f.work(id, "e", orchestrator.StepApply, 5)
	want(e, "it ended, and could not record what it made", 4)
	f.intend(&e, creating)
	end(e, false)
	want(f.work(id, "f", orchestrator.StepObserve, 6), "it ended by itself, and has recorded it", 0)
}

// TestTheDeadOfASnapshot are remembered while its own state may be locked.
func TestTheDeadOfASnapshot(t *testing.T) {
	t.Parallel()
	f := open(t)
	id := f.accept("one").ID
	f.work(id, "a", orchestrator.StepApply, 1)
	a := f.work(id, "b", orchestrator.StepApply, 2)
	whole := func(a registry.Attempt) {
		t.Helper()
		c := ready()
		c.Inputs, c.Head.Snapshots = []registry.OutputValue{}, a.Head.Snapshots
		f.must(f.Commit(t.Context(), a, c))
	}
	half := orchestrator.Snapshot{Deployment: id, Address: "saved.snapshot-1"}
	f.must(f.RecordSnapshot(t.Context(), &a, half, nil, nil))
	whole(a)
	a = f.work(id, "c", orchestrator.StepApply, 3)
	if diff := cmp.Diff([]string{"a"}, hosts(a.Dead)); diff != "" {
		t.Errorf("while a snapshot is half taken (-want +got):\n%s", diff)
	}
	f.must(f.DropSnapshot(t.Context(), &a, half))
	whole(a)
	if a = f.work(id, "d", orchestrator.StepApply, 4); len(a.Dead) > 0 {
		t.Errorf("once it is gone: %v", hosts(a.Dead))
	}
}
