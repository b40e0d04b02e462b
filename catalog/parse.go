// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"errors"
	"fmt"

	"github.com/HatiCode/nestor/internal/manifest"
)

// ParseDefinitions reads a file of one or more definitions and checks them
// without touching the files they name. It returns them in order, normalized,
// or everything that is wrong in the whole file as manifest.Problems.
func ParseDefinitions(file string, data []byte) ([]Definition, error) {
	documents, err := manifest.Parse(file, data)
	if err != nil {
		return nil, err
	}
	if len(documents) == 0 {
		return nil, manifest.Problems{{
			File: file, Line: 1, Column: 1, Message: "the file holds no " + Kind,
			Hint: fmt.Sprintf("begin with \"apiVersion: %s\" and \"kind: %s\"", APIVersion, Kind),
		}}
	}
	var problems manifest.Problems
	definitions := make([]Definition, 0, len(documents))
	seen := map[string]bool{}
	for _, document := range documents {
		definition, found := parseDefinition(document)
		if len(found) == 0 && seen[definition.Ref()] {
			found = manifest.Problems{document.Problem("metadata.name", definition.Ref()+" is in this file already", "give it another name or version")}
		}
		seen[definition.Ref()] = true
		problems = append(problems, found...)
		definitions = append(definitions, definition)
	}
	if err := problems.OrNil(); err != nil {
		return nil, err
	}
	return definitions, nil
}

func parseDefinition(document *manifest.Document) (Definition, manifest.Problems) {
	var problems manifest.Problems
	report := func(path, message, hint string) {
		problems = append(problems, document.Problem(path, message, hint))
	}
	var d Definition
	if kind := document.Kind(); kind != Kind {
		// Its fields are another kind's; calling each unknown would help nobody.
		report("kind", expected(Kind, kind), didYouMean(kind, []string{Kind}))
		return d, problems
	}
	if err := document.Decode(&d); err != nil {
		var mistyped manifest.Problems
		if !errors.As(err, &mistyped) {
			report("", err.Error(), "")
			return d, problems
		}
		for i := range mistyped {
			if mistyped[i].Field == "metadata.version" { // such as 1.0, which YAML reads as a number
				mistyped[i].Hint = `write a semantic version in quotes, such as "1.0.0"`
			}
		}
		problems = mistyped
	}
	d = d.Normalize()
	validate(d, func(path, message, hint string) {
		if !problems.Covers(path) {
			report(path, message, hint)
		}
	})
	return d, problems
}
