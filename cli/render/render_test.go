// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"testing"

	"github.com/HatiCode/nestor/cli/render"
)

func TestSeveral(t *testing.T) {
	t.Parallel()
	for want, names := range map[string][]string{
		"":                   nil,
		"a":                  {"a"},
		"a and b":            {"a", "b"},
		"a, b and c":         {"a", "b", "c"},
		"a, b and 2 others":  {"a", "b", "c", "d"},
		"a, b and 10 others": {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"},
	} {
		if got := render.Several(names); got != want {
			t.Errorf("%v: %q, not %q", names, got, want)
		}
	}
}
