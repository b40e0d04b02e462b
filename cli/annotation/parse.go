// SPDX-License-Identifier: Apache-2.0

package annotation

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/internal/manifest"
)

// keyHint is the cure for a malformed key.
const keyHint = `a key begins with a letter and goes on with letters, digits, "_" and "-"; ` +
	`environment.key is for one environment`

// parser reads the text of one annotation, after the marker.
type parser struct {
	file   string
	line   int
	column int // of the first character of text
	text   string
	at     int

	claim    composer.Claim
	columns  Columns
	problems manifest.Problems
}

// parse reads an annotation; with problems the claim is not to be used.
func (p *parser) parse() {
	p.claim = composer.Claim{File: p.file, Line: p.line}
	p.columns = Columns{Composition: p.column, Keys: map[string]int{}}
	composition := p.word()
	switch {
	case composition == "":
		p.fail(0, `expected the name of a composition directly after "nestor:"`,
			"such as nestor:web-app; if this is no annotation, put a word before it")
		return
	case p.badText(0, composition, "the name of the composition"):
	default:
		if err := catalog.CheckName("composition", composition); err != nil {
			p.fail(0, err.Error(), "")
		}
	}
	p.claim.Composition, p.claim.Instance = composition, composition
	for p.spaces(); p.at < len(p.text); p.spaces() {
		if !p.pair() {
			return
		}
	}
}

// pair reads key=value. It returns false when the rest cannot be understood.
func (p *parser) pair() bool {
	start := p.at
	end := start + strings.IndexAny(p.text[start:]+" ", "= \t")
	key := p.text[start:end]
	p.at = end
	if end == len(p.text) || p.text[end] != '=' {
		p.spaces()
		if !strings.HasPrefix(p.text[p.at:], "=") {
			p.fail(start, fmt.Sprintf("%q has no value", key), "parameters are written key=value, separated by spaces")
			return true
		}
		p.fail(end, `a space before "="`, "write key=value without spaces")
		p.at++
		p.spaces()
		p.word()
		return true
	}
	p.at++
	good := p.key(start, key)
	value, ok, more := p.value(key)
	if good && ok {
		p.set(start, key, value)
	}
	return more
}

// key checks a key.
func (p *parser) key(start int, key string) bool {
	if key == "" {
		p.fail(start, `a key is missing before "="`, "parameters are written key=value")
		return false
	}
	environment, name, dotted := strings.Cut(key, ".")
	offset := start
	if dotted {
		if err := catalog.CheckName("environment", environment); err != nil {
			p.fail(start, err.Error(), "before the dot comes the name of an environment")
			return false
		}
		offset += len(environment) + 1
	} else {
		name = key
	}
	if name == "" {
		p.fail(offset, fmt.Sprintf("the key is missing after %q", environment+"."), keyHint)
		return false
	}
	for i, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if letter || i > 0 && (r == '_' || r == '-' || r >= '0' && r <= '9') {
			continue
		}
		p.fail(offset+i, fmt.Sprintf("%q cannot stand here in a key", r), keyHint)
		return false
	}
	if dotted && name == nameKey {
		p.fail(start, "the name of an instance is the same in all environments", "write "+nameKey+"=… once, without an environment")
		return false
	}
	return true
}

// value reads a value. The second result is false if it is no good, the third
// if nothing after it can be understood.
func (p *parser) value(key string) (value string, ok, more bool) {
	start := p.at
	if start < len(p.text) && (p.text[start] == '"' || p.text[start] == '\'') {
		return p.quoted(p.text[start])
	}
	value = p.word()
	if value == "" {
		p.fail(start, fmt.Sprintf("the value of %q is missing", key), `write `+key+`="" for an empty one, and no space after "="`)
		return "", false, true
	}
	if i := strings.IndexAny(value, `"'`); i >= 0 {
		p.fail(start+i, "a quote inside a value", `put the whole value in quotes, such as `+key+`="it's"`)
		return "", false, false
	}
	return value, !p.badText(start, value, "the value"), true
}

// quoted reads a value in quotes.
func (p *parser) quoted(quote byte) (value string, ok, more bool) {
	start := p.at
	var b strings.Builder
	good := true
	for i := start + 1; i < len(p.text); i++ {
		c := p.text[i]
		switch {
		case c == quote:
			p.at = i + 1
			if p.at < len(p.text) && !blank(p.text[p.at]) {
				p.fail(p.at, "a space is missing after the quoted value", "separate parameters by spaces")
				p.word()
				return "", false, true
			}
			if p.badText(start+1, p.text[start+1:i], "the value") {
				good = false
			}
			return b.String(), good, true
		case c == '\\' && quote == '"':
			if i+1 < len(p.text) && (p.text[i+1] == '"' || p.text[i+1] == '\\') {
				i++
				b.WriteByte(p.text[i])
				continue
			}
			p.fail(i, "an unknown escape in a quoted value", `in double quotes, write \\ for a backslash and \" for a quote; in single quotes a backslash is one`)
			good = false
		default:
			b.WriteByte(c)
		}
	}
	p.fail(start, "the quote is not closed", "a value ends on the line it begins on")
	return "", false, false
}

// set enters a parameter.
func (p *parser) set(start int, key, value string) {
	if first, ok := p.columns.Keys[key]; ok {
		p.fail(start, fmt.Sprintf("%q is given twice", key), fmt.Sprintf("first at column %d", first))
		return
	}
	p.columns.Keys[key] = p.columnOf(start)
	environment, name, dotted := strings.Cut(key, ".")
	switch {
	case dotted:
		if p.claim.Environments == nil {
			p.claim.Environments = map[string]map[string]string{}
		}
		if p.claim.Environments[environment] == nil {
			p.claim.Environments[environment] = map[string]string{}
		}
		p.claim.Environments[environment][name] = value
	case key == nameKey:
		if err := catalog.CheckName("instance", value); err != nil {
			p.fail(start+len(nameKey)+1, err.Error(), "")
			return
		}
		p.claim.Instance = value
	default:
		if p.claim.Parameters == nil {
			p.claim.Parameters = map[string]string{}
		}
		p.claim.Parameters[key] = value
	}
}

// badText reports the first character that a value must not hold: what is no
// text, and what makes a line look other than it is.
func (p *parser) badText(start int, text, what string) bool {
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd"):
			p.fail(start+i, what+" is not valid UTF-8", "save the file as UTF-8")
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029':
			p.fail(start+i, fmt.Sprintf("%s holds the control character U+%04X", what, r), "remove it")
		default:
			continue
		}
		return true
	}
	return false
}

// word reads up to the next space.
func (p *parser) word() string {
	start := p.at
	for p.at < len(p.text) && !blank(p.text[p.at]) {
		p.at++
	}
	return p.text[start:p.at]
}

func (p *parser) spaces() {
	for p.at < len(p.text) && blank(p.text[p.at]) {
		p.at++
	}
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

func (p *parser) columnOf(offset int) int {
	return p.column + utf8.RuneCountInString(p.text[:offset])
}

func (p *parser) fail(offset int, message, hint string) {
	p.problems = append(p.problems, manifest.Problem{
		File: p.file, Line: p.line, Column: p.columnOf(offset), Message: message, Hint: hint,
	})
}
