// SPDX-License-Identifier: Apache-2.0

package suggest_test

import (
	"strings"
	"testing"

	"github.com/HatiCode/nestor/internal/suggest"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason     string
		word       string
		candidates []string
		want       string
		ok         bool
	}{
		"one letter":      {"a missing letter is a slip", "requird", []string{"required", "default"}, "required", true},
		"case":            {"case alone is a slip", "resourcetype", []string{"resourceType"}, "resourceType", true},
		"transposed":      {"swapped neighbours are one slip, in a short word too", "szie", []string{"size", "zone"}, "size", true},
		"too far":         {"another word is not meant", "colour", []string{"size", "replicas"}, "", false},
		"short word":      {"two of three letters differ", "abc", []string{"axy"}, "", false},
		"itself":          {"the word itself is no suggestion", "size", []string{"size"}, "", false},
		"tie":             {"equals are decided by their bytes, not by their order", "cat", []string{"hat", "bat"}, "bat", true},
		"empty word":      {"nothing was typed", "", []string{"a"}, "", false},
		"empty candidate": {"an empty candidate is never meant", "a", []string{""}, "", false},
		"no candidates":   {"nothing to suggest", "size", nil, "", false},
		"huge word":       {"no quadratic work for a hostile word", strings.Repeat("a", 1<<20), []string{"a"}, "", false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := suggest.Nearest(tc.word, tc.candidates)
			if got != tc.want && ok || ok != tc.ok {
				t.Errorf("%s: got %q, %t; want %q, %t", tc.reason, got, ok, tc.want, tc.ok)
			}
		})
	}
}
