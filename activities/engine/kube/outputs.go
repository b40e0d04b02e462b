// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/jsonpath"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/internal/expand"
)

// OutputSource is where outputs are read from. Each function is called when an
// output needs it; a thing that is not there is a *MissingError.
type OutputSource struct {
	// Lookup resolves the references of Value, Object.Name and
	// Object.Namespace.
	Lookup expand.Lookup
	// Own is the object that an output without Object reads; nil for an engine
	// that has none.
	Own *unstructured.Unstructured
	// Get reads another object; the reference is expanded.
	Get func(ctx context.Context, ref catalog.ObjectReference) (*unstructured.Unstructured, error)
	// Secret reads a key of the connection secret; nil for an engine without
	// one.
	Secret func(ctx context.Context, key string) (string, error)
}

// MissingError says that what an output is read from is not there, or not yet.
type MissingError struct {
	What string // such as "status.endpoint of Database/main"
}

func (e *MissingError) Error() string { return e.What + " is not there" }

// Outputs reads every output that specs declares, each as its declared type. An
// output without an entry in outputs is status.<name> of Own. An error about an
// output is an *engine.Error of class Invalid that names it, around a
// *MissingError where the value may still come; errors of Get and Secret keep
// their class.
func Outputs(
	ctx context.Context, engineName string, specs []engine.OutputSpec, outputs map[string]catalog.ObjectOutput, source OutputSource,
) (map[string]any, error) {
	out := make(map[string]any, len(specs))
	for _, spec := range specs {
		o, listed := outputs[spec.Name]
		if !listed {
			if source.Own == nil {
				return nil, wrongOutput(engineName, spec, errors.New("the definition does not say where it comes from: add it to settings.outputs"))
			}
			o.Path = "{.status." + spec.Name + "}"
		}
		v, err := source.read(ctx, o, spec)
		if err != nil {
			if _, classified := engine.AsError(err); classified {
				return nil, err
			}
			return nil, wrongOutput(engineName, spec, err)
		}
		out[spec.Name] = v
	}
	return out, nil
}

func wrongOutput(engineName string, spec engine.OutputSpec, err error) error {
	return &engine.Error{
		Class: engine.Invalid, Engine: engineName, Err: err,
		Message: shorten(fmt.Sprintf("output %s (%s): %v", spec.Name, spec.Type, err)),
	}
}

func (s OutputSource) read(ctx context.Context, o catalog.ObjectOutput, spec engine.OutputSpec) (any, error) {
	switch {
	case o.Value != nil:
		v, err := expand.Value(o.Value, s.Lookup)
		if err != nil {
			return nil, err
		}
		return typed(spec, v)
	case o.SecretKey != "":
		if s.Secret == nil {
			return nil, errors.New("secretKey is Crossplane's alone; name the Secret in object and its key in path, with base64")
		}
		v, err := s.Secret(ctx, o.SecretKey)
		if err != nil {
			return nil, err
		}
		return parsed(spec, v)
	case o.Path == "":
		return nil, errors.New("one of value, path and secretKey is needed")
	}
	obj, err := s.object(ctx, o.Object)
	if err != nil {
		return nil, err
	}
	v, err := Field(obj, o.Path)
	if err != nil || !o.Base64 {
		if err != nil {
			return nil, err
		}
		return typed(spec, v)
	}
	text, ok := v.(string)
	if !ok {
		return nil, fmt.Errorf("%s of %s is no text, so it cannot be base64", o.Path, Name(obj))
	}
	decoded, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%s of %s is not base64", o.Path, Name(obj))
	}
	return parsed(spec, string(decoded))
}

func (s OutputSource) object(ctx context.Context, ref *catalog.ObjectReference) (*unstructured.Unstructured, error) {
	if ref == nil {
		if s.Own == nil {
			return nil, errors.New("path needs an object to read it of")
		}
		return s.Own, nil
	}
	full := *ref
	var err error
	if full.Name, err = expand.String(ref.Name, s.Lookup); err != nil {
		return nil, fmt.Errorf("object.name: %w", err)
	}
	if full.Namespace, err = expand.String(ref.Namespace, s.Lookup); err != nil {
		return nil, fmt.Errorf("object.namespace: %w", err)
	}
	return s.Get(ctx, full)
}

// Name is an object's kind and name for messages, such as "Database/main".
func Name(obj *unstructured.Unstructured) string { return obj.GetKind() + "/" + obj.GetName() }

// Field reads a JSONPath ("{.status.endpoint}") of an object. What the path does
// not find is a *MissingError; a path with filters or "*" gives a list.
func Field(obj *unstructured.Unstructured, path string) (any, error) {
	template := path
	if !strings.Contains(path, "{") {
		template = "{" + path + "}"
	}
	j := jsonpath.New("path")
	if err := j.Parse(template); err != nil {
		return nil, fmt.Errorf("%q is no JSONPath: %w", path, err)
	}
	missing := &MissingError{What: strings.Trim(path, "{}") + " of " + Name(obj)}
	found, err := j.FindResults(obj.Object)
	if err != nil {
		return nil, missing
	}
	var values []any
	for _, group := range found {
		for _, v := range group {
			if v.IsValid() && v.CanInterface() && !isNil(v) {
				values = append(values, v.Interface())
			}
		}
	}
	switch {
	case len(values) == 0:
		return nil, missing
	case len(found) > 1: // text around it, or several expressions
		var b strings.Builder
		if err := j.Execute(&b, obj.Object); err != nil {
			return nil, missing
		}
		return b.String(), nil
	case len(values) == 1 && !manyOf(path):
		return values[0], nil
	default:
		return values, nil
	}
}

// manyOf says that a path may find several values.
func manyOf(path string) bool {
	return strings.Contains(path, "*") || strings.Contains(path, "..") || strings.Contains(path, ":")
}

func isNil(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		return v.IsNil()
	default:
		return false
	}
}

// typed is a value of an object as its declared type.
func typed(spec engine.OutputSpec, v any) (any, error) {
	wrong := fmt.Errorf("it is a %s", kindOf(v))
	switch catalog.Type(spec.Type) {
	case catalog.TypeString:
		if s, ok := v.(string); ok {
			return s, nil
		}
	case catalog.TypeBoolean:
		if b, ok := v.(bool); ok {
			return b, nil
		}
	case catalog.TypeInteger:
		if i, ok := v.(int64); ok {
			return i, nil
		}
		if f, ok := v.(float64); ok && f == float64(int64(f)) {
			return int64(f), nil
		}
	case catalog.TypeNumber:
		if f, ok := number(v); ok {
			return f, nil
		}
	case catalog.TypeList:
		if l, ok := v.([]any); ok {
			return slices.Clone(l), nil
		}
	case catalog.TypeMap:
		if m, ok := v.(map[string]any); ok {
			return maps.Clone(m), nil
		}
	default:
		return v, nil
	}
	return nil, wrong
}

// parsed is a text, of a Secret, as the output's declared type. The text itself
// is in no error.
func parsed(spec engine.OutputSpec, s string) (any, error) {
	switch catalog.Type(spec.Type) {
	case catalog.TypeBoolean:
		if b, err := strconv.ParseBool(s); err == nil {
			return b, nil
		}
	case catalog.TypeInteger:
		if i, err := strconv.ParseInt(s, 10, 64); err == nil {
			return i, nil
		}
	case catalog.TypeNumber:
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return f, nil
		}
	case catalog.TypeList, catalog.TypeMap:
		var v any
		dec := json.NewDecoder(strings.NewReader(s))
		dec.UseNumber()
		if err := dec.Decode(&v); err == nil {
			return typed(spec, plain(v))
		}
	default:
		return s, nil
	}
	return nil, fmt.Errorf("the secret's text is no %s", spec.Type)
}

func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case int64:
		return "number"
	case float64:
		return "number (not whole)"
	case []any:
		return "list"
	case map[string]any:
		return "map"
	default:
		return "null"
	}
}

// plain turns the numbers inside decoded JSON into int64 where they are whole,
// and float64 otherwise.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		if f, err := v.Float64(); err == nil {
			return f
		}
		return v.String()
	case []any:
		for i, e := range v {
			v[i] = plain(e)
		}
	case map[string]any:
		for k, e := range v {
			v[k] = plain(e)
		}
	}
	return v
}
