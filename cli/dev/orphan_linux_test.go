// SPDX-License-Identifier: Apache-2.0

package dev_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/HatiCode/nestor/cli/dev"
)

func atoi(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestKillLeavesNoOrphan kills a whole `nestor dev` and looks for its children.
func TestKillLeavesNoOrphan(t *testing.T) {
	t.Parallel()
	p := &platform{output: &lines{}}
	p.options.DataDir = filepath.Join(t.TempDir(), "data")
	command := exec.CommandContext(t.Context(), filepath.Join(programDir(t), "nestor-dev"), p.options.DataDir)
	command.Stdout, command.Stderr = p.output, p.output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	p.ready(t)
	if err := command.Process.Signal(os.Kill); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err == nil {
		t.Error("the killed process ended without an error")
	}
	p.until(t, "no child is left", func() bool {
		for _, all := range pids(t, p.options.DataDir) {
			for _, pid := range all {
				if running(pid) {
					return false
				}
			}
		}
		return true
	})

	// What was left behind does not stand in the way of the next one.
	next := run(t, func(o *dev.Options) { o.DataDir = p.options.DataDir })
	next.ready(t)
}
