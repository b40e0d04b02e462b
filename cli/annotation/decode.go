// SPDX-License-Identifier: Apache-2.0

package annotation

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/internal/manifest"
)

// regenerate is the cure for anything that is wrong in a generated file.
const regenerate = "the file is generated: run nestor generate"

// Read reads an application file strictly: its fields, its kind, names and the
// names of instances. An error about its content is manifest.Problems.
func Read(data []byte) (composer.Application, error) {
	documents, err := manifest.Parse(Path, data)
	if err != nil {
		return composer.Application{}, err
	}
	if len(documents) != 1 {
		return composer.Application{}, manifest.Problems{{
			File: Path, Message: fmt.Sprintf("expected one %s, found %d documents", composer.KindApplication, len(documents)), Hint: regenerate,
		}}
	}
	document := documents[0]
	var app composer.Application
	var problems manifest.Problems
	if err := document.Decode(&app); err != nil {
		if !errors.As(err, &problems) {
			return composer.Application{}, err
		}
	}
	mistyped := problems
	validate(app, func(path, message string) {
		if !mistyped.Covers(path) {
			problems = append(problems, document.Problem(path, message, regenerate))
		}
	})
	if err := problems.OrNil(); err != nil {
		return composer.Application{}, err
	}
	return app, nil
}

// validate reports what the types of the fields do not say.
func validate(app composer.Application, report func(path, message string)) {
	name := func(path, kind, value string) {
		if err := catalog.CheckName(kind, value); err != nil {
			report(path, err.Error())
		}
	}
	if app.APIVersion != composer.APIVersion {
		report("apiVersion", fmt.Sprintf("expected %s, found %q", composer.APIVersion, app.APIVersion))
	}
	if app.Kind != composer.KindApplication {
		report("kind", fmt.Sprintf("expected %s, found %q", composer.KindApplication, app.Kind))
	}
	name("metadata.name", "application", app.Metadata.Name)
	name("metadata.team", "team", app.Metadata.Team)
	first := map[string]int{}
	for i, c := range app.Spec.Claims {
		path := manifest.Index("spec.claims", i)
		name(manifest.Member(path, "instance"), "instance", c.Instance)
		name(manifest.Member(path, "composition"), "composition", c.Composition)
		environments := manifest.Member(path, "environments")
		for _, environment := range slices.Sorted(maps.Keys(c.Environments)) {
			name(manifest.Member(environments, environment), "environment", environment)
		}
		if c.File == "" {
			report(manifest.Member(path, "file"), "expected the file of the annotation")
		}
		if c.Line < 1 {
			report(manifest.Member(path, "line"), fmt.Sprintf("expected a line, counted from 1, found %d", c.Line))
		}
		if other, ok := first[c.Instance]; ok {
			report(manifest.Member(path, "instance"), fmt.Sprintf("the instance %q is claimed by spec.claims[%d] already", c.Instance, other))
			continue
		}
		first[c.Instance] = i
	}
}
