// SPDX-License-Identifier: Apache-2.0

package composer

import (
	"errors"
	"fmt"
	"maps"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/internal/canonical"
	"github.com/HatiCode/nestor/internal/manifest"
)

// ParseComposition reads a file of one or more compositions and checks each by
// itself: names, templates, references between its resources, dependencies and
// cycles, in every environment it overrides. What the catalog has to say comes
// with NewRelease. The name file is only for messages. An error is
// manifest.Problems with everything that is wrong in the file.
func ParseComposition(file string, data []byte) ([]Composition, error) {
	sources, err := parseSources(file, data)
	if err != nil {
		return nil, err
	}
	compositions := make([]Composition, len(sources))
	for i, s := range sources {
		compositions[i] = s.Composition
	}
	return compositions, nil
}

func parseSources(file string, data []byte) ([]Source, error) {
	documents, err := manifest.Parse(file, data)
	if err != nil {
		return nil, err
	}
	if len(documents) == 0 {
		return nil, manifest.Problems{{
			File: file, Line: 1, Column: 1, Message: "the file holds no " + KindComposition,
			Hint: fmt.Sprintf("begin with \"apiVersion: %s\" and \"kind: %s\"", APIVersion, KindComposition),
		}}
	}
	var problems manifest.Problems
	sources := make([]Source, 0, len(documents))
	seen := map[string]bool{}
	for _, document := range documents {
		c, found := parseComposition(document)
		name := c.Metadata.Team + "/" + c.Metadata.Name
		if len(found) == 0 && seen[name] {
			found = manifest.Problems{document.Problem("metadata.name", fmt.Sprintf("composition %q is in this file already", c.Metadata.Name), "give it another name")}
		}
		seen[name] = true
		problems = append(problems, found...)
		sources = append(sources, Source{Composition: c, document: document})
	}
	if err := problems.OrNil(); err != nil {
		return nil, err
	}
	return sources, nil
}

func parseComposition(document *manifest.Document) (Composition, manifest.Problems) {
	var problems manifest.Problems
	report := func(path, message, hint string) {
		problems = append(problems, document.Problem(path, message, hint))
	}
	var c Composition
	if kind := document.Kind(); kind != KindComposition {
		report("kind", fmt.Sprintf("expected %s, found %q", KindComposition, clip(kind)), hint(kind, []string{KindComposition}, ""))
		return c, problems
	}
	if err := document.Decode(&c); err != nil {
		if !errors.As(err, &problems) {
			report("", err.Error(), "")
			return c, problems
		}
	}
	c.Spec.Params = catalog.NormalizeFields(c.Spec.Params)
	mistyped := problems
	validate(c, func(path, message, hint string) {
		if !mistyped.Covers(path) {
			report(path, message, hint)
		}
	})
	return c, problems
}

// Validate checks a composition as ParseComposition does, without places. The
// error is manifest.Problems.
func (c Composition) Validate() error {
	var problems manifest.Problems
	c.Spec.Params = catalog.NormalizeFields(c.Spec.Params)
	validate(c, func(path, message, hint string) {
		problems = append(problems, manifest.Problem{Field: path, Message: message, Hint: hint})
	})
	return problems.OrNil()
}

// WithOverrides is the composition with what it says of the given environments
// changed: a provider, region, parameter or resource that an override sets
// replaces the composition's own, the rest stays. It shares nothing that it
// changes with c, and is checked. The error is manifest.Problems.
func (c Composition) WithOverrides(overrides map[string]Override) (Composition, error) {
	environments := maps.Clone(c.Spec.Environments)
	if environments == nil {
		environments = map[string]Override{}
	}
	for _, name := range sortedKeys(overrides) {
		own, over := environments[name], overrides[name]
		if over.Provider != "" {
			own.Provider = over.Provider
		}
		if over.Region != "" {
			own.Region = over.Region
		}
		own.Params = merged(own.Params, over.Params)
		own.Resources = merged(own.Resources, over.Resources)
		environments[name] = own
	}
	if len(environments) > 0 {
		c.Spec.Environments = environments
	}
	return c, c.Validate()
}

// merged is under with over's keys on top; nil if both are empty.
func merged[V any](under, over map[string]V) map[string]V {
	if len(under)+len(over) == 0 {
		return nil
	}
	out := make(map[string]V, len(under)+len(over))
	maps.Copy(out, under)
	maps.Copy(out, over)
	return out
}

// CompositionDigest names the composition by its content, as "sha256:<hex>".
func CompositionDigest(c Composition) (string, error) {
	digest, err := canonical.Digest(c)
	if err != nil {
		return "", fmt.Errorf("digest of composition %s: %w", c.Metadata.Name, err)
	}
	return digest, nil
}
