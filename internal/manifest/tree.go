// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"fmt"
	"strconv"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

type kind int

const (
	kindNull kind = iota
	kindScalar
	kindMapping
	kindSequence
)

// node is a value with its place. Positions of an alias's content are those of
// the alias, where the mistake has to be seen.
type node struct {
	kind         kind
	line, column int
	scalar       any    // string, bool, int64 or float64
	text         string // the scalar as written
	fields       []field
	items        []*node
}

type field struct {
	name         string
	line, column int
	value        *node
}

func (n *node) field(name string) (field, bool) {
	for _, f := range n.fields {
		if f.name == name {
			return f, true
		}
	}
	return field{}, false
}

// describe says what the value is, for "found …".
func (n *node) describe() string {
	switch n.kind {
	case kindNull:
		return "nothing"
	case kindMapping:
		return "a mapping"
	case kindSequence:
		return "a list"
	case kindScalar:
	}
	switch n.scalar.(type) {
	case string:
		return "the string " + strconv.Quote(shorten(n.text))
	case bool:
		return "the boolean " + n.text
	case int64:
		return "the integer " + shorten(n.text)
	default:
		return "the number " + shorten(n.text)
	}
}

// shorten keeps a message on one line of a terminal.
func shorten(s string) string {
	const limit = 40
	if r := []rune(s); len(r) > limit {
		return string(r[:limit]) + "…"
	}
	return s
}

// builder turns the parser's tree into nodes.
type builder struct {
	first    int
	budget   *int
	anchors  map[string]ast.Node
	open     []string     // aliases being expanded, against cycles
	at       *token.Token // where the outermost of them stands
	problems Problems
}

func (b *builder) place(t *token.Token) (line, column int) {
	if b.at != nil {
		t = b.at
	}
	return b.first + t.Position.Line, t.Position.Column
}

func (b *builder) report(t *token.Token, path, message, hint string) {
	line, column := b.place(t)
	b.problems = append(b.problems, Problem{Line: line, Column: column, Field: path, Message: message, Hint: hint})
}

// spend takes the cost of one value or key from the budget of the file: one unit
// and one more for every 32 bytes, so that neither many small values nor a few
// large ones can be multiplied by aliases.
func (b *builder) spend(t *token.Token, path string) bool {
	if *b.budget < 0 {
		return false // reported already
	}
	if *b.budget -= 1 + len(t.Value)/32; *b.budget >= 0 {
		return true
	}
	b.report(t, path, "the file is too large with its aliases expanded", "use fewer aliases")
	return false
}

// build returns the node of source, or a null in place of what it had to
// refuse.
func (b *builder) build(source ast.Node, path string, depth int) *node {
	t := source.GetToken()
	line, column := b.place(t)
	n := &node{line: line, column: column}
	if !b.spend(t, path) {
		return n
	}
	if depth > maxDepth {
		b.report(t, path, fmt.Sprintf("nested deeper than %d levels", maxDepth), "flatten the value")
		return n
	}
	switch s := source.(type) {
	case *ast.MappingNode:
		b.mapping(n, s, path, depth)
	case *ast.SequenceNode:
		n.kind = kindSequence
		for i, item := range s.Values {
			n.items = append(n.items, b.build(item, Index(path, i), depth+1))
		}
	case *ast.AnchorNode:
		b.anchors[s.Name.GetToken().Value] = s.Value
		return b.build(s.Value, path, depth)
	case *ast.AliasNode:
		return b.alias(n, s, path, depth)
	default:
		b.scalar(n, source, path)
	}
	return n
}

func (b *builder) mapping(n *node, s *ast.MappingNode, path string, depth int) {
	n.kind = kindMapping
	seen := make(map[string]int, len(s.Values))
	for i, pair := range s.Values {
		t := pair.Key.GetToken()
		line, column := b.place(t)
		if i == 0 && !s.IsFlowStyle {
			// A block mapping begins at its first key; the parser says at the
			// first colon.
			n.line, n.column = line, column
		}
		key, ok := b.key(pair.Key)
		if !ok {
			b.report(t, path, fmt.Sprintf("key %s is not a string", shorten(t.Value)), "quote it")
			continue
		}
		at := Member(path, key)
		if !b.spend(t, at) {
			return
		}
		if where, again := seen[key]; again {
			b.report(t, at, fmt.Sprintf("duplicate key %q, first on line %d", shorten(key), where), "remove one of them")
			continue
		}
		seen[key] = line
		n.fields = append(n.fields, field{name: key, line: line, column: column, value: b.build(pair.Value, at, depth+1)})
	}
}

// key accepts strings alone: 1 and true and null as keys mean something else to
// every other reader.
func (b *builder) key(source ast.Node) (string, bool) {
	if s, ok := source.(*ast.StringNode); ok {
		if quoted(s.Token) {
			return s.Value, true
		}
		value, err := resolve(s.Value)
		text, ok := value.(string)
		return text, ok && err == nil
	}
	return "", false
}

func (b *builder) alias(n *node, s *ast.AliasNode, path string, depth int) *node {
	name := s.Value.GetToken().Value
	for _, o := range b.open {
		if o == name {
			b.report(s.Start, path, fmt.Sprintf("alias *%s contains itself", shorten(name)), "write the value out")
			return n
		}
	}
	target, ok := b.anchors[name]
	if !ok {
		b.report(s.Start, path, fmt.Sprintf("alias *%s has no anchor &%[1]s before it", shorten(name)), "write the value out")
		return n
	}
	b.open = append(b.open, name)
	outermost := b.at == nil
	if outermost {
		b.at = s.Start
	}
	n = b.build(target, path, depth)
	if outermost {
		b.at = nil
	}
	b.open = b.open[:len(b.open)-1]
	return n
}
