// SPDX-License-Identifier: Apache-2.0

// Package kubetest is the thing of package enginetest in a Kubernetes cluster:
// a custom resource, an admission policy that refuses some of them, and a
// controller that keeps the suite's ledger from what it sees in the API server.
// The engines that work through a cluster share it, so that their side effects
// are counted by the cluster's own eyes.
//
// A Thing's spec holds the suite's inputs under their names. Its name cannot
// change. The controller puts a finalizer on it, writes "create", "set" and
// "destroy" lines into the ledger of spec.world, and reports as kstatus wants
// it: status.observedGeneration and the conditions Ready, Reconciling and
// Stalled; status.id and the observed inputs say the rest.
//
//   - mode "fail-create" is refused at admission: "quota exceeded".
//   - mode "fail-set" ends in Stalled: "quota exceeded".
//   - mode "hold" stays Reconciling until the file "hold" in spec.world is gone.
//   - the file "hold-set" keeps an update Reconciling, and "hold-destroy" the
//     finalizer in place, once the ledger has its line.
//
// It is for tests alone.
package kubetest

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// What a Thing is called.
const (
	Group      = "test.nestor.internal"
	Version    = "v1"
	APIVersion = Group + "/" + Version
	Kind       = "Thing"
	Resource   = "things"
)

// GVR is the resource of things.
func GVR() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: Group, Version: Version, Resource: Resource}
}

// CRD is the custom resource's definition, as YAML.
func CRD() []byte { return []byte(crdText) }

//go:embed thing.yaml
var crdText string

//go:embed policy.yaml
var policyText string

//go:embed binding.yaml
var bindingText string

// patience bounds the waits for the API server.
const patience = 60 * time.Second

// Install makes things known to a cluster and waits until they are served and
// the policy is enforced. Installing twice, also at once, is fine.
func Install(ctx context.Context, config *rest.Config) error {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("install things: %w", err)
	}
	objects := []struct{ group, resource, text string }{
		{"apiextensions.k8s.io", "customresourcedefinitions", crdText},
		{"admissionregistration.k8s.io", "validatingadmissionpolicies", policyText},
		{"admissionregistration.k8s.io", "validatingadmissionpolicybindings", bindingText},
	}
	for _, o := range objects {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(o.text), &object.Object); err != nil {
			return fmt.Errorf("install things: %w", err)
		}
		gvr := schema.GroupVersionResource{Group: o.group, Version: "v1", Resource: o.resource}
		_, err := client.Resource(gvr).Create(ctx, object, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("install things: create %s: %w", o.resource, err)
		}
	}
	return enforced(ctx, client)
}

// enforced waits until a thing that must be refused is.
func enforced(ctx context.Context, client dynamic.Interface) error {
	refused := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": APIVersion, "kind": Kind,
		"metadata": map[string]any{"name": "refused", "namespace": metav1.NamespaceDefault},
		"spec":     map[string]any{"name": "refused", "mode": modeFailCreate},
	}}
	var last error
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		_, last = client.Resource(GVR()).Namespace(metav1.NamespaceDefault).
			Create(ctx, refused, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return apierrors.IsForbidden(last), nil
	})
	if err != nil {
		return fmt.Errorf("things are not served as they should be: %w (last answer: %w)", err, last)
	}
	return nil
}
