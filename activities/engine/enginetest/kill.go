// SPDX-License-Identifier: Apache-2.0

package enginetest

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/supervise"
	"github.com/HatiCode/nestor/orchestrator"
)

// victim is who is killed.
type victim int

const (
	victimWorker victim = iota
	victimProgram
	victimSupervisor
	victimAll
)

func (v victim) String() string {
	return [...]string{"worker", "program", "supervisor", "everybody"}[v]
}

// victims that an engine has.
func victims(h Harness) []victim {
	found := []victim{victimWorker}
	if h.Program != nil {
		found = append(found, victimProgram)
	}
	if h.Supervisor != nil {
		found = append(found, victimSupervisor)
	}
	if h.Program != nil && h.Supervisor != nil {
		found = append(found, victimAll)
	}
	return found
}

// struck are the victims that make a difference where nothing can be in doubt:
// one whose work goes on, and one whose work ends.
func struck(h Harness) []victim {
	return slices.DeleteFunc(victims(h), func(v victim) bool { return v != victimWorker && v != victimProgram })
}

// cut says that what makes things died with the victim. A program without its
// worker or its supervisor goes on to its end.
func (v victim) cut(h Harness) bool {
	return v == victimProgram || v == victimAll || (v == victimWorker && h.Program == nil)
}

// casualty is a worker process that was struck, itself or in its parts.
type casualty struct {
	worker  *exec.Cmd
	program orchestrator.Lease // zero for an engine without one
	cut     bool
}

// strike starts a worker and kills the victim once the thing has got as far as
// the test wants, where it is held.
func (s *subject) strike(t *testing.T, v victim, c child, change map[string]any, stage string, reached func() bool) *casualty {
	t.Helper()
	hit := &casualty{worker: s.worker(t, c, change), cut: v.cut(s.h)}
	until(t, stage, reached)
	workspace := request(s.dir, nil, nil).Workspace
	pids := []int{hit.worker.Process.Pid}
	if s.h.Program != nil {
		pid, err := s.h.Program(workspace)
		if err != nil {
			t.Fatal(err)
		}
		if hit.program, err = supervise.Process(pid); err != nil {
			t.Fatalf("the program is not at work: %v", err)
		}
		if v == victimProgram {
			pids = []int{pid}
		}
	}
	if v == victimSupervisor || v == victimAll {
		pid, err := s.h.Supervisor(workspace)
		if err != nil {
			t.Fatal(err)
		}
		pids = []int{pid}
		if v == victimAll { // the supervisor first, so that it cannot clear up
			pids = append(pids, hit.program.PID, hit.worker.Process.Pid)
		}
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatalf("kill %d: %v", pid, err)
		}
	}
	if slices.Contains(pids, hit.worker.Process.Pid) {
		hit.end()
	}
	return hit
}

// end waits for the worker process, which may have ended in any way.
func (c *casualty) end() { _ = c.worker.Wait() }

// after makes the next attempt beside what is left of the struck one, and says
// how it ended. While the program lives the attempt has to wait, since an
// expired lease is no proof of death; when it has ended the program is dead.
func (s *subject) after(t *testing.T, hit *casualty, attempt func() error) error {
	t.Helper()
	before := len(s.log.String())
	done := make(chan outcome, 1)
	go func() { done <- outcome{err: attempt()} }()
	if !hit.cut {
		until(t, "the next attempt to wait or end", func() bool {
			return len(done) == 1 || strings.Contains(s.log.String()[before:], "waiting for")
		})
	}
	s.letGo(t)
	err := await(t, done).err
	if hit.worker.ProcessState == nil {
		hit.end()
	}
	if hit.program.PID != 0 {
		if alive, known := supervise.Alive(hit.program); alive || !known {
			t.Errorf("the struck program %d is alive (known: %t) after the next attempt has ended", hit.program.PID, known)
		}
	}
	return err
}

// created says that a creation has begun.
func (s *subject) created(t *testing.T) func() bool {
	t.Helper()
	return func() bool { return s.count(t, "create") == 1 }
}

// applying is an attempt at a request.
func (s *subject) applying(t *testing.T, req engine.Request) func() error {
	t.Helper()
	return func() error {
		_, _, err := s.apply(t.Context(), req)
		return err
	}
}

// wantWhole says that the thing is there once, wholly, and leaves nothing
// behind when it is destroyed.
func (s *subject) wantWhole(t *testing.T, req engine.Request) {
	t.Helper()
	p, err := s.engine.Preview(t.Context(), req)
	if err != nil {
		t.Fatalf("preview what was continued: %v", err)
	}
	if !p.Empty() {
		t.Errorf("something is left to do: %+v", p.Changes)
	}
	seen, err := s.engine.Observe(t.Context(), req)
	if err != nil || !seen.Exists || len(seen.Uncertain) > 0 {
		t.Errorf("observed %+v, %v; want it there and nothing uncertain", seen, err)
	}
	s.wantLedger(t, "create alpha", "set alpha 3")
	if err := persist(func() error { return s.engine.Destroy(t.Context(), req) }); err != nil {
		t.Fatalf("destroy: %v", err)
	}
	if seen, err = s.engine.Observe(t.Context(), req); err != nil || seen.Exists {
		t.Errorf("observed %+v, %v after the destruction", seen, err)
	}
	s.wantLedger(t, "create alpha", "set alpha 3", "destroy alpha")
}

// wantUncertain says that the engine lists what it cannot know, each time, and
// neither makes it again nor takes it for destroyed.
func (s *subject) wantUncertain(t *testing.T, req engine.Request) {
	t.Helper()
	for range 2 {
		_, _, err := s.apply(t.Context(), req)
		e := wantClass(t, err, engine.Uncertain)
		cure := "`nestor forget " + req.Node + " --env staging`"
		if e.Resource == "" || !strings.Contains(e.Message, cure) || strings.Contains(e.Message, s.dir) {
			t.Errorf("%v (of %q): want the resource, %s, and no file of the worker", err, e.Resource, cure)
		}
	}
	seen, err := s.engine.Observe(t.Context(), req)
	if err != nil || !seen.Exists || len(seen.Uncertain) != 1 {
		t.Errorf("observed %+v, %v; want one uncertain resource", seen, err)
	}
	wantClass(t, s.engine.Destroy(t.Context(), req), engine.Uncertain)
	if n := s.count(t, "create"); n != 1 {
		t.Errorf("created %d times", n)
	}
}

// testKilled kills between "created" and "recorded" where nothing tells how to
// find the thing. An engine that needs such a declaration cannot know what
// exists when what made it has died.
func testKilled(t *testing.T, h Harness, v victim) {
	t.Helper()
	s := begin(t, h)
	s.hold(t, holdCreated)
	hold := map[string]any{"mode": "hold"}
	req := s.request(t, hold)
	hit := s.strike(t, v, child{}, hold, "the creation", s.created(t))
	err := s.after(t, hit, s.applying(t, req))
	if v.cut(h) && h.Identity != nil {
		wantClass(t, err, engine.Uncertain)
		s.wantUncertain(t, req)
		s.settle(t, req)
		return
	}
	if engine.ClassOf(err) == engine.Transient {
		err = persist(s.applying(t, req))
	}
	if v == victimSupervisor && engine.ClassOf(err) == engine.Uncertain {
		s.wantUncertain(t, req)
		return
	}
	if err != nil {
		t.Fatalf("the next attempt: %v", err)
	}
	s.wantWhole(t, req)
}

// settle: a person has looked and cleared up, and their word is enough.
func (s *subject) settle(t *testing.T, req engine.Request) {
	t.Helper()
	if s.h.Clear != nil {
		if err := s.h.Clear(req.Workspace); err != nil {
			t.Fatal(err)
		}
	}
	req.Settled = true
	if _, _, err := s.apply(t.Context(), req); err != nil {
		t.Fatalf("apply after the look: %v", err)
	}
	if n := s.count(t, "create alpha"); n != 2 {
		t.Errorf("after the look it was created %d times in all, want once more", n)
	}
}

// testFound kills between "created" and "recorded" where an identity is
// declared: the thing is found again and taken over.
func testFound(t *testing.T, h Harness, v victim) {
	t.Helper()
	s := begin(t, h)
	s.hold(t, holdCreated)
	hold := map[string]any{"mode": "hold"}
	req := s.identified(t, hold)
	hit := s.strike(t, v, child{Identity: true}, hold, "the creation", s.created(t))
	err := s.after(t, hit, s.applying(t, req))
	if engine.ClassOf(err) == engine.Transient {
		err = persist(s.applying(t, req))
	}
	if err != nil {
		t.Fatalf("the next attempt: %v", err)
	}
	s.wantWhole(t, req)
}

// testKilledBefore kills when the creation has begun and has made nothing: the
// identity proves that, and the thing is created, once.
func testKilledBefore(t *testing.T, h Harness) {
	t.Helper()
	s := begin(t, h)
	s.hold(t, holdCreate)
	v := victimWorker
	if h.Supervisor != nil {
		v = victimAll
	}
	s.strike(t, v, child{Identity: true}, nil, "the beginning of the creation", func() bool {
		_, err := os.Stat(filepath.Join(worldOf(s.dir), creating))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
		return err == nil
	})
	// The preview needs proof that all that was at work is dead.
	req := s.identified(t, nil)
	p, err := s.engine.Preview(t.Context(), req)
	if err != nil {
		t.Fatalf("preview: %v", err)
	}
	if !actions(p)[orchestrator.ActionCreate] {
		t.Errorf("the preview shows %+v; want a creation", p.Changes)
	}
	s.wantLedger(t)
	s.letGo(t)
	if err := persist(s.applying(t, req)); err != nil {
		t.Fatalf("the next attempt: %v", err)
	}
	s.wantWhole(t, req)
}

// testKilledAndRenamed asks for another thing after the kill: what the
// interrupted attempt had made is found by what was asked of that attempt, and
// is replaced.
func testKilledAndRenamed(t *testing.T, h Harness) {
	t.Helper()
	s := begin(t, h)
	s.hold(t, holdCreated)
	hold := map[string]any{"mode": "hold"}
	v := victimWorker
	if h.Program != nil && h.Supervisor != nil {
		v = victimAll // a worker that lives would go on with alpha
	}
	hit := s.strike(t, v, child{Identity: true}, hold, "the creation", s.created(t))
	req := s.identified(t, map[string]any{"mode": "hold", "name": "beta"})
	err := s.after(t, hit, s.applying(t, req))
	if engine.ClassOf(err) == engine.Transient {
		err = persist(s.applying(t, req))
	}
	if err != nil {
		t.Fatalf("the next attempt: %v", err)
	}
	if err := s.engine.Destroy(t.Context(), req); err != nil {
		t.Fatalf("destroy: %v", err)
	}
	for _, effect := range []string{"create alpha", "destroy alpha", "create beta", "destroy beta"} {
		if n := s.count(t, effect); n != 1 {
			t.Errorf("%q happened %d times", effect, n)
		}
	}
}

// testKilledInUpdate: an update that was cut off is continued and leaves no
// doubt, since the thing is known.
func testKilledInUpdate(t *testing.T, h Harness) {
	t.Helper()
	for _, v := range struck(h) {
		t.Run(v.String(), func(t *testing.T) {
			t.Parallel()
			s := begin(t, h)
			s.up(t, nil)
			s.hold(t, holdSet)
			larger := map[string]any{"size": int64(5)}
			hit := s.strike(t, v, child{}, larger, "the update", func() bool { return s.count(t, "set alpha 5") == 1 })
			req := s.request(t, larger)
			err := s.after(t, hit, s.applying(t, req))
			if engine.ClassOf(err) == engine.Transient {
				err = persist(s.applying(t, req))
			}
			if err != nil {
				t.Fatalf("the next attempt: %v", err)
			}
			p, r, err := s.apply(t.Context(), req)
			if err != nil || !p.Empty() || r.Outputs["size"] != int64(5) {
				t.Errorf("applied again: %+v, outputs %v, %v; want no change and size 5", p.Changes, r.Outputs, err)
			}
			s.wantLedger(t, "create alpha", "set alpha 3", "set alpha 5")
		})
	}
}

// testKilledInDestroy: a destruction that was cut off is continued to its end.
func testKilledInDestroy(t *testing.T, h Harness) {
	t.Helper()
	for _, v := range struck(h) {
		t.Run(v.String(), func(t *testing.T) {
			t.Parallel()
			s := begin(t, h)
			s.up(t, nil)
			s.hold(t, holdDestroy)
			req := s.request(t, nil)
			hit := s.strike(t, v, child{Destroy: true}, nil, "the destruction", func() bool { return s.count(t, "destroy") == 1 })
			destroy := func() error { return s.engine.Destroy(t.Context(), req) }
			err := s.after(t, hit, destroy)
			if engine.ClassOf(err) == engine.Transient {
				err = persist(destroy)
			}
			if err != nil {
				t.Fatalf("the next attempt: %v", err)
			}
			seen, err := s.engine.Observe(t.Context(), req)
			if err != nil || seen.Exists {
				t.Errorf("observed %+v, %v after the destruction", seen, err)
			}
			s.wantLedger(t, "create alpha", "set alpha 3", "destroy alpha")
		})
	}
}
