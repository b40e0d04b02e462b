// SPDX-License-Identifier: Apache-2.0

package composer

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/internal/manifest"
)

// ParseEnvironmentOverrides reads the file that gives compositions another
// provider per environment:
//
//	web-app:
//	  staging: {provider: aws, region: us-west-2}
//
// The answer is by composition, then by environment; Composition.WithOverrides
// applies it. An error is manifest.Problems.
func ParseEnvironmentOverrides(file string, data []byte) (map[string]map[string]Override, error) {
	changes, err := parseOverrides(file, data)
	if err != nil {
		return nil, err
	}
	all := make(map[string]map[string]Override, len(changes))
	for _, name := range sortedKeys(changes) {
		all[name] = changes[name].environments
	}
	return all, nil
}

// change is what overrides say of one composition, and where.
type change struct {
	environments map[string]Override
	document     *manifest.Document
}

func parseOverrides(file string, data []byte) (map[string]change, error) {
	documents, err := manifest.Parse(file, data)
	if err != nil {
		return nil, err
	}
	all := map[string]change{}
	var problems manifest.Problems
	for _, document := range documents {
		report := func(path, message, hint string) {
			problems = append(problems, document.Problem(path, message, hint))
		}
		found, err := decodeNamed[map[string]Override](document, "composition")
		if err != nil {
			problems = append(problems, problemsOf(err)...)
			continue
		}
		for _, name := range sortedKeys(found) {
			if _, twice := all[name]; twice {
				report(name, fmt.Sprintf("composition %q is in this file already", name), "write all its environments in one place")
			}
			for _, environment := range sortedKeys(found[name]) {
				at := manifest.Member(name, environment)
				checkName(report, at, "environment", environment)
				checkPlace(at, found[name][environment], report)
			}
			all[name] = change{environments: found[name], document: document}
		}
	}
	if err := problems.OrNil(); err != nil {
		return nil, err
	}
	return all, nil
}

// PlaceInOverrides gives a problem whose field is in the form of
// ParseEnvironmentOverrides, such as "web-app.staging.region", its place in the
// file that the overrides came from. It returns false if the field is not of
// that file.
func PlaceInOverrides(file string, data []byte, p manifest.Problem) (manifest.Problem, bool) {
	changes, err := parseOverrides(file, data)
	if err != nil {
		return p, false
	}
	for _, name := range sortedKeys(changes) {
		if _, ok := within(p.Field, manifest.Member("", name)); ok {
			return changes[name].document.Problem(p.Field, p.Message, p.Hint), true
		}
	}
	return p, false
}

// rootNames takes the names at the root of a document.
type rootNames struct {
	names []string
}

// UnmarshalJSON keeps the names and leaves the values.
func (r *rootNames) UnmarshalJSON(data []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return fmt.Errorf("read the names: %w", err)
	}
	r.names = sortedKeys(fields)
	return nil
}

// decodeNamed reads a document whose root maps names of a kind to values. The
// document decodes into structs alone, so one is made with a field per name;
// that way every problem in a value keeps its place.
func decodeNamed[V any](document *manifest.Document, kind string) (map[string]V, error) {
	var root rootNames
	if err := document.Decode(&root); err != nil {
		return nil, err
	}
	var problems manifest.Problems
	fields := make([]reflect.StructField, len(root.names))
	for i, name := range root.names {
		if err := catalog.CheckName(kind, name); err != nil {
			problems = append(problems, document.Problem(manifest.Member("", name), err.Error(), ""))
		}
		fields[i] = reflect.StructField{
			Name: "F" + strconv.Itoa(i), Type: reflect.TypeFor[V](),
			Tag: reflect.StructTag("json:" + strconv.Quote(name)),
		}
	}
	if err := problems.OrNil(); err != nil {
		return nil, err
	}
	target := reflect.New(reflect.StructOf(fields))
	if err := document.Decode(target.Interface()); err != nil {
		return nil, err
	}
	values := make(map[string]V, len(root.names))
	for i, name := range root.names {
		value, _ := target.Elem().Field(i).Interface().(V)
		values[name] = value
	}
	return values, nil
}
