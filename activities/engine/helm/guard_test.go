// SPDX-License-Identifier: Apache-2.0

package helm_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/orchestrator"
)

// TestVersionGone finds the objects of a kind whose version is no longer served,
// in the one that is.
func TestVersionGone(t *testing.T) {
	t.Parallel()
	f := begin(t, sized())
	crds := f.dynamic.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	group := f.namespace + ".example.test"
	version := func(name string, stored bool) any {
		return map[string]any{
			"name": name, "served": true, "storage": stored,
			"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
		}
	}
	_, err := crds.Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": "gadgets." + group},
		"spec": map[string]any{
			"group": group, "scope": "Namespaced", "names": map[string]any{"kind": "Gadget", "plural": "gadgets", "singular": "gadget"},
			"versions": []any{version("v1", true), version("v1beta1", false)},
		},
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	gadget := func(version string) chart {
		return chart{"templates/g.yaml": "apiVersion: " + group + "/" + version + "\nkind: Gadget\nmetadata: {name: g}\nspec: {size: {{ .Values.size | quote }}}\n"}
	}
	gadgets := f.resource(group, "gadgets")
	for _, name := range []string{"v1", "v1beta1"} {
		served := f.dynamic.Resource(schema.GroupVersionResource{Group: group, Version: name, Resource: "gadgets"}).Namespace(f.namespace)
		eventually(t, name+" to be served", func(ctx context.Context) bool {
			_, err := served.List(ctx, metav1.ListOptions{})
			return err == nil
		})
	}
	f.chart(t, gadget("v1beta1"))
	f.inputs(map[string]any{"size": int64(1)})
	f.up(t)
	_, err = crds.Patch(t.Context(), "gadgets."+group, types.JSONPatchType, []byte(`[{"op":"replace","path":"/spec/versions/1/served","value":false}]`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	beta := f.dynamic.Resource(schema.GroupVersionResource{Group: group, Version: "v1beta1", Resource: "gadgets"}).Namespace(f.namespace)
	eventually(t, "v1beta1 to be served no more", func(ctx context.Context) bool {
		_, err := beta.List(ctx, metav1.ListOptions{})
		return apierrors.IsNotFound(err)
	})
	p, err := f.engine.Preview(t.Context(), withDestroy(f.req))
	if want := "Gadget/" + f.namespace + "/g"; err != nil || shown(p)[want] != orchestrator.ActionDelete {
		t.Errorf("the destruction is to be %+v, %v; want it to delete %s", p.Changes, err, want)
	}
	f.inputs(map[string]any{"size": int64(2)})
	f.refused(t, engine.Invalid, "Gadget") // what the chart wants has to be served
	f.chart(t, gadget("v1"))
	if p, _ := f.up(t); shown(p)["Gadget/"+f.namespace+"/g"] != orchestrator.ActionUpdate {
		t.Errorf("changes %+v", p.Changes)
	}
	f.destroy(t)
	if _, err := gadgets.Get(t.Context(), "g", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the gadget is left: %v", err)
	}
}

func withDestroy(req engine.Request) engine.Request {
	req.Destroy = true
	return req
}

// TestRefusedAttempt takes nothing over that its own attempt was refused.
func TestRefusedAttempt(t *testing.T) {
	t.Parallel()
	f := begin(t, chart{"templates/a.yaml": configMap("a", "of", "the-release"), "templates/b.yaml": configMap("b", "of", "the-release")})
	p := f.preview(t)
	f.make(t, "configmaps", configMap("b", "of", "nobody"))
	_, err := f.engine.Apply(t.Context(), f.req, p)
	wantError(t, err, engine.Transient, "ConfigMap/"+f.namespace+"/b", "appeared")
	f.configMap(t, "a")
	f.refused(t, engine.Rejected, "ConfigMap/"+f.namespace+"/b", "belongs to no release")
	f.chart(t, chart{"templates/a.yaml": configMap("a", "of", "the-release")})
	if p, err := f.engine.Preview(t.Context(), f.req); err != nil || len(p.Changes) > 0 {
		t.Errorf("without b, changes %+v, %v", p.Changes, err)
	}
	if p, err := f.engine.Preview(t.Context(), withDestroy(f.req)); err != nil || len(p.Changes) != 1 {
		t.Errorf("the destruction is to be %+v, %v", p.Changes, err)
	}
	f.destroy(t)
	if got := f.configMap(t, "b")["of"]; got != "nobody" {
		t.Errorf("b is %v", got)
	}
	if !strings.Contains(f.log.String(), "ConfigMap/"+f.namespace+"/b stays") {
		t.Error("the log does not tell that b stays")
	}
}

// TestMadeAnew deletes what was previewed and no namesake of it.
func TestMadeAnew(t *testing.T) {
	t.Parallel()
	claimed := func(f *fixture, text string) string {
		return strings.ReplaceAll(text, "metadata: {", `metadata: {labels: {app.kubernetes.io/managed-by: Helm}, annotations: {meta.helm.sh/release-name: app, meta.helm.sh/release-namespace: `+f.namespace+`}, `)
	}
	secret := func(kind string) string {
		return "apiVersion: v1\nkind: Secret\nmetadata: {name: b}\ntype: " + kind + "\nstringData: {x: text}\n"
	}
	for name, next := range map[string]chart{
		"delete":  {"templates/a.yaml": configMap("a", "x", "text")},
		"replace": {"templates/a.yaml": configMap("a", "x", "text"), "templates/b.yaml": secret("example.test/other")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := begin(t, chart{"templates/a.yaml": configMap("a", "x", "text"), "templates/b.yaml": secret("example.test/one")})
			f.up(t)
			f.chart(t, next)
			p := f.preview(t)
			if got := string(shown(p)["Secret/"+f.namespace+"/b"]); got != name {
				t.Fatalf("changes %+v", p.Changes)
			}
			secrets := f.resource("", "secrets")
			if err := secrets.Delete(t.Context(), "b", metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			f.make(t, "secrets", claimed(f, secret("example.test/one")))
			anew, err := secrets.Get(t.Context(), "b", metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.engine.Apply(t.Context(), f.req, p)
			wantError(t, err, engine.Transient, "Secret/"+f.namespace+"/b anew", "preview again")
			if left, err := secrets.Get(t.Context(), "b", metav1.GetOptions{}); err != nil || left.GetUID() != anew.GetUID() {
				t.Errorf("it is not what somebody made: %v", err)
			}
			f.up(t) // the new preview shows it
		})
	}
}

// TestMadeAnewInDestruction has somebody make an object anew between the look at
// it and its deletion.
func TestMadeAnewInDestruction(t *testing.T) {
	t.Parallel()
	f := begin(t, sized())
	f.up(t)
	direct := f.req.Clusters
	var once sync.Once
	f.through(t, func(r *http.Request) {
		if r.Method != http.MethodDelete || !strings.HasSuffix(r.URL.Path, "/configmaps/a") {
			return
		}
		once.Do(func() {
			maps := f.client.CoreV1().ConfigMaps(f.namespace)
			if err := maps.Delete(r.Context(), "a", metav1.DeleteOptions{}); err != nil {
				t.Error(err)
			}
			if _, err := maps.Create(r.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, metav1.CreateOptions{}); err != nil {
				t.Error(err)
			}
		})
	})
	wantError(t, f.engine.Destroy(t.Context(), f.req), engine.Transient, "ConfigMap/"+f.namespace+"/a anew")
	f.configMap(t, "a")
	f.req.Clusters = direct
	f.destroy(t)
	f.configMap(t, "a") // nobody can tell that it is the release's
}

// through lets requests pass by a function first.
func (f *fixture) through(t *testing.T, before func(*http.Request)) {
	t.Helper()
	config, err := clientcmd.Load(f.req.Clusters["test"].Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	access, err := clientcmd.RESTConfigFromKubeConfig(f.req.Clusters["test"].Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(access)
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(access.Host)
	if err != nil {
		t.Fatal(err)
	}
	forward := &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		before(r)
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	point(config, server.URL)
	for _, user := range config.AuthInfos {
		*user = clientcmdapi.AuthInfo{}
	}
	text, err := clientcmd.Write(*config)
	if err != nil {
		t.Fatal(err)
	}
	f.req.Clusters = map[string]engine.Cluster{"test": {Kubeconfig: text, Namespace: f.namespace}}
}

// TestAdoptElsewhere adopts in the node's own namespace alone.
func TestAdoptElsewhere(t *testing.T) {
	t.Parallel()
	f, other := begin(t, sized()), begin(t, sized())
	other.install(t, "theirs", other.req.Bundle+"/chart", nil, other.req)
	_, err := f.engine.Adopt(t.Context(), f.req, engine.Source{Ref: other.namespace + "/theirs"})
	wantError(t, err, engine.Rejected, "namespace "+other.namespace, "namespace "+f.namespace)
	f.settings(map[string]any{"namespace": other.namespace})
	if _, err := f.engine.Adopt(t.Context(), f.req, engine.Source{Ref: other.namespace + "/theirs"}); err != nil {
		t.Errorf("with the definition's leave: %v", err)
	}
}

// TestConcealed shows nothing that the chart makes of sensitive inputs.
func TestConcealed(t *testing.T) {
	t.Parallel()
	data := func(values ...string) string { return configMap("a", "shown", "in-clear") + strings.Join(values, "") }
	tests := map[string]struct {
		reason  string
		values  string
		inputs  map[string]any
		next    map[string]any // inputs of a second preview, of what is there by then
		unknown string
		hidden  []string
		shown   bool // whether the rest is
	}{
		"derived, with something else unknown": {
			"what is unknown does not matter",
			data("  sum: {{ .Values.password | sha256sum | quote }}\n", "  code: {{ .Values.password | b64enc | quote }}\n"),
			map[string]any{"password": "tangerine-and-so-on"},
			nil, "x",
			[]string{"data.sum", "data.code"},
			true,
		},
		"derived of both": {
			"what was there came from the secret, too",
			data("  both: {{ print .Values.password .Values.x | sha256sum | quote }}\n"),
			map[string]any{"password": "tangerine-and-so-on", "x": "known"},
			map[string]any{"password": "tangerine-and-so-on"},
			"x",
			[]string{"data.both"},
			false,
		},
		"unknown itself": {
			"its older value is secret, too",
			data("  sum: {{ .Values.password | sha256sum | quote }}\n"),
			map[string]any{"password": "tangerine-and-so-on"},
			map[string]any{},
			"password",
			[]string{"data.sum"},
			false,
		},
		"numbers": {
			"they are written as texts",
			data("  pin: {{ .Values.pin | quote }}\n", "  url: \"x:{{ .Values.pin }}\"\n", "  of: \"{{ .Values.ratio }}\"\n", "  flag: \"{{ index .Values.list 0 }}\"\n", "  deep: \"{{ index .Values.list 1 }}\"\n"),
			map[string]any{"pin": int64(471147), "ratio": 0.4711, "list": []any{true, int64(31337)}},
			nil, "",
			[]string{"data.pin", "data.url", "data.of", "data.flag", "data.deep"},
			true,
		},
		"no other value does": {
			"what comes from it is not known then",
			"{{ if ne .Values.password \"tangerine\" }}{{ fail \"no\" }}{{ end }}" + data("  sum: {{ .Values.password | sha256sum | quote }}\n"),
			map[string]any{"password": "tangerine"},
			nil, "",
			[]string{"data.sum", "data.shown"},
			false,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := begin(t, chart{"templates/a.yaml": test.values})
			f.req.Sensitive = map[string]bool{"password": true, "pin": true, "ratio": true, "list": true}
			f.inputs(test.inputs)
			if test.next != nil {
				f.up(t)
				f.req.Inputs = test.next
			}
			if test.unknown != "" {
				f.req.Unknown = map[string]string{test.unknown: because}
			}
			p := f.preview(t)
			for _, path := range test.hidden {
				if a := attribute(t, p, "ConfigMap/"+f.namespace+"/a", path); !a.Sensitive || a.Before != nil || a.After != nil {
					t.Errorf("%s: %s shows %v → %v", test.reason, path, a.Before, a.After)
				}
			}
			if test.shown && attribute(t, p, "ConfigMap/"+f.namespace+"/a", "data.shown").After != "in-clear" {
				t.Error("what is no secret is hidden, too")
			}
		})
	}
}
