// SPDX-License-Identifier: Apache-2.0

// Package source reads the YAML files that a command is given, by name or below
// a directory, and cuts them into documents that keep their line numbers.
//
// It knows kinds and nothing else of what the documents mean.
package source

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/internal/manifest"
)

// Document is one YAML document.
type Document struct {
	// File is the path as the user would write it.
	File string
	// Dir is the directory of the file, for what stands beside it.
	Dir string
	// Text holds the document on the lines it has in the file; what belongs to
	// other documents is blank.
	Text string
	Kind string
}

// Loader reads documents of one kind.
type Loader struct {
	// Kind that is wanted. Below a directory, documents of other kinds are
	// left out; in a file that is named, they are kept for the caller to
	// refuse.
	Kind string
	// APIVersion of that kind, for the hint of a file with nothing in it.
	APIVersion string
	// Stdin is read for "-"; nil refuses that.
	Stdin io.Reader
	// Dir is the working directory.
	Dir string
	// Modules returns directories beside the document that hold no documents;
	// nil has none.
	Modules func(Document) []string
}

// Load reads all paths. What is wrong in any of the files comes as
// manifest.Problems, all of it at once.
func (l Loader) Load(paths []string) ([]Document, error) {
	var documents []Document
	var problems manifest.Problems
	for _, path := range paths {
		found, err := l.path(path)
		var list manifest.Problems
		if errors.As(err, &list) {
			problems = append(problems, list...)
		} else if err != nil {
			return nil, err
		}
		documents = append(documents, found...)
	}
	if err := problems.OrNil(); err != nil {
		return nil, err
	}
	return documents, nil
}

func (l Loader) path(path string) ([]Document, error) {
	if path == "-" && l.Stdin != nil {
		data, err := io.ReadAll(io.LimitReader(l.Stdin, manifest.MaxBytes+1))
		if err != nil {
			return nil, fmt.Errorf("read the standard input: %w", err)
		}
		documents, err := cut("stdin", l.Dir, data)
		return l.some("stdin", documents, err)
	}
	full := path
	if !filepath.IsAbs(path) {
		full = filepath.Join(l.Dir, path)
	}
	info, err := os.Stat(full)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, cause(err))
	}
	if info.IsDir() {
		return l.tree(path, full)
	}
	documents, err := read(path, full)
	return l.some(path, documents, err)
}

// some refuses a file with nothing in it, which was named for something.
func (l Loader) some(file string, documents []Document, err error) ([]Document, error) {
	if err != nil || len(documents) > 0 {
		return documents, err
	}
	hint := fmt.Sprintf("begin with \"kind: %s\"", l.Kind)
	if l.APIVersion != "" {
		hint = fmt.Sprintf("begin with \"apiVersion: %s\" and \"kind: %s\"", l.APIVersion, l.Kind)
	}
	return nil, manifest.Problems{{File: file, Line: 1, Column: 1, Message: "there is no " + l.Kind + " in it", Hint: hint}}
}

// cause drops the path, which the message names as the user wrote it.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func read(shown, full string) ([]Document, error) {
	data, err := os.ReadFile(full) //nolint:gosec // the user names the file
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", shown, cause(err))
	}
	return cut(shown, filepath.Dir(full), data)
}

// tree reads a directory's own files before those below it, since they say
// which directories are modules.
func (l Loader) tree(shown, full string) ([]Document, error) {
	entries, err := os.ReadDir(full)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", shown, cause(err))
	}
	var documents []Document
	var problems manifest.Problems
	take := func(found []Document, err error) error {
		var list manifest.Problems
		if err != nil && !errors.As(err, &list) {
			return err
		}
		problems = append(problems, list...)
		documents = append(documents, found...)
		return nil
	}
	modules := map[string]bool{}
	for _, entry := range entries {
		if !isYAML(entry) {
			continue
		}
		found, err := read(filepath.Join(shown, entry.Name()), filepath.Join(full, entry.Name()))
		found = slices.DeleteFunc(found, func(d Document) bool { return d.Kind != l.Kind })
		if err := take(found, err); err != nil {
			return nil, err
		}
		for _, d := range found {
			l.mark(modules, d)
		}
	}
	for _, entry := range entries {
		below := filepath.Join(full, entry.Name())
		if !entry.IsDir() || strings.HasPrefix(entry.Name(), ".") || modules[below] {
			continue
		}
		if err := take(l.tree(filepath.Join(shown, entry.Name()), below)); err != nil {
			return nil, err
		}
	}
	return documents, problems.OrNil()
}

// mark remembers the top directory of each module of a document.
func (l Loader) mark(modules map[string]bool, d Document) {
	if l.Modules == nil {
		return
	}
	for _, module := range l.Modules(d) {
		top, _, _ := strings.Cut(module, "/")
		modules[filepath.Join(d.Dir, top)] = true
	}
}

func isYAML(entry fs.DirEntry) bool {
	extension := strings.ToLower(filepath.Ext(entry.Name()))
	return entry.Type().IsRegular() && (extension == ".yaml" || extension == ".yml") && !strings.HasPrefix(entry.Name(), ".")
}

// cut parses a file and returns its documents, each padded with blank lines to
// where it begins.
func cut(file, dir string, data []byte) ([]Document, error) {
	if _, err := manifest.Parse(file, data); err != nil {
		return nil, err
	}
	var documents []Document
	for _, text := range split(strings.TrimPrefix(string(data), "\ufeff")) {
		parsed, err := manifest.Parse(file, []byte(text))
		if err != nil {
			return nil, err
		}
		for _, d := range parsed {
			documents = append(documents, Document{File: file, Dir: dir, Text: text, Kind: d.Kind()})
		}
	}
	return documents, nil
}

// split ends a document at each line that begins with "---" or "...".
func split(text string) []string {
	var parts []string
	var current strings.Builder
	number := 0
	for line := range strings.Lines(text) {
		if marker(line) {
			parts = append(parts, current.String())
			current.Reset()
			current.WriteString(strings.Repeat("\n", number))
		}
		current.WriteString(line)
		number++
	}
	return append(parts, current.String())
}

func marker(line string) bool {
	for _, m := range []string{"---", "..."} {
		if rest, ok := strings.CutPrefix(line, m); ok && (rest == "" || strings.ContainsRune(" \t\r\n", rune(rest[0]))) {
			return true
		}
	}
	return false
}
