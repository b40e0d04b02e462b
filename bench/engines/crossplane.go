// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"

	"github.com/HatiCode/nestor/bench/cluster"
	"github.com/HatiCode/nestor/bench/live"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/catalog/bundle"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/internal/localkube"
	"github.com/HatiCode/nestor/orchestrator"
)

//go:embed crossplane.yaml
var crossplaneObjects []byte

const (
	crossplaneGroup     = "bench.nestor.internal"
	crossplaneKind      = "Setting"
	crossplaneNamespace = "default"
	crossplaneManager   = "bench"
	crossplanePatience  = time.Minute
)

// crossplane is a namespaced composite of Crossplane 2 with one object, made by
// its own controllers.
func crossplane(ctx context.Context, s setup) (contestant, error) {
	kube, err := cluster.Start(ctx, s.bin, s.under("kube"), localkube.CrossplaneV2)
	if err != nil {
		return contestant{}, err
	}
	c := contestant{stop: kube.Stop}
	config, err := kube.REST()
	if err != nil {
		return c, err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return c, err
	}
	if err := offer(ctx, client); err != nil {
		return c, err
	}
	b := composite{client.Resource(schema.GroupVersionResource{Group: crossplaneGroup, Version: "v1", Resource: "settings"}).Namespace(crossplaneNamespace)}
	c.definition = catalog.Definition{
		APIVersion: catalog.APIVersion, Kind: catalog.Kind,
		Metadata: catalog.Metadata{Name: "setting", Version: "1.0.0"},
		Spec: catalog.Spec{
			Provider: live.Provider, Category: "settings", ResourceType: "setting", Engines: []string{orchestrator.EngineCrossplane},
			Inputs:  []catalog.Field{{Name: "name", Type: catalog.TypeString, Required: true}},
			Outputs: []catalog.Field{{Name: "content", Type: catalog.TypeString}},
			Implementations: map[string]catalog.Implementation{orchestrator.EngineCrossplane: {
				Settings: map[string]any{
					"namespace": crossplaneNamespace,
					"object": map[string]any{
						"apiVersion": crossplaneGroup + "/v1", "kind": crossplaneKind,
						"metadata": map[string]any{"name": "${inputs.name}"}, "spec": map[string]any{"content": "as it was"},
					},
				},
			}},
		},
	}
	c.files = bundle.Bundle{}
	c.environment = reach
	c.variables = []string{kubeconfigVariable + "=" + string(kube.Kubeconfig)}
	c.inputs = func(name string) map[string]any { return map[string]any{"name": name} }
	c.bare = b.run
	c.chains, c.gaps = 3, 4
	c.note = "server-side apply and a watch until ready, a composite of Crossplane 2 with one object"
	return c, nil
}

// offer installs the composite's definition and waits until it is served.
func offer(ctx context.Context, client dynamic.Interface) error {
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(crossplaneObjects), 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		plural := map[string]string{"CompositeResourceDefinition": "compositeresourcedefinitions", "Composition": "compositions"}[object.GetKind()]
		resource := object.GroupVersionKind().GroupVersion().WithResource(plural)
		if _, err := client.Resource(resource).Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: crossplaneManager}); err != nil {
			return err
		}
	}
	composites := client.Resource(schema.GroupVersionResource{Group: crossplaneGroup, Version: "v1", Resource: "settings"})
	for deadline := time.Now().Add(crossplanePatience); ; {
		_, err := composites.Namespace(crossplaneNamespace).List(ctx, metav1.ListOptions{})
		if err == nil {
			return nil
		}
		if !apierrors.IsNotFound(err) || time.Now().After(deadline) {
			return fmt.Errorf("wait for Crossplane to serve %s: %w", crossplaneKind, err)
		}
		if err := remote.Wait(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// composite is Crossplane without Nestor.
type composite struct{ objects dynamic.ResourceInterface }

// run does what `kubectl apply --server-side` and `kubectl wait` do.
func (b composite) run(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, crossplanePatience)
	defer cancel()
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": crossplaneGroup + "/v1", "kind": crossplaneKind,
		"metadata": map[string]any{"name": name, "namespace": crossplaneNamespace},
		"spec":     map[string]any{"content": "as it was"},
	}}
	now, err := b.objects.Apply(ctx, name, object, metav1.ApplyOptions{FieldManager: crossplaneManager})
	if err != nil || ready(now) {
		return err
	}
	changes, err := b.objects.Watch(ctx, metav1.ListOptions{
		FieldSelector: "metadata.name=" + name, ResourceVersion: now.GetResourceVersion(),
	})
	if err != nil {
		return err
	}
	defer changes.Stop()
	for event := range changes.ResultChan() {
		if now, ok := event.Object.(*unstructured.Unstructured); ok && ready(now) {
			return nil
		}
	}
	return fmt.Errorf("%s %s does not become ready: %w", crossplaneKind, name, ctx.Err())
}

// ready says that the conditions Synced and Ready are true.
func ready(object *unstructured.Unstructured) bool {
	conditions, _, err := unstructured.NestedSlice(object.Object, "status", "conditions")
	if err != nil {
		return false
	}
	good := map[any]bool{}
	for _, c := range conditions {
		if condition, ok := c.(map[string]any); ok {
			good[condition["type"]] = condition["status"] == "True"
		}
	}
	return good["Synced"] && good["Ready"]
}
