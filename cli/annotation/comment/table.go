// SPDX-License-Identifier: Apache-2.0

package comment

import (
	"bytes"
	"path"
	"strings"
)

// Table knows languages by the names of their files.
type Table struct {
	extensions   map[string]*Language // ".go"
	names        map[string]*Language // "makefile"
	interpreters map[string]*Language // "python"
	unknown      *Language
}

// NewTable builds the table of all languages. It is immutable and safe for
// concurrent use.
func NewTable() *Table {
	t := &Table{
		extensions:   map[string]*Language{},
		names:        map[string]*Language{},
		interpreters: map[string]*Language{},
	}
	t.addBraces()
	t.addScripts()
	t.addFunctional()
	t.addData()
	t.addMarkup()
	// Nothing is known of the rest: what looks like a comment is one only at
	// the first column, where prose seldom has it and indented examples never.
	t.unknown = build("unknown",
		where(atMargin, line("//")), where(atMargin, line("#")),
		where(atMargin, line("--")), where(atMargin, line(";")))
	return t
}

// Detect finds the language of a file by its extension, its name or the
// interpreter its first line names. It never returns nil.
func (t *Table) Detect(file string, src []byte) *Language {
	name := strings.ToLower(path.Base(file))
	if l, ok := t.names[name]; ok {
		return l
	}
	if l, ok := t.extensions[path.Ext(name)]; ok {
		return l
	}
	stem, _, _ := strings.Cut(strings.TrimPrefix(name, "."), ".")
	if l, ok := t.names[stem+".*"]; ok {
		return l
	}
	if l, ok := t.interpreters[interpreter(src)]; ok {
		return l
	}
	return t.unknown
}

// interpreter is the program that a "#!" line names, without path and version.
func interpreter(src []byte) string {
	rest, ok := bytes.CutPrefix(src[:min(len(src), 256)], []byte("#!"))
	if !ok {
		return ""
	}
	first, _, _ := bytes.Cut(rest, []byte("\n"))
	fields := strings.Fields(string(first))
	if len(fields) == 0 {
		return ""
	}
	program := path.Base(fields[0])
	if program == "env" {
		program = ""
		for _, f := range fields[1:] {
			if !strings.HasPrefix(f, "-") && !strings.Contains(f, "=") {
				program = path.Base(f)
				break
			}
		}
	}
	return strings.TrimRight(program, "0123456789.-")
}

// add makes a language and enters it under its files: words that begin with "."
// are extensions, those that begin with "!" interpreters, all others whole
// names in lower case ("x.*": x with any extension).
func (t *Table) add(name, files string, rules ...rule) *Language {
	l := build(name, rules...)
	for _, f := range strings.Fields(files) {
		switch {
		case f[0] == '!':
			t.interpreters[f[1:]] = l
		case f[0] == '.' && strings.Count(f, ".") == 1 && !strings.HasSuffix(f, "rc") && !strings.HasSuffix(f, "ignore"):
			t.extensions[f] = l
		default:
			t.names[f] = l
		}
	}
	return l
}

func build(name string, rules ...rule) *Language {
	l := &Language{name: name}
	for _, r := range rules {
		l.rules[r.opener[0]] = append(l.rules[r.opener[0]], r)
	}
	return l
}
