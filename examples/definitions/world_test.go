// SPDX-License-Identifier: Apache-2.0

package definitions_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// object is what somebody made in the cluster: its uid tells one that was made
// again from one that was changed.
type object struct {
	UID        string
	Spec, Data map[string]any
}

// world is what the engines made, as their own worlds show it.
type world struct {
	Services map[string]map[string]any // Consul's files, by name
	Objects  map[string]object         // the namespace's, by "<kind>/<name>"
	Releases []string                  // of Helm
	Stacks   []string                  // of Pulumi
}

func namespaces() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
}

// kinds that the examples make.
func kinds() []schema.GroupVersionResource {
	return []schema.GroupVersionResource{
		{Version: "v1", Resource: "configmaps"},
		{Version: "v1", Resource: "secrets"},
		{Version: "v1", Resource: "services"},
		{Group: "apps", Version: "v1", Resource: "statefulsets"},
		{Group: "apps", Version: "v1", Resource: "deployments"},
		{Group: "platform.example.org", Version: "v1", Resource: "databases"},
		{Group: "kubernetes.m.crossplane.io", Version: "v1alpha1", Resource: "objects"},
	}
}

// makeNamespace makes the application's namespace, and the kind Database.
func (s *site) makeNamespace() {
	s.t.Helper()
	var err error
	s.client, err = dynamic.NewForConfig(s.cluster.REST())
	s.must(err)
	s.cluster.Apply(s.t, s.read("crossplane/api/definition.yaml"), s.read("crossplane/api/composition.yaml"),
		[]byte(`{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "`+s.namespace+`"}}`))
	s.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), time.Minute)
		defer cancel()
		if err := s.client.Resource(namespaces()).Delete(ctx, s.namespace, metav1.DeleteOptions{}); err != nil {
			s.t.Errorf("delete the namespace: %v", err)
		}
	})
	databases := schema.GroupVersionResource{Group: "platform.example.org", Version: "v1", Resource: "databases"}
	s.eventually("the kind Database to be served", func() error {
		_, err := s.client.Resource(databases).Namespace(s.namespace).List(s.t.Context(), metav1.ListOptions{})
		return err
	})
}

func (s *site) read(example string) []byte {
	s.t.Helper()
	content, err := os.ReadFile(s.example(example))
	s.must(err)
	return content
}

// look reads the whole world.
func (s *site) look() world {
	s.t.Helper()
	w := world{Services: map[string]map[string]any{}, Objects: map[string]object{}}
	files, err := filepath.Glob(filepath.Join(s.directory, "*"))
	s.must(err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		s.must(err)
		var content struct {
			Service map[string]any `json:"service"`
		}
		s.must(json.Unmarshal(text, &content))
		w.Services[strings.TrimSuffix(filepath.Base(file), ".json")] = content.Service
	}
	for _, kind := range kinds() {
		list, err := s.client.Resource(kind).Namespace(s.namespace).List(s.t.Context(), metav1.ListOptions{})
		s.must(err)
		for _, o := range list.Items {
			w.add(o)
		}
	}
	stacks, err := filepath.Glob(filepath.Join(s.Config.DataDir, "state", ".pulumi", "stacks", "*", "*.json"))
	s.must(err)
	for _, stack := range stacks {
		w.Stacks = append(w.Stacks, filepath.Base(stack))
	}
	return w
}

func (w *world) add(o unstructured.Unstructured) {
	switch {
	case o.GetKind() == "ConfigMap" && o.GetName() == "kube-root-ca.crt":
		return
	case o.Object["type"] == "helm.sh/release.v1":
		if o.GetLabels()["status"] == "deployed" {
			w.Releases = append(w.Releases, o.GetLabels()["name"])
		}
		return
	}
	made := object{UID: string(o.GetUID())}
	made.Spec, _, _ = unstructured.NestedMap(o.Object, "spec")
	made.Data, _, _ = unstructured.NestedMap(o.Object, "data")
	w.Objects[o.GetKind()+"/"+o.GetName()] = made
}

// at is a field of an object's spec or data, which must be there.
func (s *site) at(w world, name string, path ...string) any {
	s.t.Helper()
	o, there := w.Objects[name]
	if !there {
		s.t.Fatalf("there is no %s", name)
	}
	value, found, err := unstructured.NestedFieldNoCopy(map[string]any{"spec": o.Spec, "data": o.Data}, path...)
	if err != nil || !found {
		s.t.Fatalf("%s has no %s: %v", name, strings.Join(path, "."), err)
	}
	return value
}

// secret is a key of a Secret in clear.
func (s *site) secret(w world, name, key string) string {
	s.t.Helper()
	text, _ := s.at(w, "Secret/"+name, "data", key).(string)
	decoded, err := base64.StdEncoding.DecodeString(text)
	s.must(err)
	return string(decoded)
}

// wantNothing checks that the world is empty.
func (s *site) wantNothing() {
	s.t.Helper()
	s.eventually("everything to be gone", func() error {
		w := s.look()
		if diff := cmp.Diff(world{Services: map[string]map[string]any{}, Objects: map[string]object{}}, w); diff != "" {
			return notYet("left (-want +got):\n%s", diff)
		}
		return nil
	})
	secrets, err := s.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "secrets"}).Namespace(s.namespace).
		List(s.t.Context(), metav1.ListOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		s.t.Fatal(err)
	}
	for _, left := range secrets.Items {
		s.t.Errorf("secret %s is left", left.GetName())
	}
}
