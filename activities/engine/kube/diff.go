// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/HatiCode/nestor/orchestrator"
)

// Diff lists the fields that differ between two versions of an object, leaf by
// leaf, ordered by path. Either may be nil: the object is created, or goes away.
//
// What the server sets (status, resource version, managed fields, …) is left
// out. Placeholders in after (see Placeholder) show as unknown, the rest of
// their field's value included. What mask knows is sensitive shows no value;
// neither does the content of a Secret. A list whose elements have unique names
// is compared by them, any other by position.
func Diff(before, after *unstructured.Unstructured, mask *Mask) []orchestrator.AttributeChange {
	d := &differ{mask: mask}
	for _, u := range []*unstructured.Unstructured{before, after} {
		if u != nil && u.GetKind() == "Secret" && u.GroupVersionKind().Group == "" {
			d.hidden = []string{"data", "stringData"}
		}
	}
	d.walk("", wanted(before), wanted(after))
	slices.SortStableFunc(d.out, func(a, b orchestrator.AttributeChange) int { return strings.Compare(a.Path, b.Path) })
	return d.out
}

// serverSet are the fields of metadata that no client decides.
func serverSet() []string {
	return []string{
		"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink",
		"deletionTimestamp", "deletionGracePeriodSeconds",
	}
}

// lastApplied is kubectl's own copy of the object.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// wanted is an object without what its server sets.
func wanted(u *unstructured.Unstructured) any {
	if u == nil {
		return nil
	}
	out := maps.Clone(u.Object)
	delete(out, "status")
	metadata, ok := out["metadata"].(map[string]any)
	if !ok {
		return out
	}
	metadata = maps.Clone(metadata)
	for _, name := range serverSet() {
		delete(metadata, name)
	}
	if annotations, ok := metadata["annotations"].(map[string]any); ok {
		annotations = maps.Clone(annotations)
		delete(annotations, lastApplied)
		metadata["annotations"] = annotations
		if len(annotations) == 0 {
			delete(metadata, "annotations")
		}
	}
	out["metadata"] = metadata
	return out
}

type differ struct {
	mask   *Mask
	hidden []string
	out    []orchestrator.AttributeChange
}

func (d *differ) walk(path string, before, after any) {
	if same(before, after) {
		return
	}
	if _, unknown := after.(string); !unknown {
		if keys, isMap := keysOf(before, after); isMap {
			b, _ := before.(map[string]any)
			a, _ := after.(map[string]any)
			for _, key := range keys {
				d.walk(join(path, key), b[key], a[key])
			}
			return
		}
		if names, isList := elementsOf(before, after); isList {
			b, a := byElement(before, names), byElement(after, names)
			for _, name := range names {
				d.walk(path+"["+name+"]", b[name], a[name])
			}
			return
		}
	}
	d.leaf(path, before, after)
}

func (d *differ) leaf(path string, before, after any) {
	c := orchestrator.AttributeChange{Path: path}
	if reason, unknown := UnknownIn(after); unknown {
		c.Unknown, after = reason, nil
	}
	hidden := slices.ContainsFunc(d.hidden, func(p string) bool { return below(path, p) })
	if hidden || d.mask.covers(path) || d.mask.Holds(before) || d.mask.Holds(after) {
		c.Sensitive = true
	} else {
		c.Before, c.After = before, after
	}
	c.Path = d.mask.Text(path)
	d.out = append(d.out, c)
}

// keysOf are the keys of a pair of maps in order; one may be missing. Two maps
// of which the one that is there is empty are a leaf.
func keysOf(before, after any) ([]string, bool) {
	all := map[string]bool{}
	for _, v := range []any{before, after} {
		switch v := v.(type) {
		case map[string]any:
			for k := range v {
				all[k] = true
			}
		case nil:
		default:
			return nil, false
		}
	}
	return slices.Sorted(maps.Keys(all)), len(all) > 0
}

// elementsOf names the elements of a pair of lists; one may be missing.
func elementsOf(before, after any) ([]string, bool) {
	b, isB := before.([]any)
	a, isA := after.([]any)
	if (!isB && before != nil) || (!isA && after != nil) || len(a)+len(b) == 0 {
		return nil, false
	}
	named, seen := []string{}, map[string]bool{}
	for _, list := range [][]any{b, a} {
		here := map[string]bool{}
		for _, e := range list {
			name := nameOf(e)
			if name == "" || here[name] {
				return positions(max(len(a), len(b))), true
			}
			here[name] = true
			if !seen[name] {
				seen[name] = true
				named = append(named, "name="+name)
			}
		}
	}
	return named, true
}

func positions(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = strconv.Itoa(i)
	}
	return out
}

func nameOf(element any) string {
	m, _ := element.(map[string]any)
	name, _ := m["name"].(string)
	return name
}

func byElement(v any, names []string) map[string]any {
	list, _ := v.([]any)
	out := map[string]any{}
	for i, e := range list {
		if name := "name=" + nameOf(e); slices.Contains(names, name) {
			out[name] = e
		} else {
			out[strconv.Itoa(i)] = e
		}
	}
	return out
}

// same compares values; a number is the same whether it is written as an
// integer or not.
func same(a, b any) bool {
	x, xIsNumber := number(a)
	y, yIsNumber := number(b)
	if xIsNumber && yIsNumber {
		return x == y
	}
	return reflect.DeepEqual(a, b)
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	default:
		return 0, false
	}
}

// walkLeaves visits the leaves of a value with paths as Diff writes them.
func walkLeaves(path string, v any, visit func(path string, leaf any)) {
	switch t := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(t)) {
			walkLeaves(join(path, key), t[key], visit)
		}
	case []any:
		for i, e := range t {
			walkLeaves(fmt.Sprintf("%s[%d]", path, i), e, visit)
		}
	default:
		visit(path, v)
	}
}

// join appends a key to a path, quoting one that would be misread.
func join(path, key string) string {
	if strings.ContainsAny(key, ".[]\" /") || key == "" {
		return fmt.Sprintf("%s[%q]", path, key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}
