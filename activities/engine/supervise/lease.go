// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/HatiCode/nestor/orchestrator"
)

// The files of a workspace that belong to this package.
const (
	leaseFile = "lease" // locked by the supervisor, its program and its children
	turnFile  = "turn"  // locked by the worker's attempt
)

// Intervals of waiting.
const (
	pollLock    = 25 * time.Millisecond
	reportEvery = 5 * time.Second
)

func leasePath(workspace string) string { return filepath.Join(workspace, leaseFile) }

// Holder is who holds, or last held, a workspace's lease.
type Holder struct {
	orchestrator.Lease           // the supervisor
	Engine             int       `json:"engine,omitempty"` // pid of the program
	EngineStart        string    `json:"engineStart,omitempty"`
	Program            string    `json:"program,omitempty"`
	Verb               string    `json:"verb,omitempty"` // the program's first argument
	Since              time.Time `json:"since,omitzero"`
}

func (h Holder) String() string {
	if h.PID == 0 {
		return "another attempt of this worker or of one beside it"
	}
	return fmt.Sprintf("%s %s (pid %d on %s, since %s)",
		filepath.Base(h.Program), h.Verb, h.Engine, h.Host, h.Since.UTC().Format(time.RFC3339))
}

// Occupant is the program that holds the lease; nil where nobody knows which.
func (h Holder) Occupant() *orchestrator.Occupant {
	if h.PID == 0 {
		return nil
	}
	o := &orchestrator.Occupant{Host: h.Host, PID: h.PID, Program: h.Program, Since: h.Since}
	if h.Engine != 0 {
		o.PID = h.Engine
	}
	return o
}

// Turn is the right of one attempt to work in a workspace. Nothing else starts
// a program there, and no program of an earlier attempt is alive.
type Turn struct {
	file      *os.File
	workspace string
}

// Await waits, as Acquire does, until every program that was started in this
// turn is dead. A supervisor that was killed may have left one behind.
func (t *Turn) Await(ctx context.Context, waiting func(Holder)) error {
	return awaitDeath(ctx, t.workspace, reporter(waiting))
}

// Name identifies the turn among all that there are since this machine started:
// while one is held, no other file has its name. Two attempts with one name
// cannot be at work at once.
func (t *Turn) Name() (string, error) {
	if t.file == nil {
		return "", errors.New("name turn: it was released")
	}
	boot, err := bootID()
	if err != nil {
		return "", err
	}
	info, err := t.file.Stat()
	if err != nil {
		return "", fmt.Errorf("name turn: %w", err)
	}
	file, ok := info.Sys().(*syscall.Stat_t)
	if !ok || boot == "" {
		return "", nil // it has none that would prove anything
	}
	return fmt.Sprintf("%s/%d/%d", boot, file.Dev, file.Ino), nil
}

// Release ends the turn. It is safe to call it twice.
func (t *Turn) Release() error {
	if t.file == nil {
		return nil
	}
	err := t.file.Close() // gives the flock back: the descriptor was never shared
	t.file = nil
	return err
}

// Acquire waits until no other attempt works in the workspace and every program
// of earlier ones is dead, and takes the turn. The directory must exist. While
// it waits it calls waiting, at once and then every few seconds, with who it
// waits for. When ctx ends first, a program whose worker died is asked to stop,
// and ctx's error is returned.
func Acquire(ctx context.Context, workspace string, waiting func(Holder)) (*Turn, error) {
	turn, err := openLock(filepath.Join(workspace, turnFile))
	if err != nil {
		return nil, err
	}
	report := reporter(waiting)
	if err := lockWait(ctx, turn, func() error { report(Holder{}); return nil }); err != nil {
		return nil, errors.Join(err, turn.Close())
	}
	if err := awaitDeath(ctx, workspace, report); err != nil {
		return nil, errors.Join(err, turn.Close())
	}
	return &Turn{file: turn, workspace: workspace}, nil
}

// awaitDeath returns once the lease is free. The caller holds the turn, so
// nobody takes the lease in between.
func awaitDeath(ctx context.Context, workspace string, report func(Holder)) error {
	lease, err := openLock(leasePath(workspace))
	if err != nil {
		return err
	}
	left := orphans{workspace: workspace}
	err = lockWait(ctx, lease, func() error {
		holder, readErr := ReadHolder(workspace)
		if readErr != nil {
			holder = Holder{} // it is being written; the next report tells more
		}
		report(holder)
		return left.clear()
	})
	if ctx.Err() != nil && err != nil {
		err = errors.Join(err, interrupt(workspace))
	}
	return errors.Join(err, lease.Close())
}

// interrupt asks the program that holds the lease to stop, through its
// supervisor if that lives. A program without one is asked once only: a second
// interrupt would make it end with its state unwritten.
func interrupt(workspace string) error {
	holder, err := ReadHolder(workspace)
	if err != nil || holder.PID == 0 {
		return err
	}
	if alive, known := Alive(holder.Lease); alive && known {
		return signalTo(holder.PID, holder)
	}
	program := holder.Lease
	program.PID, program.StartTime = holder.Engine, holder.EngineStart
	if alive, known := Alive(program); !alive || !known {
		return nil
	}
	marker := fmt.Sprintf("asked-%d-%s", program.PID, program.StartTime)
	f, err := os.OpenFile(filepath.Join(workspace, marker), os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // inside the workspace
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("stop %s: %w", holder, err)
	}
	return errors.Join(f.Close(), signalTo(program.PID, holder))
}

func signalTo(pid int, holder Holder) error {
	if err := syscall.Kill(pid, syscall.SIGINT); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop %s: %w", holder, err)
	}
	return nil
}

// ReadHolder reads who holds the workspace's lease, or held it last. The zero
// Holder means that nobody ever did.
func ReadHolder(workspace string) (Holder, error) {
	var h Holder
	text, err := os.ReadFile(leasePath(workspace))
	if errors.Is(err, fs.ErrNotExist) {
		return h, nil
	}
	if err != nil {
		return h, fmt.Errorf("read lease: %w", err)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return h, nil
	}
	if err := json.Unmarshal(text, &h); err != nil {
		return h, fmt.Errorf("read lease of %s: %w", workspace, err)
	}
	return h, nil
}

// Self is this process as a lease names it.
func Self() (orchestrator.Lease, error) { return Process(os.Getpid()) }

// Process is a living process of this host as a lease names it. The error wraps
// fs.ErrNotExist when there is none with that pid.
func Process(pid int) (orchestrator.Lease, error) {
	l, err := here()
	if err != nil {
		return orchestrator.Lease{}, err
	}
	start, err := startTime(pid)
	if err != nil {
		return orchestrator.Lease{}, fmt.Errorf("read start time of process %d: %w", pid, err)
	}
	l.PID, l.StartTime = pid, start
	return l, nil
}

// here is what the leases of all processes have in common that can be seen from
// this one.
func here() (orchestrator.Lease, error) {
	host, err := os.Hostname()
	if err != nil {
		return orchestrator.Lease{}, fmt.Errorf("read host name: %w", err)
	}
	boot, err := bootID()
	if err != nil {
		return orchestrator.Lease{}, err
	}
	namespace, err := pidNamespace()
	if err != nil {
		return orchestrator.Lease{}, err
	}
	return orchestrator.Lease{Host: host, Machine: machineID(namespace), BootID: boot, PIDNamespace: namespace}, nil
}

// Alive says whether the process that a lease names still runs. known is false
// when that cannot be told, as for a process of another machine or of another
// container; it is then to be taken for alive. A host's name proves nothing:
// pods keep theirs when they move.
func Alive(l orchestrator.Lease) (alive, known bool) {
	self, err := here()
	if err != nil {
		return true, false
	}
	seen, over := sight(self, l)
	if over || !seen {
		return !over, over
	}
	start, err := startTime(l.PID)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return false, true
	}
	if err != nil {
		return true, false
	}
	return start == l.StartTime, true
}

// sight says whether the process of a lease can be seen from here if it lives,
// or is over since its machine, which is this one, has started again.
func sight(self, l orchestrator.Lease) (seen, over bool) {
	if l.Host != self.Host || l.BootID == "" || self.BootID == "" {
		return false, false
	}
	if l.BootID != self.BootID {
		return false, self.Machine != "" && l.Machine == self.Machine
	}
	return l.PIDNamespace != "" && l.PIDNamespace == self.PIDNamespace, false
}

// dead says that a process is provably dead.
func dead(l orchestrator.Lease) bool {
	alive, known := Alive(l)
	return known && !alive
}

func openLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // a fixed name inside the workspace
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	return f, nil
}

// tryLock takes the exclusive flock of f if nobody has it.
func tryLock(f *os.File) (bool, error) {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EWOULDBLOCK):
			return false, nil
		default:
			return false, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
	}
}

// lockWait polls, because a blocking flock cannot be canceled.
func lockWait(ctx context.Context, f *os.File, busy func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ticker := time.NewTicker(pollLock)
	defer ticker.Stop()
	for {
		ok, err := tryLock(f)
		if err != nil || ok {
			return err
		}
		if err := busy(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// reporter calls waiting at most every few seconds for the same holder.
func reporter(waiting func(Holder)) func(Holder) {
	var last Holder
	var at time.Time
	return func(h Holder) {
		if waiting == nil || (h == last && !at.IsZero() && time.Since(at) < reportEvery) {
			return
		}
		last, at = h, time.Now()
		waiting(h)
	}
}
