// SPDX-License-Identifier: Apache-2.0

package walk //nolint:testpackage // a shape is no part of the API

import "testing"

func TestDepth(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		shape  shape
		nodes  int
		depth  int
	}{
		"chain":    {"one after the other", chain(7), 7, 7},
		"wide":     {"all at once", wide(9), 9, 1},
		"diamonds": {"two levels for each diamond after the first node", diamonds(3, 4), 1 + 3*5, 1 + 3*2},
		"random":   {"the same graph every time", random(100), 100, 11},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.shape.nodes != test.nodes || test.shape.depth() != test.depth {
				t.Errorf("%s: %d nodes, %d deep, want %d and %d", test.reason, test.shape.nodes, test.shape.depth(), test.nodes, test.depth)
			}
			if spec := test.shape.composition("step"); len(spec.Resources) != test.nodes || len(spec.Dependencies) != len(test.shape.edges) {
				t.Errorf("%s: the composition has %d resources and %d dependencies", test.reason, len(spec.Resources), len(spec.Dependencies))
			}
		})
	}
}
