// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/internal/manifest"
)

// settingsOf decodes an implementation's settings, or reports each field that
// the engine does not know or that has another type.
func settingsOf[T HelmSettings | CrossplaneSettings | PulumiSettings](c implementationCheck) (T, bool) {
	s, err := Settings[T](c.impl)
	if err == nil {
		return s, true
	}
	reported := false
	checkShape(c.at+".settings", c.impl.Settings, reflect.TypeFor[T](), func(path, message, hint string) {
		reported = true
		c.report(path, message, hint)
	})
	if !reported {
		c.report(c.at+".settings", err.Error(), "")
	}
	return s, false
}

// checkShape holds a value of a file to the Go type that it will be decoded
// into, by that type's JSON names.
func checkShape(at string, v any, t reflect.Type, report Report) {
	if v == nil {
		return
	}
	switch t.Kind() {
	case reflect.Pointer:
		checkShape(at, v, t.Elem(), report)
	case reflect.Struct:
		fields, isMap := v.(map[string]any)
		if !isMap {
			report(at, "expected a map, found "+kindOf(v), "")
			return
		}
		checkFieldNames(at, fields, t, report)
	case reflect.Map:
		entries, isMap := v.(map[string]any)
		if !isMap {
			report(at, "expected a map, found "+kindOf(v), "")
			return
		}
		for _, key := range slices.Sorted(maps.Keys(entries)) {
			checkShape(manifest.Member(at, key), entries[key], t.Elem(), report)
		}
	case reflect.String:
		if _, isText := v.(string); !isText {
			report(at, "expected a string, found "+kindOf(v), "put it in quotes")
		}
	case reflect.Bool:
		if _, isBool := v.(bool); !isBool {
			report(at, "expected true or false, found "+kindOf(v), "")
		}
	default: // any value
	}
}

func checkFieldNames(at string, fields map[string]any, t reflect.Type, report Report) {
	types := map[string]reflect.Type{}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		types[name] = t.Field(i).Type
	}
	known := slices.Sorted(maps.Keys(types))
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		field, exists := types[name]
		if !exists {
			hint := didYouMean(name, known)
			if hint == "" {
				hint = "known: " + strings.Join(known, ", ")
			}
			report(manifest.Member(at, name), "there is no setting "+quote(name), hint)
			continue
		}
		checkShape(manifest.Member(at, name), fields[name], field, report)
	}
}

// kindOf names the kind of a value of a file, never the value.
func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case []any:
		return "a list"
	case map[string]any:
		return "a map"
	default:
		return "a number"
	}
}
