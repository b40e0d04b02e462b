// SPDX-License-Identifier: Apache-2.0

package pulumi

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/HatiCode/nestor/activities/engine/supervise"
)

// orphans are the processes that work for a workspace. There are none while a
// supervisor lives: it has a program, or clears up behind one.
func orphans(workspace string) []int {
	paths, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return nil
	}
	mark := []byte(workspaceVariable + "=" + workspace)
	var pids []int
	for _, path := range paths {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil || pid == os.Getpid() {
			continue
		}
		text, err := os.ReadFile(path) //nolint:gosec // the kernel's
		if err != nil {
			continue // it has ended, or is somebody else's
		}
		environ := bytes.Split(text, []byte{0})
		if !slices.ContainsFunc(environ, func(e []byte) bool { return bytes.Equal(e, mark) }) {
			continue
		}
		if slices.ContainsFunc(environ, func(e []byte) bool { return bytes.HasPrefix(e, []byte(supervise.Variable+"=")) }) {
			return nil
		}
		pids = append(pids, pid)
	}
	return pids
}

// kill a process. One that has ended meanwhile is what was wanted.
func kill(pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) }
