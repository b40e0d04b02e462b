// SPDX-License-Identifier: Apache-2.0

package kube_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/kube"
	"github.com/HatiCode/nestor/internal/testkube"
)

// configMaps exist in every cluster.
func configMaps() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
}

// connect reaches the test's cluster with a changed kubeconfig.
func connect(t *testing.T, text []byte, change func(*clientcmdapi.Cluster, *clientcmdapi.AuthInfo)) *kube.Cluster {
	t.Helper()
	config, err := clientcmd.Load(text)
	if err != nil {
		t.Fatal(err)
	}
	now := config.Contexts[config.CurrentContext]
	if change != nil {
		change(config.Clusters[now.Cluster], config.AuthInfos[now.AuthInfo])
	}
	if text, err = clientcmd.Write(*config); err != nil {
		t.Fatal(err)
	}
	c, err := kube.Connect(engine.Request{
		Cluster: "east", Clusters: map[string]engine.Cluster{"east": {Kubeconfig: text, Namespace: "default"}},
	}, "helm", "", "")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func configMap(name string, content map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": name}, "data": content,
	}}
}

// TestFail meets a real API server's refusals.
func TestFail(t *testing.T) {
	t.Parallel()
	cluster := testkube.Start(t, testkube.Options{})
	namespace := cluster.Namespace(t)
	admin := connect(t, cluster.Kubeconfig, nil)
	cluster.Apply(t, []byte(`{"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none", "namespace": "`+namespace+`"},
"spec": {"hard": {"count/secrets": "0"}}}`))
	create := func(c *kube.Cluster, in string, obj *unstructured.Unstructured) error {
		_, err := c.Dynamic.Resource(configMaps()).Namespace(in).Create(t.Context(), obj, metav1.CreateOptions{})
		return err
	}
	list := func(c *kube.Cluster) error {
		_, err := c.Dynamic.Resource(configMaps()).Namespace(namespace).List(t.Context(), metav1.ListOptions{})
		return err
	}
	if err := create(admin, namespace, configMap("there", nil)); err != nil {
		t.Fatal(err)
	}
	stranger := connect(t, cluster.Kubeconfig, func(_ *clientcmdapi.Cluster, u *clientcmdapi.AuthInfo) { u.Impersonate = "stranger" })
	expired := connect(t, cluster.Kubeconfig, func(_ *clientcmdapi.Cluster, u *clientcmdapi.AuthInfo) {
		*u = clientcmdapi.AuthInfo{Token: "very-secret-and-expired"}
	})
	untrusted := connect(t, cluster.Kubeconfig, func(c *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) {
		c.CertificateAuthorityData, c.CertificateAuthority = nil, ""
	})
	plugin := connect(t, cluster.Kubeconfig, func(_ *clientcmdapi.Cluster, u *clientcmdapi.AuthInfo) {
		*u = clientcmdapi.AuthInfo{Exec: &clientcmdapi.ExecConfig{
			APIVersion: "client.authentication.k8s.io/v1", Command: "no-such-plugin-anywhere", InteractiveMode: clientcmdapi.NeverExecInteractiveMode,
		}}
	})
	for name, c := range map[string]struct {
		err     error
		class   engine.Class
		reading engine.Class // where it differs
		words   []string
	}{
		"no kind":      {err: kindError(admin), class: engine.Invalid, words: []string{"no kind Gizmo in example.org/v1"}},
		"no namespace": {err: create(admin, "nowhere", configMap("a", nil)), class: engine.Invalid, words: []string{"no namespace nowhere", "createNamespace"}},
		"exists":       {err: create(admin, namespace, configMap("there", nil)), class: engine.Transient, words: []string{"at the same time"}},
		"invalid":      {err: create(admin, namespace, configMap("Not A Name", nil)), class: engine.Invalid, words: []string{"metadata.name"}},
		"odd content":  {err: create(admin, namespace, configMap("a", map[string]any{"n": int64(1)})), class: engine.Invalid},
		"forbidden":    {err: list(stranger), class: engine.Rejected, reading: engine.Unreadable, words: []string{"stranger", "grant it"}},
		"expired":      {err: list(expired), class: engine.Rejected, reading: engine.Unreadable, words: []string{"expired", "renew the kubeconfig"}},
		"untrusted":    {err: list(untrusted), class: engine.Rejected, reading: engine.Unreadable, words: []string{"not trusted"}},
		"plugin":       {err: list(plugin), class: engine.Rejected, reading: engine.Unreadable, words: []string{"credential plugin"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.err == nil {
				t.Fatal("there was no error")
			}
			wantError(t, admin.Fail(t.Context(), "ConfigMap/a", c.err), c.class, c.words...)
			if c.reading == "" {
				c.reading = c.class
			}
			wantError(t, admin.FailReading(t.Context(), "ConfigMap/a", c.err), c.reading, c.words...)
		})
	}
}

func kindError(c *kube.Cluster) error {
	_, err := c.Kind(context.Background(), schema.GroupVersionKind{Group: "example.org", Version: "v1", Kind: "Gizmo"})
	return err
}

// TestFailFar meets servers that are far away, busy or broken.
func TestFailFar(t *testing.T) {
	t.Parallel()
	answer := func(status int, body string) *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if status == http.StatusTooManyRequests {
				w.Header().Set("Retry-After", "0")
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}))
		t.Cleanup(s.Close)
		return s
	}
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for name, c := range map[string]struct {
		url   string
		class engine.Class
		words []string
	}{
		"refused":     {url: closed.URL, class: engine.Transient, words: []string{"cannot be reached"}},
		"no name":     {url: "https://no-such-host.invalid", class: engine.Transient, words: []string{"cannot be reached"}},
		"throttled":   {url: answer(http.StatusTooManyRequests, "{}").URL, class: engine.Transient, words: []string{"throttles"}},
		"broken":      {url: answer(http.StatusInternalServerError, "oops").URL, class: engine.Transient},
		"unavailable": {url: answer(http.StatusServiceUnavailable, "later").URL, class: engine.Transient},
		"timeout":     {url: answer(http.StatusGatewayTimeout, "slow").URL, class: engine.Transient},
		"no API":      {url: answer(http.StatusOK, "<html>").URL, class: engine.Rejected},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			far := connect(t, []byte(kubeconfig), func(k *clientcmdapi.Cluster, u *clientcmdapi.AuthInfo) {
				k.Server = c.url
				*u = clientcmdapi.AuthInfo{}
			})
			_, err := far.Dynamic.Resource(configMaps()).Namespace("a").List(t.Context(), metav1.ListOptions{})
			wantError(t, far.Fail(t.Context(), "ConfigMap/a", err), c.class, c.words...)
		})
	}
}

// TestFailOfContext: what a context ended is canceled for who owns the context,
// and worth another try for who gave a single call its time.
func TestFailOfContext(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() { close(release); slow.Close() })
	c := connect(t, []byte(kubeconfig), func(k *clientcmdapi.Cluster, u *clientcmdapi.AuthInfo) {
		k.Server = slow.URL
		*u = clientcmdapi.AuthInfo{}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := c.Dynamic.Resource(configMaps()).Namespace("a").List(ctx, metav1.ListOptions{})
	wantError(t, c.Fail(ctx, "", err), engine.Canceled)
	wantError(t, c.Fail(t.Context(), "", err), engine.Transient, "cluster east cannot be reached")
	wantError(t, c.Fail(t.Context(), "", context.Canceled), engine.Canceled)
	if c.Fail(t.Context(), "", nil) != nil || c.Fail(ctx, "", nil) != nil || c.FailReading(ctx, "", nil) != nil {
		t.Error("no error became one")
	}
	own := &engine.Error{Class: engine.Locked, Message: "mine"}
	wantError(t, c.Fail(t.Context(), "", own), engine.Locked, "mine")
}

// TestKinds: a kind that is added later is found by whoever asks again, and one
// whose version is gone is found in another.
func TestKinds(t *testing.T) {
	t.Parallel()
	cluster := testkube.Start(t, testkube.Options{})
	c := connect(t, cluster.Kubeconfig, nil)
	gvk := schema.GroupVersionKind{Group: "late.nestor.internal", Version: "v1", Kind: "Gizmo"}
	if _, err := c.Kind(t.Context(), gvk); !meta.IsNoMatchError(err) {
		t.Fatalf("error is %v", err)
	}
	cluster.Apply(t, []byte(`{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
"metadata": {"name": "gizmos.late.nestor.internal"}, "spec": {"group": "late.nestor.internal", "scope": "Namespaced",
"names": {"kind": "Gizmo", "plural": "gizmos"}, "versions": [
{"name": "v0", "served": false, "storage": false, "schema": {"openAPIV3Schema": {"type": "object"}}},
{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}}, "schema": {"openAPIV3Schema": {"type": "object"}}}]}}`))
	deadline := time.Now().Add(30 * time.Second)
	want := kube.Kind{GVK: gvk, Resource: gvk.GroupVersion().WithResource("gizmos"), Namespaced: true, Status: true}
	for {
		kind, err := c.Kind(t.Context(), gvk)
		if err == nil {
			if kind != want {
				t.Errorf("kind is %+v; want %+v", kind, want)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	for _, version := range []string{"v0", "v1alpha1"} {
		kind, err := c.Kind(t.Context(), gvk.GroupKind().WithVersion(version))
		if err != nil || kind != want {
			t.Errorf("%s is found as %+v, %v; want %+v", version, kind, err, want)
		}
	}
	core, err := c.Kind(t.Context(), schema.GroupVersionKind{Version: "v1beta3", Kind: "ConfigMap"})
	if err != nil || core.Resource != configMaps() {
		t.Errorf("an old ConfigMap is found as %+v, %v", core, err)
	}
	if _, err := c.Kind(t.Context(), gvk.GroupVersion().WithKind("Gadget")); !meta.IsNoMatchError(err) {
		t.Errorf("a kind that the group has in no version gives %v", err)
	}
}
