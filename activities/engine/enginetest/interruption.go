// SPDX-License-Identifier: Apache-2.0

package enginetest

import (
	"context"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/HatiCode/nestor/activities/engine"
)

func testCancel(t *testing.T, h Harness) {
	t.Helper()
	s := begin(t, h)
	s.hold(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req := s.request(t, map[string]any{"mode": "hold"})
	done := s.start(ctx, req)
	until(t, "the creation", func() bool { return s.count(t, "create") == 1 })
	cancel()
	wantClass(t, await(t, done).err, engine.Canceled)
	// The state was written: what was begun is known.
	seen, err := s.engine.Observe(t.Context(), req)
	if err != nil || !seen.Exists || len(seen.Uncertain) > 0 {
		t.Fatalf("observed %+v, %v after a cancellation", seen, err)
	}
	s.letGo(t)
	s.up(t, nil)
	if err := s.engine.Destroy(t.Context(), req); err != nil {
		t.Errorf("destroy: %v", err)
	}
	// A context that has ended before does nothing.
	_, _, err = s.apply(ctx, req)
	wantClass(t, err, engine.Canceled)
}

func testForeignLock(t *testing.T, h Harness) {
	t.Helper()
	s := begin(t, h)
	req := s.request(t, nil)
	release := h.LockForeign(t, s.dir, &req)
	_, _, err := s.apply(t.Context(), req)
	e := wantClass(t, err, engine.Locked)
	if !strings.Contains(e.Message, "lock") || !strings.Contains(e.Message, "since") {
		t.Errorf("the message does not say which lock, whose and since when: %v", err)
	}
	s.wantLedger(t)
	release()
	if _, _, err := s.apply(t.Context(), req); err != nil {
		t.Fatalf("apply once the lock is gone: %v", err)
	}
	s.wantLedger(t, "create alpha", "set alpha 3")
}

func testDeadLock(t *testing.T, h Harness) {
	t.Helper()
	s := begin(t, h)
	s.up(t, nil)
	req := s.request(t, map[string]any{"size": int64(5)})
	h.LockDead(t, s.dir, &req)
	if _, _, err := s.apply(t.Context(), req); err != nil {
		t.Fatalf("apply over the lock of a dead holder: %v", err)
	}
	s.wantLedger(t, "create alpha", "set alpha 3", "set alpha 5")
}

func testTwoAtOnce(t *testing.T, h Harness) {
	t.Helper()
	s := begin(t, h)
	req := s.request(t, nil)
	// Another worker process, as far as the engine can tell.
	other, err := h.Open(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	var both sync.WaitGroup
	for _, e := range []engine.Engine{s.engine, other} {
		both.Go(func() {
			mine := *s
			mine.engine = e
			// A preview that the other one's apply has overtaken is made anew.
			for range 3 {
				_, _, err := mine.apply(t.Context(), req)
				if engine.ClassOf(err) == engine.Transient {
					continue
				}
				if err != nil {
					t.Errorf("apply: %v", err)
				}
				return
			}
			t.Error("the apply was overtaken again and again")
		})
	}
	both.Wait()
	s.wantLedger(t, "create alpha", "set alpha 3")
}

// testKilledWorker kills the worker between "created" and "recorded".
func testKilledWorker(t *testing.T, h Harness) {
	t.Helper()
	s := begin(t, h)
	s.hold(t)
	worker := s.worker(t, map[string]any{"mode": "hold"})
	until(t, "the creation", func() bool { return s.count(t, "create") == 1 })
	if err := worker.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = worker.Wait() // its end is the kill
	before := len(s.log.String())
	done := s.start(t.Context(), s.request(t, map[string]any{"mode": "hold"}))
	until(t, "the next attempt to wait or end", func() bool {
		return len(done) == 1 || strings.Contains(s.log.String()[before:], "waiting for")
	})
	s.letGo(t)
	if o := await(t, done); o.err != nil {
		t.Fatalf("the next attempt: %v", o.err)
	}
	if p, _ := s.up(t, nil); !p.Empty() {
		t.Errorf("something is left to do: %+v", p.Changes)
	}
	s.wantLedger(t, "create alpha", "set alpha 3")
}

// testKilledProgram kills the engine's program between "created" and
// "recorded". Without an identity nobody can tell what exists: the engine says
// so, each time, and creates nothing.
func testKilledProgram(t *testing.T, h Harness) {
	t.Helper()
	if h.Program == nil {
		return // no program of its own: the killed worker is the same case
	}
	s := begin(t, h)
	s.hold(t)
	req := s.request(t, map[string]any{"mode": "hold"})
	done := s.start(t.Context(), req)
	until(t, "the creation", func() bool { return s.count(t, "create") == 1 })
	pid, err := h.Program(req.Workspace)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	wantClass(t, await(t, done).err, engine.Uncertain)
	s.letGo(t)
	for range 2 {
		_, _, err = s.apply(t.Context(), req)
		if e := wantClass(t, err, engine.Uncertain); e.Resource == "" {
			t.Errorf("the error names no resource: %v", err)
		}
	}
	seen, err := s.engine.Observe(t.Context(), req)
	if err != nil || !seen.Exists || len(seen.Uncertain) != 1 {
		t.Errorf("observed %+v, %v; want one uncertain resource", seen, err)
	}
	err = s.engine.Destroy(t.Context(), req)
	wantClass(t, err, engine.Uncertain)
	s.wantLedger(t, "create alpha")

	// A person has looked, and the cure that the error names is enough.
	if err := h.Settle(req.Workspace); err != nil {
		t.Fatal(err)
	}
	s.up(t, nil)
	if n := s.count(t, "create alpha"); n != 2 {
		t.Errorf("after the look it was created %d times in all, want once more", n)
	}
}
