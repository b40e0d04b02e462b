// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// call a program to its end.
func call(ctx context.Context, dir string, environ []string, program string, args ...string) error {
	command := exec.CommandContext(ctx, program, args...) //nolint:gosec // the repository's own programs
	command.Dir, command.Env = dir, environ
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", filepath.Base(program), args[0], err, output)
	}
	return nil
}
