// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	tfjson "github.com/hashicorp/terraform-json"

	"github.com/HatiCode/nestor/activities/engine/jsonvalue"
	"github.com/HatiCode/nestor/orchestrator"
)

// attributes lists what differs between before and after, leaf by leaf, ordered
// by path.
func (n *node) attributes(r *tfjson.ResourceChange, t tracer) []orchestrator.AttributeChange {
	c := r.Change
	d := &differ{node: n, replaces: replacePaths(c), why: func(path string) string {
		top, _, _ := strings.Cut(path, ".")
		top, _, _ = strings.Cut(top, "[")
		return t.reason(r, top)
	}}
	d.walk("", side{c.Before, c.BeforeSensitive}, side{c.After, c.AfterSensitive}, c.AfterUnknown)
	slices.SortStableFunc(d.out, func(a, b orchestrator.AttributeChange) int { return strings.Compare(a.Path, b.Path) })
	return d.out
}

// side is a value with the marks of what is sensitive in it.
type side struct {
	value any
	marks any
}

func (s side) child(key string) side {
	return side{field(s.value, key), markOf(s.marks, func(m any) any { return field(m, key) })}
}

func (s side) element(i int) side {
	return side{element(s.value, i), markOf(s.marks, func(m any) any { return element(m, i) })}
}

// markOf descends into marks; a mark on the whole covers all of it.
func markOf(marks any, down func(any) any) any {
	if marks == true {
		return true
	}
	return down(marks)
}

type differ struct {
	node     *node
	replaces []string
	why      func(path string) string
	out      []orchestrator.AttributeChange
}

func (d *differ) walk(path string, before, after side, unknown any) {
	if before.marks == true || after.marks == true || unknown == true {
		d.leaf(path, before, after, unknown)
		return
	}
	if keys, ok := objectKeys(before.value, after.value, unknown); ok {
		for _, k := range keys {
			d.walk(join(path, k), before.child(k), after.child(k), field(unknown, k))
		}
		return
	}
	if count, ok := listLength(before.value, after.value, unknown); ok {
		for i := range count {
			d.walk(fmt.Sprintf("%s[%d]", path, i), before.element(i), after.element(i), element(unknown, i))
		}
		return
	}
	d.leaf(path, before, after, unknown)
}

func (d *differ) leaf(path string, before, after side, unknown any) {
	isUnknown := unknown == true
	if !isUnknown && reflect.DeepEqual(before.value, after.value) {
		return
	}
	a := orchestrator.AttributeChange{
		Path:     path,
		Replaces: slices.ContainsFunc(d.replaces, func(p string) bool { return within(path, p) }),
	}
	if isUnknown {
		a.Unknown = d.why(path)
	}
	redact := d.node.redact
	if marked(before.marks) || marked(after.marks) || redact.Holds(before.value) || redact.Holds(after.value) {
		a.Sensitive = true
	} else {
		a.Before, a.After = jsonvalue.Plain(before.value), jsonvalue.Plain(after.value)
	}
	a.Path = redact.Text(path)
	d.out = append(d.out, a)
}

// marked says whether anything in the marks is set.
func marked(marks any) bool {
	switch m := marks.(type) {
	case bool:
		return m
	case map[string]any:
		for _, e := range m {
			if marked(e) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(m, marked)
	}
	return false
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
func objectKeys(before, after, unknown any) ([]string, bool) {
	all := map[string]bool{}
	found := false
	for _, v := range []any{before, after, unknown} {
		switch v := v.(type) {
		case map[string]any:
			found = true
			for k := range v {
				all[k] = true
			}
		case nil, bool:
			if b, ok := v.(bool); ok && b {
				return nil, false
			}
		default:
			return nil, false
		}
	}
	return sortedKeys(all), found
}

// listLength is the length of the longer of two lists (one may be missing).
func listLength(before, after, unknown any) (int, bool) {
	count, found := 0, false
	for _, v := range []any{before, after, unknown} {
		switch v := v.(type) {
		case []any:
			found = true
			count = max(count, len(v))
		case nil, bool:
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
