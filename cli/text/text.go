// SPDX-License-Identifier: Apache-2.0

// Package text measures, cuts and wraps what is written to a terminal, in
// columns and not in bytes: East Asian wide characters take two columns and
// combining marks none. It also makes text that came from elsewhere harmless.
//
// It knows no colours (see cli/iostreams); text with escape sequences must be
// measured before it is coloured.
package text

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

const (
	ellipsis       = "…"
	zeroWidthJoin  = '\u200d'
	regionalFirst  = '\U0001F1E6'
	regionalLast   = '\U0001F1FF'
	skinToneFirst  = '\U0001F3FB'
	skinToneLast   = '\U0001F3FF'
	variationFirst = '\ufe00'
	variationLast  = '\ufe0f'
)

// Width is the number of columns that s takes on a terminal. Control
// characters count nothing; clean the text first.
func Width(s string) int {
	columns, joined := 0, false
	for _, r := range s {
		columns += runeWidth(r, joined)
		joined = r == zeroWidthJoin
	}
	return columns
}

func runeWidth(r rune, joined bool) int {
	switch {
	case r < ' ' || r == 0x7f:
		return 0
	case r < 0x7f:
		return 1
	case joined, r == zeroWidthJoin, r >= variationFirst && r <= variationLast,
		r >= skinToneFirst && r <= skinToneLast, unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case r >= regionalFirst && r <= regionalLast:
		return 1
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	default:
		return 1
	}
}

// Truncate returns s if it fits into limit columns, and otherwise its beginning
// and an ellipsis, together at most limit columns.
func Truncate(s string, limit int) string {
	if Width(s) <= limit {
		return s
	}
	if limit < 1 {
		return ""
	}
	head, _ := split(s, limit-1)
	return head + ellipsis
}

// Pad appends spaces until s takes at least columns columns.
func Pad(s string, columns int) string {
	if missing := columns - Width(s); missing > 0 {
		return s + strings.Repeat(" ", missing)
	}
	return s
}

// split cuts s after the last character that still fits into limit columns. It
// never separates a mark from the character it belongs to.
func split(s string, limit int) (head, rest string) {
	columns, joined := 0, false
	for i, r := range s {
		columns += runeWidth(r, joined)
		joined = r == zeroWidthJoin
		if columns > limit {
			return s[:i], s[i:]
		}
	}
	return s, ""
}

// Wrap breaks s at spaces into lines of at most limit columns; a word that is
// longer is cut. Line breaks in s are kept.
func Wrap(s string, limit int) []string {
	limit = max(limit, 1)
	var lines []string
	for paragraph := range strings.SplitSeq(s, "\n") {
		lines = append(lines, wrapLine(strings.TrimRight(paragraph, " "), limit)...)
	}
	return lines
}

func wrapLine(s string, limit int) []string {
	var lines []string
	for Width(s) > limit {
		head, rest := split(s, limit)
		if head == "" { // one character wider than the limit
			_, size := utf8.DecodeRuneInString(s)
			head, rest = s[:size], s[size:]
		}
		if !strings.HasPrefix(rest, " ") {
			if at := strings.LastIndexByte(head, ' '); at > 0 && strings.TrimSpace(head[:at]) != "" {
				head, rest = head[:at], s[at:]
			}
		}
		lines = append(lines, strings.TrimRight(head, " "))
		s = strings.TrimLeft(rest, " ")
	}
	if s == "" && len(lines) > 0 {
		return lines
	}
	return append(lines, s)
}

// Clean removes what could command a terminal: escape sequences and control
// characters other than line breaks and tabs. Bytes that are no UTF-8 become
// the replacement character.
func Clean(s string) string {
	if !dirty(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		if s[0] == 0x1b {
			s = s[escapeLength(s):]
			continue
		}
		r, size := utf8.DecodeRuneInString(s)
		if !control(r) {
			b.WriteRune(r)
		}
		s = s[size:]
	}
	return b.String()
}

// CleanLine is Clean for a place that has one line only.
func CleanLine(s string) string {
	return strings.Join(strings.Fields(Clean(s)), " ")
}

func dirty(s string) bool {
	return !utf8.ValidString(s) || strings.ContainsFunc(s, control)
}

// control also covers the characters that reorder text around them.
func control(r rune) bool {
	switch {
	case r == '\n', r == '\t':
		return false
	case r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
		return true
	default:
		return unicode.IsControl(r)
	}
}

// escapeLength is the length of the escape sequence that s begins with: CSI up
// to its final byte, OSC and its like up to BEL or ST, otherwise two bytes.
func escapeLength(s string) int {
	if len(s) < 2 {
		return len(s)
	}
	switch s[1] {
	case '[':
		for i := 2; i < len(s); i++ {
			if s[i] >= 0x40 && s[i] <= 0x7e {
				return i + 1
			}
		}
		return len(s)
	case ']', 'P', 'X', '^', '_':
		for i := 2; i < len(s); i++ {
			if s[i] == 0x07 {
				return i + 1
			}
			if s[i] == 0x1b && i+1 < len(s) && s[i+1] == '\\' {
				return i + 2
			}
		}
		return len(s)
	default:
		_, size := utf8.DecodeRuneInString(s[1:])
		return 1 + size
	}
}
