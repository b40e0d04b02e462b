// SPDX-License-Identifier: Apache-2.0

package composer

import (
	"errors"
	"fmt"
	"slices"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/internal/manifest"
)

// CheckCatalog reports what the catalog says against a composition: definitions
// and versions that do not exist, outputs that nothing gives, config keys that
// are no inputs, and required inputs without a value. Parameters are not known
// here, so that values are checked when a release is made.
//
// What works in one of the environments is let pass, as it is the release that
// says where it can go. A resource that can be bound in none of them is held
// against all definitions that could stand for it elsewhere. A deprecated
// version is as good as another.
func CheckCatalog(c Composition, snapshot *catalog.Snapshot, environments []EnvironmentSettings, report catalog.Report) {
	k := catalogCheck{c: c, snapshot: snapshot, environments: environments, report: report}
	k.readings = make(map[string][]reading, len(c.Spec.Resources))
	for i, r := range c.Spec.Resources {
		k.targets(manifest.Index("spec.resources", i), r)
		k.readings[r.Name] = k.read(r)
	}
	for i, r := range c.Spec.Resources {
		at := manifest.Index("spec.resources", i) + ".config"
		k.config(at, r.Config, k.readings[r.Name])
		k.required(at, k.readings[r.Name])
		k.rollback(manifest.Index("spec.resources", i), r.Rollback, k.readings[r.Name])
	}
	for i, o := range c.Spec.Outputs {
		k.references(manifest.Index("spec.outputs", i)+".value", o.Value)
	}
	for _, name := range sortedKeys(c.Spec.Environments) {
		resources := c.Spec.Environments[name].Resources
		for _, r := range sortedKeys(resources) {
			at := manifest.Member(manifest.Member("spec.environments", name)+".resources", r)
			k.config(at+".config", resources[r].Config, in(name, k.readings[r]))
			k.rollback(at, resources[r].Rollback, in(name, k.readings[r]))
		}
	}
}

type catalogCheck struct {
	c            Composition
	snapshot     *catalog.Snapshot
	environments []EnvironmentSettings
	report       catalog.Report
	readings     map[string][]reading // by resource
}

// reading is one way to understand a resource: the definition that would stand
// for it, and its configuration there.
type reading struct {
	environment string // empty where no environment binds it
	definition  catalog.Definition
	config      map[string]any
}

// in is the readings of one environment; all of them if there is none.
func in(environment string, all []reading) []reading {
	var some []reading
	for _, r := range all {
		if r.environment == environment {
			some = append(some, r)
		}
	}
	if some == nil {
		return all
	}
	return some
}

// targets checks what a resource asks for, by itself and in each environment.
func (k *catalogCheck) targets(at string, r Resource) {
	k.target(at, r.CatalogRef, r.ResourceType)
	for _, name := range sortedKeys(k.c.Spec.Environments) {
		o := k.c.Spec.Environments[name].Resources[r.Name]
		k.target(manifest.Member(manifest.Member("spec.environments", name)+".resources", r.Name), o.CatalogRef, o.ResourceType)
	}
}

func (k *catalogCheck) target(at, catalogRef, resourceType string) {
	switch {
	case catalogRef != "":
		_, err := k.snapshot.Resolve(catalogRef)
		var unknown *catalog.UnknownDefinitionError
		switch {
		case errors.As(err, &unknown):
			k.report(at+".catalogRef", fmt.Sprintf("the catalog has no definition %q", clip(unknown.Name)),
				hint(unknown.Name, k.snapshot.Names(), "publish one: nestor catalog push"))
		case err != nil:
			k.report(at+".catalogRef", err.Error(), "")
		}
	case resourceType != "":
		if err := k.resourceType(resourceType); err != nil {
			message, cure := told(err)
			k.report(at+".resourceType", message, cure)
		}
	}
}

func (k *catalogCheck) resourceType(ref string) error {
	name, versionRange, err := catalog.SplitRef(ref)
	if err != nil {
		return err
	}
	byName := k.ofType(name)
	if len(byName) == 0 {
		return &mistake{
			message: fmt.Sprintf("the catalog has no definition of type %q", clip(name)),
			hint:    hint(name, k.types(), "publish one, or name a definition with catalogRef"),
		}
	}
	for _, definition := range sortedKeys(byName) {
		if _, err = catalog.Resolve(versionRange, byName[definition]); err == nil {
			return nil
		}
	}
	return err
}

// types lists the resource types of the catalog.
func (k *catalogCheck) types() []string {
	types := map[string]bool{}
	for _, name := range k.snapshot.Names() {
		for _, v := range k.snapshot.Versions(name) {
			types[v.Definition.Spec.ResourceType] = true
		}
	}
	return sortedKeys(types)
}

// ofType is all versions of a resource type, by definition.
func (k *catalogCheck) ofType(resourceType string) map[string][]catalog.Published {
	byName := map[string][]catalog.Published{}
	for _, name := range k.snapshot.Names() {
		for _, v := range k.snapshot.Versions(name) {
			if v.Definition.Spec.ResourceType == resourceType {
				byName[name] = append(byName[name], v)
			}
		}
	}
	return byName
}

// read finds the readings of a resource: what the environments bind it to, or
// else whatever could stand for it.
func (k *catalogCheck) read(r Resource) []reading {
	var all []reading
	for _, env := range k.environments {
		p, err := place(k.c, env)
		if err != nil {
			continue // the release says so
		}
		o := k.c.Spec.Environments[env.Name]
		found, err := bindResource(k.snapshot, r, o.Resources[r.Name], p, env)
		if err != nil {
			continue // target says what is wrong everywhere, the release the rest
		}
		all = append(all, reading{environment: env.Name, definition: found.Definition, config: mergedConfig(r, o)})
	}
	if len(all) > 0 {
		return all
	}
	overrides := []Override{{}}
	for _, name := range sortedKeys(k.c.Spec.Environments) {
		overrides = append(overrides, k.c.Spec.Environments[name])
	}
	for _, o := range overrides {
		target := o.Resources[r.Name]
		if target.CatalogRef == "" && target.ResourceType == "" {
			target.CatalogRef, target.ResourceType = r.CatalogRef, r.ResourceType
		}
		for _, d := range k.candidates(target.CatalogRef, target.ResourceType) {
			all = append(all, reading{definition: d, config: mergedConfig(r, o)})
		}
	}
	return all
}

// candidates are the definitions that could stand for a target in some
// environment, the one that it names first.
func (k *catalogCheck) candidates(catalogRef, resourceType string) []catalog.Definition {
	var found []catalog.Definition
	versionRange := ""
	if catalogRef != "" {
		named, err := k.snapshot.Resolve(catalogRef)
		if err != nil {
			return nil // target says so
		}
		found, resourceType = append(found, named.Definition), named.Definition.Spec.ResourceType
	} else {
		var err error
		if resourceType, versionRange, err = catalog.SplitRef(resourceType); err != nil {
			return nil // target says so
		}
	}
	byName := k.ofType(resourceType)
	for _, name := range sortedKeys(byName) {
		best, err := catalog.Resolve(versionRange, byName[name])
		if err != nil || len(found) > 0 && found[0].Metadata.Name == name {
			continue
		}
		found = append(found, best.Definition)
	}
	return found
}

// config checks the keys of a configuration, and the references in it.
func (k *catalogCheck) config(at string, config map[string]any, readings []reading) {
	for _, key := range sortedKeys(config) {
		path := manifest.Member(at, key)
		accepts := func(r reading) bool {
			return slices.ContainsFunc(r.definition.Spec.Inputs, func(f catalog.Field) bool { return f.Name == key })
		}
		if config[key] != nil && len(readings) > 0 && !slices.ContainsFunc(readings, accepts) {
			d := readings[0].definition
			k.report(path, fmt.Sprintf("%s has no input %q", d.Ref(), clip(key)), hint(key, fieldNames(d.Spec.Inputs), "it takes none"))
		}
		eachString(path, config[key], k.references, nil)
	}
}

// references checks the outputs that a template names.
func (k *catalogCheck) references(path, source string) {
	t, err := parseTemplate(source)
	if err != nil {
		return // parsing the composition says so
	}
	for _, ref := range t.uses.references {
		var wrong error
		for _, r := range k.readings[ref.Node] {
			_, err := describeOutput(ref, r.definition.Ref(), r.definition.Spec.Outputs)
			if err == nil {
				wrong = nil
				break
			}
			if wrong == nil {
				wrong = err
			}
		}
		if wrong != nil {
			message, cure := told(wrong)
			k.report(path, message, cure)
		}
	}
}

// required reports the inputs that have no value, if that is so in all
// readings.
func (k *catalogCheck) required(at string, readings []reading) {
	missing := func(r reading) []catalog.Field {
		var fields []catalog.Field
		for _, f := range r.definition.Spec.Inputs {
			if _, given := r.config[f.Name]; f.Required && f.Default == nil && !given {
				fields = append(fields, f)
			}
		}
		return fields
	}
	if slices.ContainsFunc(readings, func(r reading) bool { return len(missing(r)) == 0 }) || len(readings) == 0 {
		return
	}
	for _, f := range missing(readings[0]) {
		k.report(at, fmt.Sprintf("%s needs input %s (%s)", readings[0].definition.Ref(), f.Name, f.Type),
			fmt.Sprintf("add %s: to the resource's config", f.Name))
	}
}

// rollback reports a class that nothing which could stand for the resource has a
// snapshot for.
func (k *catalogCheck) rollback(at string, class catalog.RollbackClass, readings []reading) {
	savable := func(r reading) bool { return r.definition.Spec.Rollback == catalog.SnapshotFirst }
	if class != catalog.SnapshotFirst || len(readings) == 0 || slices.ContainsFunc(readings, savable) {
		return
	}
	message, cure := noSnapshot(readings[0].definition)
	k.report(at+".rollback", message, cure)
}

// noSnapshot is the mistake of a class that a definition has no snapshot for.
func noSnapshot(d catalog.Definition) (message, hint string) {
	return fmt.Sprintf("its rollback is %s, and %s says nowhere how a snapshot is taken", catalog.SnapshotFirst, d.Ref()),
		fmt.Sprintf("choose another class, or a definition that is %s", catalog.SnapshotFirst)
}

func fieldNames(fields []catalog.Field) []string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	return names
}
