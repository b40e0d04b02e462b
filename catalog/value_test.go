// SPDX-License-Identifier: Apache-2.0

package catalog_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/catalog"
)

func TestCheckName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "0", "web-app", strings.Repeat("a", 63)} {
		if err := catalog.CheckName("team", name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{
		"", "-a", "a-", "A", "a_b", "a.b", "a/b", "../a", "a b", "a\n", "é", strings.Repeat("a", 64), "$(id)", "{{ .x }}", `"`,
	} {
		err := catalog.CheckName("team", name)
		var nameError *catalog.NameError
		if !errors.As(err, &nameError) || nameError.Kind != "team" || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: got %v", name, err)
		}
	}
}

func TestCoerce(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		typ    catalog.Type
		in     any
		want   any
	}{
		"string":              {"a string stays", catalog.TypeString, "3", "3"},
		"integer text":        {"annotations are text", catalog.TypeInteger, "3", int64(3)},
		"integer negative":    {"with a sign", catalog.TypeInteger, "-3", int64(-3)},
		"integer":             {"typed already", catalog.TypeInteger, int64(3), int64(3)},
		"integer from JSON":   {"encoding/json gives float64", catalog.TypeInteger, 3.0, int64(3)},
		"integer json.Number": {"or json.Number", catalog.TypeInteger, json.Number("3"), int64(3)},
		"integer largest":     {"2^53 is exact", catalog.TypeInteger, "9007199254740992", int64(1) << 53},
		"number text":         {"annotations are text", catalog.TypeNumber, "3.5", 3.5},
		"number exponent":     {"JSON's grammar", catalog.TypeNumber, "1e3", 1000.0},
		"number from integer": {"an integer is a number", catalog.TypeNumber, int64(3), 3.0},
		"boolean text":        {"annotations are text", catalog.TypeBoolean, "true", true},
		"boolean":             {"typed already", catalog.TypeBoolean, false, false},
		"list text":           {"JSON text", catalog.TypeList, `["a", 1, 2.5, null, {"b": [3]}]`, []any{"a", int64(1), 2.5, nil, map[string]any{"b": []any{int64(3)}}}},
		"list from JSON":      {"numbers inside take one type", catalog.TypeList, []any{1.0, 1.5, json.Number("2")}, []any{int64(1), 1.5, int64(2)}},
		"map text":            {"JSON text", catalog.TypeMap, `{"a": {"b": true}}`, map[string]any{"a": map[string]any{"b": true}}},
		"map":                 {"typed already", catalog.TypeMap, map[string]any{}, map[string]any{}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := catalog.Coerce(catalog.Field{Name: "f", Type: tc.typ}, tc.in)
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestCoerceRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		field  catalog.Field
		in     any
		want   string
	}{
		"fraction text":     {"no silent rounding", catalog.Field{Type: catalog.TypeInteger}, "3.5", `f: value "3.5" must be an integer`},
		"fraction":          {"no silent rounding", catalog.Field{Type: catalog.TypeInteger}, 3.5, `f: value 3.5 must be an integer`},
		"spaces":            {"no trimming", catalog.Field{Type: catalog.TypeInteger}, " 3", `f: value " 3" must be an integer`},
		"underscores":       {"no Go syntax", catalog.Field{Type: catalog.TypeInteger}, "1_000", `must be an integer`},
		"large integer":     {"digits would be lost", catalog.Field{Type: catalog.TypeInteger}, "9007199254740993", `must be an integer between -2^53 and 2^53 (larger ones lose digits in JSON; use a string)`},
		"huge integer":      {"beyond 64 bits", catalog.Field{Type: catalog.TypeInteger}, "99999999999999999999", `between -2^53 and 2^53`},
		"large float":       {"a float beyond 2^53 is no exact integer", catalog.Field{Type: catalog.TypeInteger}, 1e20, `must be an integer`},
		"infinity":          {"no finite number", catalog.Field{Type: catalog.TypeNumber}, "Inf", `must be a number`},
		"nan":               {"no number at all", catalog.Field{Type: catalog.TypeNumber}, math.NaN(), `f: value of type float64 must be a number`},
		"hex float":         {"no Go syntax", catalog.Field{Type: catalog.TypeNumber}, "0x1p-2", `must be a number`},
		"yes":               {"only true and false", catalog.Field{Type: catalog.TypeBoolean}, "yes", `f: value "yes" must be true or false`},
		"number as string":  {"a number is no string", catalog.Field{Type: catalog.TypeString}, int64(3), `f: value 3 must be a string (write it in quotes)`},
		"null":              {"null is no value", catalog.Field{Type: catalog.TypeString}, nil, `f: value null must be a string`},
		"list words":        {"no guessing", catalog.Field{Type: catalog.TypeList}, "a,b", `must be a list (write JSON such as ["a","b"])`},
		"list of two":       {"one value", catalog.Field{Type: catalog.TypeList}, "[] []", `must be a list`},
		"list beyond float": {"no infinity in disguise", catalog.Field{Type: catalog.TypeList}, "[1e999]", `must be a list`},
		"large inside":      {"digits would be lost inside too", catalog.Field{Type: catalog.TypeMap}, `{"a":[9007199254740993]}`, `holds an integer that is not between -2^53 and 2^53`},
		"map as list":       {"another type", catalog.Field{Type: catalog.TypeList}, "{}", `must be a list`},
		"list as map":       {"another type", catalog.Field{Type: catalog.TypeMap}, []any{}, `f: value [] must be a map (write JSON such as {"a":"b"})`},
		"sensitive":         {"a secret is not shown", catalog.Field{Type: catalog.TypeInteger, Sensitive: true}, "hunter2", `f: value (sensitive) must be an integer`},
		"long":              {"a message stays short", catalog.Field{Type: catalog.TypeInteger}, strings.Repeat("x", 1000), strings.Repeat("x", 64) + `…" must`},
		"unknown type":      {"a field nobody validated", catalog.Field{Type: "thing"}, "x", `cannot take the unknown type "thing"`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.field.Name = "f"
			got, err := catalog.Coerce(tc.field, tc.in)
			var valueError *catalog.ValueError
			if !errors.As(err, &valueError) {
				t.Fatalf("%s: got %v and error %v", tc.reason, got, err)
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s:\n got %s\nwant %s", tc.reason, err, tc.want)
			}
		})
	}
}

func TestCheckValue(t *testing.T) {
	t.Parallel()
	one, three := 1.0, 3.0
	between := func(typ catalog.Type) catalog.Field {
		return catalog.Field{Name: "f", Type: typ, Minimum: &one, Maximum: &three}
	}
	enum := catalog.Field{Name: "f", Type: catalog.TypeInteger, Enum: []any{int64(1), 2.0}}
	pattern := catalog.Field{Name: "f", Type: catalog.TypeString, Pattern: "a|b+"}
	tests := map[string]struct {
		reason string
		field  catalog.Field
		in     any
		want   string // empty: accepted
	}{
		"enum":             {"listed", enum, int64(1), ""},
		"enum from JSON":   {"listed, although JSON made it a float", enum, int64(2), ""},
		"enum other":       {"not listed", enum, int64(3), "f: value 3 must be one of 1, 2"},
		"pattern":          {"matches", pattern, "bb", ""},
		"pattern part":     {"a part is not enough, on either side of the bar", pattern, "ab", `f: value "ab" must match the pattern a|b+ as a whole`},
		"pattern line":     {"nor is a line", catalog.Field{Name: "f", Type: catalog.TypeString, Pattern: "(?m)^a$"}, "a\nb", "must match"},
		"pattern newline":  {"nor a line break at the end", pattern, "a\n", "must match"},
		"pattern broken":   {"a broken pattern accepts nothing", catalog.Field{Name: "f", Type: catalog.TypeString, Pattern: "a)|(b"}, "a", "broken pattern"},
		"integer":          {"inside", between(catalog.TypeInteger), int64(3), ""},
		"integer below":    {"below", between(catalog.TypeInteger), int64(0), "f: value 0 must be at least 1"},
		"number above":     {"above", between(catalog.TypeNumber), 3.01, "f: value 3.01 must be at most 3"},
		"string length":    {"characters, not bytes", between(catalog.TypeString), "éèà", ""},
		"string long":      {"too long", between(catalog.TypeString), "abcd", `f: value "abcd" must have a length of at most 3`},
		"list short":       {"too short", between(catalog.TypeList), []any{}, "f: value [] must have a length of at least 1"},
		"map long":         {"too long", between(catalog.TypeMap), map[string]any{"a": 1, "b": 1, "c": 1, "d": 1}, "must have a length of at most 3"},
		"type":             {"not coerced before", catalog.Field{Name: "f", Type: catalog.TypeInteger}, "3", `f: value "3" must be an integer (write it without quotes)`},
		"type of string":   {"not coerced before", catalog.Field{Name: "f", Type: catalog.TypeString}, int64(3), `f: value 3 must be a string (write it in quotes)`},
		"sensitive enum":   {"neither the value nor the choice", catalog.Field{Name: "f", Type: catalog.TypeString, Sensitive: true, Enum: []any{"hunter2"}}, "hunter3", "f: value (sensitive) must be one of the values that the definition lists"},
		"sensitive length": {"not the value", catalog.Field{Name: "f", Type: catalog.TypeString, Sensitive: true, Minimum: &three}, "ab", "f: value (sensitive) must have a length of at least 3"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := catalog.CheckValue(tc.field, tc.in)
			if tc.want == "" {
				if err != nil {
					t.Errorf("%s: %v", tc.reason, err)
				}
				return
			}
			var valueError *catalog.ValueError
			if !errors.As(err, &valueError) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s:\n got %v\nwant %s", tc.reason, err, tc.want)
			}
			if tc.field.Sensitive && strings.Contains(err.Error(), "hunter") {
				t.Errorf("%s: a secret is in %v", tc.reason, err)
			}
		})
	}
}
