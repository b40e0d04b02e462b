// SPDX-License-Identifier: Apache-2.0

// Package expand fills the "${…}" templates of a definition's engine settings.
//
// A template is any value of JSON's kinds; its strings may hold references such
// as "${inputs.size}". A string that is one reference alone becomes the value
// with its type; inside other text a value is written as text. "$${" stands for
// "${". There are no functions: what needs them belongs into a composition.
package expand

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// ErrAbsent is wrapped by a lookup's error for a value that was not given. A
// map's entry that is a reference to such a value alone is left out, as is a
// list's element; anywhere else the error is the caller's.
var ErrAbsent = errors.New("has no value")

// Lookup gives the value of a reference, such as "inputs.size". Whatever it
// returns is not expanded again.
type Lookup func(reference string) (any, error)

// Value expands every string in v. v is not changed.
func Value(v any, lookup Lookup) (any, error) {
	switch t := v.(type) {
	case string:
		return text(t, lookup)
	case json.Number:
		return number(t)
	case map[string]any:
		out := make(map[string]any, len(t))
		for _, key := range slices.Sorted(maps.Keys(t)) {
			value, err := Value(t[key], lookup)
			if absent(t[key], err) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
			out[key] = value
		}
		return out, nil
	case []any:
		out := make([]any, 0, len(t))
		for i, element := range t {
			value, err := Value(element, lookup)
			if absent(element, err) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("[%d]: %w", i, err)
			}
			out = append(out, value)
		}
		return out, nil
	default:
		return v, nil
	}
}

// absent says that an element is a lone reference to what was not given.
func absent(template any, err error) bool {
	s, isText := template.(string)
	return isText && errors.Is(err, ErrAbsent) && lone(s)
}

// String expands s to text.
func String(s string, lookup Lookup) (string, error) {
	v, err := text(s, lookup)
	if err != nil {
		return "", err
	}
	return written(v)
}

// References lists the references in v's strings, sorted, each once.
func References(v any) ([]string, error) {
	found := map[string]bool{}
	_, err := Value(v, func(reference string) (any, error) {
		found[reference] = true
		return "", nil
	})
	return slices.Sorted(maps.Keys(found)), err
}

// lone says that s is one reference and nothing else.
func lone(s string) bool {
	return strings.HasPrefix(s, "${") && strings.Index(s, "}") == len(s)-1
}

func text(s string, lookup Lookup) (any, error) {
	if lone(s) {
		return resolve(s[2:len(s)-1], lookup)
	}
	var b strings.Builder
	for {
		at := strings.Index(s, "${")
		if at < 0 {
			b.WriteString(s)
			return b.String(), nil
		}
		if at > 0 && s[at-1] == '$' { // "$${"
			b.WriteString(s[:at-1])
			b.WriteString("${")
			s = s[at+2:]
			continue
		}
		b.WriteString(s[:at])
		reference, rest, closed := strings.Cut(s[at+2:], "}")
		if !closed {
			return nil, fmt.Errorf("%q is not closed by }; write $${ for a literal ${", s[at:])
		}
		v, err := resolve(reference, lookup)
		if err != nil {
			return nil, err
		}
		part, err := written(v)
		if err != nil {
			return nil, fmt.Errorf("${%s}: %w", reference, err)
		}
		b.WriteString(part)
		s = rest
	}
}

func resolve(reference string, lookup Lookup) (any, error) {
	reference = strings.TrimSpace(reference)
	if reference == "" {
		return nil, errors.New("${} names nothing")
	}
	v, err := lookup(reference)
	if err != nil {
		return nil, fmt.Errorf("${%s}: %w", reference, err)
	}
	return v, nil
}

// written is a value inside text.
func written(v any) (string, error) {
	switch t := v.(type) {
	case string:
		return t, nil
	case bool:
		return strconv.FormatBool(t), nil
	case int64:
		return strconv.FormatInt(t, 10), nil
	case float64:
		return strconv.FormatFloat(t, 'f', -1, 64), nil
	default:
		return "", errors.New("a list, a map or nothing cannot stand inside text")
	}
}

// number is an integer where it can be one.
func number(n json.Number) (any, error) {
	if i, err := n.Int64(); err == nil {
		return i, nil
	}
	f, err := n.Float64()
	if err != nil || math.IsInf(f, 0) {
		return nil, fmt.Errorf("%s is no number that can be written exactly", n)
	}
	return f, nil
}
