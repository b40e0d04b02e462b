// SPDX-License-Identifier: Apache-2.0

package composer

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/internal/secretref"
)

// paramRules is what a composition says of its parameters.
type paramRules struct {
	team   string          // whose secrets a sensitive parameter may name
	fields []catalog.Field // the schema; without one, names are what counts
	names  []string        // all known parameters
	any    bool            // templates reach parameters in a way that names none
}

func rulesOf(c Composition) paramRules {
	rules := paramRules{team: c.Metadata.Team, fields: catalog.NormalizeFields(c.Spec.Params)}
	if len(rules.fields) > 0 {
		for _, f := range rules.fields {
			rules.names = append(rules.names, f.Name)
		}
		return rules
	}
	used := map[string]bool{}
	visit := func(_, s string) {
		t, err := parseTemplate(s)
		if err != nil {
			return // rendering says so
		}
		rules.any = rules.any || t.uses.anyParam
		for _, name := range t.uses.params {
			used[name] = true
		}
	}
	for _, r := range c.Spec.Resources {
		eachString("", r.Config, visit, nil)
	}
	for _, o := range c.Spec.Outputs {
		visit("", o.Value)
	}
	for _, name := range sortedKeys(c.Spec.Environments) {
		resources := c.Spec.Environments[name].Resources
		for _, r := range sortedKeys(resources) {
			eachString("", resources[r].Config, visit, nil)
		}
	}
	rules.names = sortedKeys(used)
	return rules
}

func (p paramRules) field(name string) (catalog.Field, bool) {
	i := slices.IndexFunc(p.fields, func(f catalog.Field) bool { return f.Name == name })
	if i < 0 {
		return catalog.Field{}, false
	}
	return p.fields[i], true
}

// coerceParam brings a parameter to its type. A sensitive one is a reference to
// a secret of the team and stays text; what is behind it is checked where it is
// used.
func coerceParam(team string, f catalog.Field, v any) (any, error) {
	if !f.Sensitive {
		return coerce(f, v)
	}
	s, ok := v.(string)
	if !ok || !strings.HasPrefix(s, secretScheme) {
		return nil, &mistake{message: "a sensitive parameter cannot be given in clear", hint: "write " + secretref.Forms(team)}
	}
	return s, CheckSecret(team, s)
}

// checkClaim reports the parameters of a claim that are unknown or mistyped,
// whatever the environment.
func (p paramRules) checkClaim(claim Claim, report func(message, hint string)) {
	check := func(prefix string, given map[string]string) {
		for _, name := range sortedKeys(given) {
			f, declared := p.field(name)
			switch {
			case !utf8.ValidString(given[name]):
				report(fmt.Sprintf("parameter %s%s is not valid UTF-8", prefix, clip(name)), "save the file as UTF-8")
			case declared:
				if _, err := coerceParam(p.team, f, given[name]); err != nil {
					message, cure := told(err)
					report(fmt.Sprintf("parameter %s%s: %s", prefix, name, message), cure)
				}
			case p.any && len(p.fields) == 0 || slices.Contains(p.names, name):
			default:
				report(fmt.Sprintf("composition %s has no parameter %q", claim.Composition, clip(name)), hint(name, p.names, "it takes none"))
			}
		}
	}
	check("", claim.Parameters)
	for _, env := range sortedKeys(claim.Environments) {
		check(env+".", claim.Environments[env])
	}
}

// resolve gives the parameters of a claim in one environment, typed, defaults
// filled in: the composition's default, its override for the environment, the
// claim's parameter, the claim's for the environment; the last one wins.
func (p paramRules) resolve(c Composition, claim Claim, env string, report func(message, hint string)) map[string]any {
	given := map[string]any{}
	for _, f := range p.fields {
		if f.Default != nil {
			given[f.Name] = f.Default
		}
	}
	overrides := c.Spec.Environments[env].Params
	for _, name := range sortedKeys(overrides) {
		if overrides[name] != nil {
			given[name] = normal(overrides[name])
		}
	}
	for _, source := range []map[string]string{claim.Parameters, claim.Environments[env]} {
		for _, name := range sortedKeys(source) {
			given[name] = source[name]
		}
	}
	for _, f := range p.fields {
		v, ok := given[f.Name]
		if !ok {
			if f.Required {
				report(fmt.Sprintf("parameter %q (%s) is missing", f.Name, f.Type), fmt.Sprintf("add %s=… to the annotation", f.Name))
			}
			continue
		}
		typed, err := coerceParam(p.team, f, v)
		if err != nil {
			message, cure := told(err)
			report(fmt.Sprintf("parameter %s: %s", f.Name, message), cure)
			continue
		}
		given[f.Name] = typed
	}
	return given
}

// visible is what templates see as .params: every known name, so that one that
// was not given can be told from one that does not exist.
func (p paramRules) visible(given map[string]any) map[string]any {
	params := make(map[string]any, len(p.names))
	for _, name := range p.names {
		f, declared := p.field(name)
		params[name] = absent{name: name, optional: declared && !f.Required}
	}
	for _, name := range sortedKeys(given) {
		params[name] = normal(given[name])
		if f, ok := p.field(name); ok && !f.Sensitive {
			if typed, err := catalog.Coerce(f, params[name]); err == nil {
				params[name] = typed
			}
		}
	}
	return params
}
