// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"regexp"
	"strconv"
	"strings"
)

var plainKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// Member is the path of a mapping's field: "spec" and "inputs" give
// "spec.inputs". A key that a path cannot hold as it is, is quoted:
// metadata.labels["example.com/tier"].
func Member(path, key string) string {
	if !plainKey.MatchString(key) {
		return path + "[" + strconv.Quote(shorten(key)) + "]"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// Index is the path of a list's element, counted from 0.
func Index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// step is one part of a path: a key, or (with key empty) an index.
type step struct {
	key   string
	index int
}

// steps takes a path apart; it stops where the path is malformed.
func steps(path string) []step {
	var out []step
	for path != "" {
		if path[0] != '[' {
			path = strings.TrimPrefix(path, ".")
			end := strings.IndexAny(path, ".[")
			if end < 0 {
				end = len(path)
			}
			if end == 0 {
				return out
			}
			out = append(out, step{key: path[:end]})
			path = path[end:]
			continue
		}
		inside := path[1:]
		if quotedKey, err := strconv.QuotedPrefix(inside); err == nil {
			key, err := strconv.Unquote(quotedKey)
			if err != nil || !strings.HasPrefix(inside[len(quotedKey):], "]") {
				return out
			}
			out = append(out, step{key: key})
			path = inside[len(quotedKey)+1:]
			continue
		}
		number, rest, ok := strings.Cut(inside, "]")
		index, err := strconv.Atoi(number)
		if !ok || err != nil {
			return out
		}
		out = append(out, step{index: index})
		path = rest
	}
	return out
}

// locate follows path as far as it goes and returns the place of the last
// value found: the value itself if it is a scalar, otherwise its key.
func (n *node) locate(path string) (line, column int) {
	line, column = n.line, n.column
	for _, s := range steps(path) {
		if s.key == "" {
			if n.kind != kindSequence || s.index < 0 || s.index >= len(n.items) {
				return line, column
			}
			n = n.items[s.index]
			line, column = n.line, n.column
			continue
		}
		f, ok := n.field(s.key)
		if !ok {
			return line, column
		}
		n = f.value
		line, column = f.line, f.column
		if n.kind == kindScalar {
			line, column = n.line, n.column
		}
	}
	return line, column
}
