// SPDX-License-Identifier: Apache-2.0

package composer

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// truth is text/template's: nothing, zero and empty are false.
func truth(v any) bool {
	switch t := v.(type) {
	case nil, absent:
		return false
	case bool:
		return t
	case string:
		return t != ""
	case int64:
		return t != 0
	case float64:
		return t != 0
	case []any:
		return len(t) > 0
	case map[string]any:
		return len(t) > 0
	default:
		return true
	}
}

// callDefault is "default fallback value": the value unless it is empty or not
// given. A reference counts as given. A false or a zero counts as empty, as
// people know it from Helm.
func callDefault(args []any) (any, error) {
	if truth(args[1]) {
		return args[1], nil
	}
	return args[0], nil
}

func callAnd(args []any) (any, error) {
	for _, a := range args {
		if !truth(a) {
			return a, nil
		}
	}
	return args[len(args)-1], nil
}

func callOr(args []any) (any, error) {
	for _, a := range args {
		if truth(a) {
			return a, nil
		}
	}
	return args[len(args)-1], nil
}

func callNot(args []any) (any, error) { return !truth(args[0]), nil }

func callList(args []any) (any, error) {
	return append([]any{}, args...), nil
}

// integer reads an integer from a number or from decimal text.
func integer(v any) (int64, error) {
	switch t := v.(type) {
	case int64:
		return t, nil
	case string:
		i, err := strconv.ParseInt(strings.TrimSpace(t), 10, 64)
		if err != nil {
			return 0, failf("%q is no integer", clip(t))
		}
		return i, nil
	case float64:
		return 0, failf("%v is no integer", t)
	default:
		return 0, failf("%s is no integer", describe(v))
	}
}

func callInt(args []any) (any, error) { return integer(args[0]) }

func callAdd(args []any) (any, error) {
	var sum int64
	for _, a := range args {
		i, err := integer(a)
		if err != nil {
			return nil, err
		}
		if i > 0 && sum > math.MaxInt64-i || i < 0 && sum < math.MinInt64-i {
			return nil, failf("the sum does not fit into 64 bits")
		}
		sum += i
	}
	return sum, nil
}

func callSub(args []any) (any, error) {
	right, err := integer(args[1])
	if err != nil {
		return nil, err
	}
	if right == math.MinInt64 {
		return nil, failf("the difference does not fit into 64 bits")
	}
	return callAdd([]any{args[0], -right})
}

func callLen(args []any) (any, error) {
	switch t := args[0].(type) {
	case string:
		return int64(len([]rune(t))), nil
	case []any:
		return int64(len(t)), nil
	case map[string]any:
		return int64(len(t)), nil
	default:
		return nil, failf("%s has no length", describe(t))
	}
}

func callIndex(args []any) (any, error) {
	v := args[0]
	for _, key := range args[1:] {
		text, ok := scalarText(key)
		if !ok {
			return nil, failf("%s is no key", describe(key))
		}
		next, ok := member(v, text)
		if !ok {
			return nil, failf("there is no %q in %s", clip(text), describe(v))
		}
		if err := needsValue("index", next); err != nil {
			if _, missing := next.(absent); !missing {
				return nil, err
			}
		}
		v = next
	}
	return v, nil
}

func callJSON(args []any) (any, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(args[0]); err != nil {
		return nil, failf("the value has no JSON form: %v", err)
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

func addComparisons(table map[string]function) {
	ordered := map[string]func(int) bool{
		"lt": func(c int) bool { return c < 0 },
		"le": func(c int) bool { return c <= 0 },
		"gt": func(c int) bool { return c > 0 },
		"ge": func(c int) bool { return c >= 0 },
	}
	for name, holds := range ordered {
		table[name] = function{2, 2, false, func(args []any) (any, error) {
			c, err := compare(args[0], args[1])
			return err == nil && holds(c), err
		}}
	}
	table["ne"] = function{2, 2, false, func(args []any) (any, error) {
		same, err := equal(args[0], args[1])
		return err == nil && !same, err
	}}
	// eq a b c … asks whether a is one of the others.
	table["eq"] = function{2, -1, false, func(args []any) (any, error) {
		for _, other := range args[1:] {
			same, err := equal(args[0], other)
			if same || err != nil {
				return same, err
			}
		}
		return false, nil
	}}
}

func equal(a, b any) (bool, error) {
	x, isBool := a.(bool)
	y, alsoBool := b.(bool)
	if isBool && alsoBool {
		return x == y, nil
	}
	c, err := compare(a, b)
	return c == 0, err
}

func compare(a, b any) (int, error) {
	if x, ok := a.(string); ok {
		if y, ok := b.(string); ok {
			return strings.Compare(x, y), nil
		}
	}
	x, ok := number(a)
	y, also := number(b)
	if !ok || !also {
		return 0, &mistake{
			message: describe(a) + " and " + describe(b) + " cannot be compared",
			hint:    "int makes an integer of text",
		}
	}
	switch {
	case x < y:
		return -1, nil
	case x > y:
		return 1, nil
	default:
		return 0, nil
	}
}

func number(v any) (float64, bool) {
	switch t := v.(type) {
	case int64:
		return float64(t), true
	case float64:
		return t, true
	default:
		return 0, false
	}
}
