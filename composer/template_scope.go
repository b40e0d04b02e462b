// SPDX-License-Identifier: Apache-2.0

package composer

import (
	"fmt"
	"strings"
)

// templateScope is what one template sees.
type templateScope struct {
	data map[string]any // params, env, app, team, instance
	// output and external give the reference that a template names, or say why
	// there is none.
	output   func(resource, output string, path []string) (Reference, error)
	external func(application, node, output string) (Reference, error)
}

// templateRoots are the first names of a template.
func templateRoots() []string {
	return []string{"params", "env", "app", "team", "instance", "resources"}
}

// environmentKeys are the names under .env.
func environmentKeys() []string {
	return []string{"name", "provider", "region", "cluster", "labels"}
}

// opaque is a value that is known only later. It has no method and no visible
// field, so that a template can hand it on but not look inside.
type opaque struct {
	expression Expression
}

// names says which outputs are behind it.
func (o opaque) names() string {
	var names []string
	for _, r := range o.expression.References() {
		names = append(names, r.String())
	}
	return strings.Join(names, ", ")
}

// absent stands for a parameter that was not given.
type absent struct {
	name     string
	optional bool // declared so: a value made of it alone is left out
}

func (a absent) failure() error {
	if a.optional {
		return &mistake{
			message: fmt.Sprintf("parameter %q is not set", a.name),
			hint:    fmt.Sprintf("write {{ default \"…\" .params.%s }}, or give the parameter a default", a.name),
		}
	}
	return &mistake{
		message: fmt.Sprintf("parameter %q is missing", a.name),
		hint:    fmt.Sprintf("add %s=… to the annotation", a.name),
	}
}

// needsValue refuses a value that is not known where a template is about to
// decide or compute something with it.
func needsValue(who string, v any) error {
	switch t := v.(type) {
	case opaque:
		return &mistake{
			message: fmt.Sprintf("%s needs the value of %s, which is known only when the graph runs", who, t.names()),
			hint:    "a reference can be handed on or put inside text, by itself or with printf and join",
		}
	case absent:
		return t.failure()
	case []any:
		for _, e := range t {
			if err := needsValue(who, e); err != nil {
				return err
			}
		}
	}
	return nil
}
