// SPDX-License-Identifier: Apache-2.0

package memory_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/HatiCode/nestor/bench/memory"
)

// TestProcessor: a process that works is seen to have worked.
func TestProcessor(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for work := 0; time.Now().Before(deadline); work++ {
		if work%1_000_000 != 0 {
			continue
		}
		used, err := memory.Processor(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if used[filepath.Base(self)] >= 20*time.Millisecond {
			return
		}
	}
	t.Error("ten seconds of work took no processor time")
}
