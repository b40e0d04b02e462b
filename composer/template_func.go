// SPDX-License-Identifier: Apache-2.0

package composer

import (
	"fmt"
	"strconv"
	"text/template"
)

// A function takes any values and gives one. It sees neither the environment
// of the process, nor files, nor time, nor chance. The list is closed and kept
// small: each entry is either needed to choose (default, comparisons, and, or,
// not), to make names that other systems accept (lower, upper, trim…, replace,
// trunc, quote), to split and build lists (split, join, list, index, len), to
// compute a count (int, add, sub), or to write a value inside a document
// (printf, toJson). What text/template has beyond that is left out: call, html,
// js, urlquery, print, println and slice.
type function struct {
	least, most int // arguments; most -1: any number
	// unknown says that it may be given what is not known yet.
	unknown bool
	call    func(args []any) (any, error)
}

func functionTable() map[string]function {
	table := map[string]function{
		"default": {2, 2, true, callDefault},
		"printf":  {1, -1, true, callPrintf},
		"join":    {2, 2, true, callJoin},
		"list":    {0, -1, true, callList},
		"and":     {1, -1, false, callAnd},
		"or":      {1, -1, false, callOr},
		"not":     {1, 1, false, callNot},
		"int":     {1, 1, false, callInt},
		"add":     {1, -1, false, callAdd},
		"sub":     {2, 2, false, callSub},
		"len":     {1, 1, false, callLen},
		"index":   {2, -1, false, callIndex},
		"toJson":  {1, 1, false, callJSON},
	}
	addTextFunctions(table)
	addComparisons(table)
	return table
}

// functionNames lists the functions a template can call.
func functionNames() []string {
	return append(sortedKeys(functionTable()), "output")
}

// knownFunctions is what the parser must know: names alone.
func knownFunctions() map[string]any {
	known := map[string]any{}
	for _, name := range append(functionNames(), funcOutput, funcEmit, funcTest, funcItems, funcStep) {
		known[name] = func() string { return "" }
	}
	return known
}

// functions binds the table and the instrumentation to this run.
func (r *templateRun) functions() template.FuncMap {
	bound := template.FuncMap{
		"output":   r.callExternal,
		funcOutput: r.callOutput,
		funcEmit:   r.emit,
		funcTest:   test,
		funcItems:  r.items,
		funcStep: func() (string, error) {
			return "", r.spend(r.stepCost)
		},
	}
	for name, f := range functionTable() {
		bound[name] = func(args ...any) (any, error) { return r.call(name, f, args) }
	}
	return bound
}

func (r *templateRun) call(name string, f function, args []any) (any, error) {
	if len(args) < f.least || f.most >= 0 && len(args) > f.most {
		return nil, f.wrongCount(name, len(args))
	}
	cost := 0
	for i, a := range args {
		if !f.unknown {
			if err := needsValue(name, a); err != nil {
				return nil, err
			}
		}
		args[i] = normalKnown(a)
		cost += size(args[i])
	}
	if err := r.spend(cost); err != nil {
		return nil, err
	}
	v, err := f.call(args)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	n := size(v)
	if n > MaxTemplateOutput {
		return nil, failf("%s gives more than %d bytes", name, MaxTemplateOutput)
	}
	return v, r.spend(n)
}

// wrongCount says how many arguments the function takes.
func (f function) wrongCount(name string, n int) *mistake {
	return failf("%s has %d arguments; it takes %s", name, n, arity(f))
}

func arity(f function) string {
	switch {
	case f.most == f.least:
		return strconv.Itoa(f.least)
	case f.most < 0:
		return fmt.Sprintf("%d or more", f.least)
	default:
		return fmt.Sprintf("%d to %d", f.least, f.most)
	}
}

// normalKnown normalises a value without looking into what is not known.
func normalKnown(v any) any {
	switch t := v.(type) {
	case opaque, absent:
		return v
	case []any:
		list := make([]any, len(t))
		for i, e := range t {
			list[i] = normalKnown(e)
		}
		return list
	default:
		return normal(v)
	}
}

// size is about how many bytes a value has.
func size(v any) int {
	const scalar = 8
	switch t := v.(type) {
	case string:
		return len(t)
	case []any:
		n := scalar
		for _, e := range t {
			n += scalar + size(e)
		}
		return n
	case map[string]any:
		n := scalar
		for k, e := range t {
			n += len(k) + scalar + size(e)
		}
		return n
	default:
		return scalar
	}
}

// emit takes what an action prints.
func (r *templateRun) emit(v any) (string, error) {
	v = normalKnown(v)
	if err := r.grow(size(v)); err != nil {
		return "", err
	}
	r.segments = append(r.segments, segment{value: v, isValue: true})
	return "", nil
}

// test is a condition's value; what is not known cannot decide.
func test(v any) (any, error) {
	if a, ok := v.(absent); ok {
		if a.optional {
			return nil, nil //nolint:nilnil // an optional parameter that is not set is false
		}
		return nil, a.failure()
	}
	return v, needsValue("a condition", v)
}

// items is a loop's subject.
func (r *templateRun) items(v any) (any, error) {
	if a, ok := v.(absent); ok && a.optional {
		return []any{}, nil
	}
	if err := needsValue("range", v); err != nil {
		return nil, err
	}
	switch t := normal(v).(type) {
	case []any, map[string]any:
		return t, nil
	case int64:
		const longest = 10_000
		if t > longest {
			return nil, failf("range over %d is too long; at most %d", t, longest)
		}
		return int(t), nil
	default:
		return nil, failf("range needs a list, a map or an integer, not %s", describe(t))
	}
}

func (r *templateRun) callOutput(resource, output string, path ...string) (any, error) {
	if len(path) == 0 {
		path = nil // as a stored graph has it
	}
	ref, err := r.scope.output(resource, output, path)
	if err != nil {
		return nil, err
	}
	return opaqueReference(ref), nil
}

// What the function output takes.
const (
	externalArguments = 3
	externalUsage     = `write output "team/app" "instance.resource" "output"`
)

func wrongExternal(n int) *mistake {
	return &mistake{message: fmt.Sprintf("output has %d arguments; it takes %d", n, externalArguments), hint: externalUsage}
}

func (r *templateRun) callExternal(args ...any) (any, error) {
	if len(args) != externalArguments {
		return nil, wrongExternal(len(args))
	}
	texts := make([]string, len(args))
	for i, a := range args {
		if err := needsValue("output", a); err != nil {
			return nil, err
		}
		text, ok := a.(string)
		if !ok {
			return nil, &mistake{message: "output takes strings", hint: externalUsage}
		}
		texts[i] = text
	}
	ref, err := r.scope.external(texts[0], texts[1], texts[2])
	if err != nil {
		return nil, err
	}
	return opaqueReference(ref), nil
}

func opaqueReference(r Reference) opaque {
	return opaque{expression: Expression{Kind: ExprReference, Reference: &r}}
}
