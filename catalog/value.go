// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxExact is the largest integer that every JSON reader reads exactly.
const maxExact = 1 << 53

// Masked stands for a sensitive value in every message and output.
const Masked = "(sensitive)"

// ValueError says which rule of its field a value breaks. The value in the
// message is masked when the field is sensitive.
type ValueError struct {
	Field string
	Value string // as shown
	Rule  string // "must be an integer"
	Hint  string // the cure, where the rule does not say it
}

func (e *ValueError) Error() string {
	message := fmt.Sprintf("%s: value %s %s", e.Field, e.Value, e.Rule)
	if e.Hint != "" {
		message += " (" + e.Hint + ")"
	}
	return message
}

func newValueError(f Field, v any, rule, hint string) *ValueError {
	return &ValueError{Field: f.Name, Value: show(f, v), Rule: rule, Hint: hint}
}

func show(f Field, v any) string {
	if f.Sensitive {
		return Masked
	}
	if s, ok := v.(string); ok {
		return quote(s)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("of type %T", v)
	}
	return strings.Trim(quote(string(text)), `"`)
}

// Coerce brings v to the field's type, or fails with *ValueError. It accepts a
// value of that type; text, as annotations and templates give it ("3" for an
// integer, JSON for a list or map); and numbers as encoding/json reads them. It
// is strict: "3.5" and 3.5 are no integers, 3 is no string, "yes" is no boolean.
// It does not look at constraints; CheckValue does.
//
// The result is a string, bool, int64, float64, []any or map[string]any, with
// elements of these or nil; integers in a list or map are int64.
func Coerce(f Field, v any) (any, error) {
	switch f.Type {
	case TypeString:
		if s, ok := v.(string); ok {
			return s, nil
		}
		return nil, newValueError(f, v, "must be a string", "write it in quotes")
	case TypeBoolean:
		return coerceBoolean(f, v)
	case TypeInteger:
		return coerceInteger(f, v)
	case TypeNumber:
		return coerceNumber(f, v)
	case TypeList:
		return coerceList(f, v)
	case TypeMap:
		return coerceMap(f, v)
	default:
		return nil, newValueError(f, v, "cannot take the unknown type "+quote(string(f.Type)), "")
	}
}

func coerceBoolean(f Field, v any) (any, error) {
	switch v {
	case true, "true":
		return true, nil
	case false, "false":
		return false, nil
	}
	return nil, newValueError(f, v, "must be true or false", "")
}

func coerceInteger(f Field, v any) (any, error) {
	const rule = "must be an integer"
	n, ok := int64(0), false
	switch x := v.(type) {
	case int64:
		n, ok = x, true
	case int:
		n, ok = int64(x), true
	case float64:
		n, ok = int64(x), x == math.Trunc(x) && math.Abs(x) <= maxExact
	case json.Number:
		return coerceInteger(f, number(x))
	case string:
		var err error
		n, err = strconv.ParseInt(x, 10, 64)
		ok = err == nil
		if errors.Is(err, strconv.ErrRange) {
			n, ok = math.MaxInt64, true
		}
	}
	if !ok {
		return nil, newValueError(f, v, rule, "")
	}
	if n > maxExact || n < -maxExact {
		return nil, newValueError(f, v, "must be an integer between -2^53 and 2^53", "larger ones lose digits in JSON; use a string")
	}
	return n, nil
}

func coerceNumber(f Field, v any) (any, error) {
	const rule = "must be a number"
	switch x := v.(type) {
	case float64:
		if !math.IsNaN(x) && !math.IsInf(x, 0) {
			return x, nil
		}
	case int64:
		return float64(x), nil
	case int:
		return float64(x), nil
	case json.Number:
		return coerceNumber(f, number(x))
	case string:
		// JSON's grammar: no "Inf", no hexadecimal, no "1_000".
		if n, err := strconv.ParseFloat(x, 64); err == nil && json.Valid([]byte(x)) {
			return n, nil
		}
	}
	return nil, newValueError(f, v, rule, "")
}

func coerceList(f Field, v any) (any, error) {
	structured, err := structure(f, v)
	if err != nil {
		return nil, err
	}
	if list, ok := structured.([]any); ok {
		return list, nil
	}
	return nil, newValueError(f, v, "must be a list", `write JSON such as ["a","b"]`)
}

func coerceMap(f Field, v any) (any, error) {
	structured, err := structure(f, v)
	if err != nil {
		return nil, err
	}
	if m, ok := structured.(map[string]any); ok {
		return m, nil
	}
	return nil, newValueError(f, v, "must be a map", `write JSON such as {"a":"b"}`)
}

// structure reads text as JSON and gives the numbers inside one type each. Text
// that is no JSON stays text.
func structure(f Field, v any) (any, error) {
	out := plain(v)
	if text, ok := v.(string); ok {
		decoded, err := decodeJSON(text)
		if err != nil {
			return v, nil //nolint:nilerr // the caller says what it wanted instead
		}
		out = plain(decoded)
	}
	if !exact(out) {
		return nil, newValueError(f, v, "holds an integer that is not between -2^53 and 2^53", "larger ones lose digits in JSON; use a string")
	}
	return out, nil
}

func exact(v any) bool {
	switch x := v.(type) {
	case int64:
		return x <= maxExact && x >= -maxExact
	case []any:
		return !slices.ContainsFunc(x, func(element any) bool { return !exact(element) })
	case map[string]any:
		for _, element := range x {
			if !exact(element) {
				return false
			}
		}
	}
	return true
}

// decodeJSON reads exactly one JSON value whose numbers are finite.
func decodeJSON(text string) (any, error) {
	var probe any
	if err := json.Unmarshal([]byte(text), &probe); err != nil {
		return nil, fmt.Errorf("read JSON: %w", err)
	}
	// Once more, for the integers that float64 cannot hold.
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, fmt.Errorf("read JSON: %w", err)
	}
	return v, nil
}

// plain gives the numbers inside v one Go type each: int64 where the value is
// an integer that JSON holds exactly, float64 otherwise. Lists and maps are
// copied.
func plain(v any) any {
	switch x := v.(type) {
	case json.Number:
		return number(x)
	case int:
		return int64(x)
	case float64:
		if x == math.Trunc(x) && math.Abs(x) <= maxExact {
			return int64(x)
		}
		return x
	case []any:
		out := make([]any, len(x))
		for i, element := range x {
			out[i] = plain(element)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(x))
		for key, element := range x {
			out[key] = plain(element)
		}
		return out
	default:
		return v
	}
}

func number(n json.Number) any {
	if i, err := n.Int64(); err == nil {
		return i
	}
	if f, err := n.Float64(); err == nil {
		return f
	}
	return n.String()
}

// CheckValue says with *ValueError which rule of its field v breaks: its type
// (as Coerce returns it), enum, pattern (of the whole string), minimum and
// maximum (of the value, or of the length of a string, list or map).
func CheckValue(f Field, v any) error {
	if !hasType(f.Type, v) {
		return newValueError(f, v, "must be "+article(f.Type), typeHint(f, v))
	}
	if len(f.Enum) > 0 && !inEnum(f, v) {
		return newValueError(f, v, "must be one of "+shownEnum(f), "")
	}
	if f.Pattern != "" {
		if err := checkPattern(f, v); err != nil {
			return err
		}
	}
	return checkBounds(f, v)
}

func hasType(t Type, v any) bool {
	ok := false
	switch t {
	case TypeString:
		_, ok = v.(string)
	case TypeInteger:
		_, ok = v.(int64)
	case TypeNumber:
		_, ok = v.(float64)
	case TypeBoolean:
		_, ok = v.(bool)
	case TypeList:
		_, ok = v.([]any)
	case TypeMap:
		_, ok = v.(map[string]any)
	}
	return ok
}

// typeHint knows the two slips that YAML invites.
func typeHint(f Field, v any) string {
	_, isText := v.(string)
	switch _, err := Coerce(f, v); {
	case f.Type == TypeString && !isText:
		return "write it in quotes"
	case isText && err == nil:
		return "write it without quotes"
	default:
		return ""
	}
}

func article(t Type) string {
	if t == TypeInteger {
		return "an integer"
	}
	return "a " + string(t)
}

func inEnum(f Field, v any) bool {
	for _, allowed := range f.Enum {
		typed, err := Coerce(f, allowed)
		if err == nil && reflect.DeepEqual(typed, v) {
			return true
		}
	}
	return false
}

func shownEnum(f Field) string {
	if f.Sensitive {
		return "the values that the definition lists"
	}
	parts := make([]string, len(f.Enum))
	for i, allowed := range f.Enum {
		parts[i] = show(f, allowed)
	}
	return strings.Join(parts, ", ")
}

// wholePattern compiles a pattern so that it matches whole strings alone.
func wholePattern(pattern string) (*regexp.Regexp, error) {
	// By itself first: "a)|(b" would become valid inside the group.
	if _, err := regexp.Compile(pattern); err != nil {
		return nil, fmt.Errorf("not a regular expression: %w", err)
	}
	whole, err := regexp.Compile(`\A(?:` + pattern + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("not a regular expression: %w", err)
	}
	return whole, nil
}

func checkPattern(f Field, v any) error {
	s, ok := v.(string)
	if !ok {
		return nil
	}
	whole, err := wholePattern(f.Pattern)
	if err != nil {
		return newValueError(f, v, "cannot be checked against a broken pattern", err.Error())
	}
	if !whole.MatchString(s) {
		return newValueError(f, v, "must match the pattern "+f.Pattern+" as a whole", "")
	}
	return nil
}

func checkBounds(f Field, v any) error {
	size, what := measure(v)
	switch {
	case what == "":
		return nil
	case f.Minimum != nil && size < *f.Minimum:
		return newValueError(f, v, fmt.Sprintf("must %s at least %s", what, formatFloat(*f.Minimum)), "")
	case f.Maximum != nil && size > *f.Maximum:
		return newValueError(f, v, fmt.Sprintf("must %s at most %s", what, formatFloat(*f.Maximum)), "")
	default:
		return nil
	}
}

// measure returns what minimum and maximum bound, and the verb for it.
func measure(v any) (size float64, what string) {
	switch x := v.(type) {
	case int64:
		return float64(x), "be"
	case float64:
		return x, "be"
	case string:
		return float64(utf8.RuneCountInString(x)), "have a length of"
	case []any:
		return float64(len(x)), "have a length of"
	case map[string]any:
		return float64(len(x)), "have a length of"
	default:
		return 0, ""
	}
}

func formatFloat(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
