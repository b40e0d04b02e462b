// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/HatiCode/nestor/internal/suggest"
)

// Decode fills in the struct that into points to, by its json tags. It reports
// every unknown field and every mistyped value at once, as Problems, and fills
// in all that was right even then. A null leaves the field as it is. In a field
// of type any, integers are int64, other numbers float64, lists []any and
// mappings map[string]any. A type with UnmarshalJSON reads its own value.
func (d *Document) Decode(into any) error {
	target := reflect.ValueOf(into)
	if target.Kind() != reflect.Pointer || target.IsNil() || target.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("decode %s: the target must be a pointer to a struct, not %T", d.file, into)
	}
	c := &decoder{file: d.file}
	c.value(d.root, target.Elem(), "")
	return c.problems.OrNil()
}

type decoder struct {
	file     string
	problems Problems
}

func (c *decoder) report(line, column int, path, message, hint string) {
	c.problems = append(c.problems, Problem{
		File: c.file, Line: line, Column: column, Field: path, Message: message, Hint: hint,
	})
}

func (c *decoder) mismatch(n *node, path, expected string) {
	c.report(n.line, n.column, path, "expected "+expected+", found "+n.describe(), hint(n, expected))
}

// hint names the cure of the mismatches that people make.
func hint(n *node, expected string) string {
	text, isString := n.scalar.(string)
	switch {
	case n.kind == kindScalar && !isString && expected == wantString:
		return "write it in quotes: " + strconv.Quote(n.text)
	case isString && expected == wantBoolean && slices.Contains([]string{"yes", "on", "y"}, strings.ToLower(text)):
		return "write true"
	case isString && expected == wantBoolean && slices.Contains([]string{"no", "off", "n"}, strings.ToLower(text)):
		return "write false"
	case isString && (expected == wantBoolean || expected == wantInteger || expected == wantNumber):
		if value, err := resolve(text); err == nil && value != nil && value != text {
			return "write it without quotes"
		}
	case n.kind != kindSequence && expected == wantList:
		return `write each element on a line of its own after "- "`
	}
	return ""
}

const (
	wantString  = "a string"
	wantBoolean = "a boolean"
	wantInteger = "an integer"
	wantNumber  = "a number"
	wantList    = "a list"
	wantMapping = "a mapping"
)

func (c *decoder) value(n *node, target reflect.Value, path string) {
	if n.kind == kindNull {
		return
	}
	if u, ok := target.Addr().Interface().(json.Unmarshaler); ok {
		c.unmarshal(n, u, path)
		return
	}
	switch target.Kind() {
	case reflect.Pointer:
		value := reflect.New(target.Type().Elem())
		c.value(n, value.Elem(), path)
		target.Set(value)
	case reflect.Interface:
		target.Set(reflect.ValueOf(n.plain()))
	case reflect.Struct:
		c.structure(n, target, path)
	case reflect.Map:
		c.mapping(n, target, path)
	case reflect.Slice:
		c.list(n, target, path)
	default:
		c.scalar(n, target, path)
	}
}

func (c *decoder) unmarshal(n *node, u json.Unmarshaler, path string) {
	text, err := json.Marshal(n.plain())
	if err == nil {
		err = u.UnmarshalJSON(text)
	}
	if err != nil {
		c.report(n.line, n.column, path, err.Error(), "")
	}
}

func (c *decoder) scalar(n *node, target reflect.Value, path string) {
	switch {
	case target.Kind() == reflect.String:
		if s, ok := n.scalar.(string); ok {
			target.SetString(s)
			return
		}
		c.mismatch(n, path, wantString)
	case target.Kind() == reflect.Bool:
		if b, ok := n.scalar.(bool); ok {
			target.SetBool(b)
			return
		}
		c.mismatch(n, path, wantBoolean)
	case target.CanInt():
		if i, ok := n.scalar.(int64); ok && !target.OverflowInt(i) {
			target.SetInt(i)
			return
		}
		c.mismatch(n, path, wantInteger)
	case target.CanFloat():
		switch v := n.scalar.(type) {
		case int64:
			target.SetFloat(float64(v))
		case float64:
			target.SetFloat(v)
		default:
			c.mismatch(n, path, wantNumber)
		}
	default:
		c.report(n.line, n.column, path, "this field cannot be written in a file", "remove it")
	}
}

func (c *decoder) structure(n *node, target reflect.Value, path string) {
	if n.kind != kindMapping {
		c.mismatch(n, path, wantMapping)
		return
	}
	known := map[string]reflect.Value{}
	collect(target, known)
	names := make([]string, 0, len(known))
	for name := range known {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, f := range n.fields {
		at := Member(path, f.name)
		if value, ok := known[f.name]; ok {
			c.value(f.value, value, at)
			continue
		}
		cure := "known here: " + strings.Join(names, ", ")
		if nearest, ok := suggest.Nearest(f.name, names); ok {
			cure = fmt.Sprintf("did you mean %q?", nearest)
		}
		c.report(f.line, f.column, at, "unknown field", cure)
	}
}

// collect lists the fields of a struct by the name encoding/json gives them.
func collect(target reflect.Value, known map[string]reflect.Value) {
	for i := range target.NumField() {
		info := target.Type().Field(i)
		name, _, _ := strings.Cut(info.Tag.Get("json"), ",")
		switch {
		case info.Anonymous && name == "" && info.Type.Kind() == reflect.Struct:
			collect(target.Field(i), known)
		case !info.IsExported() || name == "-":
		case name == "":
			known[info.Name] = target.Field(i)
		default:
			known[name] = target.Field(i)
		}
	}
}

func (c *decoder) mapping(n *node, target reflect.Value, path string) {
	if n.kind != kindMapping {
		c.mismatch(n, path, wantMapping)
		return
	}
	out := reflect.MakeMapWithSize(target.Type(), len(n.fields))
	for _, f := range n.fields {
		value := reflect.New(target.Type().Elem()).Elem()
		c.value(f.value, value, Member(path, f.name))
		out.SetMapIndex(reflect.ValueOf(f.name).Convert(target.Type().Key()), value)
	}
	target.Set(out)
}

func (c *decoder) list(n *node, target reflect.Value, path string) {
	if n.kind != kindSequence {
		c.mismatch(n, path, wantList)
		return
	}
	out := reflect.MakeSlice(target.Type(), len(n.items), len(n.items))
	for i, item := range n.items {
		if item.kind == kindNull && target.Type().Elem().Kind() != reflect.Interface {
			c.report(item.line, item.column, Index(path, i), "empty element", "remove it, or write a value")
			continue
		}
		c.value(item, out.Index(i), Index(path, i))
	}
	target.Set(out)
}

// plain is the value as Go's own types.
func (n *node) plain() any {
	switch n.kind {
	case kindScalar:
		return n.scalar
	case kindMapping:
		out := make(map[string]any, len(n.fields))
		for _, f := range n.fields {
			out[f.name] = f.value.plain()
		}
		return out
	case kindSequence:
		out := make([]any, 0, len(n.items))
		for _, item := range n.items {
			out = append(out, item.plain())
		}
		return out
	case kindNull:
	}
	return nil
}
