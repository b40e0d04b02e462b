// SPDX-License-Identifier: Apache-2.0

package composer

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// literalRef begins a reference outside of {{ }}; "$" before it makes it text.
const literalRef = "${resources."

// templateUses is what a template names, found without running it.
type templateUses struct {
	// resources and params that it names, each once, in order.
	resources []string
	params    []string
	// references to outputs, with the resource as their node.
	references []Reference
	// environment keys, such as "region".
	environment []string
	// strangers are first names that no template has, such as ".param".
	strangers []string
	// anyParam says that params are reached in a way that names none.
	anyParam bool
}

func (u *templateUses) add(list *[]string, name string) {
	if !slices.Contains(*list, name) {
		*list = append(*list, name)
	}
}

// rewriter turns the template as written into what text/template can parse:
// references to outputs become calls, and names with dashes become look-ups.
// It adds no line break, so that lines stay what they were.
type rewriter struct {
	in      string
	at      int
	out     strings.Builder
	uses    templateUses
	depth   int    // parentheses and blocks
	shifted bool   // a range or with has begun: "." may be anything
	before  string // the last word
}

func rewriteTemplate(source string) (string, templateUses, error) {
	w := &rewriter{in: source}
	for w.at < len(w.in) {
		rest := w.in[w.at:]
		var err error
		switch {
		case strings.HasPrefix(rest, "$"+literalRef):
			w.copied(1+len(literalRef), literalRef)
		case strings.HasPrefix(rest, literalRef):
			err = w.literalReference()
		case strings.HasPrefix(rest, leftDelim):
			err = w.action()
		default:
			w.copied(1, rest[:1])
		}
		if err != nil {
			return "", templateUses{}, err
		}
	}
	return w.out.String(), w.uses, nil
}

// copied moves n bytes on and writes text in their place.
func (w *rewriter) copied(n int, text string) {
	w.at += n
	w.out.WriteString(text)
}

func (w *rewriter) literalReference() error {
	end := strings.IndexByte(w.in[w.at:], '}')
	if end < 0 {
		return &mistake{message: fmt.Sprintf("%q has no closing brace", literalRef), hint: "write $" + literalRef + " for the text itself"}
	}
	inside := w.in[w.at+2 : w.at+end]
	steps := strings.Split(inside, ".")
	for _, s := range steps {
		if s == "" || strings.Trim(s, nameBytes) != "" {
			return &mistake{message: fmt.Sprintf("${%s} is no reference", clip(inside)), hint: "write ${resources.<name>.outputs.<output>}, or $${…} for the text itself"}
		}
	}
	call, err := w.reference(steps)
	if err != nil {
		return err
	}
	w.copied(end+1, leftDelim+call+rightDelim)
	return nil
}

const nameBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

// action rewrites one {{ }}.
func (w *rewriter) action() error {
	rest := w.in[w.at:]
	body := strings.TrimLeft(strings.TrimPrefix(rest[2:], "-"), " \t\r\n")
	if strings.HasPrefix(body, "/*") {
		end := strings.Index(rest, "*/")
		if end < 0 {
			return failf("a comment is not closed; write {{/* … */}}")
		}
		w.copied(end+2, rest[:end+2])
		return nil
	}
	w.copied(2, leftDelim)
	for w.at < len(w.in) {
		rest := w.in[w.at:]
		if strings.HasPrefix(rest, rightDelim) {
			w.copied(2, rightDelim)
			return nil
		}
		if err := w.token(rest); err != nil {
			return err
		}
	}
	return failf("an action is not closed; write }} after %s", strconv.Quote(clip(rest)))
}

// token rewrites the next token of an action.
func (w *rewriter) token(rest string) error {
	switch c := rest[0]; {
	case c == '"' || c == '\'' || c == '`':
		n := quotedLength(rest)
		w.copied(n, rest[:n])
	case c == '(':
		w.depth++
		w.copied(1, "(")
		return w.checkDepth()
	case c == ')':
		w.depth--
		w.copied(1, ")")
	case c == '.' || c == '$':
		return w.chain(rest)
	case isLetter(c):
		n := len(rest) - len(strings.TrimLeft(rest, nameBytes[:len(nameBytes)-1]))
		if err := w.word(rest[:n]); err != nil {
			return err
		}
		w.copied(n, rest[:n])
	case c >= '0' && c <= '9':
		n := len(rest) - len(strings.TrimLeft(rest, nameBytes[:len(nameBytes)-1]+"."))
		w.copied(n, rest[:n])
	default:
		w.copied(1, rest[:1])
	}
	return nil
}

func (w *rewriter) word(word string) error {
	switch word {
	case "define", "template", "block":
		return &mistake{message: fmt.Sprintf("%q is not available here", word), hint: "write the text out; each value is a template of its own"}
	case "range", "with", "if":
		w.shifted = w.shifted || word != "if"
		if w.before != "else" { // "else if" has no end of its own
			w.depth++
		}
	case "end":
		w.depth--
	}
	w.before = word
	if word[0] == '_' {
		return failf("there is no function %q", clip(word))
	}
	return w.checkDepth()
}

func (w *rewriter) checkDepth() error {
	if w.depth > maxTemplateNesting {
		return failf("the template nests deeper than %d levels", maxTemplateNesting)
	}
	return nil
}

// chain rewrites ".a.b", "$.a.b" or "$x.a.b".
func (w *rewriter) chain(rest string) error {
	base := 0
	if rest[0] == '$' {
		base = 1 + len(rest[1:]) - len(strings.TrimLeft(rest[1:], nameBytes[:len(nameBytes)-1]))
	}
	var steps []string
	n := base
	for n+1 < len(rest) && rest[n] == '.' && (isLetter(rest[n+1]) || len(steps) > 0 && strings.IndexByte(nameBytes, rest[n+1]) >= 0) {
		step := rest[n+1:]
		step = step[:len(step)-len(strings.TrimLeft(step, nameBytes))]
		step = strings.TrimRight(step, "-")
		steps = append(steps, step)
		n += 1 + len(step)
	}
	top := rest[:base] == "$" || base == 0 && !w.follows()
	if len(steps) == 0 {
		w.uses.anyParam = w.uses.anyParam || top
		w.copied(max(n, 1), rest[:max(n, 1)])
		return nil
	}
	if !top {
		w.copied(n, dashed(rest[:base], rest[:n], steps))
		return nil
	}
	w.note(steps, base == 0 && w.shifted)
	if steps[0] == "resources" {
		call, err := w.reference(steps)
		if err != nil {
			return err
		}
		w.copied(n, "("+call+")")
		return nil
	}
	if base == 0 {
		w.copied(n, dashed(".", rest[:n], steps))
	} else {
		w.copied(n, dashed("$", rest[:n], steps))
	}
	return nil
}

// follows says that the dot goes on from something, as in "(…).name".
func (w *rewriter) follows() bool {
	return w.at > 0 && w.in[w.at-1] == ')'
}

// note remembers what a chain from the top names. unsure chains may start
// elsewhere.
func (w *rewriter) note(steps []string, unsure bool) {
	switch steps[0] {
	case "params":
		if len(steps) == 1 {
			w.uses.anyParam = true
		} else {
			w.uses.add(&w.uses.params, steps[1])
		}
	case "env":
		if len(steps) > 1 && !unsure {
			w.uses.add(&w.uses.environment, steps[1])
		}
	case "app", "team", "instance", "resources":
	default:
		if !unsure {
			w.uses.add(&w.uses.strangers, steps[0])
		}
	}
}

// reference is the call for a reference's steps.
func (w *rewriter) reference(steps []string) (string, error) {
	if len(steps) < 4 || steps[2] != "outputs" {
		return "", &mistake{
			message: fmt.Sprintf("%q is no reference", clip(strings.Join(steps, "."))),
			hint:    "write resources.<name>.outputs.<output>",
		}
	}
	w.uses.add(&w.uses.resources, steps[1])
	w.uses.references = append(w.uses.references, Reference{Node: steps[1], Output: steps[3], Path: steps[4:]})
	call := []string{funcOutput, strconv.Quote(steps[1])}
	for _, s := range steps[3:] {
		call = append(call, strconv.Quote(s))
	}
	return strings.Join(call, " "), nil
}

// dashed writes a chain as a look-up if a name in it has a dash, which
// text/template cannot read.
func dashed(base, written string, steps []string) string {
	if !slices.ContainsFunc(steps, func(s string) bool { return strings.Contains(s, "-") }) {
		return written
	}
	var b strings.Builder
	b.WriteString("(index " + base)
	for _, s := range steps {
		b.WriteString(" " + strconv.Quote(s))
	}
	b.WriteString(")")
	return b.String()
}

func isLetter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
}

// quotedLength is the length of the quoted text that rest begins with, or of
// rest if it is not closed (the parser says so better).
func quotedLength(rest string) int {
	for i := 1; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			if rest[0] != '`' {
				i++
			}
		case rest[0]:
			return i + 1
		}
	}
	return len(rest)
}
