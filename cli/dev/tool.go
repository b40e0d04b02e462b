// SPDX-License-Identifier: Apache-2.0

package dev

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/internal/localkube"
)

// crdsDir is the folder beside programs that holds their CRDs, one folder for
// each tool.
const crdsDir = "crds"

// tools are the programs beside Nestor's own, by name, and where the CRDs are.
type tools struct {
	paths map[string]string
	crds  string
}

// MissingToolsError says which parts of a local cluster are missing, and the
// cure.
type MissingToolsError struct {
	// Programs and CRDs are what was not found.
	Programs, CRDs []string
	// Tools are what `tools/build` makes them of.
	Tools []string
	// Dirs were searched.
	Dirs []string
}

func (e *MissingToolsError) Error() string {
	what := slices.Clone(e.Programs)
	for _, tool := range e.CRDs {
		what = append(what, "the CRDs of "+tool)
	}
	return "these are missing: " + strings.Join(what, ", ") +
		"; looked in " + strings.Join(e.Dirs, ", ") + " and on PATH" +
		"; build them in Nestor's repository with `tools/build " + strings.Join(e.Tools, " ") + "`, or everything with `make tools`"
}

// tools finds the programs, and the folder with the CRDs of those that have
// some.
func (s Search) tools(needs []localkube.Need) (tools, error) {
	found := tools{paths: map[string]string{}}
	missing := &MissingToolsError{Dirs: s.Dirs}
	var withCRDs []string
	for _, need := range needs {
		path, err := s.find(need.Program, nil)
		if err != nil {
			missing.Programs = append(missing.Programs, need.Program)
			missing.Tools = append(missing.Tools, need.Tool)
		}
		found.paths[need.Program] = path
		if need.CRDs {
			withCRDs = append(withCRDs, need.Tool)
		}
	}
	if len(withCRDs) > 0 {
		var lacking []string
		if found.crds, lacking = s.crds(withCRDs); len(lacking) > 0 {
			missing.CRDs = lacking
			missing.Tools = append(missing.Tools, lacking...)
		}
	}
	if len(missing.Tools) == 0 {
		return found, nil
	}
	slices.Sort(missing.Tools)
	missing.Tools = slices.Compact(missing.Tools)
	return tools{}, missing
}

// crds finds the folder that holds the CRDs of all tools, or else says which it
// lacks where the most are.
func (s Search) crds(all []string) (dir string, lacking []string) {
	lacking = all
	for _, dir := range s.Dirs {
		dir = filepath.Join(dir, crdsDir)
		var lacks []string
		for _, tool := range all {
			if info, err := os.Stat(filepath.Join(dir, tool)); err != nil || !info.IsDir() {
				lacks = append(lacks, tool)
			}
		}
		if len(lacks) == 0 {
			return dir, nil
		}
		if len(lacks) < len(lacking) {
			lacking = lacks
		}
	}
	return "", lacking
}
