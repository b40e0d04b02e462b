// SPDX-License-Identifier: Apache-2.0

package comment

import "bytes"

// yamlQuoted is a quoted scalar. A quote opens one only where a value may
// begin: in "it's" it is a letter.
func yamlQuoted(quote string, e escape) rule {
	return where(yamlValueMayBegin, long(quote, quote, e))
}

func yamlValueMayBegin(s *scan, at int) bool {
	end := at
	for end > s.lineStart && (s.src[end-1] == ' ' || s.src[end-1] == '\t') {
		end--
	}
	if end == s.lineStart {
		return true
	}
	switch s.src[end-1] {
	case '[', '{', ',':
		return true
	case ':', '-', '?':
		return end < at
	}
	if end == at {
		return false
	}
	// After a tag or an anchor; no honest one is long.
	begin := end - 1
	for begin > max(s.lineStart, end-128) && s.src[begin-1] != ' ' && s.src[begin-1] != '\t' {
		begin--
	}
	return s.src[begin] == '!' || s.src[begin] == '&'
}

// yamlBlock is a block scalar: "|" or ">" and, on the lines that follow, all
// that is indented more than its parent.
func yamlBlock(opener string) rule {
	return rule{opener, func(s *scan, at int) int {
		if !yamlValueMayBegin(s, at) && !s.has(s.lineStart, "--- ") {
			return no
		}
		i, explicit := at+1, 0
		for ; i < min(at+3, len(s.src)); i++ {
			c := s.src[i]
			if c >= '1' && c <= '9' {
				explicit = int(c - '0')
			} else if c != '+' && c != '-' {
				break
			}
		}
		end := s.spaces(i)
		if c := s.byteAt(end); end < len(s.src) && c != '\n' && (c != '#' || end == i) {
			return no
		}
		parent := s.yamlParent(at)
		s.pending = append(s.pending, func(from int) int { return s.yamlBody(from, parent, explicit) })
		return s.code(i)
	}}
}

// yamlParent is the column of the node that a block scalar at an offset belongs
// to: a key, the dash of a sequence, or -1 for the document.
func (s *scan) yamlParent(at int) int {
	head := s.src[s.lineStart:at]
	if bytes.HasPrefix(head, []byte("---")) {
		return -1
	}
	column, parent := 0, -1
	for column < len(head) {
		switch c := head[column]; {
		case c == ' ':
			column++
		case (c == '-' || c == '?') && column+1 < len(head) && head[column+1] == ' ':
			parent = column
			column++
		case c == '!' || c == '&': // a tag or an anchor before the scalar itself
			if bytes.IndexByte(head[column:], ':') < 0 {
				return parent
			}
			return column
		default:
			return column
		}
	}
	return parent
}

// yamlBody consumes the lines of a block scalar. Without an explicit number its
// first line that is not empty says how far it is indented.
func (s *scan) yamlBody(from, parent, explicit int) int {
	indent := 0
	if explicit > 0 {
		indent = max(parent, 0) + explicit
	}
	at := from
	for at < len(s.src) {
		end := s.lineEnd(at)
		content := s.src[at:end]
		if len(bytes.TrimSpace(content)) > 0 {
			column := run(s.src, at, ' ')
			if indent == 0 && explicit == 0 {
				if column <= parent {
					break
				}
				explicit, indent = 1, column
			}
			if column < indent || parent < 0 && (s.has(at, "---") || s.has(at, "...")) {
				break
			}
		}
		at = min(end+1, len(s.src))
	}
	if at > from {
		s.emit(Literal, from, from, at)
	}
	return at
}
