// SPDX-License-Identifier: Apache-2.0

package helm_test

import (
	"bytes"
	"context"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/helm"
	"github.com/HatiCode/nestor/activities/engine/kube/kubetest"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/internal/testkube"
	"github.com/HatiCode/nestor/orchestrator"
)

// fixture is one node in a namespace of its own.
type fixture struct {
	world
	dir     string
	engine  *helm.Engine
	log     *buffer
	dynamic dynamic.Interface
	// request that tests change.
	req engine.Request
}

// chart of a test: files by name, Chart.yaml made up where it is missing.
type chart map[string]string

func begin(t *testing.T, files chart) *fixture {
	t.Helper()
	c := testkube.Start(t, testkube.Options{Kwok: true})
	dir := t.TempDir()
	namespace, err := kubetest.NewWorlds(t, c.REST(), c.Kubeconfig).Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{world: openWorld(t, dir), dir: dir, log: &buffer{}}
	if f.engine, err = helm.New(helm.Config{DataDir: filepath.Join(dir, "data")}); err != nil {
		t.Fatal(err)
	}
	if f.dynamic, err = dynamic.NewForConfig(c.REST()); err != nil {
		t.Fatal(err)
	}
	f.req = engine.Request{
		Address: "alpha/shop/" + namespace + "/web.node", Node: "web.node",
		Workspace: filepath.Join(dir, "work"), Bundle: filepath.Join(dir, "bundle"),
		Implementation: catalog.Implementation{Module: "chart", Settings: map[string]any{"release": "app"}},
		Inputs:         map[string]any{}, Sensitive: map[string]bool{}, Env: map[string]string{},
		Cluster: "test", Clusters: map[string]engine.Cluster{"test": {Kubeconfig: c.Kubeconfig, Namespace: namespace}},
		Log: f.log,
	}
	f.chart(t, files)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log:\n%s", f.log)
		}
	})
	return f
}

// chart replaces the bundle's chart.
func (f *fixture) chart(t *testing.T, files chart) {
	t.Helper()
	dir := filepath.Join(f.req.Bundle, "chart")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	writeChart(t, dir, files)
}

func writeChart(t *testing.T, dir string, files chart) {
	t.Helper()
	all := chart{"Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.2.3\n"}
	maps.Copy(all, files)
	for name, text := range all {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// settings changes the definition's settings.
func (f *fixture) settings(change map[string]any) {
	settings := maps.Clone(f.req.Implementation.Settings)
	maps.Copy(settings, change)
	f.req.Implementation.Settings = settings
}

// inputs changes the inputs.
func (f *fixture) inputs(change map[string]any) {
	in := maps.Clone(f.req.Inputs)
	maps.Copy(in, change)
	f.req.Inputs = in
}

func (f *fixture) preview(t *testing.T) engine.Preview {
	t.Helper()
	p, err := f.engine.Preview(t.Context(), f.req)
	if err != nil {
		t.Fatalf("preview: %v", err)
	}
	return p
}

func (f *fixture) try(ctx context.Context) (engine.Preview, engine.Result, error) {
	p, err := f.engine.Preview(ctx, f.req)
	if err != nil {
		return p, engine.Result{}, err
	}
	r, err := f.engine.Apply(ctx, f.req, p)
	return p, r, err
}

func (f *fixture) up(t *testing.T) (engine.Preview, engine.Result) {
	t.Helper()
	p, r, err := f.try(t.Context())
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	return p, r
}

func (f *fixture) destroy(t *testing.T) {
	t.Helper()
	if err := f.engine.Destroy(t.Context(), f.req); err != nil {
		t.Fatalf("destroy: %v", err)
	}
}

// refused applies and must fail with a class and words.
func (f *fixture) refused(t *testing.T, class engine.Class, words ...string) engine.Error {
	t.Helper()
	_, _, err := f.try(t.Context())
	return wantError(t, err, class, words...)
}

func wantError(t *testing.T, err error, class engine.Class, words ...string) engine.Error {
	t.Helper()
	e, ok := engine.AsError(err)
	if !ok || e.Class != class {
		t.Fatalf("error is %v (class %s); want class %s", err, engine.ClassOf(err), class)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the message does not say %q: %v", word, err)
		}
	}
	return *e
}

// shown is a preview's actions by address.
func shown(p engine.Preview) map[string]orchestrator.Action {
	out := map[string]orchestrator.Action{}
	for _, c := range p.Changes {
		out[c.Address] = c.Action
	}
	return out
}

// attribute of a change.
func attribute(t *testing.T, p engine.Preview, address, path string) orchestrator.AttributeChange {
	t.Helper()
	for _, c := range p.Changes {
		if c.Address != address {
			continue
		}
		for _, a := range c.Attributes {
			if a.Path == path {
				return a
			}
		}
		t.Fatalf("%s has no attribute %s: %+v", address, path, c.Attributes)
	}
	t.Fatalf("no change of %s: %+v", address, p.Changes)
	return orchestrator.AttributeChange{}
}

// resource is a client for objects of the test's namespace.
func (f *fixture) resource(group, resource string) dynamic.ResourceInterface {
	return f.dynamic.Resource(schema.GroupVersionResource{Group: group, Version: "v1", Resource: resource}).Namespace(f.namespace)
}

func (f *fixture) configMap(t *testing.T, name string) map[string]any {
	t.Helper()
	u, err := f.resource("", "configmaps").Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	data, _, err := unstructured.NestedMap(u.Object, "data")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// make creates an object behind the engine's back.
func (f *fixture) make(t *testing.T, resource, text string) {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
		t.Fatal(err)
	}
	if _, err := f.resource("", resource).Create(t.Context(), u, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) patchConfigMap(t *testing.T, name, patch string) {
	t.Helper()
	_, err := f.resource("", "configmaps").Patch(t.Context(), name, "application/merge-patch+json", []byte(patch), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// buffer is a log that can be read while it is written.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
