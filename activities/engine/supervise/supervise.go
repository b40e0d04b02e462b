// SPDX-License-Identifier: Apache-2.0

// Package supervise runs an engine's program so that it can neither be lost nor
// doubled. Each program runs under a small supervisor, which is the worker's
// own binary executed again (see Main). The supervisor holds the workspace's
// lease, an exclusive flock on a file whose descriptor the program and all its
// children inherit: the kernel gives the lock back only when the last of them
// is dead, and that is the proof of death on one host that an expired lease
// cannot give.
//
//   - Acquire is the worker's side: one attempt at a time works in a workspace,
//     and none begins before the programs of the one before are dead.
//   - A signal to the supervisor, or the death of the worker, asks the program
//     to stop (SIGINT), and kills its process group after a grace period.
//   - The program writes to a file, never to a pipe of the worker: it does not
//     die of SIGPIPE, with its state unwritten, when the worker does.
//   - When the supervisor itself is killed, the program goes on to its end, and
//     the lease is held until then. (The kernel's parent-death signal would stop
//     it, but may come several times, and a second interrupt makes a program end
//     at once, with its state unwritten.)
//   - When both were killed, what the program leaves behind, such as a plugin
//     that waits for it forever, is ended by the next attempt.
//
// This is so on Linux. Elsewhere a dead worker is noticed within a quarter of a
// second instead of at once, and a program's output passes through a nameless
// file instead of memory.
//
// What it is not for: locks between hosts (the engine's own state lock is), and
// knowing what a program does.
package supervise

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// Variable is the environment variable that turns a process which calls Main
// into a supervisor. The program itself does not see it.
const Variable = "NESTOR_SUPERVISE"

// ErrSpec is wrapped by the errors of a Spec that cannot be run.
var ErrSpec = errors.New("invalid supervisor specification")

// DefaultGrace is how long a program may take to stop when it was asked to.
const DefaultGrace = 60 * time.Second

// PlanGrace is the same for one that was only to say what it would do: nothing is
// lost with it, and others wait for its turn.
const PlanGrace = 5 * time.Second

// Grace that a program gets of what is configured; 0 means DefaultGrace. plan says
// that it only plans.
func Grace(configured time.Duration, plan bool) time.Duration {
	grace := configured
	if grace <= 0 {
		grace = DefaultGrace
	}
	if plan {
		grace = min(grace, PlanGrace)
	}
	return grace
}

// Spec says what a supervisor runs and how it ends it.
type Spec struct {
	// Program is the path of the real program. Its arguments are the
	// supervisor's own.
	Program string `json:"program"`
	// Workspace is the directory whose lease the supervisor holds.
	Workspace string `json:"workspace"`
	// Insert is put behind the first argument, so that a library which builds
	// the arguments can be made to pass one that it does not know.
	Insert []string `json:"insert,omitempty"`
	// Known is what the program is known to print, by its arguments with a space
	// between each: it is printed, and the program is not run.
	Known map[string]string `json:"known,omitempty"`
	// Grace is how long the program may take to stop; 0 means DefaultGrace.
	Grace time.Duration `json:"grace,omitempty"`
	// Linger is how long the program may go on undisturbed after the worker
	// died, before it is asked to stop.
	Linger time.Duration `json:"linger,omitempty"`
	// Output is a file that keeps what the program writes to its standard
	// output; empty keeps nothing. It is complete even when everybody was
	// killed.
	Output string `json:"output,omitempty"`
	// Exit is a file that tells how the program ended (see Exit); empty writes
	// none.
	Exit string `json:"exit,omitempty"`
	// Parent is the process whose death ends the program; Environ sets it.
	Parent int `json:"parent"`
}

// Environ is the environment entry ("NAME=value") that makes a process which
// calls Main supervise s on behalf of this process.
func (s Spec) Environ() (name, value string, err error) {
	if s.Program == "" || s.Workspace == "" {
		return "", "", fmt.Errorf("%w: program and workspace are needed", ErrSpec)
	}
	s.Parent = os.Getpid()
	text, err := json.Marshal(s)
	if err != nil {
		return "", "", fmt.Errorf("%w: %w", ErrSpec, err)
	}
	return Variable, string(text), nil
}

// Command is the command that runs the program of s with args under a
// supervisor, which is the executable self (its main function calls Main). The
// environment is env and the specification. Canceling ctx asks the program to
// stop; Wait returns when it did.
func Command(ctx context.Context, self string, env []string, s Spec, args ...string) (*exec.Cmd, error) {
	name, value, err := s.Environ()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, args...) //nolint:gosec // running programs is what this package is for
	cmd.Env = append(append([]string{}, env...), name+"="+value)
	cmd.Dir = s.Workspace
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = s.grace() + killMargin
	return cmd, nil
}

// WaitDelay is how long the caller of a supervisor with that grace period must
// wait after asking it to stop before it may kill it.
func WaitDelay(grace time.Duration) time.Duration {
	return Spec{Grace: grace}.grace() + killMargin
}

// killMargin is what a supervisor gets beyond the grace period to kill its
// program, pass on the last output and end.
const killMargin = 15 * time.Second

func (s Spec) grace() time.Duration {
	if s.Grace <= 0 {
		return DefaultGrace
	}
	return s.Grace
}

// Exit tells how a supervised program ended.
type Exit struct {
	Code int `json:"code"`
	// Signal that killed it; empty when it ended by itself.
	Signal string `json:"signal,omitempty"`
	// Orphaned says that the worker had died before.
	Orphaned bool `json:"orphaned,omitempty"`
}

// ReadExit reads the file that a supervisor wrote at Spec.Exit. There is none
// (fs.ErrNotExist) while the program runs and when the supervisor was killed.
func ReadExit(path string) (Exit, error) {
	var e Exit
	text, err := os.ReadFile(path) //nolint:gosec // the caller's own Spec.Exit
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal(text, &e); err != nil {
		return e, fmt.Errorf("read exit record %s: %w", path, err)
	}
	return e, nil
}
