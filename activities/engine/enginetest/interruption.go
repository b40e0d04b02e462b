// SPDX-License-Identifier: Apache-2.0

package enginetest

import (
	"context"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/HatiCode/nestor/activities/engine"
)

func testCancel(t *testing.T, h Harness) {
	t.Helper()
	s := begin(t, h)
	s.hold(t, holdCreated)
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
			err := persist(func() error {
				_, _, err := mine.apply(t.Context(), req)
				return err
			})
			if err != nil {
				t.Errorf("apply: %v", err)
			}
		})
	}
	both.Wait()
	s.wantLedger(t, "create alpha", "set alpha 3")
}

// testTwoWorkers applies from two worker processes at once.
func testTwoWorkers(t *testing.T, h Harness) {
	t.Helper()
	s := begin(t, h)
	workers := []*exec.Cmd{s.worker(t, child{}, nil), s.worker(t, child{}, nil)}
	for _, w := range workers {
		if err := w.Wait(); err != nil {
			t.Errorf("a worker: %v", err)
		}
	}
	s.wantLedger(t, "create alpha", "set alpha 3")
	if p, _ := s.up(t, nil); !p.Empty() {
		t.Errorf("something is left to do: %+v", p.Changes)
	}
}
