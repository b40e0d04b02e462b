// SPDX-License-Identifier: Apache-2.0

package composer

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/catalog"
)

// bindResource chooses the definition version of a resource in an environment.
// The rules are those of Resource and ResourceOverride.
func bindResource(snapshot *catalog.Snapshot, r Resource, o ResourceOverride, p placement, env EnvironmentSettings) (catalog.Published, error) {
	catalogRef, resourceType := r.CatalogRef, r.ResourceType
	if o.CatalogRef != "" || o.ResourceType != "" {
		catalogRef, resourceType = o.CatalogRef, o.ResourceType
	}
	if catalogRef == "" {
		name, versionRange, err := catalog.SplitRef(resourceType)
		if err != nil {
			return catalog.Published{}, err
		}
		for _, provider := range p.offers(env) {
			found, err := onlyDefinition(snapshot, provider, name, versionRange, r, env)
			if !errors.Is(err, errNoDefinition) {
				return found, err
			}
		}
		return catalog.Published{}, &mistake{
			message: fmt.Sprintf("the catalog has no definition of type %s for provider %s", name, strings.Join(p.offers(env), " or ")),
			hint:    "publish one, or name a definition with catalogRef",
		}
	}
	found, err := snapshot.Resolve(catalogRef)
	if err != nil {
		return catalog.Published{}, fmt.Errorf("catalogRef %s: %w", catalogRef, err)
	}
	spec := found.Definition.Spec
	if slices.Contains(p.offers(env), spec.Provider) {
		return found, nil
	}
	other, err := onlyDefinition(snapshot, p.provider, spec.ResourceType, "", r, env)
	if errors.Is(err, errNoDefinition) {
		return other, &mistake{
			message: fmt.Sprintf("%s is for provider %s, environment %s has %s, and the catalog has no %s for %s",
				found.Definition.Ref(), spec.Provider, env.Name, strings.Join(p.offers(env), ", "), spec.ResourceType, p.provider),
			hint: "publish one, or set the provider in the composition's environments." + env.Name,
		}
	}
	return other, err
}

// errNoDefinition says that there is nothing to choose from.
var errNoDefinition = errors.New("no definition")

// onlyDefinition is the best version of the one definition that a provider has
// for a type. Deprecated and pre-release versions are no candidates by
// themselves; two definitions are a choice that nobody made.
func onlyDefinition(snapshot *catalog.Snapshot, provider, resourceType, versionRange string, r Resource, env EnvironmentSettings) (catalog.Published, error) {
	byName := map[string][]catalog.Published{}
	for _, v := range snapshot.FindByType(provider, resourceType) {
		if v.Deprecated == "" {
			byName[v.Definition.Metadata.Name] = append(byName[v.Definition.Metadata.Name], v)
		}
	}
	var found []catalog.Published
	var last error
	for _, name := range sortedKeys(byName) {
		best, err := catalog.Resolve(versionRange, byName[name])
		if err != nil {
			last = err
			continue
		}
		found = append(found, best)
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		names := make([]string, len(found))
		for i, f := range found {
			names[i] = f.Definition.Metadata.Name
		}
		return catalog.Published{}, &mistake{
			message: fmt.Sprintf("provider %s has several definitions of type %s: %s", provider, resourceType, strings.Join(names, ", ")),
			hint:    fmt.Sprintf("choose one: environments.%s.resources.%s.catalogRef", env.Name, r.Name),
		}
	case last != nil:
		return catalog.Published{}, fmt.Errorf("type %s of provider %s: %w", resourceType, provider, last)
	default:
		return catalog.Published{}, errNoDefinition
	}
}
