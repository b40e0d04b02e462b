// SPDX-License-Identifier: Apache-2.0

package pulumi

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"github.com/HatiCode/nestor/activities/engine/jsonvalue"
	"github.com/HatiCode/nestor/orchestrator"
)

// attributes lists what differs between a resource's inputs before and after,
// leaf by leaf, ordered by path, and what becomes unknown of its outputs.
func (n *node) attributes(s *step, action orchestrator.Action, t *tracer) []orchestrator.AttributeChange {
	m := s.meta
	d := &differ{node: n, urn: s.urn, tracer: t, replaces: replacePaths(m), touched: touchedPaths(m)}
	var before, after, outputs, outputsBefore map[string]any
	if m.Old != nil {
		before, outputsBefore = m.Old.Inputs, m.Old.Outputs
	}
	if m.New != nil && action != orchestrator.ActionDelete {
		after, outputs = m.New.Inputs, m.New.Outputs
	}
	d.walk("", asValue(before), asValue(after))
	if action != orchestrator.ActionDelete {
		d.computed(outputsBefore, after, outputs)
	}
	slices.SortStableFunc(d.out, func(a, b orchestrator.AttributeChange) int { return strings.Compare(a.Path, b.Path) })
	return d.out
}

func asValue(m map[string]any) any {
	if m == nil {
		return nil
	}
	return m
}

type differ struct {
	node     *node
	urn      string
	tracer   *tracer
	replaces []string
	touched  []string // what the provider says to change
	out      []orchestrator.AttributeChange
}

func (d *differ) walk(path string, before, after any) {
	_, secretBefore := isSecret(before)
	_, secretAfter := isSecret(after)
	if secretBefore || secretAfter {
		d.secret(path, before, after)
		return
	}
	if reason, is := d.tracer.unknown(d.urn, path, after); is {
		d.add(orchestrator.AttributeChange{Path: path, Before: jsonvalue.Plain(before), Unknown: reason})
		return
	}
	if keys, ok := objectKeys(before, after); ok {
		for _, k := range keys {
			d.walk(join(path, k), field(before, k), field(after, k))
		}
		return
	}
	if count, ok := listLength(before, after); ok {
		for i := range count {
			d.walk(fmt.Sprintf("%s[%d]", path, i), element(before, i), element(after, i))
		}
		return
	}
	if !reflect.DeepEqual(jsonvalue.Plain(before), jsonvalue.Plain(after)) {
		d.add(orchestrator.AttributeChange{Path: path, Before: jsonvalue.Plain(before), After: jsonvalue.Plain(after)})
	}
}

// secret values are not told, so whether one changes is what the provider says
// and whether it is there at all.
func (d *differ) secret(path string, before, after any) {
	changes := (before == nil) != (after == nil) ||
		slices.ContainsFunc(d.touched, func(p string) bool { return within(path, p) })
	if !changes {
		return
	}
	d.add(orchestrator.AttributeChange{Path: path, Sensitive: true})
}

// computed adds the outputs that are known only after the apply.
func (d *differ) computed(before, inputs, outputs map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(outputs)) {
		if _, isInput := inputs[name]; isInput || outputs[name] != mark {
			continue
		}
		a := orchestrator.AttributeChange{Path: name, Unknown: knownAfterApply}
		if holdsSecret(before[name]) {
			a.Sensitive = true
		} else {
			a.Before = jsonvalue.Plain(before[name])
		}
		d.add(a)
	}
}

func (d *differ) add(a orchestrator.AttributeChange) {
	redact := d.node.redact
	if redact.Holds(a.Before) || redact.Holds(a.After) {
		a.Before, a.After, a.Sensitive = nil, nil, true
	}
	a.Replaces = slices.ContainsFunc(d.replaces, func(p string) bool { return within(a.Path, p) })
	a.Path = redact.Text(a.Path)
	d.out = append(d.out, a)
}

// replacePaths are the properties that force a replacement.
func replacePaths(m *apitype.StepEventMetadata) []string {
	paths := slices.Clone(m.Keys)
	for path, diff := range m.DetailedDiff {
		if strings.HasSuffix(string(diff.Kind), "-replace") {
			paths = append(paths, path)
		}
	}
	return paths
}

func touchedPaths(m *apitype.StepEventMetadata) []string {
	return slices.Concat(m.Diffs, m.Keys, slices.Collect(maps.Keys(m.DetailedDiff)))
}

// within says whether path is at or below the other, or above it.
func within(path, other string) bool {
	below := func(a, b string) bool {
		rest, ok := strings.CutPrefix(a, b)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	}
	return below(path, other) || below(other, path)
}

// objectKeys are the keys of a pair of objects (one may be missing), in order.
func objectKeys(before, after any) ([]string, bool) {
	all := map[string]bool{}
	found := false
	for _, v := range []any{before, after} {
		switch v := v.(type) {
		case map[string]any:
			found = true
			for k := range v {
				all[k] = true
			}
		case nil:
		default:
			return nil, false
		}
	}
	return slices.Sorted(maps.Keys(all)), found
}

// listLength is the length of the longer of two lists (one may be missing).
func listLength(before, after any) (int, bool) {
	count, found := 0, false
	for _, v := range []any{before, after} {
		switch v := v.(type) {
		case []any:
			found = true
			count = max(count, len(v))
		case nil:
		default:
			return 0, false
		}
	}
	return count, found
}

func field(v any, key string) any {
	if m, ok := v.(map[string]any); ok {
		return m[key]
	}
	return nil
}

func element(v any, i int) any {
	if l, ok := v.([]any); ok && i < len(l) {
		return l[i]
	}
	return nil
}

// join appends a key to a path, quoting one that would be misread.
func join(path, key string) string {
	if strings.ContainsAny(key, ".[]\" ") || key == "" {
		return fmt.Sprintf("%s[%q]", path, key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}
