// SPDX-License-Identifier: Apache-2.0

// Package comment finds the comments of a source file in any common language,
// and the literals that only look as if they held one.
//
// Languages are tables of small rules: how a comment opens, how a string does.
// That is enough to tell code, comments and literals apart, and it is all the
// package does: it does not parse, and it does not know what a comment says. A
// file that its language would refuse gives some answer, never a panic, in time
// linear in its size.
//
// Where languages need more than rules of that kind (a regular expression or a
// division, an apostrophe in prose) the package prefers to come back to code at
// the end of a line over losing the rest of a file.
package comment

// Kind of a Span.
type Kind int

// The kinds.
const (
	// Line is a comment up to the end of the line.
	Line Kind = iota + 1
	// Block is a comment with a closer.
	Block
	// Literal is a string, a heredoc, a block scalar, a code block in prose.
	Literal
)

// Span is a part of a file, in byte offsets.
type Span struct {
	Kind Kind
	// Start is where the opener begins, Body what follows it, End the first
	// byte that is no longer content: the closer, the line's end or the file's.
	Start, Body, End int
}

// Language knows the comments of one language. It is immutable and safe for
// concurrent use. Get one from a Table.
type Language struct {
	name  string
	prose bool
	rules [256][]rule
}

// Name is a short name in lower case, such as "go" or "unknown".
func (l *Language) Name() string { return l.name }

// Prose says that the files document things, so that their literals are
// examples and nobody wonders why they do nothing.
func (l *Language) Prose() bool { return l.prose }

// Spans calls yield for each comment and literal of src, in order, until yield
// returns false.
func (l *Language) Spans(src []byte, yield func(Span) bool) {
	s := &scan{src: src, yield: yield, last: -1, regexFailed: -1}
	s.run(l)
}

// rule recognises one construct.
type rule struct {
	opener string
	// match is called where the opener stands. It emits what it finds and
	// returns the offset to go on at, or no if this is not the construct after
	// all. What it returns is after the opener's first byte.
	match func(s *scan, at int) int
}

// no is a rule's answer that it does not apply.
const no = -1

// scan is the state of one pass over one file.
type scan struct {
	src   []byte
	yield func(Span) bool
	done  bool

	lineStart int // offset of the current line
	last      int // offset of the last byte of code that is no white space, or -1

	pending     []func(at int) int // heredocs and block scalars that begin on the next line
	templates   []int              // for each open template literal: the depth of braces in its ${}
	island      bool               // inside <?php … ?>
	lines       map[string]int     // offsets of the last line that is that word, see lastLine
	regexFailed int                // the line on which a slash was proved to be a division
	ticksFailed map[int]int        // by number of backticks, the line on which they were proved to be text
}

func (s *scan) run(l *Language) {
	at := 0
	if len(s.src) >= 3 && string(s.src[:3]) == "\xef\xbb\xbf" {
		at, s.lineStart = 3, 3
	}
	for at < len(s.src) && !s.done {
		c := s.src[at]
		next := no
		for _, r := range l.rules[c] {
			if len(s.src)-at < len(r.opener) || string(s.src[at:at+len(r.opener)]) != r.opener {
				continue
			}
			if next = r.match(s, at); next != no {
				break
			}
		}
		switch {
		case next != no:
			s.passed(at, next)
			at = next
		case c == '\n':
			at = s.newline(at + 1)
		default:
			if c != ' ' && c != '\t' && c != '\r' {
				s.last = at
			}
			at++
		}
	}
}

// passed notes that a rule has consumed src[from:to].
func (s *scan) passed(from, to int) {
	for i := to - 1; i >= from; i-- {
		if s.src[i] == '\n' {
			s.lineStart = i + 1
			return
		}
	}
}

// newline begins the line at an offset: what waits for it is consumed first.
func (s *scan) newline(at int) int {
	s.lineStart = at
	waiting := s.pending
	s.pending = nil
	for _, consume := range waiting {
		at = consume(at)
		s.lineStart = at
	}
	return at
}

func (s *scan) emit(kind Kind, start, body, end int) {
	if !s.done && !s.yield(Span{Kind: kind, Start: start, Body: body, End: end}) {
		s.done = true
	}
}

// code notes that a literal ended before at; for what follows it is a value.
func (s *scan) code(at int) int {
	s.last = at - 1
	return at
}

// first says that only white space stands before at on its line.
func (s *scan) first(at int) bool {
	for _, c := range s.src[s.lineStart:at] {
		if c != ' ' && c != '\t' {
			return false
		}
	}
	return true
}

// lineEnd is the offset of the newline that ends the line of at, or of the end
// of the file.
func (s *scan) lineEnd(at int) int {
	for at < len(s.src) && s.src[at] != '\n' {
		at++
	}
	return at
}

// spaces is the offset of the first byte at or after at that is no space.
func (s *scan) spaces(at int) int {
	for at < len(s.src) && (s.src[at] == ' ' || s.src[at] == '\t' || s.src[at] == '\r') {
		at++
	}
	return at
}

// before is the byte before at, a newline at the beginning.
func (s *scan) before(at int) byte {
	if at == 0 {
		return '\n'
	}
	return s.src[at-1]
}

// byteAt is the byte at an offset, 0 outside the file.
func (s *scan) byteAt(at int) byte {
	if at < 0 || at >= len(s.src) {
		return 0
	}
	return s.src[at]
}

// has says that text stands at the offset.
func (s *scan) has(at int, text string) bool {
	return at >= 0 && len(s.src)-at >= len(text) && string(s.src[at:at+len(text)]) == text
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }
