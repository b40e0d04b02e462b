// SPDX-License-Identifier: Apache-2.0

package ignore

import "strings"

// classReader reads a "[…]".
type classReader struct {
	text string
	at   int
	set  [256]bool
	low  int // the byte that a "-" would make the beginning of a range, or -1
}

// class reads "[…]" at text[i] and returns the bytes it stands for and the
// index after it, or nil if it is malformed.
func class(text string, i int) (*[256]bool, int) {
	r := classReader{text: text, at: i + 1, low: -1}
	negated := r.is('!') || r.is('^')
	if negated {
		r.at++
	}
	// A bracket that comes first is a member.
	for first := true; first || !r.is(']'); first = false {
		if !r.member() {
			return nil, 0
		}
	}
	if negated {
		for b := range r.set {
			r.set[b] = !r.set[b]
		}
	}
	r.set['/'] = false
	return &r.set, r.at + 1
}

// is says that c stands next.
func (r *classReader) is(c byte) bool { return r.at < len(r.text) && r.text[r.at] == c }

// member reads a byte, a range or a named class; false if it is malformed.
func (r *classReader) member() bool {
	rest := r.text[r.at:]
	switch {
	case rest == "":
		return false
	case rest[0] == '-' && r.low >= 0 && len(rest) > 1 && rest[1] != ']':
		r.at++
		return r.rangeTo()
	case strings.HasPrefix(rest, "[:"):
		return r.named()
	}
	c, ok := r.char()
	if ok {
		r.set[c] = true
		r.low = int(c)
	}
	return ok
}

// char reads a byte that a backslash may quote.
func (r *classReader) char() (byte, bool) {
	if r.is('\\') {
		r.at++
	}
	if r.at >= len(r.text) {
		return 0, false
	}
	r.at++
	return r.text[r.at-1], true
}

// rangeTo reads the end of a range.
func (r *classReader) rangeTo() bool {
	high, ok := r.char()
	for b := r.low; ok && b <= int(high); b++ {
		r.set[b] = true
	}
	r.low = -1
	return ok
}

// named reads "[:name:]"; without the second colon it is a bracket like any
// byte.
func (r *classReader) named() bool {
	inner, _, closed := strings.Cut(r.text[r.at+2:], "]")
	if !closed {
		return false
	}
	name, ok := strings.CutSuffix(inner, ":")
	if !ok {
		r.set['['] = true
		r.low = '['
		r.at++
		return true
	}
	member := named(name)
	if member == nil {
		return false
	}
	for b := range r.set {
		r.set[b] = r.set[b] || member(byte(b))
	}
	r.low = -1
	r.at += len("[:]") + len(inner)
	return true
}

// named returns the members of a POSIX class of ASCII, or nil.
func named(name string) func(byte) bool {
	between := func(b, low, high byte) bool { return low <= b && b <= high }
	lower := func(b byte) bool { return between(b, 'a', 'z') }
	upper := func(b byte) bool { return between(b, 'A', 'Z') }
	digit := func(b byte) bool { return between(b, '0', '9') }
	graph := func(b byte) bool { return between(b, '!', '~') }
	switch name {
	case "alnum":
		return func(b byte) bool { return lower(b) || upper(b) || digit(b) }
	case "alpha":
		return func(b byte) bool { return lower(b) || upper(b) }
	case "blank":
		return func(b byte) bool { return b == ' ' || b == '\t' }
	case "cntrl":
		return func(b byte) bool { return b < ' ' || b == 0x7f }
	case "digit":
		return digit
	case "graph":
		return graph
	case "lower":
		return lower
	case "print":
		return func(b byte) bool { return graph(b) || b == ' ' }
	case "punct":
		return func(b byte) bool { return graph(b) && !lower(b) && !upper(b) && !digit(b) }
	case "space":
		return func(b byte) bool { return b == ' ' || between(b, '\t', '\r') }
	case "upper":
		return upper
	case "xdigit":
		return func(b byte) bool { return digit(b) || between(b, 'a', 'f') || between(b, 'A', 'F') }
	default:
		return nil
	}
}
