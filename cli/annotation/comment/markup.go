// SPDX-License-Identifier: Apache-2.0

package comment

import (
	"bytes"
	"strings"
)

// codeBlock is a fenced code block of Markdown: from a line that begins with
// three or more of the fence's byte to one with at least as many.
func codeBlock(fence string) rule {
	return where(atLine, rule{fence, func(s *scan, at int) int {
		n := run(s.src, at, fence[0])
		body := s.lineEnd(at)
		for i := body; i < len(s.src); {
			i++
			end := s.lineEnd(i)
			content := bytes.TrimSpace(s.src[i:end])
			if len(content) >= n && run(content, 0, fence[0]) == len(content) {
				s.emit(Literal, at, body, i)
				return end
			}
			i = end
		}
		s.emit(Literal, at, body, len(s.src))
		return len(s.src)
	}})
}

// inlineCode is code between as many backticks on either side, on one line.
func inlineCode() rule {
	return rule{"`", func(s *scan, at int) int {
		n := run(s.src, at, '`')
		body := at + n
		if failed, ok := s.ticksFailed[n]; ok && failed == s.lineStart {
			return body
		}
		for i := body; i < len(s.src) && s.src[i] != '\n'; i++ {
			if s.src[i] != '`' {
				continue
			}
			found := run(s.src, i, '`')
			if found == n {
				s.emit(Literal, at, body, i)
				return i + n
			}
			i += found - 1
		}
		if s.ticksFailed == nil {
			s.ticksFailed = map[int]int{}
		}
		s.ticksFailed[n] = s.lineStart
		return body
	}}
}

// islandOpen turns on the rules that hold inside it only.
func islandOpen(opener string) rule {
	return rule{opener, func(s *scan, at int) int {
		s.island = true
		return s.code(at + len(opener))
	}}
}

// islandClose turns them off.
func islandClose(closer string) rule {
	return rule{closer, func(s *scan, at int) int {
		s.island = false
		return s.code(at + len(closer))
	}}
}

func inIsland(s *scan, _ int) bool  { return s.island }
func outIsland(s *scan, _ int) bool { return !s.island }

// phpLine is a comment that also ends where the island does.
func phpLine(opener string) rule {
	return where(inIsland, rule{opener, func(s *scan, at int) int {
		end := s.lineEnd(at)
		if i := strings.Index(string(s.src[at:end]), "?>"); i >= 0 {
			end = at + i
		}
		s.emit(Line, at, at+len(opener), end)
		return end
	}})
}
