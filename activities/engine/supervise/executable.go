// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"fmt"
	"os"
	"path/filepath"
)

// Program is the name of the small supervisor that Executable prefers.
const Program = "nestor-supervisor"

// Executable is what to run as a supervisor: Program beside this process's own
// executable or, where there is none, that executable itself, whose main must
// call Main. A worker that knows every engine is a hundred times the size of
// what a supervisor needs, and each program at work has one.
func Executable() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find own executable: %w", err)
	}
	small := filepath.Join(filepath.Dir(self), Program)
	if info, err := os.Stat(small); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
		return small, nil
	}
	return self, nil
}
