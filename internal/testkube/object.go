// SPDX-License-Identifier: Apache-2.0

package testkube

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

const (
	fieldManager = "nestor-test"
	// objectPatience bounds the wait for one object, on a machine that does other
	// work.
	objectPatience = time.Minute
	objectTick     = 20 * time.Millisecond
)

// applier puts objects into a cluster.
type applier struct {
	typed   kubernetes.Interface
	dynamic dynamic.Interface
	mapper  *restmapper.DeferredDiscoveryRESTMapper
}

func newApplier(config *rest.Config) (*applier, error) {
	typed, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	untyped, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	found, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	return &applier{typed, untyped, restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(found))}, nil
}

// Namespace makes a namespace for the test, in which pods can be made, and
// deletes it after the test.
func (c *Cluster) Namespace(tb testing.TB) string {
	tb.Helper()
	name := "test-" + uuid.NewString()[:13]
	namespaces := c.apply.typed.CoreV1().Namespaces()
	_, err := namespaces.Create(tb.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), objectPatience)
		defer cancel()
		if err := namespaces.Delete(ctx, name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			tb.Errorf("delete the namespace of the test: %v", err)
		}
	})
	eventually(tb, "the service account of "+name, func() error {
		_, err := c.apply.typed.CoreV1().ServiceAccounts(name).Get(tb.Context(), "default", metav1.GetOptions{})
		return err
	})
	return name
}

// Apply puts objects into the cluster by server-side apply, in their order. Each
// argument is YAML or JSON, of one document or more. Where an object defines a kind,
// for Kubernetes or for Crossplane, it waits until the kind can be used.
func (c *Cluster) Apply(tb testing.TB, objects ...[]byte) {
	tb.Helper()
	for _, text := range objects {
		decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
		for {
			var o unstructured.Unstructured
			err := decoder.Decode(&o.Object)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				tb.Fatalf("read an object to apply: %v", err)
			}
			if len(o.Object) == 0 {
				continue
			}
			if err := c.apply.one(tb, &o); err != nil {
				tb.Fatalf("apply %s %s: %v", o.GetKind(), o.GetName(), err)
			}
		}
	}
}

func (a *applier) one(tb testing.TB, o *unstructured.Unstructured) error {
	tb.Helper()
	at, err := a.resource(o)
	if err != nil {
		return err
	}
	_, err = at.Apply(tb.Context(), o.GetName(), o, metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
	if err != nil {
		return err
	}
	for _, condition := range usable(o) {
		eventually(tb, o.GetName()+" to be "+condition, func() error {
			now, err := at.Get(tb.Context(), o.GetName(), metav1.GetOptions{})
			if err != nil {
				return err
			}
			return hasCondition(now, condition)
		})
	}
	return nil
}

// usable lists the conditions that the definition of a kind has when objects of the
// kind are served. Crossplane sets them when the kind's controllers run as well.
func usable(o *unstructured.Unstructured) []string {
	switch o.GetKind() {
	case "CustomResourceDefinition":
		return []string{"Established"}
	case "CompositeResourceDefinition":
		if _, claims, _ := unstructured.NestedMap(o.Object, "spec", "claimNames"); claims {
			return []string{"Established", "Offered"}
		}
		return []string{"Established"}
	default:
		return nil
	}
}

// resource is where objects of a kind are. A kind that is not known yet is
// looked for again in the cluster.
func (a *applier) resource(o *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	kind := o.GroupVersionKind()
	mapping, err := a.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if meta.IsNoMatchError(err) {
		a.mapper.Reset()
		mapping, err = a.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	}
	if err != nil {
		return nil, err
	}
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		return a.dynamic.Resource(mapping.Resource), nil
	}
	namespace := o.GetNamespace()
	if namespace == "" {
		namespace = metav1.NamespaceDefault
	}
	return a.dynamic.Resource(mapping.Resource).Namespace(namespace), nil
}

// hasCondition fails unless the object has the condition; it then says what the
// object's conditions are.
func hasCondition(o *unstructured.Unstructured, kind string) error {
	conditions, _, err := unstructured.NestedSlice(o.Object, "status", "conditions")
	if err != nil {
		return err
	}
	var seen []string
	for _, c := range conditions {
		condition, _ := c.(map[string]any)
		if condition["type"] == kind && condition["status"] == "True" {
			return nil
		}
		seen = append(seen, fmt.Sprintf("%v=%v (%v: %v)", condition["type"], condition["status"], condition["reason"], condition["message"]))
	}
	return fmt.Errorf("%s %s is not %s: %s", o.GetKind(), o.GetName(), kind, strings.Join(seen, ", "))
}

// eventually tries check again until it gives no error, or fails the test.
func eventually(tb testing.TB, what string, check func() error) {
	tb.Helper()
	deadline := time.NewTimer(objectPatience)
	defer deadline.Stop()
	tick := time.NewTicker(objectTick)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-deadline.C:
			tb.Fatalf("waited %s for %s: %v", objectPatience, what, err)
		case <-tick.C:
		}
	}
}
