// SPDX-License-Identifier: Apache-2.0

package composer

import (
	"fmt"
	"strings"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/internal/manifest"
)

// Source is a composition with the places of what it was read from, so that a
// later check can still say file, line and column.
type Source struct {
	Composition Composition

	document *manifest.Document
	// What another file says of its environments, if there is one.
	own       map[string]Override // as the composition has them itself
	over      map[string]Override
	overrides *manifest.Document
}

// ReadSources reads compositions as ParseComposition does, and changes them by
// overrides in the form of ParseEnvironmentOverrides, which may be empty. An
// override for a composition that is not there is a problem. An error is
// manifest.Problems.
func ReadSources(file string, compositions, overrides []byte) ([]Source, error) {
	sources, err := parseSources(file, compositions)
	if err != nil || len(overrides) == 0 {
		return sources, err
	}
	changes, err := parseOverrides(file, overrides)
	if err != nil {
		return nil, err
	}
	var problems manifest.Problems
	for i, s := range sources {
		name := s.Composition.Metadata.Name
		change, ok := changes[name]
		if !ok {
			continue
		}
		s.own, s.over, s.overrides = s.Composition.Spec.Environments, change.environments, change.document
		changed, err := s.Composition.WithOverrides(change.environments)
		if err != nil {
			for _, p := range problemsOf(err) {
				problems = append(problems, s.Problem(p.Field, p.Message, p.Hint))
			}
		}
		s.Composition = changed
		sources[i] = s
		delete(changes, name)
	}
	for _, name := range sortedKeys(changes) {
		problems = append(problems, changes[name].document.Problem(manifest.Member("", name),
			fmt.Sprintf("the file holds no composition %q", name), "send the composition in the same request"))
	}
	if err := problems.OrNil(); err != nil {
		return nil, err
	}
	return sources, nil
}

// Problem is one with the place of a path such as "spec.resources[0].config".
func (s Source) Problem(path, message, hint string) manifest.Problem {
	for _, name := range sortedKeys(s.over) {
		rest, ok := within(path, manifest.Member("spec.environments", name))
		if ok && s.overrode(name, rest) {
			at := manifest.Member(manifest.Member("", s.Composition.Metadata.Name), name)
			return s.overrides.Problem(at+rest, message, hint)
		}
	}
	return s.document.Problem(path, message, hint)
}

// overrode says that what is at rest, inside an environment, comes from the
// overrides.
func (s Source) overrode(environment, rest string) bool {
	if _, both := s.own[environment]; !both {
		return true
	}
	over := s.over[environment]
	for _, resource := range sortedKeys(over.Resources) {
		if _, ok := within(rest, manifest.Member(".resources", resource)); ok {
			return true
		}
	}
	for _, param := range sortedKeys(over.Params) {
		if _, ok := within(rest, manifest.Member(".params", param)); ok {
			return true
		}
	}
	return rest == ".provider" && over.Provider != "" || rest == ".region" && over.Region != ""
}

// within is what is left of path after around, if it lies there.
func within(path, around string) (string, bool) {
	rest, ok := strings.CutPrefix(path, around)
	return rest, ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// Check reports, with places, why the composition could work in no environment:
// see CheckCatalog. An environment that it overrides and that does not exist is
// reported too, since the override would never take effect.
func (s Source) Check(snapshot *catalog.Snapshot, environments []EnvironmentSettings) manifest.Problems {
	var problems manifest.Problems
	report := func(path, message, hint string) {
		problems = append(problems, s.Problem(path, message, hint))
	}
	names := make([]string, len(environments))
	known := make(map[string]bool, len(environments))
	for i, e := range environments {
		names[i], known[e.Name] = e.Name, true
	}
	for _, name := range sortedKeys(s.Composition.Spec.Environments) {
		if !known[name] {
			report(manifest.Member("spec.environments", name), fmt.Sprintf("there is no environment %q", clip(name)),
				hint(name, names, "the platform team creates one: nestor environment push FILE"))
		}
	}
	CheckCatalog(s.Composition, snapshot, environments, report)
	return problems.Sorted()
}
