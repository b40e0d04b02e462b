// SPDX-License-Identifier: Apache-2.0

package composer

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"text/template"
	"text/template/parse"
)

// Bounds of one template. They are counted, not timed, so that the same
// template fails or passes on every machine.
const (
	// MaxTemplateBytes bounds the text of a template.
	MaxTemplateBytes = 8 << 10
	// MaxTemplateOutput bounds what a template gives, and each value on the way.
	MaxTemplateOutput = 64 << 10
	// maxTemplateWork bounds the bytes that functions and loops go through:
	// some milliseconds.
	maxTemplateWork = 8 << 20
	// maxTemplateNesting bounds parentheses and blocks, before the parser
	// recurses into them.
	maxTemplateNesting = 50
)

const (
	templateName = "t"
	leftDelim    = "{{"
	rightDelim   = "}}"
)

// Names of the functions that instrumentation adds; a template cannot write a
// name that begins with an underscore.
const (
	funcOutput = "_output"
	funcEmit   = "_emit"
	funcTest   = "_test"
	funcItems  = "_items"
	funcStep   = "_step"
)

// parsedTemplate is a string of a composition, ready to run any number of
// times. Without a tree it is plain text.
type parsedTemplate struct {
	source string
	text   string // with a nil tree
	tree   *parse.Tree
	uses   templateUses
}

// parseTemplate reads a template without running it. Errors are *mistake.
func parseTemplate(source string) (*parsedTemplate, error) {
	if !strings.Contains(source, leftDelim) && !strings.Contains(source, literalRef) {
		return &parsedTemplate{source: source, text: source}, nil
	}
	if len(source) > MaxTemplateBytes {
		return nil, failf("the template has %d bytes, more than the %d allowed", len(source), MaxTemplateBytes)
	}
	rewritten, uses, err := rewriteTemplate(source)
	if err != nil {
		return nil, err
	}
	trees, err := parse.Parse(templateName, rewritten, leftDelim, rightDelim, knownFunctions())
	if err != nil {
		return nil, parseFailure(err)
	}
	tree := trees[templateName]
	if len(trees) != 1 || tree == nil || tree.Root == nil {
		return nil, failf("a template cannot define others")
	}
	if err := checkArguments(tree.Root); err != nil {
		return nil, err
	}
	if err := instrument(tree.Root); err != nil {
		return nil, err
	}
	return &parsedTemplate{source: source, tree: tree, uses: uses}, nil
}

// run executes the template. A nil expression with a nil error means that the
// template gave nothing at all: an optional parameter that is not set.
func (t *parsedTemplate) run(scope *templateScope) (*Expression, error) {
	if t.tree == nil {
		e := literal(t.text)
		return &e, nil
	}
	r := &templateRun{scope: scope, stepCost: len(t.source)}
	compiled, err := template.New(templateName).Option("missingkey=error").Funcs(r.functions()).AddParseTree(templateName, t.tree)
	if err != nil {
		return nil, runFailure(err)
	}
	if err := compiled.Execute(r, scope.data); err != nil {
		return nil, runFailure(err)
	}
	return r.result()
}

// segment is a piece of a template's output: text, or a value that an action
// gave. Values never pass through text, so that nothing in a value can be
// taken for a reference.
type segment struct {
	text    []byte
	value   any
	isValue bool
}

// templateRun is one execution. It is the template's writer.
type templateRun struct {
	scope    *templateScope
	segments []segment
	written  int
	work     int
	stepCost int
}

// Write takes the template's text.
func (r *templateRun) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := r.grow(len(p)); err != nil {
		return 0, err
	}
	if n := len(r.segments); n > 0 && !r.segments[n-1].isValue {
		r.segments[n-1].text = append(r.segments[n-1].text, p...)
	} else {
		r.segments = append(r.segments, segment{text: bytes.Clone(p)})
	}
	return len(p), nil
}

func (r *templateRun) grow(n int) error {
	if r.written += n; r.written > MaxTemplateOutput {
		return failf("the template gives more than %d bytes", MaxTemplateOutput)
	}
	return r.spend(n)
}

// spend charges work, and stops a template that does too much of it.
func (r *templateRun) spend(n int) error {
	const perCall = 64
	if r.work += n + perCall; r.work > maxTemplateWork {
		return &mistake{message: "the template does too much work", hint: "make its loops shorter"}
	}
	return nil
}

// result turns the segments into an expression.
func (r *templateRun) result() (*Expression, error) {
	if len(r.segments) == 1 && r.segments[0].isValue {
		v := r.segments[0].value
		if a, ok := v.(absent); ok && a.optional {
			return nil, nil //nolint:nilnil // run's contract: nothing was given
		}
		e, err := expressionOf(v)
		return &e, err
	}
	var parts []Expression
	for _, s := range r.segments {
		if !s.isValue {
			parts = append(parts, literal(string(s.text)))
			continue
		}
		pieces, err := textParts(s.value)
		if err != nil {
			return nil, err
		}
		parts = append(parts, pieces...)
	}
	e := joinParts(parts)
	return &e, nil
}

// textParts is a value as parts of a text.
func textParts(v any) ([]Expression, error) {
	switch t := v.(type) {
	case opaque:
		if t.expression.Kind == ExprConcat {
			return t.expression.Parts, nil
		}
		return []Expression{t.expression}, nil
	case absent:
		return nil, t.failure()
	}
	text, ok := scalarText(v)
	if !ok {
		return nil, &mistake{message: describe(normal(v)) + " cannot stand inside text", hint: "use toJson or join"}
	}
	return []Expression{literal(text)}, nil
}

// joinParts makes one literal of neighbouring literals, and of a concat of only
// literals a literal.
func joinParts(parts []Expression) Expression {
	var merged []Expression
	for _, p := range parts {
		if n := len(merged); n > 0 && p.Kind == ExprLiteral && merged[n-1].Kind == ExprLiteral {
			left, _ := scalarText(merged[n-1].Literal)
			right, _ := scalarText(p.Literal)
			merged[n-1] = literal(left + right)
			continue
		}
		if p.Kind == ExprLiteral && p.Literal == "" {
			continue
		}
		merged = append(merged, p)
	}
	switch {
	case len(merged) == 0:
		return literal("")
	case len(merged) == 1 && merged[0].Kind == ExprLiteral:
		return merged[0]
	default:
		return Expression{Kind: ExprConcat, Parts: merged}
	}
}

// expressionOf is a value by itself, keeping its type.
func expressionOf(v any) (Expression, error) {
	switch t := v.(type) {
	case opaque:
		return t.expression, nil
	case absent:
		return Expression{}, t.failure()
	case []any:
		parts := make([]Expression, len(t))
		for i, e := range t {
			part, err := expressionOf(e)
			if err != nil {
				return Expression{}, err
			}
			parts[i] = part
		}
		return listOf(parts), nil
	default:
		return literal(normal(v)), nil
	}
}

// listOf is a literal if all its parts are.
func listOf(parts []Expression) Expression {
	values := make([]any, len(parts))
	for i, p := range parts {
		if p.Kind != ExprLiteral {
			return Expression{Kind: ExprList, Parts: parts}
		}
		values[i] = p.Literal
	}
	return literal(values)
}

// mapOf is a literal if all its fields are.
func mapOf(fields map[string]Expression) Expression {
	values := make(map[string]any, len(fields))
	for _, k := range sortedKeys(fields) {
		if fields[k].Kind != ExprLiteral {
			return Expression{Kind: ExprMap, Fields: fields}
		}
		values[k] = fields[k].Literal
	}
	return literal(values)
}

// parseFailure and runFailure say what text/template says, without its
// prefixes and without the names that instrumentation adds.
func parseFailure(err error) *mistake {
	_, message, ok := strings.Cut(err.Error(), "template: "+templateName+":")
	if !ok {
		return failf("%s", clip(err.Error()))
	}
	line, rest, _ := strings.Cut(message, ": ")
	if undefined, ok := strings.CutPrefix(rest, "function "); ok {
		name, _, _ := strings.Cut(strings.TrimPrefix(undefined, `"`), `"`)
		return &mistake{
			message: fmt.Sprintf("there is no function %q", clip(name)),
			hint:    hint(name, functionNames(), ""),
		}
	}
	if line != "1" {
		rest = "line " + line + ": " + rest
	}
	return failf("%s", rest)
}

func runFailure(err error) error {
	var own *mistake
	if errors.As(err, &own) {
		return own
	}
	message := err.Error()
	if m := regexp.MustCompile(`executing "t" at <(.*?)>: (.*)$`).FindStringSubmatch(message); m != nil {
		where, what := strings.ReplaceAll(m[1], funcOutput, "output"), m[2]
		if key, ok := strings.CutPrefix(what, "map has no entry for key "); ok {
			return failf("%s: there is no %s", clip(where), clip(key))
		}
		return failf("%s: %s", clip(where), what)
	}
	return failf("%s", message)
}
