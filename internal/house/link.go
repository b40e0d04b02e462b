// SPDX-License-Identifier: Apache-2.0

package house

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"regexp"
	"strings"
	"unicode"
)

// Links finds relative links in Markdown files that lead to no file of the
// tree, or to a heading that the target does not have. Links inside code are
// not links.
func Links(tree fs.FS) ([]Finding, error) {
	var found []Finding
	err := eachFile(tree, ".md", func(name string, content []byte) error {
		for _, link := range linksOf(content) {
			problem, err := follow(tree, name, link.target)
			if err != nil {
				return err
			}
			if problem != "" {
				found = append(found, Finding{File: name, Line: link.line, Text: problem})
			}
		}
		return nil
	})
	return found, err
}

type link struct {
	line   int
	target string
}

// linksOf lists the inline links and images of a Markdown text.
func linksOf(content []byte) []link {
	inline := regexp.MustCompile(`\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)`)
	code := regexp.MustCompile("`[^`]*`")
	var links []link
	eachLine(content, func(number int, text string) {
		for _, match := range inline.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
			links = append(links, link{line: number, target: match[1]})
		}
	})
	return links
}

// eachLine visits the lines outside of fenced code blocks.
func eachLine(content []byte, visit func(number int, text string)) {
	fenced := false
	lines := bufio.NewScanner(bytes.NewReader(content))
	lines.Buffer(nil, len(content)+1)
	for number := 1; lines.Scan(); number++ {
		text := lines.Text()
		if strings.HasPrefix(strings.TrimSpace(text), "```") {
			fenced = !fenced
			continue
		}
		if !fenced {
			visit(number, text)
		}
	}
}

// follow returns what is wrong with a link, or nothing.
func follow(tree fs.FS, from, target string) (string, error) {
	address, err := url.Parse(target)
	if err != nil {
		return fmt.Sprintf("the link %q cannot be read", target), nil //nolint:nilerr // a malformed link is a finding, not a failure
	}
	if address.Scheme != "" || address.Host != "" {
		return "", nil
	}
	file := from
	if address.Path != "" {
		file = path.Join(path.Dir(from), address.Path)
	}
	if !fs.ValidPath(file) {
		return fmt.Sprintf("the link %q leaves the repository", target), nil
	}
	info, err := fs.Stat(tree, file)
	if err != nil {
		return fmt.Sprintf("the link %q leads to no file", target), nil //nolint:nilerr // a missing target is a finding, not a failure
	}
	if address.Fragment == "" || info.IsDir() || !strings.HasSuffix(file, ".md") {
		return "", nil
	}
	content, err := fs.ReadFile(tree, file)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", file, err)
	}
	if !anchors(content)[address.Fragment] {
		return fmt.Sprintf("the link %q leads to no heading of %s", target, file), nil
	}
	return "", nil
}

// anchors of a Markdown text's headings, as common renderers make them.
func anchors(content []byte) map[string]bool {
	names := map[string]bool{}
	eachLine(content, func(_ int, text string) {
		title := strings.TrimLeft(text, "#")
		if title == text || !strings.HasPrefix(title, " ") {
			return
		}
		names[strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			default:
				return -1
			}
		}, strings.TrimSpace(title))] = true
	})
	return names
}
