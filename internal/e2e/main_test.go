// SPDX-License-Identifier: Apache-2.0

// Package e2e tests deployments from the request to the infrastructure, on real
// parts: the Temporal dev server, SQLite, workers and OpenTofu.
package e2e_test

import (
	"os"
	"testing"

	"github.com/HatiCode/nestor/activities/engine/supervise"
)

func TestMain(m *testing.M) {
	if supervise.Main() {
		return
	}
	// The secrets that compositions of these tests refer to.
	if err := os.Setenv("NESTOR_SECRET_ALPHA__CANARY", canary); err != nil {
		panic(err)
	}
	if err := os.Setenv("NESTOR_SECRET_ALPHA__LINES", canaryLines); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
