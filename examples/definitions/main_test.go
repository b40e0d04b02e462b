// SPDX-License-Identifier: Apache-2.0

// Package definitions_test runs the examples of the platform teams' guide, each
// with its real engine, and holds the guide to the examples.
package definitions_test

import (
	"os"
	"testing"

	"github.com/HatiCode/nestor/activities/engine/supervise"
	"github.com/HatiCode/nestor/internal/testkube"
)

// TestMain makes this binary a supervisor of the engines' programs as well.
func TestMain(m *testing.M) {
	if supervise.Main() {
		return
	}
	// The secret that the composition of the adoption refers to.
	if err := os.Setenv("NESTOR_SECRET_ALPHA__TAKEN", takenPassword); err != nil {
		panic(err)
	}
	os.Exit(testkube.Main(m))
}
