// SPDX-License-Identifier: Apache-2.0

package composer

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/HatiCode/nestor/catalog"
)

// Lookup gives the value of a referenced output, without following
// Reference.Path.
type Lookup func(Reference) (any, error)

// SecretLookup gives the value behind a "secret://<source>/<path>".
type SecretLookup func(ref string) (string, error)

// ErrUnresolved is wrapped by the errors of Resolve and ResolveInput when the
// expression itself cannot be turned into a value, whatever lookups say.
var ErrUnresolved = errors.New("expression has no value")

// String is the reference as a template writes it.
func (r Reference) String() string {
	path := strings.Join(append([]string{r.Output}, r.Path...), ".")
	if r.Application != "" {
		return fmt.Sprintf("%s/%s:%s.outputs.%s", r.Team, r.Application, r.Node, path)
	}
	return fmt.Sprintf("%s.outputs.%s", r.Node, path)
}

// External says that another application gives the output.
func (r Reference) External() bool { return r.Application != "" }

// References lists the outputs that the expression reads, each once, in the
// order of their first appearance (maps by key).
func (e Expression) References() []Reference {
	var found []Reference
	e.walk(func(leaf Expression) {
		if leaf.Kind != ExprReference || leaf.Reference == nil {
			return
		}
		same := func(r Reference) bool { return r.String() == leaf.Reference.String() }
		if !slices.ContainsFunc(found, same) {
			found = append(found, *leaf.Reference)
		}
	})
	return found
}

// Known says whether the expression can be resolved now: known answers for each
// reference. Secrets count as known.
func (e Expression) Known(known func(Reference) bool) bool {
	for _, r := range e.References() {
		if !known(r) {
			return false
		}
	}
	return true
}

// Sensitive says that a secret or a sensitive output is part of the value.
func (e Expression) Sensitive() bool {
	found := false
	e.walk(func(leaf Expression) {
		found = found || leaf.Kind == ExprSecret || leaf.Kind == ExprReference && leaf.Reference != nil && leaf.Reference.Sensitive
	})
	return found
}

// walk calls visit for every leaf, maps by key.
func (e Expression) walk(visit func(Expression)) {
	switch e.Kind {
	case ExprConcat, ExprList:
		for _, p := range e.Parts {
			p.walk(visit)
		}
	case ExprMap:
		for _, k := range sortedKeys(e.Fields) {
			e.Fields[k].walk(visit)
		}
	case ExprLiteral, ExprReference, ExprSecret:
		visit(e)
	}
}

// Resolve computes the value. lookup gives the output that a reference names
// (Resolve follows the path into it), secret the text behind a secret
// reference. Parts of a concat are written as text; a list, a map or nothing
// inside text is an error. Errors name references, never values.
func (e Expression) Resolve(lookup func(Reference) (any, error), secret func(ref string) (string, error)) (any, error) {
	switch e.Kind {
	case ExprLiteral:
		return normal(e.Literal), nil
	case ExprReference:
		return resolveReference(e.Reference, lookup)
	case ExprSecret:
		v, err := secret(e.Secret)
		if err != nil {
			return nil, fmt.Errorf("resolve %s: %w", e.Secret, err)
		}
		return v, nil
	case ExprConcat:
		return e.resolveConcat(lookup, secret)
	case ExprList:
		list := make([]any, 0, len(e.Parts))
		for i, p := range e.Parts {
			v, err := p.Resolve(lookup, secret)
			if err != nil {
				return nil, fmt.Errorf("[%d]: %w", i, err)
			}
			list = append(list, v)
		}
		return list, nil
	case ExprMap:
		fields := make(map[string]any, len(e.Fields))
		for _, k := range sortedKeys(e.Fields) {
			v, err := e.Fields[k].Resolve(lookup, secret)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", k, err)
			}
			fields[k] = v
		}
		return fields, nil
	default:
		return nil, fmt.Errorf("%w: unknown kind %q", ErrUnresolved, e.Kind)
	}
}

func (e Expression) resolveConcat(lookup Lookup, secret SecretLookup) (any, error) {
	var b strings.Builder
	for i, p := range e.Parts {
		v, err := p.Resolve(lookup, secret)
		if err != nil {
			return nil, err
		}
		text, ok := scalarText(v)
		if !ok {
			what := fmt.Sprintf("part %d", i+1)
			if p.Reference != nil {
				what = p.Reference.String()
			}
			return nil, fmt.Errorf("%w: %s is %s and cannot stand inside text", ErrUnresolved, what, describe(v))
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

func resolveReference(r *Reference, lookup Lookup) (any, error) {
	if r == nil {
		return nil, fmt.Errorf("%w: a reference to nothing", ErrUnresolved)
	}
	v, err := lookup(*r)
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", r, err)
	}
	v = normal(v)
	for _, step := range r.Path {
		next, ok := member(v, step)
		if !ok {
			return nil, fmt.Errorf("%w: %s: there is no %q in %s", ErrUnresolved, r, step, describe(v))
		}
		v = next
	}
	return v, nil
}

func member(v any, step string) (any, bool) {
	switch t := v.(type) {
	case map[string]any:
		next, ok := t[step]
		return next, ok
	case []any:
		i, err := strconv.Atoi(step)
		if err != nil || i < 0 || i >= len(t) {
			return nil, false
		}
		return t[i], true
	default:
		return nil, false
	}
}

// ResolveInput resolves an input's value, brings it to the input's type and
// checks the definition's constraints on values that were not known before. An
// error about a sensitive value does not repeat it.
func ResolveInput(in NodeInput, lookup func(Reference) (any, error), secret func(ref string) (string, error)) (any, error) {
	v, err := in.Value.Resolve(lookup, secret)
	if err != nil {
		return nil, fmt.Errorf("input %s: %w", in.Name, err)
	}
	field := catalog.Field{Name: in.Name, Type: in.Type}
	if in.Check != nil {
		field = *in.Check
	}
	field.Sensitive = in.Sensitive
	typed, err := coerce(field, v)
	if err != nil {
		if in.Sensitive {
			return nil, fmt.Errorf("%w: input %s: the value is sensitive and not shown; a valid %s is needed", ErrUnresolved, in.Name, in.Type)
		}
		return nil, fmt.Errorf("input %s: %w", in.Name, err)
	}
	return typed, nil
}

// literal wraps a value that is known.
func literal(v any) Expression { return Expression{Kind: ExprLiteral, Literal: v} }

// describe names the kind of a value for messages, never the value.
func describe(v any) string {
	switch v.(type) {
	case nil:
		return "nothing"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case int64:
		return "an integer"
	case float64:
		return "a number"
	case []any:
		return "a list"
	case map[string]any:
		return "a map"
	default:
		return fmt.Sprintf("a %T", v)
	}
}

// sortedKeys is the only way this package walks a map.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
