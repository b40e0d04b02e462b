// SPDX-License-Identifier: Apache-2.0

package composer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/catalog"
)

// inputs renders the inputs of a node, ordered by name.
func (b *graphBuilder) inputs(i *instance, n *plannedNode) []NodeInput {
	config := mergedConfig(n.resource, i.override)
	fields := slices.SortedFunc(slices.Values(n.definition.Spec.Inputs), func(x, y catalog.Field) int {
		return cmp.Compare(x.Name, y.Name)
	})
	names := make([]string, len(fields))
	for j, f := range fields {
		names[j] = f.Name
	}
	for _, k := range sortedKeys(config) {
		if !slices.Contains(names, k) {
			b.report(i.claim, n.id, fmt.Sprintf("%s has no input %q", n.definition.Ref(), clip(k)), hint(k, names, "it takes none"))
		}
	}
	var inputs []NodeInput
	for _, f := range fields {
		in, err := b.input(i, n, f, config)
		if err != nil {
			message, cure := told(err)
			b.report(i.claim, n.id+"."+f.Name, message, cure)
			continue
		}
		if in != nil {
			inputs = append(inputs, *in)
		}
	}
	return inputs
}

// input renders one input; nil if it is left out.
func (b *graphBuilder) input(i *instance, n *plannedNode, f catalog.Field, config map[string]any) (*NodeInput, error) {
	var e *Expression
	written, given := config[f.Name]
	if given {
		var err error
		if e, err = b.value(i, n, written); err != nil {
			return nil, err
		}
	}
	if e != nil {
		_, isTemplate := written.(string)
		typed, err := typedInput(b.team, f, *e, isTemplate)
		if err != nil {
			return nil, err
		}
		return nodeInput(f, typed), nil
	}
	switch {
	case f.Default != nil:
		e, err := b.defaultValue(f)
		if err != nil {
			message, cure := told(err)
			return nil, &mistake{message: "the default of " + n.definition.Ref() + ": " + message, hint: cure}
		}
		return nodeInput(f, e), nil
	case f.Required:
		return nil, &mistake{
			message: fmt.Sprintf("%s needs input %s (%s)", n.definition.Ref(), f.Name, f.Type),
			hint:    fmt.Sprintf("add %s: to the config of resource %s in composition %s", f.Name, n.resource.Name, i.composition.Metadata.Name),
		}
	default:
		return nil, nil //nolint:nilnil // an optional input that nobody set
	}
}

// defaultValue is what a definition says of an input that nobody set. A secret
// in it has to be the team's that uses it.
func (b *graphBuilder) defaultValue(f catalog.Field) (Expression, error) {
	if f.Sensitive {
		return markLiteral(b.team, f.Default)
	}
	return literal(f.Default), nil
}

func nodeInput(f catalog.Field, e Expression) *NodeInput {
	in := &NodeInput{Name: f.Name, Type: f.Type, Sensitive: f.Sensitive || e.Sensitive(), Immutable: f.Immutable, Value: e}
	constrained := len(f.Enum) > 0 || f.Pattern != "" || f.Minimum != nil || f.Maximum != nil
	if constrained && e.Kind != ExprLiteral {
		in.Check = &catalog.Field{Name: f.Name, Type: f.Type, Enum: f.Enum, Pattern: f.Pattern, Minimum: f.Minimum, Maximum: f.Maximum}
	}
	return in
}

// typedInput checks an expression against the input it goes to, and brings what
// is known of it to the input's type.
func typedInput(team string, f catalog.Field, e Expression, isTemplate bool) (Expression, error) {
	var err error
	switch e.Kind {
	case ExprLiteral:
		if e, err = typedLiteral(team, f, e, isTemplate); err != nil {
			return e, err
		}
	case ExprReference:
		if err := fits(f, *e.Reference); err != nil {
			return e, err
		}
	case ExprConcat:
		if f.Type != catalog.TypeString {
			return e, &mistake{message: "text made of references is a string; the input is of type " + string(f.Type), hint: "give the reference alone"}
		}
	case ExprList:
		if f.Type != catalog.TypeList {
			return e, failf("a list cannot be given to an input of type %s", f.Type)
		}
	case ExprMap:
		if f.Type != catalog.TypeMap {
			return e, failf("a map cannot be given to an input of type %s", f.Type)
		}
	case ExprSecret:
	}
	if f.Sensitive {
		return protect(team, e)
	}
	return e, refuseSecrets(e)
}

func typedLiteral(team string, f catalog.Field, e Expression, isTemplate bool) (Expression, error) {
	text, isText := e.Literal.(string)
	if f.Sensitive && isText && strings.HasPrefix(text, secretScheme) {
		return e, nil // what is behind it gets its type when it is resolved
	}
	if f.Sensitive && isText {
		return protect(team, e)
	}
	if isTemplate && !isText && f.Type == catalog.TypeString {
		if written, ok := scalarText(e.Literal); ok {
			e = literal(written)
		}
	}
	v, err := coerce(f, e.Literal)
	if err != nil {
		return e, err
	}
	return literal(v), nil
}

// fits says why an output cannot be given to an input, or nil.
func fits(f catalog.Field, r Reference) error {
	switch {
	case r.Type == "" || r.Type == f.Type:
		return nil // a type that is not known is checked when the value is there
	case r.Type == catalog.TypeInteger && f.Type == catalog.TypeNumber:
		return nil
	case f.Type == catalog.TypeString && (r.Type == catalog.TypeInteger || r.Type == catalog.TypeNumber || r.Type == catalog.TypeBoolean):
		return &mistake{
			message: fmt.Sprintf("output %s is of type %s, the input is a string", r, r.Type),
			hint:    "make text of it: {{ printf \"%v\" … }}",
		}
	default:
		return failf("output %s is of type %s, the input of type %s", r, r.Type, f.Type)
	}
}

// value renders a value of a config deeply. Nil means that it is left out.
func (b *graphBuilder) value(i *instance, n *plannedNode, v any) (*Expression, error) {
	switch t := v.(type) {
	case string:
		return b.template(i, n, t)
	case []any:
		parts := make([]Expression, 0, len(t))
		for j, element := range t {
			e, err := b.value(i, n, element)
			if err != nil {
				return nil, fmt.Errorf("[%d]: %w", j, err)
			}
			if e != nil {
				parts = append(parts, *e)
			}
		}
		e := listOf(parts)
		return &e, nil
	case map[string]any:
		fields := make(map[string]Expression, len(t))
		for _, k := range sortedKeys(t) {
			e, err := b.value(i, n, t[k])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", clip(k), err)
			}
			if e != nil {
				fields[k] = *e
			}
		}
		e := mapOf(fields)
		return &e, nil
	default:
		e := literal(normal(v))
		return &e, nil
	}
}

// template runs one template of an instance; n is nil for an output.
func (b *graphBuilder) template(i *instance, n *plannedNode, source string) (*Expression, error) {
	t, ok := b.parsed[source]
	if !ok {
		var err error
		if t, err = parseTemplate(source); err != nil {
			return nil, err
		}
		b.parsed[source] = t
	}
	return t.run(&templateScope{
		data: i.data,
		output: func(resource, output string, path []string) (Reference, error) {
			return b.internalReference(n, nodeID(i.claim.Instance, resource), output, path)
		},
		external: func(application, node, output string) (Reference, error) {
			return b.externalReference(n, application, node, output)
		},
	})
}
