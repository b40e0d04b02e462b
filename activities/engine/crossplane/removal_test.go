// SPDX-License-Identifier: Apache-2.0

package crossplane_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/orchestrator"
)

// TestUnreadablePart: what cannot be read cannot be proven to be gone, so the
// destruction does not begin.
func TestUnreadablePart(t *testing.T) {
	t.Parallel()
	f := begin(t, "v2")
	req := f.request(t, nil)
	f.mustUp(t, req)
	narrow := "narrow:" + f.namespace
	f.cluster.Apply(t, fmt.Appendf(nil, `{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": %[1]q},
"rules": [{"apiGroups": [%[2]q], "resources": ["gadgets"], "verbs": ["*"]}]}`, narrow, f.group()))
	f.cluster.Apply(t, fmt.Appendf(nil, `{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": %[1]q},
"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": %[1]q},
"subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": %[1]q}]}`, narrow))
	limited := reached(t, req, func(_ *clientcmdapi.Cluster, user *clientcmdapi.AuthInfo) { user.Impersonate = narrow })
	until(t, "the narrow account to be known", func() error {
		seen, err := f.engine.Observe(t.Context(), limited)
		if err == nil && !seen.Exists {
			err = errors.New("nothing is observed")
		}
		return err
	})
	err := f.engine.Destroy(t.Context(), limited)
	wantError(t, err, engine.Unreadable, "Object.kubernetes.m.crossplane.io", "nothing would prove", "grant it")
	if f.only(t, f.namespace).GetDeletionTimestamp() != nil {
		t.Error("the destruction was begun")
	}
	if err := f.engine.Destroy(t.Context(), req); err != nil {
		t.Errorf("destroy: %v", err)
	}
}

// widgets are objects of a kind of the test's own, which nothing works on.
type widgets struct {
	*fixture
	group string
}

// define serves version v2, and v1 where old is set.
func (w widgets) define(t *testing.T, old bool) {
	t.Helper()
	const version = `{"name": %q, "served": %t, "storage": %t,
"schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}`
	w.cluster.Apply(t, fmt.Appendf(nil, `{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
"metadata": {"name": "widgets.%[1]s"}, "spec": {"group": %[1]q, "scope": "Namespaced",
"names": {"kind": "Widget", "plural": "widgets"}, "versions": [%[2]s, %[3]s]}}`,
		w.group, fmt.Sprintf(version, "v1", old, false), fmt.Sprintf(version, "v2", true, true)))
}

func (w widgets) objects(version string) dynamic.ResourceInterface {
	return w.client.Resource(schema.GroupVersionResource{Group: w.group, Version: version, Resource: "widgets"}).Namespace(w.namespace)
}

// chain makes objects that each name the next one.
func (w widgets) chain(t *testing.T, length int) {
	t.Helper()
	until(t, "widgets to be served", func() error {
		_, err := w.objects("v1").List(t.Context(), metav1.ListOptions{})
		return err
	})
	for i := range length {
		_, err := w.objects("v1").Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": w.group + "/v1", "kind": "Widget", "metadata": map[string]any{"name": fmt.Sprint("w", i)},
			"spec": map[string]any{"resourceRefs": []any{
				map[string]any{"apiVersion": w.group + "/v1", "kind": "Widget", "name": fmt.Sprint("w", i+1)},
			}},
		}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestVersionGone: an object whose definition names a version that the cluster
// no longer serves is still there, as are its parts; and a tree that is too deep
// to be followed is not taken for gone either.
func TestVersionGone(t *testing.T) {
	t.Parallel()
	f := begin(t, "v2")
	w := widgets{f, f.namespace + ".nestor.internal"}
	w.define(t, true)
	w.chain(t, 10)
	req := with(f.request(t, nil), map[string]any{
		"apiVersion": w.group + "/v1", "kind": "Widget", "metadata": map[string]any{"name": "w0"},
	}, "object")
	req.Outputs = nil
	if _, err := f.engine.Adopt(t.Context(), req, engine.Source{Ref: f.namespace + "/w0"}); err != nil {
		t.Fatal(err)
	}

	w.define(t, false)
	until(t, "the version to be gone", func() error {
		_, err := f.engine.Preview(t.Context(), req)
		if e, ok := engine.AsError(err); ok && e.Class == engine.Invalid && strings.Contains(e.Message, w.group+"/v2, and no longer") {
			return nil
		}
		return fmt.Errorf("a preview gives %w", err)
	})
	_, err := f.engine.Apply(t.Context(), req, engine.Preview{Token: "any"})
	wantError(t, err, engine.Invalid, "Widget", "correct settings.object.apiVersion")
	seen, err := f.engine.Observe(t.Context(), req)
	if err != nil || !seen.Exists {
		t.Errorf("observed %+v, %v; want it there", seen, err)
	}
	removal := req
	removal.Destroy = true
	p, err := f.engine.Preview(t.Context(), removal)
	if err != nil || len(p.Changes) != 1 || p.Changes[0].Action != orchestrator.ActionDelete {
		t.Errorf("the destruction is previewed as %+v, %v; want one deletion", p.Changes, err)
	}

	wantError(t, f.engine.Destroy(t.Context(), req), engine.Rejected, "/w9", "at most 8 levels", "/w9")
	first, err := w.objects("v2").Get(t.Context(), "w0", metav1.GetOptions{})
	if err != nil || first.GetDeletionTimestamp() != nil {
		t.Fatalf("the destruction was begun: %v, %v", first, err)
	}
	_, err = w.objects("v2").Patch(t.Context(), "w0", types.MergePatchType, []byte(`{"spec":null}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.engine.Destroy(t.Context(), req); err != nil {
		t.Fatalf("destroy: %v", err)
	}
	if _, err := w.objects("v2").Get(t.Context(), "w0", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("after the destruction reading it gives %v", err)
	}
}
