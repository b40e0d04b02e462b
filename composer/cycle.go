// SPDX-License-Identifier: Apache-2.0

package composer

import (
	"slices"
	"strings"
)

// findCycle returns the names on a cycle of needs, in the order of work (each
// is needed by the next, the last by the first), or nil. needs maps a name to
// those that come before it. The answer begins with its smallest name and does
// not depend on the map's order.
func findCycle(needs map[string][]string) []string {
	const (
		open = iota + 1
		done
	)
	state := make(map[string]int, len(needs))
	var stack, cycle []string
	var visit func(string) bool
	visit = func(name string) bool {
		state[name] = open
		stack = append(stack, name)
		for _, before := range slices.Sorted(slices.Values(needs[name])) {
			switch state[before] {
			case done:
			case open:
				cycle = slices.Clone(stack[slices.Index(stack, before):])
				return true
			default:
				if visit(before) {
					return true
				}
			}
		}
		stack = stack[:len(stack)-1]
		state[name] = done
		return false
	}
	for _, name := range sortedKeys(needs) {
		if state[name] == 0 && visit(name) {
			break
		}
	}
	if cycle == nil {
		return nil
	}
	slices.Reverse(cycle)
	smallest := slices.Index(cycle, slices.Min(cycle))
	return slices.Concat(cycle[smallest:], cycle[:smallest])
}

// cycleMessage is "cycle: a → b → c → a".
func cycleMessage(cycle []string) string {
	return "cycle: " + strings.Join(append(slices.Clone(cycle), cycle[0]), " → ")
}
