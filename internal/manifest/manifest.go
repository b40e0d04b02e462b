// SPDX-License-Identifier: Apache-2.0

// Package manifest reads Nestor's YAML files strictly: every syntax error,
// duplicate key, unknown field and mistyped value is reported at once, each
// with file, line and column, the field's path, what was expected and the cure.
//
// It reads the part of YAML 1.2 (core schema) that JSON can express: mappings
// with string keys, sequences and scalars. Anchors and aliases are expanded
// within a bound. Tags, merge keys, complex keys, directives, .inf and .nan are
// refused by name. JSON is YAML, so JSON is read too.
//
// It is not for writing YAML and knows no kind of document: what values mean is
// the caller's business, who reports through Document.Problem.
package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
)

// Limits of a file. They keep a hostile file from costing more than a moment;
// no honest one comes near them.
const (
	// MaxBytes bounds a file.
	MaxBytes = 1 << 20
	// maxDepth bounds nesting.
	maxDepth = 64
	// maxKeys bounds the keys of one mapping (the parser's time is quadratic).
	maxKeys = 2000
	// maxCost bounds the values of one file, aliases expanded; see
	// builder.spend. A file without aliases cannot reach it.
	maxCost = 1_200_000
)

// Parse reads the documents of a file, in order; empty documents are left out.
// The name file is only for messages. An error is always Problems.
func Parse(file string, data []byte) ([]*Document, error) {
	if p, ok := checkText(data); !ok {
		p.File = file
		return nil, Problems{p}
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	budget := maxCost
	var documents []*Document
	var problems Problems
	for _, c := range split(string(data)) {
		root, found := parseChunk(c, &budget)
		for _, p := range found {
			p.File = file
			problems = append(problems, p)
		}
		if root == nil || root.kind == kindNull {
			continue
		}
		if root.kind != kindMapping {
			problems = append(problems, Problem{
				File: file, Line: root.line, Column: root.column,
				Message: "expected a mapping such as \"kind: …\", found " + root.describe(),
			})
			continue
		}
		documents = append(documents, &Document{file: file, root: root})
	}
	if err := problems.OrNil(); err != nil {
		return nil, err
	}
	return documents, nil
}

func checkText(data []byte) (Problem, bool) {
	if len(data) > MaxBytes {
		return Problem{
			Message: fmt.Sprintf("the file has %d bytes, more than the %d allowed", len(data), MaxBytes),
			Hint:    "split it into several files",
		}, false
	}
	line, column := 1, 1
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return Problem{Line: line, Column: column, Message: "the file is not valid UTF-8", Hint: "save it as UTF-8"}, false
		case r < ' ' && r != '\n' && r != '\r' && r != '\t' || r == 0x7f:
			return Problem{
				Line: line, Column: column, Message: fmt.Sprintf("control character U+%04X", r),
				Hint: `write it as an escape in double quotes`,
			}, false
		case r == '\n':
			line, column = line+1, 0
		}
		column++
		i += size
	}
	return Problem{}, true
}

// chunk is the text of one document; its first line is line first+1 of the
// file.
type chunk struct {
	text  string
	first int
}

// split cuts a file at its document markers. In YAML a line that begins with
// "---" or "..." followed by white space is a marker wherever it stands, so no
// parser is needed; the parser used here loses documents after an empty one.
func split(text string) []chunk {
	var chunks []chunk
	var current strings.Builder
	first, number := 0, 0
	flush := func() {
		chunks = append(chunks, chunk{text: current.String(), first: first})
		current.Reset()
		first = number
	}
	for line := range strings.Lines(text) {
		switch {
		case isMarker(line, "---"):
			flush()
			// What follows the marker on its line belongs to the document.
			current.WriteString("   " + line[3:])
		case isMarker(line, "..."):
			number++
			flush()
			number--
		default:
			current.WriteString(line)
		}
		number++
	}
	flush()
	return chunks
}

func isMarker(line, marker string) bool {
	rest, ok := strings.CutPrefix(line, marker)
	return ok && (rest == "" || strings.ContainsRune(" \t\r\n", rune(rest[0])))
}

// parseChunk returns the tree of one document, nil if it is empty, and what is
// wrong with it.
func parseChunk(c chunk, budget *int) (root *node, problems Problems) {
	defer func() {
		// The text comes from anybody who can reach the API, and the parser is
		// not ours: a panic of its own is one more way to refuse a file.
		if r := recover(); r != nil {
			root, problems = nil, Problems{{
				Line: c.first + 1, Column: 1, Message: "the YAML parser gave up on this document",
				Hint: "write it in a simpler form",
			}}
		}
	}()
	tokens := lexer.Tokenize(c.text)
	if problems := checkTokens(tokens, c.first); len(problems) > 0 {
		return nil, problems
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, Problems{syntaxProblem(err, c.first)}
	}
	var body ast.Node
	for _, document := range file.Docs {
		if document.Body == nil {
			continue
		}
		if body != nil {
			position := document.Body.GetToken().Position
			return nil, Problems{{
				Line: c.first + position.Line, Column: position.Column, Message: "a second value in one document",
				Hint: "separate documents by a line \"---\"",
			}}
		}
		body = document.Body
	}
	if body == nil {
		return nil, nil
	}
	b := &builder{first: c.first, budget: budget, anchors: map[string]ast.Node{}}
	return b.build(body, "", 0), b.problems
}

func syntaxProblem(err error, first int) Problem {
	var detail yaml.Error
	if !errors.As(err, &detail) {
		return Problem{Line: first + 1, Column: 1, Message: "syntax error: " + err.Error()}
	}
	p := Problem{Line: first + 1, Column: 1, Message: "syntax error: " + detail.GetMessage()}
	if token := detail.GetToken(); token != nil && token.Position != nil {
		p.Line, p.Column = first+token.Position.Line, token.Position.Column
	}
	cure(&p, detail.GetMessage())
	return p
}
