// SPDX-License-Identifier: Apache-2.0

package house

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
)

// Decisions finds architecture decisions (docs/adr/NNNN-….md) that the list in
// docs/adr/README.md does not link to. A tree without them is fine.
func Decisions(tree fs.FS) ([]Finding, error) {
	const list = "docs/adr/README.md"
	entries, err := fs.ReadDir(tree, path.Dir(list))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for architecture decisions: %w", err)
	}
	content, err := fs.ReadFile(tree, list)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read %s: %w", list, err)
	}
	listed := map[string]bool{}
	for _, link := range linksOf(content) {
		listed[link.target] = true
	}
	form := regexp.MustCompile(`^[0-9]{4}-.*\.md$`)
	var found []Finding
	for _, entry := range entries {
		if form.MatchString(entry.Name()) && !listed[entry.Name()] {
			found = append(found, Finding{File: list, Text: "the decision " + entry.Name() + " is not in the list"})
		}
	}
	return found, nil
}
