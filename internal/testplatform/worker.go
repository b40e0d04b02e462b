// SPDX-License-Identifier: Apache-2.0

package testplatform

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/HatiCode/nestor/internal/codec"
	"github.com/HatiCode/nestor/internal/parts"
)

// WorkerProcess is a nestor-worker in a process of its own.
type WorkerProcess struct {
	tb      testing.TB
	cmd     *exec.Cmd
	lines   chan string // of its standard output; closed at its end
	waiting sync.Once
}

// StartWorkerProcess starts the given nestor-worker program, with further
// variables such as "NESTOR_BUILD_ID=b", and waits until it serves. It is killed
// with the test, if it was not before.
func (p *Platform) StartWorkerProcess(program string, env ...string) *WorkerProcess {
	p.tb.Helper()
	cmd := exec.Command(program) //nolint:noctx // the test's own build; it is killed by Cleanup
	cmd.Env = append(os.Environ(), env...)
	cmd.Env = append(cmd.Env,
		"NESTOR_DATA="+p.Config.DataDir,
		"NESTOR_TEMPORAL_ADDRESS="+p.Config.TemporalAddress,
		"NESTOR_TEMPORAL_NAMESPACE="+p.Config.TemporalNamespace,
		"NESTOR_QUEUES="+strings.Join(p.Config.Roles, ","),
		fmt.Sprintf("NESTOR_SLOTS=%d", p.Config.Slots),
		"NESTOR_BIN="+strings.Join(p.Config.BinDirs, string(filepath.ListSeparator)),
		"NESTOR_ENGINE_GRACE="+p.Config.Grace.String(),
		codec.Variable+"="+map[bool]string{false: "off", true: "on"}[p.Config.PayloadEncryption],
	)
	cmd.SysProcAttr = dieWithParent()
	cmd.Stderr = p.tb.Output()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		p.tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		p.tb.Fatalf("start a worker: %v", err)
	}
	w := &WorkerProcess{tb: p.tb, cmd: cmd, lines: make(chan string, 16)}
	go w.read(stdout)
	p.tb.Cleanup(w.Kill)
	select {
	case line, open := <-w.lines:
		if !open || !strings.Contains(line, "ready") {
			p.tb.Fatalf("the worker did not start: %q", line)
		}
	case <-time.After(time.Minute):
		p.tb.Fatal("the worker did not start in time")
	}
	return w
}

func (w *WorkerProcess) read(r io.Reader) {
	defer close(w.lines)
	scanner := bufio.NewScanner(r)
	for scanner.Scan() {
		w.lines <- scanner.Text()
	}
}

// PID of the process.
func (w *WorkerProcess) PID() int { return w.cmd.Process.Pid }

// Kill ends the worker with SIGKILL and waits for its end. Engines that it
// started stay in their supervisors' care.
func (w *WorkerProcess) Kill() {
	w.waiting.Do(func() {
		if err := w.cmd.Process.Signal(syscall.SIGKILL); err != nil {
			w.tb.Errorf("kill the worker: %v", err)
		}
		if _, err := w.cmd.Process.Wait(); err != nil {
			w.tb.Errorf("wait for the killed worker: %v", err)
		}
	})
}

// Binary builds a command of this repository into a directory of the test.
func Binary(tb testing.TB, name string) string {
	tb.Helper()
	return build(tb, name)
}

// Variant builds a command as Binary does, but from other contents of some
// files, which are named from the root of the repository and need not exist
// there: the next release, say.
func Variant(tb testing.TB, name string, files map[string]string) string {
	tb.Helper()
	dir := tb.TempDir()
	overlay := struct {
		Replace map[string]string `json:"Replace"` //nolint:tagliatelle // cmd/go's word
	}{map[string]string{}}
	for file, content := range files {
		replacement := filepath.Join(dir, fmt.Sprintf("%d.go", len(overlay.Replace)))
		if err := os.WriteFile(replacement, []byte(content), 0o600); err != nil {
			tb.Fatal(err)
		}
		overlay.Replace[filepath.Join(parts.Root(tb), file)] = replacement
	}
	data, err := json.Marshal(overlay)
	if err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), data, 0o600); err != nil {
		tb.Fatal(err)
	}
	return build(tb, name, "-overlay", filepath.Join(dir, "overlay.json"))
}

func build(tb testing.TB, name string, flags ...string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), name)
	args := append(append([]string{"build"}, flags...), "-o", path, "./cmd/"+name)
	cmd := exec.CommandContext(tb.Context(), "go", args...) //nolint:gosec // own command
	cmd.Dir = parts.Root(tb)
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("build %s: %v\n%s", name, err, out)
	}
	return path
}
