// SPDX-License-Identifier: Apache-2.0

// Package ignore decides which files git would ignore by its pattern files:
// .gitignore in any folder and .git/info/exclude.
//
// It follows git's own rules byte for byte, its corner cases included; the
// tests hold it against `git check-ignore`. It reads nothing itself, knows no
// index (git never ignores what is tracked; here a pattern ignores it), no
// user-wide core.excludesFile (a scan must find the same on every machine) and
// no core.ignoreCase.
package ignore

import (
	"bytes"
	"strings"
)

// Verdict is what a List says about a path.
type Verdict int

// The verdicts.
const (
	// None: no pattern of the list matches; a list further up decides.
	None Verdict = iota
	// Ignored: the last pattern that matches excludes the path.
	Ignored
	// Included: the last pattern that matches is a negation.
	Included
)

// List holds the patterns of one file, which apply to the paths below the
// folder that the file is in. It is immutable and safe for concurrent use.
type List struct {
	patterns []pattern
	// names and extensions index the patterns that are a plain name ("bin/") or
	// a plain extension ("*.log"), others is the rest; each holds indices into
	// patterns, in order. They only save time.
	names      map[string][]int
	extensions map[string][]int
	others     []int
}

// Parse reads a pattern file. There are no errors: git, too, lets a malformed
// pattern match nothing. A list without patterns is nil, which is a valid List.
func Parse(data []byte) *List {
	list := &List{names: map[string][]int{}, extensions: map[string][]int{}}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	for raw := range bytes.Lines(data) {
		line := string(bytes.TrimSuffix(raw, []byte("\n")))
		if line == "" || line[0] == '#' {
			continue
		}
		p, ok := parsePattern(trimSpaces(strings.TrimSuffix(line, "\r")))
		if !ok {
			continue
		}
		i := len(list.patterns)
		list.patterns = append(list.patterns, p)
		switch {
		case p.kind == kindName:
			list.names[p.literal] = append(list.names[p.literal], i)
		case p.kind == kindSuffix && strings.LastIndexByte(p.literal, '.') == 0:
			list.extensions[p.literal] = append(list.extensions[p.literal], i)
		default:
			list.others = append(list.others, i)
		}
	}
	if len(list.patterns) == 0 {
		return nil
	}
	return list
}

// Match says what the list makes of path, which is slash-separated and relative
// to the list's folder. It does not look at the folders that path is in: a
// caller that walks never enters an ignored one, as git never does.
func (l *List) Match(path string, dir bool) Verdict {
	if l == nil {
		return None
	}
	name := path[strings.LastIndexByte(path, '/')+1:]
	best := l.last(l.names[name], dir)
	if dot := strings.LastIndexByte(name, '.'); dot >= 0 && len(l.extensions) > 0 {
		best = max(best, l.last(l.extensions[name[dot:]], dir))
	}
	for i := len(l.others) - 1; i >= 0 && l.others[i] > best; i-- {
		p := &l.patterns[l.others[i]]
		if (dir || !p.dirOnly) && p.matches(path, name) {
			best = l.others[i]
			break
		}
	}
	switch {
	case best < 0:
		return None
	case l.patterns[best].negated:
		return Included
	default:
		return Ignored
	}
}

// last is the last of the indexed patterns that may apply, or -1.
func (l *List) last(indices []int, dir bool) int {
	for i := len(indices) - 1; i >= 0; i-- {
		if dir || !l.patterns[indices[i]].dirOnly {
			return indices[i]
		}
	}
	return -1
}

// trimSpaces drops trailing spaces, but not one that a backslash quotes.
func trimSpaces(line string) string {
	end := 0
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case ' ':
			continue
		case '\\':
			i++
		}
		end = i + 1
	}
	return line[:min(end, len(line))]
}
