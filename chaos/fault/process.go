// SPDX-License-Identifier: Apache-2.0

// Package fault holds what the harness can do to a process, to a connection and
// to the store: kill, pause, partition, and hold the lock of the writer.
//
// It decides neither what is disturbed nor when.
package fault

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// ErrGone says that the process had ended already.
var ErrGone = errors.New("the process is gone")

// Kill ends a process with SIGKILL.
func Kill(pid int) error { return signal(pid, syscall.SIGKILL) }

// Pause stops a process with SIGSTOP for a time, or until the context ends, and
// lets it go on with SIGCONT. A process that ends meanwhile is no error.
func Pause(ctx context.Context, pid int, d time.Duration) error {
	if err := signal(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	if err := signal(pid, syscall.SIGCONT); err != nil && !errors.Is(err, ErrGone) {
		return err
	}
	return nil
}

func signal(pid int, s syscall.Signal) error {
	err := syscall.Kill(pid, s)
	if errors.Is(err, syscall.ESRCH) {
		return ErrGone
	}
	if err != nil {
		return fmt.Errorf("signal %s to process %d: %w", s, pid, err)
	}
	return nil
}

// Process is one that works in a directory.
type Process struct {
	PID  int
	Name string // as the kernel has it, at most 15 bytes
}
