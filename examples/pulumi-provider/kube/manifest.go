// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	provider "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// address names an object; it is the resource's ID.
type address struct{ version, kind, namespace, name string }

func (a address) String() string {
	return strings.Join([]string{a.version, a.kind, a.namespace, a.name}, "/")
}

func addressOf(o *unstructured.Unstructured) address {
	return address{o.GetAPIVersion(), o.GetKind(), o.GetNamespace(), o.GetName()}
}

// parseAddress reads an ID from its end: only an API version holds a slash.
func parseAddress(id string) (address, error) {
	parts := strings.Split(id, "/")
	if n := len(parts); n == 4 || n == 5 {
		a := address{strings.Join(parts[:n-3], "/"), parts[n-3], parts[n-2], parts[n-1]}
		if a.version != "" && a.kind != "" && a.name != "" {
			return a, nil
		}
	}
	return address{}, fmt.Errorf("%q is no ID: it is \"<apiVersion>/<kind>/<namespace>/<name>\", "+
		"the namespace empty where the kind has none, such as \"v1/Namespace//shop\"", id)
}

// identity is the properties that an object cannot change.
var identity = [][]string{{"apiVersion"}, {"kind"}, {"metadata", "namespace"}, {"metadata", "name"}} //nolint:gochecknoglobals // immutable

// checked is a manifest as it is kept, or why it is none.
func checked(v property.Value) (manifest property.Value, failure string) {
	if v.IsComputed() {
		return v, ""
	}
	if !v.IsMap() {
		return v, "must be an object"
	}
	for _, path := range identity {
		at := at(v, path...)
		optional := path[len(path)-1] == "namespace"
		if at.IsComputed() || (optional && at.IsNull()) {
			continue
		}
		if !at.IsString() || at.AsString() == "" {
			return v, strings.Join(path, ".") + " must be a text"
		}
	}
	return sealed(v), ""
}

// sealed is the manifest of a Secret as the API server keeps it: stringData is
// part of data, and what is in it is secret. Others stay as they are.
func sealed(v property.Value) property.Value {
	m := v.AsMap()
	if k := m.Get("kind"); !k.IsString() || k.AsString() != "Secret" || !m.Get("apiVersion").Equals(property.New("v1")) {
		return v
	}
	data := map[string]property.Value{}
	if d := m.Get("data"); d.IsMap() {
		data = d.AsMap().AsMap()
	}
	if text := m.Get("stringData"); text.IsMap() {
		for key, value := range text.AsMap().All {
			switch {
			case value.IsComputed():
				data[key] = value
			case value.IsString():
				data[key] = property.New(base64.StdEncoding.EncodeToString([]byte(value.AsString())))
			default:
				return v // the API server says what is wrong with it
			}
		}
	}
	for key, value := range data {
		data[key] = value.WithSecret(true)
	}
	return property.WithGoValue(v, m.Delete("stringData").Set("data", property.New(data)))
}

func at(v property.Value, path ...string) property.Value {
	for _, key := range path {
		if !v.IsMap() {
			return property.Value{}
		}
		v = v.AsMap().Get(key)
	}
	return v
}

// diff says which fields differ. An object that is called otherwise is another.
func diff(_ context.Context, req provider.DiffRequest) (provider.DiffResponse, error) {
	before, after := req.OldInputs.Get(manifestKey), req.Inputs.Get(manifestKey)
	found := map[string]provider.PropertyDiff{}
	compare(manifestKey, before, after, found)
	for _, path := range identity {
		old, now := at(before, path...), at(after, path...)
		if old.Equals(now) || now.IsComputed() || old.IsNull() != now.IsNull() {
			continue
		}
		found[manifestKey+"."+strings.Join(path, ".")] = provider.PropertyDiff{Kind: provider.UpdateReplace, InputDiff: true}
	}
	return provider.DiffResponse{HasChanges: len(found) > 0, DetailedDiff: found}, nil
}

func compare(path string, before, after property.Value, found map[string]provider.PropertyDiff) {
	switch {
	case before.IsMap() && after.IsMap():
		old, now := before.AsMap(), after.AsMap()
		for key, value := range old.All {
			compare(join(path, key), value, now.Get(key), found)
		}
		for key, value := range now.All {
			if _, there := old.GetOk(key); !there {
				compare(join(path, key), property.Value{}, value, found)
			}
		}
	case before.IsArray() && after.IsArray() && before.AsArray().Len() == after.AsArray().Len():
		for i, value := range before.AsArray().All {
			compare(fmt.Sprintf("%s[%d]", path, i), value, after.AsArray().Get(i), found)
		}
	case before.WithSecret(false).Equals(after.WithSecret(false)):
	case before.IsNull():
		found[path] = provider.PropertyDiff{Kind: provider.Add, InputDiff: true}
	case after.IsNull():
		found[path] = provider.PropertyDiff{Kind: provider.Delete, InputDiff: true}
	default:
		found[path] = provider.PropertyDiff{Kind: provider.Update, InputDiff: true}
	}
}

func join(path, key string) string {
	if strings.ContainsAny(key, ".[]\" ") || key == "" {
		return fmt.Sprintf("%s[%q]", path, key)
	}
	return path + "." + key
}

// drifted is a manifest with the values that the cluster has instead of those
// that applying it would give. Other notations of the same value ("0.5" and
// "500m") are no drift: the API server itself has written both.
func drifted(manifest property.Value, wanted, live any) property.Value {
	switch {
	case manifest.IsMap():
		w, okW := wanted.(map[string]any)
		l, okL := live.(map[string]any)
		if !okW || !okL {
			break
		}
		m := manifest.AsMap()
		for key, value := range m.All {
			if _, there := l[key]; there {
				m = m.Set(key, drifted(value, w[key], l[key]))
			} else if w[key] != nil {
				m = m.Delete(key)
			}
		}
		return property.WithGoValue(manifest, m)
	case manifest.IsArray():
		w, okW := wanted.([]any)
		l, okL := live.([]any)
		if !okW || !okL || len(w) != len(l) || len(w) != manifest.AsArray().Len() {
			break
		}
		out := make([]property.Value, len(l))
		for i, value := range manifest.AsArray().All {
			out[i] = drifted(value, w[i], l[i])
		}
		return property.WithGoValue(manifest, property.NewArray(out))
	}
	if same(wanted, live) {
		return manifest
	}
	return valueOf(live).WithSecret(manifest.Secret())
}

// bare is an object without what its cluster alone writes.
func bare(o *unstructured.Unstructured) property.Value {
	o = o.DeepCopy()
	unstructured.RemoveNestedField(o.Object, "status")
	for _, field := range []string{"managedFields", "uid", "resourceVersion", "generation", "creationTimestamp", "selfLink", "finalizers"} {
		unstructured.RemoveNestedField(o.Object, "metadata", field)
	}
	return sealed(valueOf(o.Object))
}
