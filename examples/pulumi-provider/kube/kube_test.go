// SPDX-License-Identifier: Apache-2.0

package kube_test

import (
	"context"
	"encoding/base64"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	provider "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/HatiCode/nestor/examples/pulumi-provider/kube"
	"github.com/HatiCode/nestor/internal/testkube"
)

func TestMain(m *testing.M) { os.Exit(testkube.Main(m)) }

// object is a manifest.
func object(t *testing.T, v any) property.Value {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		out := map[string]property.Value{}
		for key, e := range v {
			out[key] = object(t, e)
		}
		return property.New(out)
	case []any:
		var out []property.Value
		for _, e := range v {
			out = append(out, object(t, e))
		}
		return property.New(out)
	default:
		value, err := property.Any(v)
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func inputs(v property.Value) property.Map {
	return property.NewMap(map[string]property.Value{"manifest": v})
}

func TestCheck(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason   string
		manifest property.Value
		failure  string
	}{
		"text":       {"a manifest is an object", property.New("x"), "object"},
		"no kind":    {"an object has one", object(t, map[string]any{"apiVersion": "v1", "metadata": map[string]any{"name": "x"}}), "kind"},
		"no name":    {"an object has one", object(t, map[string]any{"apiVersion": "v1", "kind": "ConfigMap"}), "metadata.name"},
		"fine":       {"that is all", object(t, map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "x"}}), ""},
		"not known":  {"it may be known later", property.New(property.Computed), ""},
		"later name": {"so may its name", property.New(map[string]property.Value{"apiVersion": property.New("v1"), "kind": property.New("ConfigMap"), "metadata": property.New(map[string]property.Value{"name": property.New(property.Computed)})}), ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := kube.New().Check(t.Context(), provider.CheckRequest{Inputs: inputs(c.manifest)})
			if err != nil {
				t.Fatal(err)
			}
			var reasons []string
			for _, f := range r.Failures {
				reasons = append(reasons, f.Reason)
			}
			got := strings.Join(reasons, "; ")
			if (c.failure == "") != (got == "") || !strings.Contains(got, c.failure) {
				t.Errorf("%s: failures are %q; want %q", c.reason, got, c.failure)
			}
		})
	}
}

// TestCheckSecret: a secret's text is kept where the API server keeps it, and is
// secret.
func TestCheckSecret(t *testing.T) {
	t.Parallel()
	manifest := object(t, map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "x"},
		"stringData": map[string]any{"password": "correct-horse"},
	})
	r, err := kube.New().Check(t.Context(), provider.CheckRequest{Inputs: inputs(manifest)})
	if err != nil {
		t.Fatal(err)
	}
	kept := r.Inputs.Get("manifest").AsMap()
	password := kept.Get("data").AsMap().Get("password")
	want := base64.StdEncoding.EncodeToString([]byte("correct-horse"))
	if !password.Secret() || password.AsString() != want || !kept.Get("stringData").IsNull() {
		t.Errorf("the secret is kept as %#v", kept)
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	base := func(name string, data map[string]any) map[string]any {
		return map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": name}, "data": data}
	}
	before := base("a", map[string]any{"x": "1", "y.z": "2"})
	cases := map[string]struct {
		reason string
		after  map[string]any
		want   map[string]provider.DiffKind
	}{
		"same":    {"nothing differs", base("a", map[string]any{"x": "1", "y.z": "2"}), map[string]provider.DiffKind{}},
		"changed": {"one field", base("a", map[string]any{"x": "3", "y.z": "2"}), map[string]provider.DiffKind{"manifest.data.x": provider.Update}},
		"removed": {"by its quoted key", base("a", map[string]any{"x": "1"}), map[string]provider.DiffKind{`manifest.data["y.z"]`: provider.Delete}},
		"renamed": {"another name is another object", base("b", map[string]any{"x": "1", "y.z": "2"}), map[string]provider.DiffKind{"manifest.metadata.name": provider.UpdateReplace}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := kube.New().Diff(t.Context(), provider.DiffRequest{OldInputs: inputs(object(t, before)), Inputs: inputs(object(t, c.after))})
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]provider.DiffKind{}
			for path, d := range r.DetailedDiff {
				got[path] = d.Kind
			}
			if diff := cmp.Diff(c.want, got); diff != "" || r.HasChanges != (len(c.want) > 0) {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
		})
	}
}

// subject is the provider with a real cluster.
type subject struct {
	provider.Provider
	client    dynamic.Interface
	namespace string
}

func begin(t *testing.T) *subject {
	t.Helper()
	c := testkube.Start(t, testkube.Options{})
	client, err := dynamic.NewForConfig(c.REST())
	if err != nil {
		t.Fatal(err)
	}
	s := &subject{kube.New(), client, c.Namespace(t)}
	config := property.NewMap(map[string]property.Value{"kubeconfig": property.New(string(c.Kubeconfig)).WithSecret(true)})
	if err := s.Configure(t.Context(), provider.ConfigureRequest{Args: config}); err != nil {
		t.Fatal(err)
	}
	return s
}

var configMaps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}

func (s *subject) manifest(t *testing.T, data map[string]any) property.Value {
	t.Helper()
	return object(t, map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": "settings", "namespace": s.namespace}, "data": data,
	})
}

func (s *subject) live(ctx context.Context, t *testing.T) *unstructured.Unstructured {
	t.Helper()
	o, err := s.client.Resource(configMaps).Namespace(s.namespace).Get(ctx, "settings", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestLife of an object: made, read, changed, changed back, imported, deleted.
func TestLife(t *testing.T) {
	t.Parallel()
	s := begin(t)
	ctx := t.Context()
	first := s.manifest(t, map[string]any{"size": "3"})

	planned, err := s.Create(ctx, provider.CreateRequest{Properties: inputs(first), DryRun: true})
	if err != nil || !planned.Properties.Get("uid").IsComputed() {
		t.Fatalf("planned %#v, %v", planned, err)
	}
	made, err := s.Create(ctx, provider.CreateRequest{Properties: inputs(first)})
	if err != nil {
		t.Fatal(err)
	}
	if want := "v1/ConfigMap/" + s.namespace + "/settings"; made.ID != want {
		t.Errorf("the ID is %q, want %q", made.ID, want)
	}
	if _, err := s.Create(ctx, provider.CreateRequest{Properties: inputs(first)}); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("made over an object that is there: %v", err)
	}

	read, err := s.Read(ctx, provider.ReadRequest{ID: made.ID, Inputs: inputs(first), Properties: made.Properties})
	if err != nil || !read.Inputs.Get("manifest").Equals(first) {
		t.Errorf("read %#v, %v; want what was applied", read.Inputs, err)
	}

	// Somebody else changes it: that is seen, and set back.
	patch := []byte(`{"data": {"size": "9"}}`)
	if _, err := s.client.Resource(configMaps).Namespace(s.namespace).Patch(ctx, "settings", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	read, err = s.Read(ctx, provider.ReadRequest{ID: made.ID, Inputs: inputs(first), Properties: made.Properties})
	if err != nil || !read.Inputs.Get("manifest").Equals(s.manifest(t, map[string]any{"size": "9"})) {
		t.Errorf("read %#v, %v; want the drift", read.Inputs, err)
	}
	if _, err := s.Update(ctx, provider.UpdateRequest{ID: made.ID, Inputs: inputs(first), OldInputs: read.Inputs, State: made.Properties}); err != nil {
		t.Fatal(err)
	}
	if got, _, _ := unstructured.NestedString(s.live(ctx, t).Object, "data", "size"); got != "3" {
		t.Errorf("after the update the size is %q", got)
	}

	// A field that the manifest drops goes.
	second := s.manifest(t, map[string]any{"other": "x"})
	if _, err := s.Update(ctx, provider.UpdateRequest{ID: made.ID, Inputs: inputs(second), OldInputs: inputs(first), State: made.Properties}); err != nil {
		t.Fatal(err)
	}
	got, _, _ := unstructured.NestedStringMap(s.live(ctx, t).Object, "data")
	if diff := cmp.Diff(map[string]string{"other": "x"}, got); diff != "" {
		t.Errorf("data (-want +got):\n%s", diff)
	}

	// What was made and not recorded is found again as it was asked for.
	imported, err := s.Read(ctx, provider.ReadRequest{ID: made.ID})
	if err != nil || !imported.Inputs.Get("manifest").Equals(second) {
		t.Errorf("imported %#v, %v; want what was applied", imported.Inputs, err)
	}

	for range 2 {
		if err := s.Delete(ctx, provider.DeleteRequest{ID: made.ID, Properties: made.Properties}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.client.Resource(configMaps).Namespace(s.namespace).Get(ctx, "settings", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("it is still there: %v", err)
	}
	gone, err := s.Read(ctx, provider.ReadRequest{ID: made.ID, Inputs: inputs(second), Properties: made.Properties})
	if err != nil || gone.ID != "" {
		t.Errorf("read %#v, %v; want nothing", gone, err)
	}
}

// TestNotation: another notation of a value is no drift, and a workload that was
// cut off in its creation is found as it was asked for.
func TestNotation(t *testing.T) {
	t.Parallel()
	s := begin(t)
	ctx := t.Context()
	manifest := object(t, map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"name": "web", "namespace": s.namespace, "labels": map[string]any{"app": "web"}},
		"spec": map[string]any{
			"replicas": 1.0,
			"selector": map[string]any{"matchLabels": map[string]any{"app": "web"}},
			"template": map[string]any{
				"metadata": map[string]any{"labels": map[string]any{"app": "web"}},
				"spec": map[string]any{"containers": []any{map[string]any{
					"name": "web", "image": "web:1", "resources": map[string]any{"requests": map[string]any{"cpu": "0.5"}},
					"ports": []any{map[string]any{"containerPort": 80.0}},
				}}},
			},
		},
	})
	made, err := s.Create(ctx, provider.CreateRequest{Properties: inputs(manifest)})
	if err != nil {
		t.Fatal(err)
	}
	read, err := s.Read(ctx, provider.ReadRequest{ID: made.ID, Inputs: inputs(manifest), Properties: made.Properties})
	if err != nil || !read.Inputs.Get("manifest").Equals(manifest) {
		t.Errorf("read %#v, %v; want no drift", read.Inputs, err)
	}
	imported, err := s.Read(ctx, provider.ReadRequest{ID: made.ID})
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.Diff(ctx, provider.DiffRequest{OldInputs: imported.Inputs, Inputs: inputs(manifest)})
	if err != nil {
		t.Fatal(err)
	}
	delete(d.DetailedDiff, "manifest.spec.template.spec.containers[0].resources.requests.cpu") // "500m" by now
	if len(d.DetailedDiff) > 0 {
		t.Errorf("imported with differences: %v", d.DetailedDiff)
	}
	if err := s.Delete(ctx, provider.DeleteRequest{ID: made.ID, Properties: made.Properties}); err != nil {
		t.Fatal(err)
	}
}

// TestStopped: a deletion that waits for somebody else's finalizer ends when
// Pulumi was asked to stop.
func TestStopped(t *testing.T) {
	t.Parallel()
	s := begin(t)
	ctx := t.Context()
	manifest := object(t, map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": "settings", "namespace": s.namespace, "finalizers": []any{"example.com/held"}},
	})
	made, err := s.Create(ctx, provider.CreateRequest{Properties: inputs(manifest)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		patch := []byte(`{"metadata": {"finalizers": null}}`)
		_, err := s.client.Resource(configMaps).Namespace(s.namespace).Patch(context.WithoutCancel(ctx), "settings", types.MergePatchType, patch, metav1.PatchOptions{})
		if err != nil {
			t.Error(err)
		}
	})
	done := make(chan error, 1)
	go func() { done <- s.Delete(ctx, provider.DeleteRequest{ID: made.ID, Properties: made.Properties}) }()
	if err := s.Cancel(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil {
		t.Error("the deletion of what is still there succeeded")
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	s := begin(t)
	ctx := t.Context()
	cases := map[string]struct {
		reason   string
		manifest map[string]any
		words    string
	}{
		"no such kind":       {"the kind and its version are named", map[string]any{"apiVersion": "shop.example/v1", "kind": "Basket", "metadata": map[string]any{"name": "x"}}, "no kind Basket"},
		"no such namespace":  {"the API server's words", map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "x", "namespace": "nowhere"}}, "nowhere"},
		"not valid":          {"the API server's words", map[string]any{"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": "x", "namespace": s.namespace}, "spec": map[string]any{"ports": "none"}}, "ports"},
		"namespace too many": {"a kind without one", map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "x", "namespace": "y"}}, "no namespace"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := s.Create(ctx, provider.CreateRequest{Properties: inputs(object(t, c.manifest))})
			if err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%s: got %v; want %q", c.reason, err, c.words)
			}
		})
	}
	if _, err := s.Read(ctx, provider.ReadRequest{ID: "settings"}); err == nil || !strings.Contains(err.Error(), "apiVersion") {
		t.Errorf("an ID that is none: %v", err)
	}
}
