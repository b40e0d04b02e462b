// SPDX-License-Identifier: Apache-2.0

package comment

import (
	"bytes"
	"strings"
)

// heredoc is a text that begins on the next line and ends with a line that is a
// given word. Modifiers that may stand between opener and word ("-", "~") allow
// that line to be indented. With constant set, the word is in capitals or
// quotes and directly after the opener, since "<<" is an operator, too. Without
// such a line further down it is one in any case.
func heredoc(opener, modifiers string, constant bool) rule {
	return rule{opener, func(s *scan, at int) int {
		i := at + len(opener)
		if s.before(at) == '<' || s.byteAt(i) == '<' { // a here-string
			return no
		}
		indented := opener == "<<<" // PHP allows it always
		if c := s.byteAt(i); c != 0 && strings.IndexByte(modifiers, c) >= 0 {
			indented = true
			i++
		}
		if begin := s.spaces(i); !constant {
			i = begin
		}
		word, next := s.heredocWord(i, constant)
		if word == "" || s.lastLine(word) <= at {
			return no
		}
		s.pending = append(s.pending, func(from int) int { return s.heredocBody(from, word, indented) })
		return s.code(next)
	}}
}

// heredocWord reads the word, in quotes or not, and returns it with the offset
// after it; it is empty if there is none.
func (s *scan) heredocWord(at int, constant bool) (word string, next int) {
	quote := s.byteAt(at)
	if quote == 0 || strings.IndexByte("\"'`\\", quote) < 0 {
		quote = 0
	} else {
		at++
	}
	next = at
	for next < len(s.src) && (isWord(s.src[next]) || quote != 0 && strings.IndexByte("-.", s.src[next]) >= 0) {
		next++
	}
	word = string(s.src[at:next])
	switch {
	case word == "", word[0] >= '0' && word[0] <= '9':
		return "", at
	case quote == 0:
		if constant && (word[0] < 'A' || word[0] > 'Z') {
			return "", at
		}
	case quote != '\\':
		if s.byteAt(next) != quote {
			return "", at
		}
		next++
	}
	return word, next
}

// heredocBody consumes a heredoc and the line that ends it.
func (s *scan) heredocBody(from int, word string, indented bool) int {
	for at := from; at < len(s.src); {
		end := s.lineEnd(at)
		content := string(s.src[at:end])
		if indented {
			content = strings.TrimLeft(content, " \t")
		}
		if lineWord(content) == word {
			s.emit(Literal, from, from, at)
			return min(end+1, len(s.src))
		}
		at = end + 1
	}
	s.emit(Literal, from, from, len(s.src))
	return len(s.src)
}

// lineWord is the word that a line consists of, apart from punctuation after
// it; empty if it begins with anything else.
func lineWord(content string) string {
	i := 0
	for i < len(content) && (isWord(content[i]) || content[i] == '-' || content[i] == '.') {
		i++
	}
	if rest := strings.TrimRight(content[i:], " \t\r"); strings.Trim(rest, ";,)].") != "" {
		return ""
	}
	return content[:i]
}

// lastLine is the offset of the last line that is that word, indented or not,
// or -1. The table is made once, so that many "<<" cost no more than one.
func (s *scan) lastLine(word string) int {
	if s.lines == nil {
		s.lines = map[string]int{}
		offset := 0
		for content := range bytes.Lines(s.src) {
			trimmed := bytes.TrimSpace(content)
			if len(trimmed) > 0 && len(trimmed) < 80 {
				if w := lineWord(string(trimmed)); w != "" {
					s.lines[w] = offset
				}
			}
			offset += len(content)
		}
	}
	if offset, ok := s.lines[word]; ok {
		return offset
	}
	return -1
}

// hereString is @"…"@ of PowerShell: the closer stands at the first column.
func hereString(quote string) rule {
	return rule{"@" + quote, func(s *scan, at int) int {
		body := at + 2
		if c := s.byteAt(s.spaces(body)); c != '\n' {
			return no
		}
		return s.until(at, body, "\n"+quote+"@")
	}}
}
