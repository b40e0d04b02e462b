// SPDX-License-Identifier: Apache-2.0

package kubetest_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"github.com/HatiCode/nestor/activities/engine/kube"
	"github.com/HatiCode/nestor/activities/engine/kube/kubetest"
)

// fixture is a world with a client for its things.
type fixture struct {
	dir    string
	things dynamic.ResourceInterface
}

func begin(t *testing.T) fixture {
	t.Helper()
	config, kubeconfig := cluster(t)
	dir := t.TempDir()
	namespace, err := kubetest.NewWorlds(t, config, kubeconfig).Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return fixture{dir: dir, things: client.Resource(kubetest.GVR()).Namespace(namespace)}
}

func (f fixture) create(t *testing.T, mode string) error {
	t.Helper()
	_, err := f.things.Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": kubetest.APIVersion, "kind": kubetest.Kind, "metadata": map[string]any{"name": "one"},
		"spec": map[string]any{"world": f.dir, "name": "alpha", "size": int64(3), "mode": mode},
	}}, metav1.CreateOptions{})
	return err
}

func (f fixture) patch(t *testing.T, patch string) {
	t.Helper()
	_, err := f.things.Patch(t.Context(), "one", "application/merge-patch+json", []byte(patch), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// until the thing's status is as wanted.
func (f fixture) until(t *testing.T, what string, holds func(thing *unstructured.Unstructured) bool) *unstructured.Unstructured {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		thing, err := f.things.Get(t.Context(), "one", metav1.GetOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Fatal(err)
		}
		if err == nil && holds(thing) {
			return thing
		}
		select {
		case <-deadline:
			t.Fatalf("waited in vain for: %s; the thing is %v", what, thing)
		case <-tick.C:
		}
	}
}

func ready(thing *unstructured.Unstructured) bool {
	observed, _, _ := unstructured.NestedInt64(thing.Object, "status", "observedGeneration")
	ok, _, _ := kube.Status(thing)
	return ok && observed == thing.GetGeneration()
}

func (f fixture) wantLedger(t *testing.T, want ...string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(f.dir, "ledger"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Join(want, "\n"), strings.TrimSpace(string(text))); diff != "" {
		t.Errorf("ledger (-want +got):\n%s", diff)
	}
}

func TestLife(t *testing.T) {
	t.Parallel()
	f := begin(t)
	if err := f.create(t, ""); err != nil {
		t.Fatal(err)
	}
	thing := f.until(t, "it to be ready", ready)
	if id, _, _ := unstructured.NestedString(thing.Object, "status", "id"); !strings.HasSuffix(id, string(thing.GetUID())) {
		t.Errorf("id is %q", id)
	}
	f.patch(t, `{"spec":{"text":"other"}}`)
	f.patch(t, `{"spec":{"size":5}}`)
	f.until(t, "the new size", ready)
	if err := f.things.Delete(t.Context(), "one", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(30 * time.Second)
	for {
		if _, err := f.things.Get(t.Context(), "one", metav1.GetOptions{}); apierrors.IsNotFound(err) {
			break
		}
		select {
		case <-deadline:
			t.Fatal("it is not gone")
		case <-time.After(20 * time.Millisecond):
		}
	}
	f.wantLedger(t, "create alpha", "set alpha 3", "set alpha 5", "destroy alpha")
}

func TestImmutableName(t *testing.T) {
	t.Parallel()
	f := begin(t)
	if err := f.create(t, ""); err != nil {
		t.Fatal(err)
	}
	_, err := f.things.Patch(t.Context(), "one", "application/merge-patch+json", []byte(`{"spec":{"name":"beta"}}`), metav1.PatchOptions{})
	if !apierrors.IsInvalid(err) {
		t.Errorf("the name was changed: %v", err)
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	f := begin(t)
	if err := f.create(t, "fail-create"); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "quota exceeded") {
		t.Errorf("a thing that must be refused: %v", err)
	}
	f.wantLedger(t)
	hold := filepath.Join(f.dir, "hold")
	if err := os.WriteFile(hold, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.create(t, "hold"); err != nil {
		t.Fatal(err)
	}
	f.until(t, "it to be held", func(thing *unstructured.Unstructured) bool {
		_, _, message := kube.Status(thing)
		return strings.Contains(message, "held back")
	})
	f.wantLedger(t, "create alpha")
	if err := os.Remove(hold); err != nil {
		t.Fatal(err)
	}
	f.until(t, "it to be ready", ready)
	f.patch(t, `{"spec":{"size":5,"mode":"fail-set"}}`)
	f.until(t, "it to fail", func(thing *unstructured.Unstructured) bool {
		_, failed, message := kube.Status(thing)
		return failed && strings.Contains(message, "quota exceeded")
	})
	f.patch(t, `{"spec":{"size":3,"mode":""}}`)
	f.until(t, "it to be as before", ready)
	f.wantLedger(t, "create alpha", "set alpha 3")
}
