// SPDX-License-Identifier: Apache-2.0

package dev_test

import (
	"os"
	"path/filepath"
	"testing"
)

// TestMain lets the test binary play the programs of a platform when it is
// called by their names; see program_test.go.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "temporal":
		os.Exit(playTemporal(os.Args[1:]))
	case "nestor-api":
		os.Exit(playAPI())
	case "nestor-worker":
		os.Exit(playWorker())
	case "nestor-dev":
		os.Exit(playDev(os.Args[1:]))
	}
	os.Exit(m.Run())
}
