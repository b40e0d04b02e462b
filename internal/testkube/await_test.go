// SPDX-License-Identifier: Apache-2.0

package testkube_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/HatiCode/nestor/internal/testkube"
)

const patience = time.Minute

// objects of a kind in a namespace, or in the cluster when that is empty.
func objects(t *testing.T, c *testkube.Cluster, namespace, version, resource string) dynamic.ResourceInterface {
	t.Helper()
	client, err := dynamic.NewForConfig(c.REST())
	if err != nil {
		t.Fatal(err)
	}
	group, err := schema.ParseGroupVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	if namespace == "" {
		return client.Resource(group.WithResource(resource))
	}
	return client.Resource(group.WithResource(resource)).Namespace(namespace)
}

// await waits until an object is there and has the condition; an empty one is
// not asked for.
func await(t *testing.T, c *testkube.Cluster, namespace, version, resource, name, condition string) *unstructured.Unstructured {
	t.Helper()
	in := objects(t, c, namespace, version, resource)
	var found *unstructured.Unstructured
	until(t, fmt.Sprintf("%s %s to be %s", resource, name, condition), func() error {
		o, err := in.Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		found = o
		if condition == "" {
			return nil
		}
		conditions, _, err := unstructured.NestedSlice(o.Object, "status", "conditions")
		if err != nil {
			return err
		}
		for _, c := range conditions {
			if is := c.(map[string]any); is["type"] == condition && is["status"] == "True" {
				return nil
			}
		}
		return fmt.Errorf("its conditions: %v", conditions)
	})
	return found
}

func until(t *testing.T, what string, holds func() error) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := holds()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%s: not within %s: %v", what, patience, err)
		}
	}
}

// isGone fails unless the error says that an object is not there.
func isGone(err error) error {
	switch {
	case err == nil:
		return errors.New("it is still there")
	case apierrors.IsNotFound(err):
		return nil
	default:
		return err
	}
}
