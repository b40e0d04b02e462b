// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"strings"
	"unicode/utf8"
)

// MaxPayload bounds everything that crosses a Temporal boundary at once, in
// bytes of JSON. The bounds below keep below it what grows with a graph, an
// application or an error; the tests' servers refuse what is larger.
const MaxPayload = 256 << 10

// Bounds of what grows, in bytes of JSON.
const (
	// MaxResidue and MaxSkipped are of the lists in a FinishInput. Nothing is
	// lost by them: each node that is left has its head, and each that ran its
	// run.
	MaxResidue = 96 << 10
	MaxSkipped = 32 << 10
	// MaxMessage is of one error's text.
	MaxMessage = 4 << 10
	// MaxRecent is of the answers that an Application workflow remembers. The
	// registry knows every request, so that one that is forgotten here gets its
	// answer a little later.
	MaxRecent = 64 << 10
)

// MaxOpen bounds the deployments of one application that are not over: those
// that run and those that wait.
const MaxOpen = 200

// Fitting counts the items at the beginning of a list that fit into limit bytes,
// each with what weight says and a comma.
func Fitting[T any](all []T, limit int, weight func(T) int) int {
	size := 0
	for i, item := range all {
		if size += weight(item) + 1; size > limit {
			return i
		}
	}
	return len(all)
}

// Weight is what a text takes as JSON, with its quotes.
func Weight(text string) int {
	const quotes, escaped, short = 2, 6, 2 // \u0000, \n
	size := quotes
	for _, r := range text {
		switch {
		case r == '"', r == '\\', r == '\n', r == '\t', r == '\r':
			size += short
		case r < ' ', r == '<', r == '>', r == '&', r == '\u2028', r == '\u2029', r == utf8.RuneError:
			size += escaped
		default:
			size += utf8.RuneLen(r)
		}
	}
	return size
}

// Cut shortens a text to at most limit bytes and an ellipsis.
func Cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}

// NodeSet is a set of a graph's nodes, a bit for each in the order of their ids:
// 10,000 nodes take 1,250 bytes.
type NodeSet []byte

// With is the set with the node of that index in it; like append, it may reuse s.
func (s NodeSet) With(i int) NodeSet {
	for len(s) <= i/8 {
		s = append(s, 0)
	}
	s[i/8] |= 1 << (i % 8)
	return s
}

// Has says whether the node of that index is in the set.
func (s NodeSet) Has(i int) bool {
	return i/8 < len(s) && s[i/8]&(1<<(i%8)) != 0
}
