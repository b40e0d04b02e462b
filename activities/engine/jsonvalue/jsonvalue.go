// SPDX-License-Identifier: Apache-2.0

// Package jsonvalue brings decoded JSON, with its numbers as json.Number, to the
// Go values of the catalog's types.
package jsonvalue

import (
	"encoding/json"

	"github.com/HatiCode/nestor/catalog"
)

// Typed converts a decoded JSON value to the Go form of a catalog type, and
// says whether it fits.
func Typed(t string, v any) (any, bool) {
	switch catalog.Type(t) {
	case catalog.TypeString:
		s, ok := v.(string)
		return s, ok
	case catalog.TypeBoolean:
		b, ok := v.(bool)
		return b, ok
	case catalog.TypeInteger:
		if num, ok := v.(json.Number); ok {
			i, err := num.Int64()
			return i, err == nil
		}
		return nil, false
	case catalog.TypeNumber:
		if num, ok := v.(json.Number); ok {
			f, err := num.Float64()
			return f, err == nil
		}
		return nil, false
	case catalog.TypeList:
		l, ok := v.([]any)
		return Plain(l), ok
	case catalog.TypeMap:
		m, ok := v.(map[string]any)
		return Plain(m), ok
	default:
		return Plain(v), true
	}
}

// Plain turns the numbers inside a value into int64 where they are whole, and
// float64 otherwise.
func Plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		if f, err := v.Float64(); err == nil {
			return f
		}
		return v.String()
	case float64: // events and settings are decoded without care
		if i := int64(v); float64(i) == v && i > -1<<53 && i < 1<<53 {
			return i
		}
		return v
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = Plain(e)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = Plain(e)
		}
		return out
	default:
		return v
	}
}

// Kind names what a decoded value is, for messages.
func Kind(v any) string {
	switch v := v.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case json.Number:
		if _, err := v.Int64(); err != nil {
			return "fraction"
		}
		return "number"
	case []any:
		return "list"
	case map[string]any:
		return "map"
	default:
		return "null"
	}
}
