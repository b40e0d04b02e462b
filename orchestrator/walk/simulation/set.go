// SPDX-License-Identifier: Apache-2.0

package simulation

import "math/bits"

// maxNodes is how many nodes a scenario can have: one per bit of a set.
const maxNodes = 64

// set of nodes, by their places in the order of ids.
type set uint64 //nolint:recvcheck // put alone changes a set

func one(i int) set { return 1 << i }

func (s set) has(i int) bool { return s&one(i) != 0 }

func (s set) size() int { return bits.OnesCount64(uint64(s)) }

// first place in a set that is not empty.
func (s set) first() int { return bits.TrailingZeros64(uint64(s)) }

// rest is the set without its first place.
func (s set) rest() set { return s & (s - 1) }

// put adds a place, or takes it out.
func (s *set) put(i int, in bool) {
	if in {
		*s |= one(i)
	} else {
		*s &^= one(i)
	}
}
