// SPDX-License-Identifier: Apache-2.0

package site //nolint:testpackage // what programs are given is no part of the API

import (
	"strings"
	"testing"

	"github.com/HatiCode/nestor/internal/codec"
)

// TestEnviron: whatever the harness's own environment says, a secret in what
// Temporal keeps can be found.
func TestEnviron(t *testing.T) {
	t.Setenv(codec.Variable, "on")
	variables := map[string]string{}
	for _, entry := range (&Site{}).environ() {
		name, value, _ := strings.Cut(entry, "=")
		variables[name] = value
	}
	encrypts, err := codec.Enabled(func(name string) string { return variables[name] })
	if err != nil || encrypts {
		t.Errorf("payloads are encrypted: %t, %v", encrypts, err)
	}
}

// TestLosses: what is to cost a lease outlasts it.
func TestLosses(t *testing.T) {
	t.Parallel()
	if shortestLoss <= leaseTTL || longestHold <= shortestLoss || longestPause <= leaseTTL {
		t.Errorf("a lease lasts %s, and holds %s to %s, pauses up to %s", leaseTTL, shortestLoss, longestHold, longestPause)
	}
}
