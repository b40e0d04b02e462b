// SPDX-License-Identifier: Apache-2.0

// Package suggest finds the word a person probably meant, for the "did you
// mean" of an error message. It is not a search.
package suggest

import (
	"strings"

	"github.com/agnivade/levenshtein"
)

// maxWord bounds the words that are compared; nobody mistypes a longer one by
// a letter, and the comparison is quadratic.
const maxWord = 128

// Nearest returns the candidate that differs least from word, if it differs by
// so little that it was probably meant: by case alone, or by at most a third of
// the letters and never more than three. Among equals the first in order of
// bytes is taken, whatever the order of candidates.
func Nearest(word string, candidates []string) (string, bool) {
	if word == "" || len(word) > maxWord {
		return "", false
	}
	limit := min(3, max(1, len([]rune(word))/3))
	best, bestDistance := "", limit+1
	for _, candidate := range candidates {
		if candidate == "" || candidate == word || len(candidate) > maxWord {
			continue
		}
		distance := levenshtein.ComputeDistance(strings.ToLower(word), strings.ToLower(candidate))
		if transposed(strings.ToLower(word), strings.ToLower(candidate)) {
			distance = 1
		}
		if distance < bestDistance || distance == bestDistance && distance <= limit && candidate < best {
			best, bestDistance = candidate, distance
		}
	}
	return best, bestDistance <= limit
}

// transposed says whether a and b differ by two neighbouring letters swapped,
// which is one slip of the fingers but two edits.
func transposed(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) - 1 {
		if a[i] != b[i] {
			return a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
		}
	}
	return false
}
