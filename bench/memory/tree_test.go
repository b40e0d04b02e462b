// SPDX-License-Identifier: Apache-2.0

package memory_test

import (
	"context"
	"os"
	"os/exec"
	"testing"

	"github.com/HatiCode/nestor/bench/memory"
)

func TestSampleSeesDescendants(t *testing.T) {
	t.Parallel()
	// A shell with a child of its own, both held until their input ends.
	command := exec.CommandContext(t.Context(), "/bin/sh", "-c", "cat; :")
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := input.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	// cat has answered, so it runs.
	if _, err := output.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	got, err := memory.Sample(command.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	programs, err := memory.ByProgram(command.Process.Pid)
	if err != nil || len(programs) != 2 || programs["cat"] == 0 || programs["sh"] == 0 {
		t.Errorf("by program: %v, %v", programs, err)
	}
	if got.Processes != 2 || got.Resident == 0 || got.Proportional == 0 || got.Proportional > got.Resident {
		t.Errorf("a shell and its child take %+v", got)
	}
	if err := input.Close(); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestPeakIsAtLeastNow(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	got, err := memory.Peak(ended, os.Getpid())
	if err != nil || got.Resident == 0 || got.Processes < 1 {
		t.Errorf("this process takes %+v, %v", got, err)
	}
}
