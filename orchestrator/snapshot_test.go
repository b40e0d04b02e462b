// SPDX-License-Identifier: Apache-2.0

package orchestrator_test

import (
	"testing"

	"github.com/HatiCode/nestor/orchestrator"
)

func TestSnapshotNames(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		node   string
		n      int64
		reason string
	}{
		orchestrator.SnapshotName("web.database", 3): {"web.database", 3, "it is read as it is written"},
		"web.database":              {reason: "a node's"},
		"web.snapshot-3":            {reason: "a node may be called like that: its id has one dot"},
		"web.database.snapshot-":    {reason: "of no deployment"},
		"web.database.snapshot-0":   {reason: "deployments count from 1"},
		"web.database.snapshot-03":  {reason: "nobody writes it like that"},
		"web.database.snapshot-3.x": {reason: "something follows"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			node, n, is := orchestrator.ParseSnapshotName(name)
			if node != tc.node || n != tc.n || is != (tc.n > 0) {
				t.Errorf("%s: got %q, %d, %t", tc.reason, node, n, is)
			}
		})
	}
}
