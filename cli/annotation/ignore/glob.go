// SPDX-License-Identifier: Apache-2.0

package ignore

import "strings"

// glob is a compiled wildcard pattern over a path.
type glob []token

type op uint8

const (
	opByte       op = iota // that byte
	opAny                  // "?": a byte but the slash
	opClass                // "[…]": a byte of the set but the slash
	opStar                 // "*": any run without a slash
	opGlobstar             // "**": any run
	opGlobfolder           // "**/": nothing, or any run that ends with a slash
)

type token struct {
	op   op
	char byte
	set  *[256]bool
}

// compile returns false for a pattern that can match nothing: an open class, an
// unknown class name, a backslash at the end.
func compile(text string) (glob, bool) {
	var g glob
	for i := 0; i < len(text); {
		switch c := text[i]; c {
		case '\\':
			if i+1 == len(text) {
				return nil, false
			}
			g = append(g, token{op: opByte, char: text[i+1]})
			i += 2
		case '?':
			g = append(g, token{op: opAny})
			i++
		case '*':
			t, next := star(text, i)
			g = append(g, t)
			i = next
		case '[':
			set, next := class(text, i)
			if set == nil {
				return nil, false
			}
			g = append(g, token{op: opClass, set: set})
			i = next
		default:
			g = append(g, token{op: opByte, char: c})
			i++
		}
	}
	return g, true
}

// star reads a run of asterisks. Two or more cross folders only as a whole
// element of the path; elsewhere they are one.
func star(text string, i int) (token, int) {
	end := i
	for end < len(text) && text[end] == '*' {
		end++
	}
	rest := text[end:]
	whole := end-i > 1 && (i == 0 || text[i-1] == '/')
	switch {
	case whole && rest == "", whole && strings.HasPrefix(rest, `\/`):
		return token{op: opGlobstar}, end
	case whole && rest[0] == '/':
		return token{op: opGlobfolder}, end + 1
	default:
		return token{op: opStar}, end
	}
}

// match compares the whole of text. It goes back to the latest "*" and, when
// that one has met a slash, to the latest "**": its time is bounded by the
// product of the lengths, whatever the pattern.
func (g glob) match(text string) bool {
	type mark struct {
		token, text int // resume at that token with one byte more consumed
		folder      bool
	}
	star, deep := mark{token: -1}, mark{token: -1}
	t, i := 0, 0
	for {
		if t == len(g) && i == len(text) {
			return true
		}
		if t < len(g) {
			switch k := g[t]; k.op {
			case opStar:
				star = mark{token: t + 1, text: i}
				t++
				continue
			case opGlobstar:
				deep, star = mark{token: t + 1, text: i}, mark{token: -1}
				t++
				continue
			case opGlobfolder:
				deep, star = mark{token: t + 1, text: i, folder: true}, mark{token: -1}
				t++
				continue
			default:
				if i < len(text) && k.accepts(text[i]) {
					t++
					i++
					continue
				}
			}
		}
		switch {
		case star.token >= 0 && star.text < len(text) && text[star.text] != '/':
			star.text++
			t, i = star.token, star.text
		case deep.token >= 0 && deep.text < len(text):
			star.token = -1
			next := deep.text + 1
			if deep.folder {
				slash := strings.IndexByte(text[deep.text:], '/')
				if slash < 0 {
					return false
				}
				next = deep.text + slash + 1
			}
			deep.text = next
			t, i = deep.token, next
		default:
			return false
		}
	}
}

func (k token) accepts(b byte) bool {
	switch k.op {
	case opByte:
		return b == k.char
	case opAny:
		return b != '/'
	default:
		return k.set[b]
	}
}
