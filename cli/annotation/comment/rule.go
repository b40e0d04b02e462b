// SPDX-License-Identifier: Apache-2.0

package comment

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// line is a comment up to the end of the line.
func line(opener string) rule {
	return rule{opener, func(s *scan, at int) int {
		end := s.lineEnd(at)
		s.emit(Line, at, at+len(opener), end)
		return end
	}}
}

// where guards a rule with a condition on its place.
func where(condition func(s *scan, at int) bool, r rule) rule {
	return rule{r.opener, func(s *scan, at int) int {
		if !condition(s, at) {
			return no
		}
		return r.match(s, at)
	}}
}

// atWord: at the beginning of a word, as shells and YAML want their "#".
func atWord(s *scan, at int) bool {
	return at == s.lineStart || bytes.IndexByte([]byte(" \t\r\n;&|()`"), s.before(at)) >= 0
}

// atLine: with only white space before it on the line.
func atLine(s *scan, at int) bool { return s.first(at) }

// atMargin: at the first column.
func atMargin(s *scan, at int) bool { return at == s.lineStart }

// atIndent: indented less than a code block of Markdown.
func atIndent(s *scan, at int) bool {
	return at-s.lineStart <= 3 && s.first(at) && bytes.IndexByte(s.src[s.lineStart:at], '\t') < 0
}

// afterEquals: as the value of an attribute.
func afterEquals(s *scan, at int) bool { return s.before(at) == '=' }

// notAfterWord: not as the last letter of a longer word.
func notAfterWord(s *scan, at int) bool { return !isWord(s.before(at)) }

// block is a comment with a closer.
func block(opener, closer string) rule { return between(Block, opener, closer) }

// between is anything with a closer; without one it goes to the end of the file.
func between(kind Kind, opener, closer string) rule {
	return rule{opener, func(s *scan, at int) int {
		body := at + len(opener)
		end := index(s.src, body, closer)
		s.emit(kind, at, body, end)
		return min(end+len(closer), len(s.src))
	}}
}

// nested is a block comment that may hold block comments.
func nested(opener, closer string) rule {
	return rule{opener, func(s *scan, at int) int {
		body := at + len(opener)
		depth, i := 1, body
		for i < len(s.src) {
			switch {
			case s.has(i, closer):
				depth--
				if depth == 0 {
					s.emit(Block, at, body, i)
					return i + len(closer)
				}
				i += len(closer)
			case s.has(i, opener):
				depth++
				i += len(opener)
			default:
				i++
			}
		}
		s.emit(Block, at, body, len(s.src))
		return len(s.src)
	}}
}

// escape is how a string holds its own delimiter.
type escape int

const (
	verbatim  escape = iota // not at all
	backslash               // \"
	doubled                 // ""
	backtick                // `"
)

// quoted is a string on one line. One that is not closed ends with the line: it
// was an apostrophe, or is an error that the compiler will tell. For holes see
// text.
func quoted(delimiter string, e escape, holes ...string) rule {
	return text(delimiter, delimiter, e, false, holes...)
}

// long is a string that may go over several lines; not closed, it goes to the
// end of the file.
func long(opener, closer string, e escape, holes ...string) rule {
	return text(opener, closer, e, true, holes...)
}

// text is any string. Holes are what opens code inside it, such as "${": quotes
// in there do not close the string.
func text(opener, closer string, e escape, lines bool, holes ...string) rule {
	return rule{opener, func(s *scan, at int) int {
		body := at + len(opener)
		for i := body; i < len(s.src); {
			c := s.src[i]
			if next := s.hole(i, lines, holes); next > 0 {
				i = next
				continue
			}
			switch {
			case e == backslash && c == '\\', e == backtick && c == '`':
				i++
				if s.has(i, "\r\n") {
					i++
				}
				i++
			case s.has(i, closer):
				if e == doubled && s.has(i+len(closer), closer) {
					i += 2 * len(closer)
					continue
				}
				s.emit(Literal, at, body, i)
				return s.code(i + len(closer))
			case c == '\n' && !lines:
				s.emit(Literal, at, body, i)
				return i
			default:
				i++
			}
		}
		s.emit(Literal, at, body, len(s.src))
		return len(s.src)
	}}
}

// Bounds of a hole; a longer or deeper one is read as text.
const (
	maxHole      = 1 << 10
	maxHoleDepth = 8
)

// hole returns the offset after the code in a string that begins at an offset,
// or 0 if none begins there or it has no end.
func (s *scan) hole(at int, lines bool, openers []string) int {
	for _, opener := range openers {
		if s.has(at, opener) {
			return s.holeEnd(at+len(opener), min(len(s.src), at+maxHole), opener[len(opener)-1], lines, maxHoleDepth)
		}
	}
	return 0
}

func (s *scan) holeEnd(at, limit int, open byte, lines bool, levels int) int {
	closing := byte('}')
	if open == '(' {
		closing = ')'
	}
	quote, depth := false, 1
	for i := at; i < limit; i++ {
		switch c := s.src[i]; {
		case c == '\n' && !lines:
			return 0
		case c == '\\':
			i++
		case c == '"':
			quote = !quote
		case c == open && quote && levels > 0 && (open == '(' || s.src[i-1] == '$' || s.src[i-1] == '#' || s.src[i-1] == '%'):
			// A string inside the hole has a hole of its own.
			end := s.holeEnd(i+1, limit, open, lines, levels-1)
			if end == 0 {
				return 0
			}
			i = end - 1
		case quote:
		case c == open:
			depth++
		case c == closing:
			depth--
			if depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

// char is a character between apostrophes, in languages where an apostrophe
// also begins a lifetime, ends a name or groups digits.
func char() rule {
	return rule{"'", func(s *scan, at int) int {
		if s.byteAt(at+1) == '\\' {
			for i := at + 3; i < min(at+14, len(s.src)) && s.src[i] != '\n'; i++ {
				if s.src[i] == '\'' {
					return s.code(i + 1)
				}
			}
			return no
		}
		if at+1 >= len(s.src) || s.src[at+1] == '\n' {
			return no
		}
		_, size := utf8.DecodeRune(s.src[at+1:])
		if s.byteAt(at+1+size) != '\'' {
			return no
		}
		return s.code(at + 1 + size + 1)
	}}
}

// skip is a short sequence that must not be taken for something else, such as a
// quoted quote; n is its length.
func skip(opener string, n int) rule {
	return rule{opener, func(s *scan, at int) int { return s.code(min(at+n, len(s.src))) }}
}

// restOfLine is a literal up to the end of the line.
func restOfLine(opener string) rule {
	return rule{opener, func(s *scan, at int) int {
		end := s.lineEnd(at)
		s.emit(Literal, at, at+len(opener), end)
		return end
	}}
}

// restOfFile is a marker alone on its line after which no code follows.
func restOfFile(opener string) rule {
	return where(atMargin, rule{opener, func(s *scan, at int) int {
		if end := s.lineEnd(at); strings.TrimSpace(string(s.src[at:end])) != opener {
			return no
		}
		s.emit(Literal, at, at+len(opener), len(s.src))
		return len(s.src)
	}})
}

// margins is a block whose opener and closer stand at the first column.
func margins(kind Kind, opener, closer string) rule {
	return where(atMargin, rule{opener, func(s *scan, at int) int {
		body := at + len(opener)
		end := index(s.src, body, "\n"+closer)
		s.emit(kind, at, body, end)
		return s.lineEnd(min(end+1, len(s.src)))
	}})
}

// index is the offset of text in src from an offset on, or the end of src.
func index(src []byte, from int, text string) int {
	if from >= len(src) {
		return len(src)
	}
	if i := bytes.Index(src[from:], []byte(text)); i >= 0 {
		return from + i
	}
	return len(src)
}
