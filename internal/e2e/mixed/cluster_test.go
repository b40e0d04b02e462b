// SPDX-License-Identifier: Apache-2.0

package mixed_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/HatiCode/nestor/internal/e2e/mixed"
	"github.com/HatiCode/nestor/internal/testkube"
	"github.com/HatiCode/nestor/internal/testplatform"
	"github.com/HatiCode/nestor/orchestrator"
)

// cluster is the world of Helm's, Pulumi's and Crossplane's nodes. Its policy of
// admission refuses what the ConfigMaps labeled "refusal" in a namespace say.
type cluster struct {
	*testkube.Cluster
	client dynamic.Interface
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{Cluster: testkube.Start(t, testkube.Options{Crossplane: "v2"})}
	var err error
	if c.client, err = dynamic.NewForConfig(c.REST()); err != nil {
		t.Fatal(err)
	}
	objects, err := os.ReadFile(filepath.Join("testdata", "cluster.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	c.Apply(t, objects)
	return c
}

// namespaceOf an application.
func namespaceOf(application string) string { return "faults-" + application }

// open makes the application's namespace.
func (a *application) open() {
	a.t.Helper()
	c, is := a.worlds[orchestrator.EngineHelm].(*cluster)
	if !is {
		a.fatalf("Helm's world is %T", a.worlds[orchestrator.EngineHelm])
	}
	c.Apply(a.t, fmt.Appendf(nil, `{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": %q}}`, namespaceOf(a.name)))
}

func (c *cluster) configMaps(a *application) dynamic.ResourceInterface {
	return c.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).Namespace(namespaceOf(a.name))
}

func (c *cluster) entries(a *application) dynamic.ResourceInterface {
	return c.client.Resource(schema.GroupVersionResource{Group: "mixed.nestor.internal", Version: "v1", Resource: "entries"}).
		Namespace(namespaceOf(a.name))
}

// part is an object of a node: its uid tells one that was made again from one that
// was changed.
type part struct {
	UID        string
	Data, Spec any
}

func (c *cluster) look(a *application, n mixed.Node) any {
	a.t.Helper()
	there := map[string]part{}
	for _, in := range []dynamic.ResourceInterface{c.configMaps(a), c.entries(a)} {
		list, err := in.List(a.t.Context(), metav1.ListOptions{LabelSelector: "node=" + n.Name})
		a.must(err)
		for _, o := range list.Items {
			spec, is := o.Object["spec"].(map[string]any)
			if is {
				delete(spec, "crossplane") // what its controllers keep there
			}
			there[o.GetKind()+"/"+o.GetName()] = part{UID: string(o.GetUID()), Data: o.Object["data"], Spec: spec}
		}
	}
	if len(there) == 0 {
		return nil
	}
	return there
}

// refuse puts the refusal there, and waits until the API server goes by it.
func (c *cluster) refuse(a *application, n mixed.Node, what refusal) {
	a.t.Helper()
	name := n.Name + "-" + what.part
	if n.Engine == orchestrator.EngineCrossplane && what.part == "b" {
		name = n.Name + "-made" // the second part is what Crossplane makes of the first
	}
	c.Apply(a.t, fmt.Appendf(nil, `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "refusal-%s-%s", "namespace": %q,
"labels": {"refusal": "yes", "of": %q}}, "data": {"name": %q, "key": %q}}`, name, what.key, namespaceOf(a.name), n.Name, name, what.key))
	testplatform.Eventually(a.t, patience, "a refusal", func() error {
		if err := c.try(a, name, what.key); err == nil || !apierrors.IsInvalid(err) && !apierrors.IsForbidden(err) {
			return fmt.Errorf("it is not refused: %w", cmp.Or(err, errNotYet))
		}
		return nil
	})
}

// try makes an object with a key that is no node's, and deletes it.
func (c *cluster) try(a *application, name, key string) error {
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": name + "-tried", "labels": map[string]any{"node": "tried"}}, "data": map[string]any{"key": key},
	}}
	if _, err := c.configMaps(a).Create(a.t.Context(), object, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	return c.configMaps(a).Delete(a.t.Context(), object.GetName(), metav1.DeleteOptions{})
}

func (c *cluster) heal(a *application, n mixed.Node) {
	a.t.Helper()
	refusals := metav1.ListOptions{LabelSelector: "refusal=yes,of=" + n.Name}
	list, err := c.configMaps(a).List(a.t.Context(), refusals)
	a.must(err)
	for _, o := range list.Items {
		a.must(c.configMaps(a).Delete(a.t.Context(), o.GetName(), metav1.DeleteOptions{}))
		data, _, err := unstructured.NestedStringMap(o.Object, "data")
		a.must(err)
		testplatform.Eventually(a.t, patience, "a refusal to be over", func() error { return c.try(a, data["name"], data["key"]) })
	}
}
