// SPDX-License-Identifier: Apache-2.0

package chaos_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/HatiCode/nestor/bench/chaos"
)

// harness that prints what it is told to.
func harness(t *testing.T, says string) (bin string) {
	t.Helper()
	bin = t.TempDir()
	if err := os.Mkdir(filepath.Join(bin, "harness"), 0o700); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\ncat <<'END'\n" + says + "END\nexit 1\n"
	if err := os.WriteFile(filepath.Join(bin, "harness", "chaos"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return bin
}

func TestFigures(t *testing.T) {
	t.Parallel()
	found, err := chaos.Run(t.Context(), harness(t, `DISTURBANCE  POINTS
p99 with Temporal killed  11.20 s, not judged: its start, and heartbeats that run out
seed                  7
points                41
duplicates            0
lost                  0
orphans               2
locks                 0
leaks                 0
p99 stall             2.41 s, but for Temporal killed
orphan: it.n00001
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range found {
		if m.Over() != (m.Name == "side effects: orphans") || m.Note != "41 disturbances, seed 7" {
			t.Errorf("%+v: over is %t", m, m.Over())
		}
	}
	if len(found) != 7 {
		t.Errorf("%d figures", len(found))
	}
}

func TestFiguresMissing(t *testing.T) {
	t.Parallel()
	if _, err := chaos.Run(t.Context(), harness(t, "seed  7\nlost  0\n")); err == nil || !strings.Contains(err.Error(), "duplicates") {
		t.Errorf("got %v", err)
	}
	if _, err := chaos.Run(t.Context(), t.TempDir()); err == nil || !strings.Contains(err.Error(), "make bench") {
		t.Errorf("got %v", err)
	}
}
