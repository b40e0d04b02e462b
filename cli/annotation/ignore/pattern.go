// SPDX-License-Identifier: Apache-2.0

package ignore

import "strings"

// kind is how a pattern is matched.
type kind int

const (
	kindName   kind = iota // the name of an entry at any depth, literally
	kindSuffix             // "*literal": the end of such a name
	kindBase               // a glob over such a name
	kindPath               // a glob over the path from the list's folder
)

// pattern is one line of a pattern file.
type pattern struct {
	kind    kind
	negated bool // "!pattern"
	dirOnly bool // "pattern/"
	// literal is the name or suffix; for kindPath what the path begins with
	// before any wildcard.
	literal string
	glob    glob
}

// parsePattern returns false for a pattern that can match nothing.
func parsePattern(text string) (pattern, bool) {
	var p pattern
	if i := strings.IndexByte(text, 0); i >= 0 {
		text = text[:i]
	}
	text, p.negated = strings.CutPrefix(text, "!")
	text, p.dirOnly = strings.CutSuffix(text, "/")
	if text == "" {
		return p, false
	}
	fixed := strings.IndexAny(text, `*?[\`)
	if strings.Contains(text, "/") {
		p.kind = kindPath
		if fixed < 0 {
			fixed = len(text)
		}
		// git compares the part before the first wildcard on its own, and the
		// glob begins after it. That is visible: in "a**/b" the "**" then
		// stands at the beginning of the glob and crosses folders.
		p.literal = strings.TrimPrefix(text[:fixed], "/")
		var ok bool
		p.glob, ok = compile(text[fixed:])
		return p, ok
	}
	switch {
	case fixed < 0:
		p.kind, p.literal = kindName, text
		return p, true
	case text[0] == '*' && !strings.ContainsAny(text[1:], `*?[\`):
		p.kind, p.literal = kindSuffix, text[1:]
		return p, true
	default:
		p.kind = kindBase
		var ok bool
		p.glob, ok = compile(text)
		return p, ok
	}
}

// matches compares the pattern with a path and with its last element.
func (p *pattern) matches(path, name string) bool {
	switch p.kind {
	case kindName:
		return name == p.literal
	case kindSuffix:
		return strings.HasSuffix(name, p.literal)
	case kindBase:
		return p.glob.match(name)
	default:
		rest, ok := strings.CutPrefix(path, p.literal)
		return ok && p.glob.match(rest)
	}
}
