// SPDX-License-Identifier: Apache-2.0

package comment

import (
	"bytes"
	"slices"
	"strings"
)

// This file holds the literals that need more than an opener and a closer.

// fenced is a string between opener, any number of "#", and one or three
// quotes; it closes with the mirror image: r##"…"## in Rust, #"…"# in Swift.
func fenced(opener string) rule {
	return rule{opener, func(s *scan, at int) int {
		if isWord(s.before(at)) || s.before(at) == '#' {
			return no
		}
		i := at + len(strings.TrimSuffix(opener, "#"))
		fence := run(s.src, i, '#')
		quotes := run(s.src, i+fence, '"')
		switch {
		case quotes == 0:
			return no
		case quotes < 3:
			quotes = 1
		default:
			quotes = 3
		}
		return s.until(at, i+fence+quotes, strings.Repeat(`"`, quotes)+strings.Repeat("#", fence))
	}}
}

// until emits a literal that ends with closer.
func (s *scan) until(at, body int, closer string) int {
	end := index(s.src, body, closer)
	s.emit(Literal, at, body, end)
	return s.code(min(end+len(closer), len(s.src)))
}

// run counts how often c stands at the offset and after it.
func run(src []byte, at int, c byte) int {
	n := 0
	for at+n < len(src) && src[at+n] == c {
		n++
	}
	return n
}

// rawQuotes is a string between three or more quotes, closed by as many (C#).
func rawQuotes() rule {
	return rule{`"""`, func(s *scan, at int) int {
		n := run(s.src, at, '"')
		return s.until(at, at+n, strings.Repeat(`"`, n))
	}}
}

// rawCpp is R"tag(…)tag".
func rawCpp() rule {
	return rule{`R"`, func(s *scan, at int) int {
		if c := s.before(at); isWord(c) && bytes.IndexByte([]byte("uUL8"), c) < 0 {
			return no
		}
		open := bytes.IndexByte(s.src[at+2:min(at+20, len(s.src))], '(')
		if open < 0 {
			return no
		}
		tag := string(s.src[at+2 : at+2+open])
		if strings.ContainsAny(tag, " \t\n\\)\"") {
			return no
		}
		return s.until(at, at+2+open+1, ")"+tag+`"`)
	}}
}

// bracket is [[…]] or [==[…]==], after a prefix that makes it a comment or
// nothing that makes it a string (Lua, CMake).
func bracket(kind Kind, prefix string) rule {
	return rule{prefix + "[", func(s *scan, at int) int {
		i := at + len(prefix) + 1
		level := run(s.src, i, '=')
		if s.byteAt(i+level) != '[' {
			return no
		}
		closer := "]" + strings.Repeat("=", level) + "]"
		body := i + level + 1
		end := index(s.src, body, closer)
		s.emit(kind, at, body, end)
		next := min(end+len(closer), len(s.src))
		if kind == Literal {
			return s.code(next)
		}
		return next
	}}
}

// dollar is $tag$…$tag$ (PostgreSQL).
func dollar() rule {
	return rule{"$", func(s *scan, at int) int {
		i := at + 1
		for i < len(s.src) && isWord(s.src[i]) {
			i++
		}
		if s.byteAt(i) != '$' || isWord(s.before(at)) || at+1 < i && s.src[at+1] <= '9' {
			return no
		}
		return s.until(at, i+1, string(s.src[at:i+1]))
	}}
}

// indented is ”…” of Nix, where three quotes, or two before a "$" or a
// backslash, are no closer.
func indented() rule {
	return rule{"''", func(s *scan, at int) int {
		for i := at + 2; i < len(s.src); i++ {
			if !s.has(i, "''") {
				continue
			}
			if c := s.byteAt(i + 2); c == '\'' || c == '$' || c == '\\' {
				i += 2
				continue
			}
			s.emit(Literal, at, at+2, i)
			return s.code(i + 2)
		}
		s.emit(Literal, at, at+2, len(s.src))
		return len(s.src)
	}}
}

// template is `…${code}…` (JavaScript): the code may hold comments, strings and
// templates, so three rules share a stack.
func template() []rule {
	chunk := func(s *scan, at int) int {
		for i := at + 1; i < len(s.src); i++ {
			switch {
			case s.src[i] == '\\':
				i++
			case s.src[i] == '`':
				s.emit(Literal, at, at+1, i)
				return s.code(i + 1)
			case s.has(i, "${"):
				s.emit(Literal, at, at+1, i)
				s.templates = append(s.templates, 0)
				return s.code(i + 2)
			}
		}
		s.emit(Literal, at, at+1, len(s.src))
		return len(s.src)
	}
	return []rule{
		{"`", chunk},
		{"{", func(s *scan, at int) int {
			if n := len(s.templates); n > 0 {
				s.templates[n-1]++
			}
			return s.code(at + 1)
		}},
		{"}", func(s *scan, at int) int {
			n := len(s.templates)
			switch {
			case n == 0:
				return no
			case s.templates[n-1] > 0:
				s.templates[n-1]--
				return no
			}
			s.templates = s.templates[:n-1]
			return chunk(s, at)
		}},
	}
}

// regex is /…/ where a value may begin; elsewhere the slash divides. With
// command set, "name /x" begins one too (Ruby's "puts /x/").
func regex(command bool) rule {
	return rule{"/", func(s *scan, at int) int {
		if s.regexFailed == s.lineStart || !s.valueMayBegin(at, command) {
			return no
		}
		class := false
		for i := at + 1; i < len(s.src) && s.src[i] != '\n'; i++ {
			switch c := s.src[i]; {
			case c == '\\':
				i++
			case c == '[':
				class = true
			case c == ']':
				class = false
			case c == '/' && !class:
				s.emit(Literal, at, at+1, i)
				return s.code(i + 1)
			}
		}
		s.regexFailed = s.lineStart
		return no
	}}
}

func (s *scan) valueMayBegin(at int, command bool) bool {
	if s.last < 0 {
		return true
	}
	c := s.src[s.last]
	if !isWord(c) {
		return bytes.IndexByte([]byte(")]}\"'`<"), c) < 0
	}
	begin := s.last
	for begin > 0 && s.last-begin < 16 && isWord(s.src[begin-1]) {
		begin--
	}
	word := string(s.src[begin : s.last+1])
	if slices.Contains([]string{"return", "typeof", "case", "in", "of", "do", "else", "void", "delete", "if", "unless", "when", "and", "or", "not", "while", "until", "yield", "await", "then"}, word) {
		return true
	}
	return command && isSpace(s.before(at)) && !isSpace(s.byteAt(at+1)) && s.byteAt(at+1) != '=' && (word[0] < '0' || word[0] > '9')
}

// maxDelimited bounds the search for the end of a literal with free delimiters,
// since what looks like one may be an operator.
const maxDelimited = 1 << 10

// delimited is a prefix, letters out of a set, and any bracket or delimiter:
// %w[a b], ~r/x/, q{x}.
func delimited(prefix, letters string, atLeast int) rule {
	return rule{prefix, func(s *scan, at int) int {
		i := at + len(prefix)
		if isWord(s.before(at)) || s.last >= 0 && bytes.IndexByte([]byte(")]}"), s.src[s.last]) >= 0 {
			return no
		}
		n := 0
		for n < 2 && strings.IndexByte(letters, s.byteAt(i+n)) >= 0 {
			n++
		}
		i += n
		open := s.byteAt(i)
		if n < atLeast || open == 0 || strings.IndexByte("([{<|/!", open) < 0 {
			return no
		}
		closing := open
		if k := strings.IndexByte("([{<", open); k >= 0 {
			closing = ")]}>"[k]
		}
		depth := 0
		for j := i; j < min(i+maxDelimited, len(s.src)); j++ {
			switch c := s.src[j]; {
			case c == '\\':
				j++
			case c == closing && j > i:
				depth--
				if depth == 0 {
					s.emit(Literal, at, i+1, j)
					return s.code(j + 1)
				}
			case c == open:
				depth++
			}
		}
		return no
	}}
}

// questionChar is ?x, a character (Ruby, Elixir).
func questionChar() rule {
	return rule{"?", func(s *scan, at int) int {
		if isWord(s.before(at)) || bytes.IndexByte([]byte("\"'#`"), s.byteAt(at+1)) < 0 || isWord(s.byteAt(at+2)) {
			return no
		}
		return s.code(at + 2)
	}}
}
