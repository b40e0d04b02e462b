// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/kube"
	"github.com/HatiCode/nestor/internal/expand"
)

// valuePaths says under which path of the values each input goes that goes there
// by itself: the definition's own paths, and the input's name for what neither
// they nor the settings' values mention.
func (n *node) valuePaths() (map[string][]string, error) {
	mentioned, err := expand.References(n.settings.Values)
	if err != nil {
		return nil, invalid("settings.values: %v", err)
	}
	paths := map[string][]string{}
	add := func(input string) error {
		mapped, listed := n.req.Implementation.Inputs[input]
		switch {
		case listed && mapped == "":
			return nil
		case listed:
			path, err := splitPath(mapped)
			if err != nil {
				return invalid("input %q maps to %q: %v", input, mapped, err)
			}
			paths[input] = path
		case !slices.Contains(mentioned, "inputs."+input):
			paths[input] = []string{input}
		}
		return nil
	}
	for input := range n.req.Inputs {
		if err := add(input); err != nil {
			return nil, err
		}
	}
	for input := range n.req.Unknown {
		if _, both := n.req.Inputs[input]; both {
			return nil, invalid("input %q is both known and unknown", input)
		}
		if err := add(input); err != nil {
			return nil, err
		}
	}
	return paths, nil
}

// splitPath reads a dotted path; "\." is a dot inside a name.
func splitPath(path string) ([]string, error) {
	const escaped = "\x00"
	parts := strings.Split(strings.ReplaceAll(path, `\.`, escaped), ".")
	for i, p := range parts {
		if p == "" {
			return nil, errors.New("a path is made of names with dots between them")
		}
		parts[i] = strings.ReplaceAll(p, escaped, ".")
	}
	return parts, nil
}

// values renders the chart's values with the inputs given, whose types are
// kept. Each call makes new ones: a chart's conditions work on them.
func (n *node) values(inputs map[string]any) (map[string]any, error) {
	req := n.req
	req.Inputs, req.Unknown = inputs, nil
	expanded, err := expand.Value(n.settings.Values, valueLookup(req))
	if err != nil {
		return nil, invalid("settings.values: %v", err)
	}
	values, _ := expanded.(map[string]any)
	if values == nil {
		values = map[string]any{}
	}
	paths, err := n.valuePaths()
	if err != nil {
		return nil, err
	}
	for _, input := range slices.Sorted(maps.Keys(paths)) {
		v, given := inputs[input]
		if !given || v == nil {
			continue
		}
		if err := setPath(values, paths[input], copied(v)); err != nil {
			return nil, invalid("input %q at %q: %v", input, strings.Join(paths[input], "."), err)
		}
	}
	return values, nil
}

// valueLookup is kube.Lookup with copies of what it finds.
func valueLookup(req engine.Request) expand.Lookup {
	lookup := kube.Lookup(req)
	return func(reference string) (any, error) {
		v, err := lookup(reference)
		return copied(v), err
	}
}

// setPath puts a value under a path, which must not lead through or to what is
// there already.
func setPath(values map[string]any, path []string, v any) error {
	for i, name := range path[:len(path)-1] {
		next, there := values[name]
		if !there {
			next = map[string]any{}
			values[name] = next
		}
		inner, ok := next.(map[string]any)
		if !ok {
			return fmt.Errorf("%s is a value already, not a map", strings.Join(path[:i+1], "."))
		}
		values = inner
	}
	last := path[len(path)-1]
	if _, there := values[last]; there {
		return errors.New("another value is there already")
	}
	values[last] = v
	return nil
}

// getPath finds the value under a path; nil where there is none.
func getPath(values map[string]any, path []string) any {
	var v any = values
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

// copied is a deep copy of a value made of maps and lists.
func copied(v any) any {
	switch t := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(t))
		for k, e := range t {
			out[k] = copied(e)
		}
		return out
	case []any:
		out := make([]any, len(t))
		for i, e := range t {
			out[i] = copied(e)
		}
		return out
	default:
		return v
	}
}
