// SPDX-License-Identifier: Apache-2.0

package annotation

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/HatiCode/nestor/cli/annotation/comment"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/internal/manifest"
)

// findings are what one worker, or the whole scan, has found.
type findings struct {
	claims   []located
	notes    []Note
	problems manifest.Problems
	files    int
	bytes    int64
}

// located is a claim with its places.
type located struct {
	claim   composer.Claim
	columns Columns
}

// extract reads the annotations of a file that holds the marker.
func (f *findings) extract(table *comment.Table, file string, src []byte) {
	language := table.Detect(file, src)
	x := extractor{findings: f, language: language, file: file, src: src, line: 1, hit: -1}
	x.next()
	language.Spans(src, x.span)
	for x.hit >= 0 {
		x.unread("the language of the file has no such comment")
		x.next()
	}
}

// extractor walks the spans of a file beside the places of the marker in it.
type extractor struct {
	*findings
	language *comment.Language
	file     string
	src      []byte

	hit       int // offset of the marker, -1 when there are no more
	line      int // of hit
	lineStart int // offset of that line
}

// next goes to the following marker and counts the lines up to there.
func (x *extractor) next() {
	from := x.hit + 1
	i := indexMarker(x.src[from:])
	if i < 0 {
		x.hit = -1
		return
	}
	x.hit = from + i
	passed := x.src[x.lineStart:x.hit]
	x.line += bytes.Count(passed, []byte("\n"))
	x.lineStart += bytes.LastIndexByte(passed, '\n') + 1
}

// span deals with the markers up to the end of a span; it returns false when
// there are no more.
func (x *extractor) span(s comment.Span) bool {
	for x.hit >= 0 && x.hit < s.End {
		switch {
		case x.hit < s.Start:
			x.unread("the language of the file has no such comment here")
		case s.Kind == comment.Literal:
			x.unread("it is part of a literal")
		case x.hit >= s.Body && x.leads(s):
			x.annotation(s)
		}
		x.next()
	}
	return x.hit >= 0
}

// leads says that the marker is the first thing in its comment, or in its line
// of a block comment.
func (x *extractor) leads(s comment.Span) bool {
	from := max(s.Body, x.lineStart)
	before := string(x.src[from:x.hit])
	if s.Kind == comment.Block {
		before = strings.TrimLeft(before, " \t\r")
		before = strings.TrimLeft(before, "*!")
	} else {
		opener := string(x.src[s.Start:s.Body])
		before = strings.TrimLeft(before, opener[len(opener)-1:])
		before = strings.TrimPrefix(before, "!")
	}
	return strings.TrimLeft(before, " \t") == ""
}

// annotation reads the one at the marker.
func (x *extractor) annotation(s comment.Span) {
	begin, end := x.hit+len(marker), s.End
	if i := bytes.IndexByte(x.src[begin:end], '\n'); i >= 0 {
		end = begin + i
	}
	p := parser{
		file: x.file, line: x.line,
		column: utf8.RuneCount(x.src[x.lineStart:begin]) + 1,
		text:   strings.TrimRight(string(x.src[begin:end]), " \t\r"),
	}
	p.parse()
	if len(p.problems) > 0 {
		x.problems = append(x.problems, p.problems...)
		return
	}
	x.claims = append(x.claims, located{p.claim, p.columns})
}

// unread notes a marker that stands like an annotation where there is none.
func (x *extractor) unread(why string) {
	if x.language.Prose() || !looksLike(x.src[x.lineStart:x.hit]) {
		return
	}
	x.notes = append(x.notes, Note{
		File: x.file, Line: x.line,
		Message: fmt.Sprintf("looks like an annotation but is none: %s (read as %s)", why, x.language.Name()),
	})
}

// looksLike says that text, what stands before a marker in its line, opens a
// comment in some language.
func looksLike(text []byte) bool {
	openers := []string{"//", "///", "#", "##", "--", ";", ";;", "%", "/*", "/**", "*", "<!--"}
	return slices.Contains(openers, strings.Trim(string(text), " \t"))
}
