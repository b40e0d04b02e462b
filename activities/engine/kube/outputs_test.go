// SPDX-License-Identifier: Apache-2.0

package kube_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/kube"
	"github.com/HatiCode/nestor/catalog"
)

func TestOutputs(t *testing.T) {
	t.Parallel()
	own := object(nil)
	own.Object["status"] = map[string]any{
		"endpoint": "db.example.org", "port": int64(5432), "ratio": 0.5, "up": true, "whole": 2.0, "nothing": nil,
		"zones": []any{"a", "b"}, "labels": map[string]any{"owner": "ada"},
		"nodes": []any{map[string]any{"ip": "10.0.0.1"}, map[string]any{"ip": "10.0.0.2"}},
		"b64":   "NTQzMg==", "odd": "%%%",
	}
	path := func(p string) catalog.ObjectOutput { return catalog.ObjectOutput{Path: p} }
	service := &catalog.ObjectReference{APIVersion: "v1", Kind: "Service", Name: "${inputs.name}-svc"}
	for name, c := range map[string]struct {
		reason  string
		output  *catalog.ObjectOutput
		typ     string
		want    any
		missing bool
		words   []string
	}{
		"endpoint":   {reason: "what is not listed is in the status", typ: "string", want: "db.example.org"},
		"port":       {reason: "an integer", typ: "integer", want: int64(5432)},
		"whole":      {reason: "an integer, written otherwise", typ: "integer", want: int64(2)},
		"ratio":      {reason: "a number", typ: "number", want: 0.5},
		"up":         {reason: "a boolean", typ: "boolean", want: true},
		"zones":      {reason: "a list", typ: "list", want: []any{"a", "b"}},
		"labels":     {reason: "a map", typ: "map", want: map[string]any{"owner": "ada"}},
		"absent":     {reason: "it may still come", typ: "string", missing: true, words: []string{"absent", "status.absent", "Database/main"}},
		"nothing":    {reason: "null is nothing", typ: "string", missing: true},
		"path":       {reason: "a path of its own", output: ptr(path("{.status.nodes[0].ip}")), typ: "string", want: "10.0.0.1"},
		"bare path":  {reason: "without braces", output: ptr(path(".status.port")), typ: "integer", want: int64(5432)},
		"all":        {reason: "several values", output: ptr(path("{.status.nodes[*].ip}")), typ: "list", want: []any{"10.0.0.1", "10.0.0.2"}},
		"beyond":     {reason: "an element that is not there", output: ptr(path("{.status.nodes[7].ip}")), typ: "string", missing: true},
		"joined":     {reason: "text around values", output: ptr(path("{.status.endpoint}:{.status.port}")), typ: "string", want: "db.example.org:5432"},
		"no path":    {reason: "not a path", output: ptr(path("{.status.")), typ: "string", words: []string{"no JSONPath"}},
		"wrong type": {reason: "a promise that is not kept", output: ptr(path("{.status.endpoint}")), typ: "integer", words: []string{"wrong type", "integer", "it is a string"}},
		"value":      {reason: "a template", output: &catalog.ObjectOutput{Value: "${inputs.name}:${inputs.size}"}, typ: "string", want: "main:3"},
		"typed":      {reason: "a template of one reference keeps its type", output: &catalog.ObjectOutput{Value: "${inputs.size}"}, typ: "integer", want: int64(3)},
		"secret":     {reason: "a text of a secret becomes what is declared", output: &catalog.ObjectOutput{SecretKey: "port"}, typ: "integer", want: int64(5432)},
		"odd secret": {reason: "and is not told when it cannot", output: &catalog.ObjectOutput{SecretKey: "password"}, typ: "integer", words: []string{"no integer"}},
		"no key":     {reason: "a key that is not there yet", output: &catalog.ObjectOutput{SecretKey: "user"}, typ: "string", missing: true},
		"decoded":    {reason: "data of a Secret", output: &catalog.ObjectOutput{Path: "{.status.b64}", Base64: true}, typ: "integer", want: int64(5432)},
		"not base64": {reason: "not data of a Secret", output: &catalog.ObjectOutput{Path: "{.status.odd}", Base64: true}, typ: "string", words: []string{"not base64"}},
		"other":      {reason: "another object", output: &catalog.ObjectOutput{Object: service, Path: "{.spec.clusterIP}"}, typ: "string", want: "10.1.1.1"},
		"nowhere":    {reason: "nothing says where", output: &catalog.ObjectOutput{}, typ: "string", words: []string{"needed"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			outputs := map[string]catalog.ObjectOutput{}
			if c.output != nil {
				outputs[name] = *c.output
			}
			got, err := kube.Outputs(t.Context(), "crossplane", []engine.OutputSpec{{Name: name, Type: c.typ}}, outputs, kube.OutputSource{
				Own:    own,
				Lookup: kube.Lookup(engine.Request{Inputs: map[string]any{"name": "main", "size": int64(3)}}),
				Get: func(_ context.Context, ref catalog.ObjectReference) (*unstructured.Unstructured, error) {
					if ref.Name != "main-svc" {
						return nil, &kube.MissingError{What: ref.Name}
					}
					return &unstructured.Unstructured{Object: map[string]any{"kind": "Service", "spec": map[string]any{"clusterIP": "10.1.1.1"}}}, nil
				},
				Secret: func(_ context.Context, key string) (string, error) {
					value, there := map[string]string{"port": "5432", "password": "very-secret"}[key]
					if !there {
						return "", &kube.MissingError{What: "the key " + key}
					}
					return value, nil
				},
			})
			var missing *kube.MissingError
			if c.missing != errors.As(err, &missing) {
				t.Errorf("%s: error is %v; want missing: %v", c.reason, err, c.missing)
			}
			if c.missing || len(c.words) > 0 {
				wantError(t, err, engine.Invalid, append(c.words, "output "+name)...)
				return
			}
			if err != nil {
				t.Fatalf("%s: %v", c.reason, err)
			}
			if diff := cmp.Diff(map[string]any{name: c.want}, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }

func TestOutputsKeepErrors(t *testing.T) {
	t.Parallel()
	refused := &engine.Error{Class: engine.Unreadable, Engine: "helm", Message: "no rights"}
	_, err := kube.Outputs(t.Context(), "helm", []engine.OutputSpec{{Name: "ip", Type: "string"}},
		map[string]catalog.ObjectOutput{"ip": {Object: &catalog.ObjectReference{Kind: "Service", Name: "a"}, Path: "{.spec}"}},
		kube.OutputSource{
			Lookup: kube.Lookup(engine.Request{}),
			Get: func(context.Context, catalog.ObjectReference) (*unstructured.Unstructured, error) {
				return nil, refused
			},
		})
	wantError(t, err, engine.Unreadable, "no rights")
	_, err = kube.Outputs(t.Context(), "helm", []engine.OutputSpec{{Name: "ip", Type: "string"}}, nil, kube.OutputSource{})
	if wantError(t, err, engine.Invalid, "output ip"); !strings.Contains(err.Error(), "settings.outputs") {
		t.Errorf("the error does not say what to do: %v", err)
	}
}
