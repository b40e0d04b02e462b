// SPDX-License-Identifier: Apache-2.0

package composer

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/internal/manifest"
)

// MaxResources bounds the resources of one composition.
const MaxResources = 2000

// reservedParams mean something else in an annotation.
func reservedParams() []string { return []string{"name"} }

// validator checks one composition.
type validator struct {
	c         Composition
	report    catalog.Report
	resources []string // names, in order
	params    []string // declared; empty without a schema
}

func validate(c Composition, report catalog.Report) {
	v := &validator{c: c, report: report}
	if c.APIVersion != APIVersion {
		report("apiVersion", fmt.Sprintf("expected %s, found %q", APIVersion, clip(c.APIVersion)), "")
	}
	if c.Kind != KindComposition {
		report("kind", fmt.Sprintf("expected %s, found %q", KindComposition, clip(c.Kind)), "")
	}
	checkName(report, "metadata.name", "composition", c.Metadata.Name)
	checkName(report, "metadata.team", "team", c.Metadata.Team)
	v.checkParams()
	v.collectResources()
	for i, r := range c.Spec.Resources {
		at := manifest.Index("spec.resources", i)
		v.checkTarget(at, r.CatalogRef, r.ResourceType, true)
		v.checkConfig(at+".config", r.Name, r.Config)
		v.checkRollback(at, r.Rollback)
	}
	v.checkOutputs()
	for _, name := range sortedKeys(c.Spec.Environments) {
		v.checkOverride(name, c.Spec.Environments[name])
	}
	v.checkEdges()
}

func (v *validator) checkParams() {
	catalog.CheckFields("spec.params", v.c.Spec.Params, v.report)
	for i, p := range v.c.Spec.Params {
		if slices.Contains(reservedParams(), p.Name) {
			v.report(manifest.Index("spec.params", i)+".name", fmt.Sprintf("a parameter cannot be called %q: in an annotation that names the instance", p.Name), "rename it")
		}
		if s, ok := p.Default.(string); ok && p.Sensitive {
			v.checkSecret(manifest.Index("spec.params", i)+".default", s)
		}
		v.params = append(v.params, p.Name)
	}
}

func (v *validator) collectResources() {
	resources := v.c.Spec.Resources
	switch {
	case len(resources) == 0:
		v.report("spec.resources", "a composition has at least one resource", "add \"- name: …\" with a catalogRef")
	case len(resources) > MaxResources:
		v.report("spec.resources", fmt.Sprintf("%d resources are more than the %d allowed", len(resources), MaxResources), "split the composition")
	}
	first := map[string]int{}
	for i, r := range resources {
		at := manifest.Index("spec.resources", i) + ".name"
		if !checkName(v.report, at, "resource", r.Name) {
			continue
		}
		if j, twice := first[r.Name]; twice {
			v.report(at, fmt.Sprintf("resource %q is there twice, first as element %d", r.Name, j), "rename one of them")
			continue
		}
		first[r.Name] = i
		v.resources = append(v.resources, r.Name)
	}
}

// checkTarget checks catalogRef and resourceType, of which there is one.
func (v *validator) checkTarget(at, catalogRef, resourceType string, needed bool) {
	switch {
	case catalogRef != "" && resourceType != "":
		v.report(at+".resourceType", "catalogRef and resourceType are both given", "keep one of them")
	case catalogRef != "":
		if err := checkRef("definition", catalogRef); err != nil {
			v.report(at+".catalogRef", err.Error(), "write \"name\" or \"name@range\", such as aws-rds-mysql@^1.2")
		}
	case resourceType != "":
		if err := checkRef("resource type", resourceType); err != nil {
			v.report(at+".resourceType", err.Error(), "write \"type\" or \"type@range\", such as mysql@^1.2")
		}
	case needed:
		v.report(at, "neither catalogRef nor resourceType is given", "add catalogRef: with the name of a definition")
	}
}

func checkRef(kind, ref string) error {
	name, versionRange, err := catalog.SplitRef(ref)
	if err != nil {
		return err
	}
	if err := catalog.CheckName(kind, name); err != nil {
		return err
	}
	return checkRange(versionRange)
}

// checkRange refuses a range that cannot be read; whether a version is in it,
// the catalog knows.
func checkRange(versionRange string) error {
	var unreadable *catalog.RangeError
	if _, err := catalog.Resolve(versionRange, nil); errors.As(err, &unreadable) {
		return unreadable
	}
	return nil
}

func (v *validator) checkConfig(at, resource string, config map[string]any) {
	eachString(at, config, func(path, s string) {
		v.checkTemplate(path, resource, s)
		v.checkSecret(path, s)
	}, v.report)
}

// checkSecret checks a reference to a secret that is written out. One that a
// template makes is checked when a release is made.
func (v *validator) checkSecret(path, s string) {
	named := catalog.CheckName("team", v.c.Metadata.Team) == nil // else that is reported
	if !named || !strings.HasPrefix(s, secretScheme) || strings.Contains(s, leftDelim) || strings.Contains(s, literalRef) {
		return
	}
	if err := CheckSecret(v.c.Metadata.Team, s); err != nil {
		message, cure := told(err)
		v.report(path, message, cure)
	}
}

// checkTemplate parses a template and checks every name in it that is known
// here.
func (v *validator) checkTemplate(path, resource, source string) {
	t, err := parseTemplate(source)
	if err != nil {
		message, cure := told(err)
		v.report(path, message, cure)
		return
	}
	for _, name := range t.uses.resources {
		switch {
		case name == resource:
			v.report(path, fmt.Sprintf("resource %q refers to itself", name), "a resource cannot need its own output")
		case !slices.Contains(v.resources, name):
			v.report(path, fmt.Sprintf("there is no resource %q", clip(name)), hint(name, v.resources, ""))
		}
	}
	for _, name := range t.uses.params {
		if len(v.params) > 0 && !slices.Contains(v.params, name) {
			v.report(path, fmt.Sprintf("there is no parameter %q", clip(name)), hint(name, v.params, ""))
		}
	}
	for _, name := range t.uses.environment {
		if !slices.Contains(environmentKeys(), name) {
			v.report(path, "there is no .env."+clip(name), hint(name, environmentKeys(), ""))
		}
	}
	for _, name := range t.uses.strangers {
		v.report(path, "there is no ."+clip(name), hint(name, templateRoots(), ""))
	}
}

func (v *validator) checkOutputs() {
	form := regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]{0,62}$`)
	first := map[string]int{}
	for i, o := range v.c.Spec.Outputs {
		at := manifest.Index("spec.outputs", i)
		j, twice := first[o.Name]
		switch {
		case !form.MatchString(o.Name):
			v.report(at+".name", fmt.Sprintf("output name %q is no identifier", clip(o.Name)), "use letters, digits and _, beginning with a letter")
		case twice:
			v.report(at+".name", fmt.Sprintf("output %q is there twice, first as element %d", o.Name, j), "rename one of them")
		default:
			first[o.Name] = i
		}
		if o.Value == "" {
			v.report(at+".value", "an output has a value", "write \"{{ .resources.<name>.outputs.<output> }}\"")
		}
		v.checkTemplate(at+".value", "", o.Value)
	}
}

// checkPlace checks what an override says without its composition.
func checkPlace(at string, o Override, report catalog.Report) {
	if o.Provider != "" {
		checkName(report, at+".provider", "provider", o.Provider)
	}
	if strings.ContainsFunc(o.Region, func(r rune) bool { return r <= ' ' || r == '/' || r > '~' }) {
		report(at+".region", fmt.Sprintf("%q is no region", clip(o.Region)), "write one such as us-west-2")
	}
}

func (v *validator) checkOverride(name string, o Override) {
	at := manifest.Member("spec.environments", name)
	checkName(v.report, at, "environment", name)
	checkPlace(at, o, v.report)
	for _, p := range sortedKeys(o.Params) {
		path := manifest.Member(at+".params", p)
		i := slices.IndexFunc(v.c.Spec.Params, func(f catalog.Field) bool { return f.Name == p })
		switch {
		case len(v.params) > 0 && i < 0:
			v.report(path, fmt.Sprintf("there is no parameter %q", clip(p)), hint(p, v.params, ""))
		case i >= 0:
			if _, err := coerceParam(v.c.Metadata.Team, v.c.Spec.Params[i], o.Params[p]); err != nil {
				message, cure := told(err)
				v.report(path, message, cure)
			}
		}
	}
	for _, resource := range sortedKeys(o.Resources) {
		path := manifest.Member(at+".resources", resource)
		if !slices.Contains(v.resources, resource) {
			v.report(path, fmt.Sprintf("there is no resource %q", clip(resource)), hint(resource, v.resources, ""))
			continue
		}
		v.checkTarget(path, o.Resources[resource].CatalogRef, o.Resources[resource].ResourceType, false)
		v.checkConfig(path+".config", resource, o.Resources[resource].Config)
		v.checkRollback(path, o.Resources[resource].Rollback)
	}
}

// checkRollback checks a node's own class. Whether its definition has a
// snapshot is seen when the release binds it.
func (v *validator) checkRollback(at string, class catalog.RollbackClass) {
	if class == "" || slices.Contains(catalog.RollbackClasses(), class) {
		return
	}
	var names []string
	for _, known := range catalog.RollbackClasses() {
		names = append(names, string(known))
	}
	v.report(at+".rollback", fmt.Sprintf("%q is no rollback class", clip(string(class))), hint(string(class), names, ""))
}

// checkEdges checks the dependencies, and that neither they nor the references
// make a cycle in any environment.
func (v *validator) checkEdges() {
	declared := map[string][]string{}
	sound := true
	for i, d := range v.c.Spec.Dependencies {
		at := manifest.Index("spec.dependencies", i)
		edges, err := ParseDependency(d)
		if err != nil {
			v.report(at, err.Error(), "")
			sound = false
		}
		for _, e := range edges {
			for _, name := range []string{e.From, e.To} {
				if !slices.Contains(v.resources, name) {
					v.report(at, fmt.Sprintf("there is no resource %q", clip(name)), hint(name, v.resources, ""))
					sound = false
				}
			}
			declared[e.To] = append(declared[e.To], e.From)
		}
	}
	if !sound {
		return
	}
	if cycle := findCycle(v.needs(declared, "")); cycle != nil {
		at := "spec.resources"
		if findCycle(declared) != nil {
			at = "spec.dependencies"
		}
		v.report(at, cycleMessage(cycle), "remove one of these dependencies or references")
		return
	}
	for _, environment := range sortedKeys(v.c.Spec.Environments) {
		if cycle := findCycle(v.needs(declared, environment)); cycle != nil {
			v.report(manifest.Member("spec.environments", environment), cycleMessage(cycle), "remove one of these references")
		}
	}
}

// needs adds the references of one environment to the declared edges.
func (v *validator) needs(declared map[string][]string, environment string) map[string][]string {
	all := make(map[string][]string, len(v.resources))
	for _, r := range v.c.Spec.Resources {
		all[r.Name] = slices.Clone(declared[r.Name])
		config := mergedConfig(r, v.c.Spec.Environments[environment])
		eachString("", config, func(_, s string) {
			t, err := parseTemplate(s)
			if err != nil {
				return // reported by checkTemplate
			}
			for _, name := range t.uses.resources {
				if name != r.Name && slices.Contains(v.resources, name) {
					all[r.Name] = append(all[r.Name], name)
				}
			}
		}, nil)
	}
	return all
}

// mergedConfig is the resource's configuration in an environment. A key that
// the override sets to null is taken out.
func mergedConfig(r Resource, o Override) map[string]any {
	config := merged(r.Config, o.Resources[r.Name].Config)
	for _, k := range sortedKeys(config) {
		if config[k] == nil {
			delete(config, k)
		}
	}
	return config
}

// eachString visits the strings inside v by path. A key that looks like a
// template is reported: keys are taken as they are.
func eachString(at string, v any, visit func(path, s string), report catalog.Report) {
	switch t := v.(type) {
	case string:
		visit(at, t)
	case []any:
		for i, e := range t {
			eachString(manifest.Index(at, i), e, visit, report)
		}
	case map[string]any:
		for _, k := range sortedKeys(t) {
			path := manifest.Member(at, k)
			if report != nil && (strings.Contains(k, leftDelim) || strings.Contains(k, literalRef)) {
				report(path, "a key cannot be a template", "write templates in values only")
			}
			eachString(path, t[k], visit, report)
		}
	}
}
