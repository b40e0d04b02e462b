// SPDX-License-Identifier: Apache-2.0

package crossplane_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/crossplane"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/orchestrator"
)

// fixture is a world with an engine in it.
type fixture struct {
	*version
	dir, namespace string
	engine         *crossplane.Engine
	log            *syncBuffer
}

// impatience of an engine whose test waits for it to give up.
const impatience = 6 * time.Second

func begin(t *testing.T, name string) *fixture {
	t.Helper()
	f := &fixture{version: start(t, name), dir: t.TempDir(), log: &syncBuffer{}}
	if err := os.MkdirAll(filepath.Join(f.dir, "world"), 0o700); err != nil {
		t.Fatal(err)
	}
	var err error
	if f.namespace, err = f.open(f.dir); err != nil {
		t.Fatal(err)
	}
	f.patience(t, testPatience)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log:\n%s", f.log)
		}
	})
	return f
}

// patience of the engine from now on.
func (f *fixture) patience(t *testing.T, patience time.Duration) {
	t.Helper()
	var err error
	if f.engine, err = crossplane.New(crossplane.Config{DataDir: f.dir, Patience: patience}); err != nil {
		t.Fatal(err)
	}
}

// request for a gadget, with some inputs changed; nil takes one away.
func (f *fixture) request(t *testing.T, change map[string]any) engine.Request {
	t.Helper()
	req := engine.Request{
		Address: "alpha/shop/staging/web.gadget", Node: "web.gadget", Workspace: filepath.Join(f.dir, "work"), Log: f.log,
		Inputs: map[string]any{
			"world": filepath.Join(f.dir, "world"), "name": "alpha", "size": int64(3), "text": "plain", "password": "hunter22",
		},
		Sensitive: map[string]bool{"password": true},
		Outputs:   []engine.OutputSpec{{Name: "id", Type: "string"}, {Name: "size", Type: "integer"}},
	}
	maps.Copy(req.Inputs, change)
	maps.DeleteFunc(req.Inputs, func(_ string, v any) bool { return v == nil })
	if err := f.prepare(&req, f.cluster.Kubeconfig, f.namespace); err != nil {
		t.Fatal(err)
	}
	return req
}

// with a setting changed; path leads into the settings.
func with(req engine.Request, value any, path ...string) engine.Request {
	req.Implementation.Settings = deepSet(req.Implementation.Settings, value, path)
	return req
}

func deepSet(m map[string]any, value any, path []string) map[string]any {
	out := maps.Clone(m)
	if out == nil {
		out = map[string]any{}
	}
	if len(path) == 1 {
		out[path[0]] = value
		return out
	}
	inner, _ := out[path[0]].(map[string]any)
	out[path[0]] = deepSet(inner, value, path[1:])
	return out
}

func (f *fixture) up(ctx context.Context, req engine.Request) (engine.Preview, engine.Result, error) {
	p, err := f.engine.Preview(ctx, req)
	if err != nil {
		return p, engine.Result{}, err
	}
	r, err := f.engine.Apply(ctx, req, p)
	return p, r, err
}

func (f *fixture) mustUp(t *testing.T, req engine.Request) (engine.Preview, engine.Result) {
	t.Helper()
	p, r, err := f.up(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return p, r
}

func wantError(t *testing.T, err error, class engine.Class, resource string, words ...string) {
	t.Helper()
	e, ok := engine.AsError(err)
	if !ok || e.Class != class {
		t.Fatalf("error is %v (%s); want class %s", err, engine.ClassOf(err), class)
	}
	if !strings.Contains(e.Resource, resource) {
		t.Errorf("the resource is %q; want %q in it", e.Resource, resource)
	}
	for _, w := range words {
		if !strings.Contains(e.Message, w) {
			t.Errorf("the message %q does not say %q", e.Message, w)
		}
	}
}

// each runs a test with both versions of Crossplane.
func each(t *testing.T, run func(t *testing.T, f *fixture)) {
	t.Helper()
	for _, name := range []string{"v1", "v2"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, begin(t, name))
		})
	}
}

func TestPaused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		t.Helper()
		f.mustUp(t, f.request(t, nil))
		name := f.only(t, f.namespace).GetName()
		f.patch(t, f.namespace, name, `{"metadata":{"annotations":{"crossplane.io/paused":"true"}}}`)
		larger := f.request(t, map[string]any{"size": int64(5)})
		_, _, err := f.up(t.Context(), larger)
		wantError(t, err, engine.Rejected, "Gadget."+f.group(), "paused", "crossplane.io/paused")
		if size, _ := field(f.only(t, f.namespace), "spec", "size"); size != int64(3) {
			t.Errorf("the paused object was changed: size is %v", size)
		}
		// What is not to be changed is not in the way of a deployment.
		if p, _ := f.mustUp(t, f.request(t, nil)); !p.Empty() {
			t.Errorf("changes of a paused object: %+v", p.Changes)
		}
		f.patch(t, f.namespace, name, `{"metadata":{"annotations":{"crossplane.io/paused":null}}}`)
		if _, r := f.mustUp(t, larger); r.Outputs["size"] != int64(5) {
			t.Errorf("outputs are %v", r.Outputs)
		}
	})
}

func TestFailingReconcile(t *testing.T) {
	t.Parallel()
	path := map[string][]string{
		"v1": {"object", "spec", "compositionRef", "name"},
		"v2": {"object", "spec", "crossplane", "compositionRef", "name"},
	}
	each(t, func(t *testing.T, f *fixture) {
		t.Helper()
		f.patience(t, impatience)
		req := with(f.request(t, nil), "nowhere", path[f.name]...)
		_, _, err := f.up(t.Context(), req)
		wantError(t, err, engine.Rejected, "Gadget."+f.group(), "has been failing", "nowhere")
	})
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(f.dir, "world", "hold"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		req := f.request(t, map[string]any{"mode": "hold"})
		p, err := f.engine.Preview(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
		defer cancel()
		_, err = f.engine.Apply(ctx, req, p)
		wantError(t, err, engine.Rejected, "Gadget."+f.group(), "not ready after", "timeouts.apply")
	})
}

func TestNoSuchKind(t *testing.T) {
	t.Parallel()
	f := begin(t, "v2")
	req := with(f.request(t, nil), "Gizmo", "object", "kind")
	_, err := f.engine.Preview(t.Context(), req)
	wantError(t, err, engine.Invalid, "Gizmo", "has no kind Gizmo", "two.nestor.internal/v1")
	_, err = f.engine.Apply(t.Context(), req, engine.Preview{Token: "any"})
	wantError(t, err, engine.Invalid, "Gizmo", "has no kind Gizmo")
	// Without its kind there can be no object.
	seen, err := f.engine.Observe(t.Context(), req)
	if err != nil || seen.Exists {
		t.Errorf("observed %+v, %v", seen, err)
	}
	if err := f.engine.Destroy(t.Context(), req); err != nil {
		t.Errorf("destroy: %v", err)
	}
}

func TestTaken(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		t.Helper()
		req := with(f.request(t, nil), "common", "object", "metadata", "name")
		p, err := f.engine.Preview(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		f.create(t, f.namespace, "common", map[string]any{"name": "theirs", "size": int64(1)})
		_, err = f.engine.Apply(t.Context(), req, p)
		wantError(t, err, engine.Rejected, "/common", "taken by somebody else", "somebody")
		_, err = f.engine.Preview(t.Context(), req)
		wantError(t, err, engine.Rejected, "/common", "taken by")
		seen, err := f.engine.Observe(t.Context(), req)
		if err != nil || seen.Exists {
			t.Errorf("somebody else's object is observed as %+v, %v", seen, err)
		}
		if err := f.engine.Destroy(t.Context(), req); err != nil {
			t.Errorf("destroy: %v", err)
		}
		theirs := f.only(t, f.namespace)
		if name, _ := field(theirs, "spec", "name"); name != "theirs" || theirs.GetDeletionTimestamp() != nil {
			t.Errorf("somebody else's object was touched: %v", theirs.Object)
		}

		// A node's own name is another node's as little.
		mine := with(f.request(t, nil), "mine", "object", "metadata", "name")
		if _, _, err := f.up(t.Context(), mine); err != nil {
			t.Fatal(err)
		}
		mine.Address += "-too"
		_, err = f.engine.Preview(t.Context(), mine)
		wantError(t, err, engine.Rejected, "/mine", "taken by the node "+f.request(t, nil).Address)
	})
}

func TestOvertaken(t *testing.T) {
	t.Parallel()
	f := begin(t, "v2")
	f.mustUp(t, f.request(t, nil))
	larger := f.request(t, map[string]any{"size": int64(5)})
	p, err := f.engine.Preview(t.Context(), larger)
	if err != nil {
		t.Fatal(err)
	}
	f.patch(t, f.namespace, f.only(t, f.namespace).GetName(), `{"spec":{"text":"edited"}}`)
	_, err = f.engine.Apply(t.Context(), larger, p)
	wantError(t, err, engine.Transient, "Gadget", "preview again")
	// Nor is a preview good for other inputs than its own.
	if p, err = f.engine.Preview(t.Context(), larger); err != nil {
		t.Fatal(err)
	}
	_, err = f.engine.Apply(t.Context(), f.request(t, map[string]any{"size": int64(6)}), p)
	wantError(t, err, engine.Transient, "Gadget", "preview again")
}

func TestRename(t *testing.T) {
	t.Parallel()
	f := begin(t, "v2")
	named := func(name string) engine.Request {
		return with(f.request(t, map[string]any{"text": name}), "${inputs.text}", "object", "metadata", "name")
	}
	f.mustUp(t, named("first"))
	p, _ := f.mustUp(t, named("second"))
	if len(p.Changes) != 1 || p.Changes[0].Action != orchestrator.ActionReplace {
		t.Errorf("changes are %+v; want one replacement", p.Changes)
	}
	if !slices.ContainsFunc(p.Changes[0].Attributes, func(a orchestrator.AttributeChange) bool {
		return a.Path == "metadata.name" && a.Before == "first" && a.After == "second" && a.Replaces
	}) {
		t.Errorf("the name is not said to replace it: %+v", p.Changes[0].Attributes)
	}
	if name := f.only(t, f.namespace).GetName(); name != "second" {
		t.Errorf("left is %s", name)
	}
}

// TestNameKnownLater previews an object whose name comes from another node.
func TestNameKnownLater(t *testing.T) {
	t.Parallel()
	f := begin(t, "v2")
	named := func() engine.Request {
		return with(f.request(t, map[string]any{"text": "first"}), "${inputs.text}", "object", "metadata", "name")
	}
	later := func() engine.Request {
		req := named()
		delete(req.Inputs, "text")
		req.Unknown = map[string]string{"text": "known after web.net"}
		return req
	}
	unknown := func(action orchestrator.Action, before any) {
		p, err := f.engine.Preview(t.Context(), later())
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Changes) != 1 || p.Changes[0].Action != action {
			t.Fatalf("changes are %+v; want one, %s", p.Changes, action)
		}
		want := orchestrator.AttributeChange{Path: "metadata.name", Before: before, Unknown: "known after web.net"}
		if !slices.Contains(p.Changes[0].Attributes, want) {
			t.Errorf("attributes are %+v; want %+v among them", p.Changes[0].Attributes, want)
		}
	}
	unknown(orchestrator.ActionCreate, nil)
	f.mustUp(t, named())
	unknown(orchestrator.ActionUpdate, "first")
}

// TestDerivedName: a name is fit for DNS and for labels, and no other node's.
func TestDerivedName(t *testing.T) {
	t.Parallel()
	f := begin(t, "v2")
	seen := map[string]string{}
	for _, address := range []string{
		"alpha/shop/staging/web.database", "alpha/shop/staging/web-database", "alpha/shop/prod/web.database", "9/9/9/9",
		"ALPHA/Shop/staging/web.database", strings.Repeat("long-team-name/", 20) + "web.database", "ä/ö/ü/ß",
	} {
		req := f.request(t, nil)
		req.Address = address
		p, err := f.engine.Preview(t.Context(), req)
		if err != nil {
			t.Fatalf("%s: %v", address, err)
		}
		_, name, _ := strings.Cut(p.Changes[0].Address, f.namespace+"/")
		if problems := validation.IsDNS1123Label(name); len(problems) > 0 || len(name) > 57 {
			t.Errorf("%s gives %q: %v", address, name, problems)
		}
		if other, taken := seen[name]; taken {
			t.Errorf("%s and %s both give %s", address, other, name)
		}
		seen[name] = address
	}
}

func TestFieldLeaves(t *testing.T) {
	t.Parallel()
	f := begin(t, "v2")
	f.mustUp(t, f.request(t, nil))
	p, _ := f.mustUp(t, f.request(t, map[string]any{"text": nil}))
	want := []orchestrator.AttributeChange{{Path: "spec.text", Before: "plain"}}
	if diff := cmp.Diff(want, p.Changes[0].Attributes); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if text, there := field(f.only(t, f.namespace), "spec", "text"); there {
		t.Errorf("the text is still %v", text)
	}
}

func TestNamespace(t *testing.T) {
	t.Parallel()
	f := begin(t, "v2")
	fresh := f.namespace + "-more"
	req := with(f.request(t, nil), fresh, "namespace")
	_, err := f.engine.Preview(t.Context(), req)
	wantError(t, err, engine.Invalid, "Gadget", "has no namespace "+fresh, "createNamespace")
	req = with(req, true, "createNamespace")
	// Nothing works on things there: what counts is that it was made.
	p, err := f.engine.Preview(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	var addresses []string
	for _, c := range p.Changes {
		addresses = append(addresses, c.Address)
	}
	if !slices.Contains(addresses, "Namespace/"+fresh) {
		t.Errorf("the preview shows %v", addresses)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := f.engine.Apply(ctx, req, p)
		done <- err
	}()
	until(t, "the gadget to be made", func() error {
		list, err := f.gadgets(fresh).List(t.Context(), metav1.ListOptions{})
		if err == nil && len(list.Items) == 0 {
			err = errors.New("there is none")
		}
		return err
	})
	cancel()
	if err := <-done; engine.ClassOf(err) != engine.Canceled {
		t.Errorf("the apply ended with %v", err)
	}
}

func TestStuckFinalizer(t *testing.T) {
	t.Parallel()
	f := begin(t, "v2")
	req := f.request(t, nil)
	f.mustUp(t, req)
	name := f.only(t, f.namespace).GetName()
	f.patch(t, f.namespace, name, `{"metadata":{"finalizers":["composite.apiextensions.crossplane.io","example.org/hold"]}}`)
	f.patience(t, impatience)
	err := f.engine.Destroy(t.Context(), req)
	wantError(t, err, engine.Rejected, "Gadget", "does not go away", "example.org/hold")
	seen, err := f.engine.Observe(t.Context(), req)
	if err != nil || !seen.Exists {
		t.Errorf("observed %+v, %v while it is held", seen, err)
	}
	f.patch(t, f.namespace, name, `{"metadata":{"finalizers":[]}}`)
	if err := f.engine.Destroy(t.Context(), req); err != nil {
		t.Errorf("destroy: %v", err)
	}
}

// TestManagedResource drives a managed resource without a composition, with its
// own connection secret where the version has one.
func TestManagedResource(t *testing.T) {
	t.Parallel()
	kind := map[string]string{"v1": "kubernetes.crossplane.io/v1alpha2", "v2": "kubernetes.m.crossplane.io/v1alpha1"}
	each(t, func(t *testing.T, f *fixture) {
		t.Helper()
		req := f.request(t, map[string]any{"size": int64(3), "namespace": f.namespace})
		config := map[string]any{"name": "default"}
		secret := map[string]any{"name": "access", "namespace": f.namespace}
		if f.name == "v2" {
			config["kind"] = "ClusterProviderConfig"
			delete(secret, "namespace")
		}
		object := map[string]any{
			"apiVersion": kind[f.name], "kind": "Object",
			"spec": map[string]any{
				"providerConfigRef": config, "writeConnectionSecretToRef": secret,
				"connectionDetails": []any{map[string]any{
					"apiVersion": "v1", "kind": "ConfigMap", "name": "settings", "namespace": "${inputs.namespace}",
					"fieldPath": "data.size", "toConnectionSecretKey": "size",
				}},
				"forProvider": map[string]any{"manifest": map[string]any{
					"apiVersion": "v1", "kind": "ConfigMap",
					"metadata": map[string]any{"name": "settings", "namespace": "${inputs.namespace}"},
					"data":     map[string]any{"size": "${inputs.size} GB", "secret": "${inputs.password}"},
				}},
			},
		}
		req.Implementation = catalog.Implementation{Settings: map[string]any{"object": object, "outputs": map[string]any{
			"id":     map[string]any{"path": "{.status.atProvider.manifest.metadata.uid}"},
			"size":   map[string]any{"path": "{.status.atProvider.manifest.data.size}"},
			"secret": map[string]any{"secretKey": "size"},
			"read": map[string]any{
				"object": map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "name": "settings", "namespace": "${inputs.namespace}"},
				"path":   "{.data.size}",
			},
			"where": map[string]any{"value": "${object.name} of ${inputs.size}"},
		}}}
		req.Outputs = []engine.OutputSpec{{Name: "id", Type: "string"}}
		for _, name := range []string{"size", "secret", "read", "where"} {
			req.Outputs = append(req.Outputs, engine.OutputSpec{Name: name, Type: "string"})
		}
		p, r := f.mustUp(t, req)
		for _, a := range p.Changes[0].Attributes {
			if strings.HasSuffix(a.Path, "data.secret") && (!a.Sensitive || a.After != nil) {
				t.Errorf("the secret shows: %+v", a)
			}
		}
		name := f.object(t, kind[f.name], "objects", req)
		want := map[string]any{
			"id": r.Outputs["id"], "size": "3 GB", "secret": "3 GB", "read": "3 GB", "where": name + " of 3",
		}
		if diff := cmp.Diff(want, r.Outputs); diff != "" {
			t.Errorf("outputs (-want +got):\n%s", diff)
		}
		if err := f.engine.Destroy(t.Context(), req); err != nil {
			t.Fatalf("destroy: %v", err)
		}
		_, err := f.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).
			Namespace(f.namespace).Get(t.Context(), "settings", metav1.GetOptions{})
		if !apierrors.IsNotFound(err) {
			t.Errorf("what was managed is still there: %v", err)
		}
	})
}

// object is the name of the node's one object of a kind.
func (f *fixture) object(t *testing.T, apiVersion, resource string, req engine.Request) string {
	t.Helper()
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		t.Fatal(err)
	}
	list, err := f.client.Resource(gv.WithResource(resource)).List(t.Context(), metav1.ListOptions{LabelSelector: "nestor.io/node"})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range list.Items {
		if o.GetAnnotations()["nestor.io/address"] == req.Address {
			return o.GetName()
		}
	}
	t.Fatalf("%s has no object of %s", resource, req.Address)
	return ""
}

// TestComposedPaused names the composed resource that is in the way.
func TestComposedPaused(t *testing.T) {
	t.Parallel()
	f := begin(t, "v2")
	f.mustUp(t, f.request(t, nil))
	objects := f.client.Resource(schema.GroupVersionResource{
		Group: "kubernetes.m.crossplane.io", Version: "v1alpha1", Resource: "objects",
	}).Namespace(f.namespace)
	list, err := objects.List(t.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) != 1 {
		t.Fatalf("objects are %v, %v", list, err)
	}
	_, err = objects.Patch(t.Context(), list.Items[0].GetName(), types.MergePatchType,
		[]byte(`{"metadata":{"annotations":{"crossplane.io/paused":"true"}}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = f.up(t.Context(), f.request(t, map[string]any{"size": int64(5)}))
	wantError(t, err, engine.Rejected, "Object.kubernetes.m.crossplane.io", "paused")
}

// syncBuffer is a log that can be read while it is written.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
