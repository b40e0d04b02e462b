// SPDX-License-Identifier: Apache-2.0

package scan_test

import (
	"testing"

	"github.com/HatiCode/nestor/bench/scan"
)

// TestRun: the floors that are always there are measured, and all contestants
// agree on what is in the tree. How fast they are is not a test's business.
func TestRun(t *testing.T) {
	t.Parallel()
	measurements, err := scan.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(measurements) != 3 {
		t.Fatalf("expected three floors, got %+v", measurements)
	}
	for _, m := range measurements[1:] {
		if m.Value <= 0 || m.Floor <= 0 || m.Ratio <= 0 {
			t.Errorf("not measured: %+v", m)
		}
	}
}
