// SPDX-License-Identifier: Apache-2.0

package pulumi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/HatiCode/nestor/activities/engine/jsonvalue"
)

// Pulumi has unknown values, but its configuration is text and cannot hold one.
//
// In a program in Pulumi YAML each setting that is not known becomes a variable
// instead: the output of a "stash" (a resource of Pulumi's own, which needs no
// plugin) that is only ever planned. Its output is unknown because its input is
// the id of another one that is not made either. What depends on it is unknown
// of any type, and the plan says which properties do.
//
// A program in another language reads its configuration as text. There, a text
// that is not known is the mark by which Pulumi itself writes an unknown value:
// where the program hands it on whole, it is one. Numbers, booleans, lists and
// maps get placeholders of the type that the project declares for them, and a
// property in which one shows up is said to be unknown. (A boolean cannot show
// up: what depends on it is planned as if it were false.)
const (
	// mark is how Pulumi writes an unknown value.
	mark = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
	// Names of the resources that are only planned.
	seedName   = "nestor-unknown"
	stashType  = "pulumi:index:Stash"
	markedName = seedName + "-"
)

// Other marks of Pulumi's, by type of value.
var typedMarks = []string{ //nolint:gochecknoglobals // immutable
	"1c4a061d-8072-4f0a-a4cb-0ff528b18fe7", "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
	"6a19a0b0-7e62-4c92-b797-7f8e31da9cc2", "030794c1-ac77-496b-92df-f27374a8bd58",
	"e48ece36-62e2-4504-bad9-02848725956a", "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
}

// unknowns are the settings that are not known.
func unknowns(settings []setting) []setting {
	var out []setting
	for _, s := range settings {
		if s.unknown != "" {
			out = append(out, s)
		}
	}
	return out
}

// wraps says whether the program can be given real unknowns.
func (p project) wraps() bool { return p.runtime == yamlRuntime && !p.compiler }

// plannable is the project file and, where it has one of its own, the program
// with the unknown settings in it as variables.
func (p project) plannable(program []byte, unknown []setting) ([]byte, error) {
	var doc map[string]any
	if err := yaml.Unmarshal(program, &doc); err != nil {
		return nil, invalid("the definition's program does not parse: %v", shorten(yaml.FormatError(err, false, false)))
	}
	resources, err := section(doc, "resources")
	if err != nil {
		return nil, err
	}
	variables, err := section(doc, "variables")
	if err != nil {
		return nil, err
	}
	resources[seedName] = map[string]any{"type": stashType, "properties": map[string]any{"input": "-"}}
	drop(doc, p, unknown)
	for _, s := range unknown {
		name := s.name(p.name)
		stash := markedName + strings.ReplaceAll(name, ":", "-")
		resources[stash] = map[string]any{
			"type": stashType, "properties": map[string]any{"input": "${" + seedName + ".id}"},
		}
		var value any = "${" + stash + ".output}"
		if s.secret {
			value = map[string]any{"fn::secret": value}
		}
		variables[name] = value
	}
	text, err := asYAML(doc)
	if err != nil {
		return nil, invalid("the definition's program: %v", err)
	}
	return text, nil
}

// undeclared is the project file without the unknown settings, for a program
// that is in a file of its own.
func (p project) undeclared(unknown []setting) ([]byte, error) {
	var doc map[string]any
	if err := yaml.Unmarshal(p.text, &doc); err != nil {
		return nil, invalid("the definition's project does not parse: %v", shorten(yaml.FormatError(err, false, false)))
	}
	drop(doc, p, unknown)
	text, err := asYAML(doc)
	if err != nil {
		return nil, invalid("the definition's project: %v", err)
	}
	return text, nil
}

// drop the declarations of unknown settings.
func drop(doc map[string]any, p project, unknown []setting) {
	for _, declared := range []string{"config", "configuration"} {
		d, ok := doc[declared].(map[string]any)
		if !ok {
			continue
		}
		for _, s := range unknown {
			delete(d, s.name(p.name))
			delete(d, s.key)
		}
	}
}

func section(doc map[string]any, name string) (map[string]any, error) {
	if doc[name] == nil {
		doc[name] = map[string]any{}
	}
	m, ok := doc[name].(map[string]any)
	if !ok {
		return nil, invalid("the definition's program: %q is not a map", name)
	}
	return m, nil
}

// asYAML writes JSON that YAML reads as the same: YAML takes no control
// character as it is.
func asYAML(value any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for _, r := range b.String() {
		if (r >= 0x7f && r <= 0x9f) || r == 0xfeff || r == 0xfffe || r == 0xffff {
			fmt.Fprintf(&out, "\\u%04x", r)
			continue
		}
		out.WriteRune(r)
	}
	return out.Bytes(), nil
}

// number that stands for the i-th unknown number: nobody writes it.
func number(i int) int64 { return 1_094_795_585 + int64(i) }

// standins gives each unknown setting of another language its placeholder.
// The type is what the project declares for the key, or else text.
func (p project) standins(settings []setting) []setting {
	out := slices.Clone(settings)
	for i, s := range out {
		if s.unknown == "" {
			continue
		}
		switch p.types[s.name(p.name)] {
		case "integer", "number":
			out[i].value = number(i)
		case "boolean":
			out[i].value = false
		case "array":
			out[i].value = []any{mark}
		case "object":
			out[i].value = map[string]any{seedName: mark}
		default:
			out[i].value = mark
		}
	}
	return out
}

// tracer finds out why a value of a preview is not known.
type tracer struct {
	reasons map[string]string // by stash, where there are any
	numbers map[int64]string  // by placeholder
	all     string            // every reason there is
	// depends are the stashes that a property of a resource depends on, by URN.
	depends map[string]map[string][]string
}

func newTracer(p project, settings []setting) *tracer {
	t := &tracer{reasons: map[string]string{}, numbers: map[int64]string{}}
	seen := map[string]bool{}
	for i, s := range settings {
		if s.unknown == "" {
			continue
		}
		seen[s.unknown] = true
		t.reasons[markedName+strings.ReplaceAll(s.name(p.name), ":", "-")] = s.unknown
		if !p.wraps() {
			t.numbers[number(i)] = s.unknown
		}
	}
	t.all = oneOf(seen)
	return t
}

// oneOf several reasons is the one, and nobody can tell which.
func oneOf(reasons map[string]bool) string {
	return strings.Join(slices.Sorted(maps.Keys(reasons)), "; ")
}

// knownAfterApply is the reason when there is no other.
const knownAfterApply = "known after apply"

// unknown says whether a value is not known, or holds what is not, and why. path
// begins with the resource's property.
func (t *tracer) unknown(urn, path string, value any) (reason string, is bool) {
	switch v := jsonvalue.Plain(value).(type) {
	case string:
		if v != mark && !slices.Contains(typedMarks, v) {
			return t.all, t.all != "" && strings.Contains(v, mark)
		}
		return t.reason(urn, path), true
	case int64:
		reason, is = t.numbers[v]
		return reason, is
	default:
		return "", false
	}
}

// reason of a value that is not known. Pulumi tells what each property of a
// resource depends on, not each part of one: a part has the reasons of all.
func (t *tracer) reason(urn, path string) string {
	property, _, _ := strings.Cut(path, ".")
	property, _, _ = strings.Cut(property, "[")
	found := map[string]bool{}
	for _, dependency := range t.depends[urn][property] {
		if reason, ok := t.reasons[dependency[strings.LastIndex(dependency, "::")+2:]]; ok {
			found[reason] = true
		}
	}
	if len(found) > 0 {
		return oneOf(found)
	}
	if len(t.numbers) > 0 && t.all != "" {
		return t.all
	}
	return knownAfterApply
}
