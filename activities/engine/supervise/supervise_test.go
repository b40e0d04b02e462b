// SPDX-License-Identifier: Apache-2.0

package supervise_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/activities/engine/supervise"
	"github.com/HatiCode/nestor/orchestrator"
)

// workerVariable makes this binary a worker that runs one program and can be
// killed. Its value is the specification.
const workerVariable = "NESTOR_TEST_WORKER"

// executableVariable makes this binary say what it would run as a supervisor.
const executableVariable = "NESTOR_TEST_EXECUTABLE"

func TestMain(m *testing.M) {
	if supervise.Main() {
		return
	}
	if _, ok := os.LookupEnv(executableVariable); ok {
		path, err := supervise.Executable()
		if err != nil {
			panic(err)
		}
		_, _ = fmt.Fprint(os.Stdout, path)
		return
	}
	if text, ok := os.LookupEnv(workerVariable); ok {
		if err := work(text); err != nil {
			panic(err)
		}
		return
	}
	os.Exit(m.Run())
}

// work is a worker's part: it runs a script under a supervisor.
func work(text string) error {
	var spec supervise.Spec
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd, err := supervise.Command(context.Background(), self, os.Environ(), spec, "-c", "exec ./script")
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	_, err = os.Stdout.ReadFrom(out)
	return errors.Join(err, cmd.Wait())
}

const patience = 30 * time.Second

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline.C:
			t.Fatalf("waited %s for: %s", patience, what)
		case <-tick.C:
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
}

// command supervises a shell script in a fresh workspace.
func command(t *testing.T, ctx context.Context, spec supervise.Spec, script string) (cmd *exec.Cmd, out *bytes.Buffer) { //nolint:revive // t goes first in this house's tests
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	spec.Program = "/bin/sh"
	if spec.Workspace == "" {
		spec.Workspace = t.TempDir()
	}
	write(t, filepath.Join(spec.Workspace, "script"), "#!/bin/sh\n"+script)
	cmd, err = supervise.Command(ctx, self, os.Environ(), spec, "-c", "exec ./script")
	if err != nil {
		t.Fatal(err)
	}
	out = &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	return cmd, out
}

func TestOutputAndExit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	spec := supervise.Spec{Workspace: dir, Output: filepath.Join(dir, "out"), Exit: filepath.Join(dir, "exit")}
	cmd, out := command(t, t.Context(), spec, `printf 'one\ntwo'; [ -z "$NESTOR_SUPERVISE" ] || echo leaked; exit 3`)
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 || out.String() != "one\ntwo" {
		t.Errorf("got %v, %q; want exit status 3 and the whole output", err, out)
	}
	kept, err := os.ReadFile(spec.Output)
	if err != nil || string(kept) != "one\ntwo" {
		t.Errorf("kept %q, %v", kept, err)
	}
	record, err := supervise.ReadExit(spec.Exit)
	if diff := cmp.Diff(supervise.Exit{Code: 3}, record); diff != "" || err != nil {
		t.Errorf("exit record (-want +got):\n%s%v", diff, err)
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	spec := supervise.Spec{
		Program: "/bin/echo", Workspace: t.TempDir(),
		Insert: []string{"-json"}, Known: map[string]string{"version -x": "one\n"},
	}
	name, value, err := spec.Environ()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for reason, c := range map[string]struct {
		args []string
		want string
	}{
		"inserted":               {[]string{"plan", "-x"}, "plan -json -x\n"},
		"answered":               {[]string{"version", "-x"}, "one\n"},
		"only the very question": {[]string{"version"}, "version -json\n"},
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), self, c.args...)
			cmd.Env = append(os.Environ(), name+"="+value)
			out, err := cmd.Output()
			if err != nil || string(out) != c.want {
				t.Errorf("got %q, %v", out, err)
			}
		})
	}
}

func TestSpecIsChecked(t *testing.T) {
	t.Parallel()
	if _, _, err := (supervise.Spec{}).Environ(); !errors.Is(err, supervise.ErrSpec) {
		t.Errorf("got %v; want ErrSpec", err)
	}
}

// TestLease holds as long as any child of the program lives.
func TestLease(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd, _ := command(t, t.Context(), supervise.Spec{Workspace: dir},
		"(while [ ! -e end ]; do sleep 0.02; done) & touch started; wait")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "the program", func() bool { return exists(filepath.Join(dir, "started")) })
	var seen []supervise.Holder
	got := make(chan error, 1)
	waiting := make(chan struct{}, 8)
	go func() {
		turn, err := supervise.Acquire(t.Context(), dir, func(h supervise.Holder) {
			seen = append(seen, h)
			waiting <- struct{}{}
		})
		if err == nil {
			err = turn.Release()
		}
		got <- err
	}()
	<-waiting
	write(t, filepath.Join(dir, "end"), "")
	if err := <-got; err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if len(seen) == 0 || seen[0].Engine == 0 || seen[0].Verb != "-c" || seen[0].BootID == "" {
		t.Errorf("waited for %+v; want the program's holder", seen)
	}
}

// TestOrphanedChildHoldsLease kills supervisor and program: the lease is held
// until the program's last child is dead.
func TestOrphanedChildHoldsLease(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd, _ := command(t, t.Context(), supervise.Spec{Workspace: dir},
		"(while [ ! -e end ]; do sleep 0.02; done) & touch started; wait")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "the program", func() bool { return exists(filepath.Join(dir, "started")) })
	until(t, "who holds the lease", func() bool {
		holder, err := supervise.ReadHolder(dir)
		return err == nil && holder.Engine != 0
	})
	holder, err := supervise.ReadHolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range []int{holder.PID, holder.Engine} {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	_ = cmd.Wait() // it was killed
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := supervise.Acquire(short, dir, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v while a child lives; want to wait", err)
	}
	write(t, filepath.Join(dir, "end"), "")
	turn, err := supervise.Acquire(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := turn.Release(); err != nil {
		t.Error(err)
	}
}

// TestOrphanIsEnded kills supervisor and program: a plugin that would wait for
// its program forever is ended, and nothing else is.
func TestOrphanIsEnded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd, _ := command(t, t.Context(), supervise.Spec{Workspace: dir}, "sleep 600 & echo $! > orphan.new; mv orphan.new orphan; wait")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "the program", func() bool { return exists(filepath.Join(dir, "orphan")) })
	until(t, "who holds the lease", func() bool {
		holder, err := supervise.ReadHolder(dir)
		return err == nil && holder.Engine != 0
	})
	holder, err := supervise.ReadHolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range []int{holder.PID, holder.Engine} {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	_ = cmd.Wait() // it was killed
	turn, err := supervise.Acquire(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := turn.Release(); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "orphan"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if left, err := supervise.Process(pid); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the orphan lives: %+v, %v", left, err)
	}
}

func TestCancelThenKill(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason, script string
		want           supervise.Exit
	}{
		"stops when asked": {
			reason: "the program gets its time to write its state",
			script: "trap 'echo written; exit 4' INT; touch started; while :; do sleep 0.02; done",
			want:   supervise.Exit{Code: 4},
		},
		"does not stop": {
			reason: "after the grace period the whole group is killed",
			script: "trap '' INT; touch started; while :; do sleep 0.02; done",
			want:   supervise.Exit{Code: 137, Signal: "killed"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			spec := supervise.Spec{Workspace: dir, Grace: 300 * time.Millisecond, Exit: filepath.Join(dir, "exit")}
			cmd, _ := command(t, ctx, spec, c.script)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			until(t, "the program", func() bool { return exists(filepath.Join(dir, "started")) })
			cancel()
			if err := cmd.Wait(); err == nil {
				t.Errorf("%s: no error", c.reason)
			}
			got, err := supervise.ReadExit(spec.Exit)
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Errorf("%s: exit record (-want +got):\n%s%v", c.reason, diff, err)
			}
		})
	}
}

// TestKilledWorker kills the worker while its program writes: the program is
// not hurt by the broken pipe, may go on for a while, and is then asked to stop.
func TestKilledWorker(t *testing.T) {
	t.Parallel()
	const script = "trap 'touch asked; exit 0' INT; touch started; " +
		"while [ ! -e end ]; do echo line; sleep 0.02; done; touch finished"
	cases := map[string]struct {
		reason string
		linger time.Duration
		finish bool
		want   string
	}{
		"asked at once":      {reason: "without a lingering time it is asked to stop", want: "asked"},
		"goes on to its end": {reason: "within the lingering time it is left alone", linger: time.Minute, finish: true, want: "finished"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, filepath.Join(dir, "script"), "#!/bin/sh\n"+script)
			spec, err := json.Marshal(supervise.Spec{
				Program: "/bin/sh", Workspace: dir, Linger: c.linger, Exit: filepath.Join(dir, "exit"),
			})
			if err != nil {
				t.Fatal(err)
			}
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			worker := exec.CommandContext(t.Context(), self)
			worker.Env = append(os.Environ(), workerVariable+"="+string(spec))
			worker.Dir = dir
			if err := worker.Start(); err != nil {
				t.Fatal(err)
			}
			until(t, "the program", func() bool { return exists(filepath.Join(dir, "started")) })
			if err := worker.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = worker.Wait() // it was killed
			if c.finish {
				write(t, filepath.Join(dir, "end"), "")
			}
			turn, err := supervise.Acquire(t.Context(), dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := turn.Release(); err != nil {
				t.Error(err)
			}
			if !exists(filepath.Join(dir, c.want)) {
				t.Errorf("%s: no file %q", c.reason, c.want)
			}
			got, err := supervise.ReadExit(filepath.Join(dir, "exit"))
			if err != nil || got.Signal != "" || got.Code != 0 {
				t.Errorf("%s: exit record %+v, %v", c.reason, got, err)
			}
		})
	}
}

// TestCanceledWaiter passes a cancellation on to a program whose worker is dead,
// whether or not its supervisor lives.
func TestCanceledWaiter(t *testing.T) {
	t.Parallel()
	for name, killSupervisor := range map[string]bool{"supervised": false, "unsupervised": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			cmd, _ := command(t, t.Context(), supervise.Spec{Workspace: dir},
				"trap 'echo x >> asked; [ -e end ] && exit 0' INT; touch started; while [ ! -e end ]; do sleep 0.02; done")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			until(t, "the program, and who holds the lease", func() bool {
				holder, err := supervise.ReadHolder(dir)
				return err == nil && holder.Engine != 0 && exists(filepath.Join(dir, "started"))
			})
			if killSupervisor {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				_ = cmd.Wait() // it was killed
			}
			for range 2 { // and asks it once
				ctx, cancel := context.WithCancel(t.Context())
				_, err := supervise.Acquire(ctx, dir, func(supervise.Holder) { cancel() })
				cancel()
				if !errors.Is(err, context.Canceled) {
					t.Fatalf("got %v; want a canceled wait", err)
				}
			}
			until(t, "the question", func() bool { return exists(filepath.Join(dir, "asked")) })
			write(t, filepath.Join(dir, "end"), "")
			turn, err := supervise.Acquire(t.Context(), dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := turn.Release(); err != nil {
				t.Error(err)
			}
			if !killSupervisor {
				if err := cmd.Wait(); err != nil {
					t.Error(err)
				}
			}
			text, err := os.ReadFile(filepath.Join(dir, "asked"))
			if err != nil || strings.Count(string(text), "x") != 1 {
				t.Errorf("asked %q, %v; want once", text, err)
			}
		})
	}
}

func TestTurnIsForOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := supervise.Acquire(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := supervise.Acquire(ctx, dir, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v; want to wait", err)
	}
	for range 2 {
		if err := first.Release(); err != nil {
			t.Error(err)
		}
	}
	second, err := supervise.Acquire(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Release(); err != nil {
		t.Error(err)
	}
}

func TestExecutable(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	worker := filepath.Join(dir, "worker")
	if err := os.Link(self, worker); err != nil { // another file system
		text, err := os.ReadFile(self)
		if err == nil {
			err = os.WriteFile(worker, text, 0o700)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	ask := func() string {
		cmd := exec.CommandContext(t.Context(), worker)
		cmd.Env = append(os.Environ(), executableVariable+"=1")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if got := ask(); got != worker {
		t.Errorf("alone it runs %q; want itself", got)
	}
	small := filepath.Join(dir, supervise.Program)
	if err := os.WriteFile(small, []byte("no program"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := ask(); got != worker {
		t.Errorf("beside a file that cannot be executed it runs %q; want itself", got)
	}
	if err := os.Chmod(small, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := ask(); got != small {
		t.Errorf("beside the small one it runs %q; want that", got)
	}
}

func TestAlive(t *testing.T) {
	t.Parallel()
	self, err := supervise.Self()
	if err != nil {
		t.Fatal(err)
	}
	gone := exec.CommandContext(t.Context(), "/bin/true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		reason       string
		change       func(*orchestrator.Lease)
		alive, known bool
	}{
		"this process":    {"it runs", func(*orchestrator.Lease) {}, true, true},
		"another machine": {"it has the name that a pod had here", func(l *orchestrator.Lease) { l.Machine, l.BootID = "x", "x" }, true, false},
		"a container":     {"its pids are its own", func(l *orchestrator.Lease) { l.PIDNamespace, l.PID = "x", gone.Process.Pid }, true, false},
		"an older lease":  {"it does not say where its pid counts", func(l *orchestrator.Lease) { l.PIDNamespace, l.StartTime = "", "1" }, true, false},
		"another start":   {"the pid was used again", func(l *orchestrator.Lease) { l.StartTime = "1" }, false, true},
		"another host":    {"it cannot be seen from here", func(l *orchestrator.Lease) { l.Host = "x" }, true, false},
		"a dead process":  {"it is gone", func(l *orchestrator.Lease) { l.PID = gone.Process.Pid }, false, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lease := self
			c.change(&lease)
			if alive, known := supervise.Alive(lease); alive != c.alive || known != c.known {
				t.Errorf("%s: got alive %t, known %t", c.reason, alive, known)
			}
		})
	}
}

func TestSight(t *testing.T) {
	t.Parallel()
	self := orchestrator.Lease{Host: "h", Machine: "m", BootID: "b", PIDNamespace: "n"}
	cases := map[string]struct {
		reason     string
		self, of   func(*orchestrator.Lease)
		seen, over bool
	}{
		"here":            {"the same pids", nil, nil, true, false},
		"another boot":    {"nothing outlives a boot", nil, func(l *orchestrator.Lease) { l.BootID = "x" }, false, true},
		"another machine": {"its boots are its own", nil, func(l *orchestrator.Lease) { l.Machine, l.BootID = "x", "x" }, false, false},
		"nameless machines": {
			"they may be two", func(l *orchestrator.Lease) { l.Machine = "" },
			func(l *orchestrator.Lease) { l.Machine, l.BootID = "", "x" }, false, false,
		},
		"a nameless machine": {"it may be another", nil, func(l *orchestrator.Lease) { l.Machine, l.BootID = "", "x" }, false, false},
		"another container":  {"its pids are its own", nil, func(l *orchestrator.Lease) { l.PIDNamespace = "x" }, false, false},
		"another host":       {"a machine may have been copied", nil, func(l *orchestrator.Lease) { l.Host = "x" }, false, false},
		"unknown boots": {
			"they may be two", func(l *orchestrator.Lease) { l.BootID = "" },
			func(l *orchestrator.Lease) { l.BootID = "" }, false, false,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			here, there := self, self
			for l, change := range map[*orchestrator.Lease]func(*orchestrator.Lease){&here: c.self, &there: c.of} {
				if change != nil {
					change(l)
				}
			}
			if seen, over := supervise.Sight(here, there); seen != c.seen || over != c.over {
				t.Errorf("%s: got seen %t, over %t", c.reason, seen, over)
			}
		})
	}
}

func TestTurnName(t *testing.T) {
	t.Parallel()
	name := func(dir string) string {
		turn, err := supervise.Acquire(t.Context(), dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		name, err := turn.Name()
		if err = errors.Join(err, turn.Release()); err != nil {
			t.Fatal(err)
		}
		return name
	}
	one, other := t.TempDir(), t.TempDir()
	first := name(one)
	if again := name(one); again != first {
		t.Errorf("the turn is %q, then %q", first, again)
	}
	if name(other) == first {
		t.Errorf("two workspaces have the turn %q", first)
	}
}
