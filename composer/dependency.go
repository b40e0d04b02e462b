// SPDX-License-Identifier: Apache-2.0

package composer

import (
	"fmt"
	"strings"

	"github.com/HatiCode/nestor/catalog"
)

// Edge says that To needs From.
type Edge struct {
	From string
	To   string
}

// ParseDependency reads "a → b" or "a -> b", and chains of them such as
// "a → b → c", into edges in the order written. It checks the names' form, not
// whether they exist, and refuses an edge from a name to itself.
func ParseDependency(s string) ([]Edge, error) {
	parts := strings.Split(strings.ReplaceAll(s, "→", "->"), "->")
	if len(parts) < 2 {
		return nil, fmt.Errorf("dependency %q has no arrow; write \"a → b\" or \"a -> b\" when b needs a", clip(s))
	}
	for i, p := range parts {
		parts[i] = strings.TrimSpace(p)
		if parts[i] == "" {
			return nil, fmt.Errorf("dependency %q lacks a name beside an arrow; write \"a → b\" when b needs a", clip(s))
		}
		if err := catalog.CheckName("resource", parts[i]); err != nil {
			return nil, fmt.Errorf("dependency %q: %w", clip(s), err)
		}
	}
	edges := make([]Edge, 0, len(parts)-1)
	for i := range len(parts) - 1 {
		if parts[i] == parts[i+1] {
			return nil, fmt.Errorf("%q depends on itself; remove %q", parts[i], clip(s))
		}
		edges = append(edges, Edge{From: parts[i], To: parts[i+1]})
	}
	return edges, nil
}
