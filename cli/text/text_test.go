// SPDX-License-Identifier: Apache-2.0

package text_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/HatiCode/nestor/cli/text"
)

func TestWidth(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		in     string
		want   int
	}{
		"ascii":     {"a letter is a column", "abc", 3},
		"wide":      {"Han characters take two columns", "数据库", 6},
		"combining": {"a combining accent takes none", "e\u0301", 1},
		"emoji":     {"an emoji takes two columns", "🚀", 2},
		"family":    {"joined emoji are one character", "👩\u200d👩\u200d👧", 2},
		"arrow":     {"arrows are narrow", "a → b", 5},
		"empty":     {"nothing takes nothing", "", 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := text.Width(tt.in); got != tt.want {
				t.Errorf("%s: Width(%q) = %d, want %d", tt.reason, tt.in, got, tt.want)
			}
		})
	}
}

func TestTruncate(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		in     string
		limit  int
		want   string
	}{
		"fits":    {"what fits is kept", "abc", 3, "abc"},
		"cut":     {"the ellipsis is inside the limit", "abcdef", 4, "abc…"},
		"wide":    {"half a wide character is none", "数据库", 4, "数…"},
		"nothing": {"no room, no text", "abc", 0, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := text.Truncate(tt.in, tt.limit); got != tt.want {
				t.Errorf("%s: got %q, want %q", tt.reason, got, tt.want)
			}
		})
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		in     string
		limit  int
		want   []string
	}{
		"words":     {"lines break at spaces", "the quick brown fox", 10, []string{"the quick", "brown fox"}},
		"long word": {"a word that never fits is cut", "abcdefghij", 4, []string{"abcd", "efgh", "ij"}},
		"breaks":    {"line breaks are kept", "a\n\nb", 10, []string{"a", "", "b"}},
		"wide":      {"wide characters count twice", "数据库", 4, []string{"数据", "库"}},
		"too wide":  {"a character wider than the line still ends", "数据", 1, []string{"数", "据"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, text.Wrap(tt.in, tt.limit)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
			}
		})
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		in     string
		want   string
	}{
		"plain":       {"harmless text is kept", "héllo\tworld\n", "héllo\tworld\n"},
		"colour":      {"colours of an engine are removed", "\x1b[31mred\x1b[0m", "red"},
		"title":       {"a window title is not set", "\x1b]0;owned\x07text", "text"},
		"carriage":    {"a line cannot be overwritten", "safe\rfake", "safefake"},
		"unfinished":  {"a sequence without an end eats the rest", "a\x1b[31", "a"},
		"not utf8":    {"stray bytes are shown as such", "a\xffb", "a\ufffdb"},
		"right-left":  {"text cannot be reordered", "a\u202eb", "ab"},
		"c1 controls": {"eight-bit controls are removed", "a\u009b31mb", "a31mb"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := text.Clean(tt.in); got != tt.want {
				t.Errorf("%s: got %q, want %q", tt.reason, got, tt.want)
			}
		})
	}
}

func TestWrapAndTruncateKeepTheLimit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := text.Clean(rapid.String().Draw(t, "text"))
		limit := rapid.IntRange(2, 40).Draw(t, "limit")
		for _, line := range text.Wrap(s, limit) {
			if text.Width(line) > limit {
				t.Fatalf("line %q takes %d columns, more than %d", line, text.Width(line), limit)
			}
		}
		if got := text.Truncate(s, limit); text.Width(got) > limit {
			t.Fatalf("%q takes %d columns, more than %d", got, text.Width(got), limit)
		}
	})
}
