// SPDX-License-Identifier: Apache-2.0

package composer

import (
	"encoding/json"
	"math"
	"reflect"
	"strconv"

	"github.com/HatiCode/nestor/catalog"
)

// exactInteger bounds the integers that a JSON number carries exactly.
const exactInteger = 1 << 53

// normal brings a value to the types of catalog.Type, copying lists and maps.
// A float without a fraction becomes an integer, so that a value is the same
// whether or not it went through JSON on its way.
func normal(v any) any {
	switch t := v.(type) {
	case nil, string, bool, int64:
		return v
	case float64:
		if t == math.Trunc(t) && math.Abs(t) <= exactInteger {
			return int64(t)
		}
		return t
	case json.Number:
		if i, err := t.Int64(); err == nil {
			return i
		}
		if f, err := t.Float64(); err == nil {
			return normal(f)
		}
		return t.String()
	case []any:
		list := make([]any, len(t))
		for i, e := range t {
			list[i] = normal(e)
		}
		return list
	case map[string]any:
		fields := make(map[string]any, len(t))
		for k, e := range t {
			fields[k] = normal(e)
		}
		return fields
	default:
		return normalOther(v)
	}
}

// normalOther takes what a caller built by hand: other widths of numbers, and
// lists and maps of one element type.
func normalOther(v any) any {
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32:
		return r.Int()
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return int64(r.Uint()) //nolint:gosec // 32 bits fit
	case reflect.Float32:
		return normal(r.Float())
	case reflect.Slice:
		list := make([]any, r.Len())
		for i := range list {
			list[i] = normal(r.Index(i).Interface())
		}
		return list
	case reflect.Map:
		if r.Type().Key().Kind() != reflect.String {
			return v
		}
		fields := make(map[string]any, r.Len())
		for it := r.MapRange(); it.Next(); {
			fields[it.Key().String()] = normal(it.Value().Interface())
		}
		return fields
	default:
		return v
	}
}

// scalarText writes a scalar inside text; lists, maps and nothing have no form
// there.
func scalarText(v any) (string, bool) {
	switch t := normal(v).(type) {
	case string:
		return t, true
	case bool:
		return strconv.FormatBool(t), true
	case int64:
		return strconv.FormatInt(t, 10), true
	case float64:
		return strconv.FormatFloat(t, 'g', -1, 64), true
	default:
		return "", false
	}
}

// coerce brings a value to the field's declared type and checks the field's
// constraints.
func coerce(f catalog.Field, v any) (any, error) {
	typed, err := catalog.Coerce(f, normal(v))
	if err != nil {
		return nil, err
	}
	if err := catalog.CheckValue(f, typed); err != nil {
		return nil, err
	}
	return typed, nil
}
