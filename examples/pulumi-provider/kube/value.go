// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"math"
	"reflect"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// unstructuredOf is a manifest as an object. Whatever is not known must be known
// by now.
func unstructuredOf(manifest property.Value) *unstructured.Unstructured {
	object, _ := plain(manifest).(map[string]any)
	return &unstructured.Unstructured{Object: object}
}

// plain is a value as Kubernetes' libraries take it: whole numbers as int64.
func plain(v property.Value) any {
	switch {
	case v.IsBool():
		return v.AsBool()
	case v.IsNumber():
		n := v.AsNumber()
		if n == math.Trunc(n) && math.Abs(n) < 1<<53 {
			return int64(n)
		}
		return n
	case v.IsString():
		return v.AsString()
	case v.IsArray():
		out := make([]any, 0, v.AsArray().Len())
		for _, e := range v.AsArray().All {
			out = append(out, plain(e))
		}
		return out
	case v.IsMap():
		out := make(map[string]any, v.AsMap().Len())
		for key, e := range v.AsMap().All {
			out[key] = plain(e)
		}
		return out
	default:
		return nil
	}
}

// valueOf is the reverse of plain.
func valueOf(v any) property.Value {
	switch v := v.(type) {
	case bool:
		return property.New(v)
	case int64:
		return property.New(float64(v))
	case float64:
		return property.New(v)
	case string:
		return property.New(v)
	case []any:
		out := make([]property.Value, len(v))
		for i, e := range v {
			out[i] = valueOf(e)
		}
		return property.New(out)
	case map[string]any:
		out := make(map[string]property.Value, len(v))
		for key, e := range v {
			out[key] = valueOf(e)
		}
		return property.New(out)
	default:
		return property.Value{}
	}
}

// same says whether two values of objects are equal.
func same(a, b any) bool { return reflect.DeepEqual(a, b) }
