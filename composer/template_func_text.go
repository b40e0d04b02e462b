// SPDX-License-Identifier: Apache-2.0

package composer

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// addTextFunctions adds what works on text alone. Scalars are written as text
// first, so that "lower 3" is "3".
func addTextFunctions(table map[string]function) {
	one := map[string]func(string) string{
		"lower": strings.ToLower,
		"upper": strings.ToUpper,
		"trim":  strings.TrimSpace,
		"quote": strconv.Quote,
	}
	for name, f := range one {
		table[name] = text(1, func(s []string) (any, error) { return f(s[0]), nil })
	}
	// The text comes last, so that it can be piped in.
	two := map[string]func(text, by string) any{
		"trimPrefix": func(text, by string) any { return strings.TrimPrefix(text, by) },
		"trimSuffix": func(text, by string) any { return strings.TrimSuffix(text, by) },
		"contains":   func(text, by string) any { return strings.Contains(text, by) },
		"hasPrefix":  func(text, by string) any { return strings.HasPrefix(text, by) },
		"hasSuffix":  func(text, by string) any { return strings.HasSuffix(text, by) },
	}
	for name, f := range two {
		table[name] = text(2, func(s []string) (any, error) { return f(s[1], s[0]), nil })
	}
	table["replace"] = text(3, replace)
	table["split"] = text(2, split)
	table["trunc"] = text(2, trunc)
}

func text(arguments int, f func([]string) (any, error)) function {
	return function{arguments, arguments, false, func(args []any) (any, error) {
		texts := make([]string, len(args))
		for i, a := range args {
			t, ok := scalarText(a)
			if !ok {
				return nil, failf("needs text, not %s", describe(a))
			}
			texts[i] = t
		}
		return f(texts)
	}}
}

// replace is "replace old new text".
func replace(s []string) (any, error) {
	if s[0] == "" {
		return nil, failf("needs something to replace")
	}
	if grown := len(s[2]) + strings.Count(s[2], s[0])*(len(s[1])-len(s[0])); grown > MaxTemplateOutput {
		return nil, failf("gives more than %d bytes", MaxTemplateOutput)
	}
	return strings.ReplaceAll(s[2], s[0], s[1]), nil
}

// split is "split separator text".
func split(s []string) (any, error) {
	if s[0] == "" {
		return nil, failf("needs a separator")
	}
	parts := strings.Split(s[1], s[0])
	list := make([]any, len(parts))
	for i, p := range parts {
		list[i] = p
	}
	return list, nil
}

// trunc is "trunc 63 text": at most so many characters.
func trunc(s []string) (any, error) {
	n, err := integer(s[0])
	if err != nil || n < 0 {
		return nil, failf("%q is no length", clip(s[0]))
	}
	runes := []rune(s[1])
	return string(runes[:min(int64(len(runes)), n)]), nil
}

// callJoin is "join separator list"; elements may be references.
func callJoin(args []any) (any, error) {
	separator, ok := args[0].(string)
	list, isList := args[1].([]any)
	if !ok || !isList {
		return nil, &mistake{message: "needs a separator and a list", hint: `write join "," (list a b)`}
	}
	var parts []Expression
	for i, e := range list {
		if i > 0 {
			parts = append(parts, literal(separator))
		}
		pieces, err := textParts(e)
		if err != nil {
			return nil, err
		}
		parts = append(parts, pieces...)
	}
	return textValue(parts)
}

// textValue is text if all of it is known.
func textValue(parts []Expression) (any, error) {
	total := 0
	for _, p := range parts {
		total += size(p.Literal)
	}
	if total > MaxTemplateOutput {
		return nil, failf("gives more than %d bytes", MaxTemplateOutput)
	}
	e := joinParts(parts)
	if e.Kind == ExprLiteral {
		written, _ := scalarText(e.Literal)
		return written, nil
	}
	return opaque{expression: e}, nil
}

// callPrintf knows the verbs %s %v %d %q %x %t %e %f %g with flags, width and
// precision. A reference goes with a plain %s, %v or %d.
func callPrintf(args []any) (any, error) {
	format, ok := args[0].(string)
	if !ok {
		return nil, failf("needs a format, not %s", describe(args[0]))
	}
	var parts []Expression
	rest := args[1:]
	verb := regexp.MustCompile(`^%([-+# 0]*)([0-9]{0,3})(\.[0-9]{0,3})?([svdqxtefg%])`)
	for format != "" {
		at := strings.IndexByte(format, '%')
		if at != 0 {
			if at < 0 {
				at = len(format)
			}
			parts = append(parts, literal(format[:at]))
			format = format[at:]
			continue
		}
		m := verb.FindStringSubmatch(format)
		if m == nil {
			return nil, &mistake{message: fmt.Sprintf("%q begins with no verb that printf knows", clip(format)), hint: "use %s, %v, %d, %q, %x, %t, %e, %f or %g, and %% for a percent sign"}
		}
		format = format[len(m[0]):]
		if m[0] == "%%" {
			parts = append(parts, literal("%"))
			continue
		}
		if len(rest) == 0 {
			return nil, failf("has too few values for its format")
		}
		pieces, err := printOne(m[0], rest[0])
		if err != nil {
			return nil, err
		}
		parts, rest = append(parts, pieces...), rest[1:]
	}
	if len(rest) > 0 {
		return nil, failf("has more values than its format takes")
	}
	return textValue(parts)
}

func printOne(verb string, v any) ([]Expression, error) {
	if o, ok := v.(opaque); ok {
		if verb != "%s" && verb != "%v" && verb != "%d" {
			return nil, &mistake{message: fmt.Sprintf("%s needs the value of %s, which is known only when the graph runs", verb, o.names()), hint: "use %s"}
		}
		return textParts(o)
	}
	text, ok := scalarText(v)
	if !ok {
		return textParts(v)
	}
	if strings.ContainsAny(verb, "sv") && !strings.HasSuffix(verb, "q") {
		v = text
	}
	written := fmt.Sprintf(verb, v)
	if strings.Contains(written, "%!") && !strings.Contains(text, "%!") {
		return nil, failf("%s does not fit %s", verb, describe(v))
	}
	return []Expression{literal(written)}, nil
}
