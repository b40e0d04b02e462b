// SPDX-License-Identifier: Apache-2.0

package fake

import (
	"encoding/json"
	"math"

	"github.com/HatiCode/nestor/catalog"
)

// typed converts a value, fresh or read back from JSON, to the Go form of a
// catalog type, and says whether it fits.
func typed(t catalog.Type, v any) (any, bool) {
	v = plain(v)
	switch t {
	case catalog.TypeString:
		s, ok := v.(string)
		return s, ok
	case catalog.TypeBoolean:
		b, ok := v.(bool)
		return b, ok
	case catalog.TypeInteger:
		i, ok := v.(int64)
		return i, ok
	case catalog.TypeNumber:
		if i, ok := v.(int64); ok {
			return float64(i), true
		}
		f, ok := v.(float64)
		return f, ok
	case catalog.TypeList:
		l, ok := v.([]any)
		return l, ok
	case catalog.TypeMap:
		m, ok := v.(map[string]any)
		return m, ok
	default:
		return v, true
	}
}

// plain brings numbers to int64 where they are whole, and float64 otherwise.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		if f, err := v.Float64(); err == nil {
			return f
		}
		return v.String()
	case int:
		return int64(v)
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int64(v)
		}
		return v
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plain(e)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = plain(e)
		}
		return out
	default:
		return v
	}
}
