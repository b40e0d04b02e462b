// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/HatiCode/nestor/internal/manifest"
)

// secretScheme begins a reference to a secret, which may stand where a
// sensitive value is wanted.
const secretScheme = "secret://"

// types lists the types of values, and typeAlias what people write for them.
func types() []string {
	return []string{
		string(TypeString), string(TypeInteger), string(TypeNumber),
		string(TypeBoolean), string(TypeList), string(TypeMap),
	}
}

func typeAlias(t string) Type {
	switch strings.ToLower(t) {
	case "int", "int64", "long":
		return TypeInteger
	case "float", "float64", "double", "decimal":
		return TypeNumber
	case "bool":
		return TypeBoolean
	case "array", "slice", "set", "tuple":
		return TypeList
	case "object", "dict", "struct":
		return TypeMap
	case "str", "text":
		return TypeString
	default:
		return ""
	}
}

// CheckFields reports everything wrong with inputs or parameters; at is the
// path of the list, such as "spec.inputs".
func CheckFields(at string, fields []Field, report Report) {
	seen := map[string]int{}
	for i, f := range fields {
		here := manifest.Index(at, i)
		if checkFieldHead(here, i, f, seen, report) {
			checkConstraints(here, f, report)
			checkDefault(here, f, report)
		}
	}
}

// CheckOutputFields is CheckFields for outputs, which have no constraints.
func CheckOutputFields(at string, fields []Field, report Report) {
	seen := map[string]int{}
	for i, f := range fields {
		here := manifest.Index(at, i)
		checkFieldHead(here, i, f, seen, report)
		for _, extra := range []struct {
			name string
			set  bool
		}{
			{"required", f.Required},
			{"default", f.Default != nil},
			{"enum", f.Enum != nil},
			{"pattern", f.Pattern != ""},
			{"minimum", f.Minimum != nil},
			{"maximum", f.Maximum != nil},
			{"immutable", f.Immutable},
		} {
			if extra.set {
				report(here+"."+extra.name, "an output has no such rule", "remove it; only inputs have constraints")
			}
		}
	}
}

// checkFieldHead looks at name and type; without a known type the rest cannot
// be judged.
func checkFieldHead(at string, i int, f Field, seen map[string]int, report Report) bool {
	const rule = "use letters, digits and _, beginning with a letter"
	switch first, twice := seen[f.Name]; {
	case f.Name == "":
		report(at+".name", "missing, expected an identifier", rule)
	case len(f.Name) > maxName:
		report(at+".name", fmt.Sprintf("name %s has more than %d characters", quote(f.Name), maxName), rule)
	case !identifierForm.MatchString(f.Name):
		report(at+".name", fmt.Sprintf("name %s is not an identifier", quote(f.Name)), rule)
	case twice:
		report(at+".name", fmt.Sprintf("name %s is used twice, first by element %d", quote(f.Name), first), "rename one of them")
	default:
		seen[f.Name] = i
	}
	for _, t := range types() {
		if string(f.Type) == t {
			return true
		}
	}
	expectation := "one of " + strings.Join(types(), ", ")
	switch alias := typeAlias(string(f.Type)); {
	case f.Type == "":
		report(at+".type", "missing, expected "+expectation, "")
	case alias != "":
		report(at+".type", fmt.Sprintf("unknown type %s, expected %s", quote(string(f.Type)), expectation), fmt.Sprintf("write %q", alias))
	default:
		report(at+".type", fmt.Sprintf("unknown type %s, expected %s", quote(string(f.Type)), expectation), didYouMean(string(f.Type), types()))
	}
	return false
}

func checkConstraints(at string, f Field, report Report) {
	if f.Pattern != "" {
		if f.Type != TypeString {
			report(at+".pattern", "a pattern is for strings, this is "+article(f.Type), "remove it")
		} else if _, err := wholePattern(f.Pattern); err != nil {
			report(at+".pattern", err.Error(), "write an RE2 expression; it matches the whole value without ^ and $")
		}
	}
	checkBoundsFit(at, f, report)
	if f.Enum != nil && len(f.Enum) == 0 {
		report(at+".enum", "no value is allowed", "list the values, or remove it")
	}
	// An enum's values obey the other rules.
	rules := f
	rules.Enum = nil
	for i, v := range f.Enum {
		here := manifest.Index(at+".enum", i)
		for j := range i {
			if reflect.DeepEqual(f.Enum[j], v) {
				report(here, "value "+show(f, v)+" is listed twice", "remove one of them")
				break
			}
		}
		if err := CheckValue(rules, v); err != nil {
			reportValue(report, here, err)
		}
	}
}

func checkBoundsFit(at string, f Field, report Report) {
	switch {
	case f.Minimum == nil && f.Maximum == nil:
	case f.Type == TypeBoolean:
		report(at, "a boolean has neither minimum nor maximum", "remove them")
	case !finite(f.Minimum) || !finite(f.Maximum):
		report(at, "minimum and maximum must be finite", "")
	case f.Minimum != nil && f.Maximum != nil && *f.Minimum > *f.Maximum:
		report(at+".minimum", fmt.Sprintf("minimum %s is above the maximum %s", formatFloat(*f.Minimum), formatFloat(*f.Maximum)), "exchange them")
	case f.Type != TypeInteger && f.Type != TypeNumber && f.Minimum != nil && *f.Minimum < 0:
		report(at+".minimum", "a length cannot be negative", "remove it")
	case f.Type != TypeInteger && f.Type != TypeNumber && f.Maximum != nil && *f.Maximum < 0:
		report(at+".maximum", "a length cannot be negative", "remove it")
	}
}

func checkDefault(at string, f Field, report Report) {
	if f.Default == nil {
		return
	}
	if f.Required {
		report(at+".default", "a required field has no use for a default", `remove "required" or "default"`)
	}
	text, isText := f.Default.(string)
	reference := isText && strings.HasPrefix(text, secretScheme)
	if f.Sensitive && !reference {
		report(at+".default", "a sensitive default would be published in clear", "remove it, or refer to a secret: "+secretScheme+"…")
		return
	}
	if f.Sensitive {
		return // the secret's value is not known here
	}
	if err := CheckValue(f, f.Default); err != nil {
		reportValue(report, at+".default", err)
	}
}
