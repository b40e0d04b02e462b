// SPDX-License-Identifier: Apache-2.0

package testkube

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/HatiCode/nestor/internal/localkube"
)

const (
	readyTick = 20 * time.Millisecond
	// Lines shown of what a process said: of one that ended, and of one that
	// runs while a test fails.
	linesOfDead, linesOfLiving = 15, 4
)

// group are the processes of one control plane.
type group struct {
	dir   string
	paths map[string]string // of the programs
	queue chan start

	mu      sync.Mutex
	running []*process
	stopped bool
}

// process is one running part.
type process struct {
	part  localkube.Part
	cmd   *exec.Cmd
	log   string
	ended chan struct{} // closed when it is gone; then err holds
	err   error
}

type start struct {
	cmd    *exec.Cmd
	result chan error
}

// newGroup makes an empty group. Its processes are started from one thread that
// lives as long as it does: Linux ends them when that thread ends.
func newGroup(dir string, paths map[string]string) *group {
	g := &group{dir: dir, paths: paths, queue: make(chan start)}
	go func() {
		runtime.LockOSThread()
		for s := range g.queue {
			s.result <- s.cmd.Start()
		}
	}()
	return g
}

// up starts parts side by side and waits until all of them serve.
func (g *group) up(ctx context.Context, all ...localkube.Part) error {
	errs := make([]error, len(all))
	var wait sync.WaitGroup
	for i, part := range all {
		wait.Go(func() { errs[i] = g.upOne(ctx, part) })
	}
	wait.Wait()
	return errors.Join(errs...)
}

func (g *group) upOne(ctx context.Context, part localkube.Part) error {
	if part.Prepare != nil {
		if err := part.Prepare(ctx); err != nil {
			return err
		}
	}
	p, err := g.launch(part)
	if err != nil {
		return fmt.Errorf("start %s: %w", part.Name, err)
	}
	tick := time.NewTicker(readyTick)
	defer tick.Stop()
	for {
		err := part.Ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended (%w); its last lines:\n%s", part.Name, p.err, p.lastLines(linesOfDead))
		case <-ctx.Done():
			return fmt.Errorf("%s: %w; the last answer: %w; its last lines:\n%s", part.Name, context.Cause(ctx), err, p.lastLines(linesOfDead))
		case <-tick.C:
		}
	}
}

func (g *group) launch(part localkube.Part) (*process, error) {
	p := &process{part: part, log: filepath.Join(g.dir, part.Name+".log"), ended: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()                                         //nolint:errcheck // the process has its own handle
	p.cmd = exec.Command(g.paths[part.Program], part.Args...) //nolint:gosec,noctx // the repository's own program; stop ends it
	p.cmd.Env, p.cmd.Dir = part.Environ(os.Environ()), g.dir
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = dieWithParent()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return nil, errors.New("the tests are over")
	}
	s := start{cmd: p.cmd, result: make(chan error, 1)}
	g.queue <- s
	if err := <-s.result; err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	g.running = append(g.running, p)
	return p, nil
}

// stop kills every process, the last started first. Nothing of a test's world
// is worth a slow end.
func (g *group) stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return
	}
	g.stopped = true
	for _, p := range slices.Backward(g.running) {
		_ = p.cmd.Process.Kill() // one that has ended already needs none
		<-p.ended
	}
	close(g.queue)
}

// portTaken says that a process found its port taken by somebody else.
func (g *group) portTaken() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.ContainsFunc(g.running, func(p *process) bool {
		return strings.Contains(p.lastLines(linesOfDead), "address already in use")
	})
}

// tellOnFailure shows what the processes said last when the test fails.
func (g *group) tellOnFailure(tb testing.TB) {
	tb.Helper()
	tb.Cleanup(func() {
		if !tb.Failed() {
			return
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, p := range g.running {
			select {
			case <-p.ended:
				tb.Logf("%s ended (%v); its last lines:\n%s", p.part.Name, p.err, p.lastLines(linesOfDead))
			default:
				tb.Logf("%s runs; its last lines:\n%s", p.part.Name, p.lastLines(linesOfLiving))
			}
		}
	})
}

func (p *process) lastLines(n int) string {
	content, err := os.ReadFile(p.log)
	if err != nil {
		return "  " + err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(content), []byte("\n"))
	return "  " + string(bytes.Join(lines[max(len(lines)-n, 0):], []byte("\n  ")))
}
