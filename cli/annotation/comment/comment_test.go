// SPDX-License-Identifier: Apache-2.0

package comment_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/cli/annotation/comment"
)

func TestDetect(t *testing.T) {
	t.Parallel()
	table := comment.NewTable()
	tests := map[string]struct {
		reason, file, text, want string
	}{
		"extension":        {"the usual way", "a/b/main.go", "", "go"},
		"case":             {"names of files are compared without case", "A.SQL", "", "sql"},
		"name":             {"some files have a name of their own", "x/Makefile", "", "make"},
		"name over ending": {"a name says more than an extension", "CMakeLists.txt", "", "cmake"},
		"name with ending": {"variants of such files", "Dockerfile.prod", "", "dockerfile"},
		"ending of a name": {"and the other way round", "prod.Dockerfile", "", "dockerfile"},
		"dot file":         {"a hidden file's whole name", "home/.bashrc", "", "shell"},
		"environment":      {"a hidden file with an ending", ".env.production", "", "list"},
		"interpreter":      {"the first line, a version left out", "bin/run", "#!/usr/bin/python3.12 -u\n", "python"},
		"env":              {"env and its options are no interpreter", "bin/run", "#!/usr/bin/env -S A=b node --x\n", "javascript"},
		"empty shebang":    {"nothing named", "bin/run", "#!", "unknown"},
		"extension first":  {"a known extension wins over the first line", "a.sh", "#!/usr/bin/python\n", "shell"},
		"unknown":          {"the rest", "LICENSE", "", "unknown"},
		"no comments":      {"data has none", "package.json", "", "data"},
		"json with":        {"but for some", "tsconfig.json", "", "json-with-comments"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := table.Detect(tc.file, []byte(tc.text)).Name(); got != tc.want {
				t.Errorf("%s: %s is %q, want %q", tc.reason, tc.file, got, tc.want)
			}
		})
	}
}

func TestSpans(t *testing.T) {
	t.Parallel()
	source := "\ufeffx := \"a\" // b\n/* c */`d\n`"
	var got []string
	comment.NewTable().Detect("a.go", nil).Spans([]byte(source), func(s comment.Span) bool {
		got = append(got, fmt.Sprintf("%d %q", s.Kind, source[s.Body:s.End]))
		return true
	})
	want := []string{`3 "a"`, `1 " b"`, `2 " c "`, `3 "d\n"`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
}

func TestSpansStop(t *testing.T) {
	t.Parallel()
	calls := 0
	comment.NewTable().Detect("a.go", nil).Spans([]byte("//a\n//b\n//c\n"), func(comment.Span) bool {
		calls++
		return calls < 2
	})
	if calls != 2 {
		t.Errorf("yield was called %d times after it had said stop at 2", calls)
	}
}

// files has a name for each language with rules of its own.
func files() []string {
	return strings.Fields("a.go a.c a.cs a.java a.kt a.groovy a.dart a.rs a.swift a.zig a.ts a.php a.d a.tf a.jsonnet a.cue " +
		"a.py a.sh a.fish a.rb a.pl a.ex a.jl a.nim a.nix a.ps1 Makefile CMakeLists.txt Dockerfile a.lua a.sql a.hs a.lisp " +
		"a.clj a.ml a.fs a.erl a.yaml a.toml a.ini a.xml a.html a.vue a.md a.txt a.s a.tex a.bicep a.tcl a.graphql")
}

// TestHostile feeds what makes careless scanners slow.
func TestHostile(t *testing.T) {
	t.Parallel()
	table := comment.NewTable()
	const size = 512 << 10
	pieces := []string{
		"\"", "'", "`", "/*", "<<A\n", "<<A ", "/", "/[", "#", "[=", "[", "${", "\"${", "`${", "{", "$a", "R\"(", "|\n", "a: |\n", "=\n",
		"%w(", "~r(", "q(", "'''", "\"\"\"", "''", "(*", "{-", "--", "#|", "<!--", "```", "`a``", "\\", "@\"", "r#\"", "#\"", "\"#{\"", "\n", " ", "?", "\"$(", "[|", "@\"x", "[>-", "`a", "` ``",
	}
	// Linear work takes milliseconds, or seconds on a busy machine; quadratic
	// work takes minutes.
	const limit = 20 * time.Second
	for _, file := range files() {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			language := table.Detect(file, nil)
			for _, piece := range pieces {
				text := []byte(strings.Repeat(piece, size/len(piece)))
				start := time.Now()
				language.Spans(text, func(comment.Span) bool { return true })
				if took := time.Since(start); took > limit {
					t.Fatalf("%s: %q repeated takes %s", file, piece, took)
				}
			}
		})
	}
}

// FuzzSpans holds the scanner to its promises for any text in any language:
// no panic, spans in order and inside the file, the same ones each time.
func FuzzSpans(f *testing.F) {
	table := comment.NewTable()
	for _, seed := range []string{
		"", "//", "/*", "\"\\", "'\\", "`${`${", "<<A\n", "<<-'A B'\nA B\n", "a: |2-\n  x\n", "--- |", "$a$", "R\"x(", "r##\"", "'''${''", "%w[", "?\"",
		"<?php // ?>", "```\n", "``a`", "@\"\r\n", "\xef\xbb\xbf#", "=begin", "__END__", "[==[", "#[[", "\"#{\"", "/[/", "'\xff'", "''$",
	} {
		for i := range files() {
			f.Add(uint8(i), []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, text []byte) {
		file := files()[int(which)%len(files())]
		language := table.Detect(file, text)
		var first []comment.Span
		end := 0
		language.Spans(text, func(s comment.Span) bool {
			if s.Start < end || s.Body < s.Start || s.End < s.Body || s.End > len(text) {
				t.Fatalf("%s: %+v after %d in %q", file, s, end, text)
			}
			end = s.End
			first = append(first, s)
			return true
		})
		var second []comment.Span
		language.Spans(text, func(s comment.Span) bool {
			second = append(second, s)
			return true
		})
		if diff := cmp.Diff(first, second); diff != "" {
			t.Errorf("two runs differ:\n%s", diff)
		}
	})
}
