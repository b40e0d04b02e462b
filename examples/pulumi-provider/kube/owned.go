// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"encoding/json"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// imported is the manifest of an object that is read for the first time. The API
// server keeps which fields were applied by whom: of an object that this
// provider has applied, and not recorded, those are the manifest. Of any other
// it is all that the cluster does not write by itself.
func imported(o *unstructured.Unstructured) property.Value {
	for _, entry := range o.GetManagedFields() {
		if entry.Manager != fieldManager || entry.FieldsV1 == nil {
			continue
		}
		var fields map[string]any
		if json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields) != nil {
			continue
		}
		owned, _ := pruned(o.Object, fields).(map[string]any)
		object := &unstructured.Unstructured{Object: owned}
		object.SetAPIVersion(o.GetAPIVersion())
		object.SetKind(o.GetKind())
		object.SetName(o.GetName())
		if o.GetNamespace() != "" {
			object.SetNamespace(o.GetNamespace())
		}
		return sealed(valueOf(object.Object))
	}
	return bare(o)
}

// pruned is a value without what is not among the fields. They are a tree: "f:"
// names a key of a map, "k:" an element of a list by its keys, "v:" an element
// of a set by its value.
func pruned(value any, fields map[string]any) any {
	if len(fields) == 0 {
		return value
	}
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, below := range fields {
			name, isKey := strings.CutPrefix(key, "f:")
			inner, there := v[name]
			if !isKey || !there {
				continue
			}
			tree, _ := below.(map[string]any)
			out[name] = pruned(inner, tree)
		}
		return out
	case []any:
		var out []any
		for _, element := range v {
			if tree, owned := among(element, fields); owned {
				out = append(out, pruned(element, tree))
			}
		}
		return out
	default:
		return value
	}
}

// among finds the fields of a list's element, if it has any.
func among(element any, fields map[string]any) (tree map[string]any, owned bool) {
	for key, below := range fields {
		tree, _ := below.(map[string]any)
		kind, text, _ := strings.Cut(key, ":")
		var want any
		if (kind != "k" && kind != "v") || json.Unmarshal([]byte(text), &want) != nil {
			continue
		}
		if kind == "v" {
			if same(number(element), want) {
				return nil, true
			}
			continue
		}
		keys, _ := want.(map[string]any)
		have, _ := element.(map[string]any)
		matches := len(keys) > 0 && have != nil
		for name, value := range keys {
			matches = matches && same(number(have[name]), value)
		}
		if matches {
			return tree, true
		}
	}
	return nil, false
}

// number is a value as JSON decodes it without care.
func number(v any) any {
	if i, ok := v.(int64); ok {
		return float64(i)
	}
	return v
}
