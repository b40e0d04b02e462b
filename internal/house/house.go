// SPDX-License-Identifier: Apache-2.0

// Package house holds the checks of this repository that no ready-made linter
// makes: licence headers, links between documents, the list of decisions, the
// Compose file for Temporal, and an honest count of test results.
//
// It is a tool of the repository and no part of the product.
package house

import (
	"fmt"
	"io/fs"
	"strings"
)

// Finding is one violation, at a place in the tree.
type Finding struct {
	File string // slash-separated, relative to the root
	Line int    // from 1; 0 when the whole file is meant
	Text string
}

func (f Finding) String() string {
	if f.Line == 0 {
		return fmt.Sprintf("%s: %s", f.File, f.Text)
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Text)
}

// Check runs all checks of the tree and returns what they found, in order.
func Check(tree fs.FS) ([]Finding, error) {
	var all []Finding
	for _, check := range []func(fs.FS) ([]Finding, error){Headers, Links, Decisions, Compose} {
		found, err := check(tree)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// eachFile calls visit with the path and content of every file whose name ends
// in suffix, outside of folders that hold nothing of ours.
func eachFile(tree fs.FS, suffix string, visit func(name string, content []byte) error) error {
	return fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			switch {
			case name == "bin", entry.Name() == "node_modules", entry.Name() == "testdata":
				return fs.SkipDir
			case strings.HasPrefix(entry.Name(), ".") && len(name) > 1 && entry.Name() != ".ci":
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, suffix) {
			return nil
		}
		content, err := fs.ReadFile(tree, name)
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		return visit(name, content)
	})
}
