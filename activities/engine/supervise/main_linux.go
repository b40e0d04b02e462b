// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// parentDied is the signal that the kernel sends when the worker dies.
const parentDied = syscall.SIGUSR2

// followParent replaces the death signal that the starter chose (terraform-exec
// asks for SIGKILL) by one that can be handled. The attribute belongs to the
// main thread, so it has to be set there.
func followParent() error {
	if unix.Gettid() != os.Getpid() {
		// The runtime moved this goroutine before it was locked: rare. Executing
		// again makes the calling thread the main one.
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find own executable: %w", err)
		}
		return fmt.Errorf("execute again: %w", syscall.Exec(self, os.Args, os.Environ())) //nolint:gosec // its own path
	}
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(parentDied), 0, 0, 0); err != nil {
		return fmt.Errorf("follow the worker: %w", err)
	}
	return nil
}

// outputFile takes a program's output: a file that is kept, or memory, since
// output may hold secrets.
func outputFile(path string) (*os.File, error) {
	if path != "" {
		return openOutput(path)
	}
	fd, err := unix.MemfdCreate("nestor-output", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create output buffer: %w", err)
	}
	return os.NewFile(uintptr(fd), "output"), nil
}
