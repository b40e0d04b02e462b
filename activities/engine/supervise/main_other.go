// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package supervise

import (
	"fmt"
	"os"
	"syscall"
)

// parentDied is never sent here: the supervisor looks at its parent now and
// then instead.
const parentDied = syscall.SIGUSR2

func followParent() error { return nil }

// outputFile takes a program's output: a file that is kept, or one without a
// name.
func outputFile(path string) (*os.File, error) {
	if path != "" {
		return openOutput(path)
	}
	f, err := os.CreateTemp("", "nestor-output-*")
	if err != nil {
		return nil, fmt.Errorf("create output buffer: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, fmt.Errorf("create output buffer: %w", err)
	}
	return f, nil
}
