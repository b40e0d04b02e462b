// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// CodeSignal plus the signal's number is the exit code of a supervisor whose
// program was killed by it.
const CodeSignal = 128

// codeFailed is the exit code of a supervisor that could not do its work.
const codeFailed = 125

const (
	pollOutput = 20 * time.Millisecond
	pollParent = 250 * time.Millisecond
)

// lockPatience bounds the wait for a lease that should be free.
const lockPatience = 10 * time.Second

var errParentDied = errors.New("the worker died before its program was started")

// Main makes this process a supervisor if it was started as one. It must be the
// first thing that main (or TestMain) does. It returns false when the process
// is no supervisor; otherwise it does the supervisor's work and then returns
// true if the program ended with 0, and exits with the program's code if not.
func Main() (handled bool) {
	text, ok := os.LookupEnv(Variable)
	if !ok {
		return false
	}
	// The death of the parent is told to the main thread.
	runtime.LockOSThread()
	code, err := supervise(text)
	if err != nil {
		fmt.Fprintf(os.Stderr, "nestor supervisor: %v\n", err)
	}
	if code != 0 {
		os.Exit(code)
	}
	return true
}

func supervise(text string) (int, error) {
	var spec Spec
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		return codeFailed, fmt.Errorf("%w: %w", ErrSpec, err)
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, parentDied, syscall.SIGPIPE)
	if err := followParent(); err != nil {
		return codeFailed, err
	}
	if os.Getppid() != spec.Parent {
		return codeFailed, errParentDied
	}
	if err := os.Unsetenv(Variable); err != nil {
		return codeFailed, err
	}
	if text, known := spec.Known[strings.Join(os.Args[1:], " ")]; known {
		_, err := io.WriteString(os.Stdout, text)
		return 0, err
	}
	s := &supervisor{spec: spec, signals: signals}
	return s.run()
}

type supervisor struct {
	spec     Spec
	signals  chan os.Signal
	cmd      *exec.Cmd
	done     chan error
	orphaned bool
	asked    bool
	killed   bool
}

func (s *supervisor) run() (int, error) {
	lease, err := openLock(leasePath(s.spec.Workspace))
	if err != nil {
		return codeFailed, err
	}
	if err := s.lock(lease); err != nil {
		return codeFailed, err
	}
	if os.Getppid() != s.spec.Parent {
		return codeFailed, errParentDied
	}
	stdout, err := outputFile(s.spec.Output)
	if err != nil {
		return codeFailed, err
	}
	stderr, err := outputFile("")
	if err != nil {
		return codeFailed, err
	}
	if err := s.start(lease, stdout, stderr); err != nil {
		return codeFailed, err
	}
	copies := []*copier{follow(stdout, os.Stdout), follow(stderr, os.Stderr)}
	waitErr := s.watch()
	state := s.cmd.ProcessState
	if state == nil {
		return codeFailed, fmt.Errorf("wait for %s: %w", s.spec.Program, waitErr)
	}
	code, ended := outcome(state, s.killed)
	ended.Orphaned = s.orphaned
	if ended.Signal != "" {
		s.killGroup()
	}
	err = s.record(ended)
	if ended.Signal == "" {
		// It ended by itself, so the work is over even if it left a daemon
		// behind that has inherited the lease's descriptor.
		err = errors.Join(err, unix.Flock(int(lease.Fd()), unix.LOCK_UN))
	}
	for _, c := range copies {
		c.finish()
	}
	return code, err
}

// lock takes the lease, which the worker has found free. A process that the
// worker is just starting can hold a copy of the worker's descriptor for a
// moment, hence the wait.
func (s *supervisor) lock(lease *os.File) error {
	ctx, cancel := context.WithTimeout(context.Background(), lockPatience)
	defer cancel()
	err := lockWait(ctx, lease, func() error { return nil })
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	holder, readErr := ReadHolder(s.spec.Workspace)
	return errors.Join(fmt.Errorf("the workspace's lease is held by %s", holder), readErr)
}

// start runs the program in a process group of its own, with the lease as an
// inherited descriptor.
func (s *supervisor) start(lease, stdout, stderr *os.File) error {
	args := os.Args[1:]
	verb := ""
	if len(args) > 0 {
		verb = args[0]
		args = append(append([]string{verb}, s.spec.Insert...), args[1:]...)
	}
	self, err := Self()
	if err != nil {
		return err
	}
	//nolint:noctx,gosec // the supervisor itself is what stops the program; running it is its purpose
	s.cmd = exec.Command(s.spec.Program, args...)
	s.cmd.Stdout, s.cmd.Stderr = stdout, stderr
	s.cmd.ExtraFiles = []*os.File{lease}
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.spec.Program, err)
	}
	s.done = make(chan error, 1)
	go func() { s.done <- s.cmd.Wait() }()
	holder := Holder{
		Lease: self, Engine: s.cmd.Process.Pid, Program: s.spec.Program, Verb: verb, Since: time.Now().UTC(),
	}
	// Without its start time a program that lives would be taken for dead, so
	// it must not run. One that has ended already has none, and needs none.
	holder.EngineStart, err = startTime(holder.Engine)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		err = nil
	}
	if err == nil {
		err = writeHolder(lease, holder)
	}
	if err != nil {
		s.killGroup()
		return errors.Join(err, <-s.done)
	}
	return nil
}

// watch returns when the program has ended.
func (s *supervisor) watch() error {
	parent := time.NewTicker(pollParent)
	defer parent.Stop()
	var linger, grace <-chan time.Time
	ask := func() {
		if !s.asked {
			s.asked = true
			grace = time.After(s.spec.grace())
			s.interrupt()
		}
	}
	orphan := func() {
		if !s.orphaned && os.Getppid() != s.spec.Parent {
			s.orphaned = true
			linger = time.After(s.spec.Linger)
		}
	}
	for {
		select {
		case err := <-s.done:
			return err
		case sig := <-s.signals:
			switch sig {
			case parentDied:
				orphan()
			case syscall.SIGPIPE:
			default:
				ask()
			}
		case <-parent.C:
			orphan()
		case <-linger:
			ask()
		case <-grace:
			s.killed = true
			s.killGroup()
		}
	}
}

// interrupt tells the program alone: it stops its children itself.
func (s *supervisor) interrupt() {
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		fmt.Fprintf(os.Stderr, "nestor supervisor: interrupt %s: %v\n", s.spec.Program, err)
	}
}

func (s *supervisor) killGroup() {
	if err := syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		fmt.Fprintf(os.Stderr, "nestor supervisor: kill %s: %v\n", s.spec.Program, err)
	}
}

func (s *supervisor) record(e Exit) error {
	if s.spec.Exit == "" {
		return nil
	}
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	temporary := s.spec.Exit + ".new"
	if err := os.WriteFile(temporary, text, 0o600); err != nil {
		return fmt.Errorf("record exit: %w", err)
	}
	if err := os.Rename(temporary, s.spec.Exit); err != nil {
		return fmt.Errorf("record exit: %w", err)
	}
	return nil
}

func outcome(state *os.ProcessState, killed bool) (int, Exit) {
	status, ok := state.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		return CodeSignal + int(status.Signal()), Exit{Code: CodeSignal + int(status.Signal()), Signal: status.Signal().String()}
	}
	e := Exit{Code: state.ExitCode()}
	if killed {
		e.Signal = syscall.SIGKILL.String() // its children were killed, if not itself
	}
	return e.Code, e
}

func writeHolder(f *os.File, h Holder) error {
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("write lease: %w", err)
	}
	if _, err := f.WriteAt(append(text, '\n'), 0); err != nil {
		return fmt.Errorf("write lease: %w", err)
	}
	return nil
}

// copier passes on what grows in a file.
type copier struct {
	from   *os.File
	to     io.Writer
	offset int64
	stop   chan struct{}
	ended  chan struct{}
}

func follow(from *os.File, to io.Writer) *copier {
	c := &copier{from: from, to: to, stop: make(chan struct{}), ended: make(chan struct{})}
	go c.run()
	return c
}

func (c *copier) run() {
	defer close(c.ended)
	ticker := time.NewTicker(pollOutput)
	defer ticker.Stop()
	for {
		select {
		case <-c.stop:
			c.pass()
			return
		case <-ticker.C:
			c.pass()
		}
	}
}

// finish passes on the rest.
func (c *copier) finish() {
	close(c.stop)
	<-c.ended
}

func (c *copier) pass() {
	n, err := io.Copy(c.to, io.NewSectionReader(c.from, c.offset, 1<<62))
	c.offset += n
	if err != nil {
		c.to = io.Discard // the worker is gone; the program goes on
	}
}
