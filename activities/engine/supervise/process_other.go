// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package supervise

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// startTime is not known here, so a pid that was used again counts as alive:
// nothing is ever called dead that may live.
func startTime(pid int) (string, error) {
	err := syscall.Kill(pid, 0)
	if errors.Is(err, syscall.ESRCH) {
		return "", fmt.Errorf("process %d: %w", pid, os.ErrNotExist)
	}
	return "unknown", nil
}

// groupHolds cannot be told here; what a dead program left behind is then left
// to end by itself.
func groupHolds(int, string) (bool, error) { return false, nil }
