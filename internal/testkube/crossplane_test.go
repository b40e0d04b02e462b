// SPDX-License-Identifier: Apache-2.0

package testkube_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/HatiCode/nestor/internal/testkube"
)

// secretData reads a secret.
func secretData(t *testing.T, c *testkube.Cluster, namespace, name string) map[string]string {
	t.Helper()
	client, err := kubernetes.NewForConfig(c.REST())
	if err != nil {
		t.Fatal(err)
	}
	data := map[string]string{}
	until(t, "the secret "+name, func() error {
		secret, err := client.CoreV1().Secrets(namespace).Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for key, value := range secret.Data {
			data[key] = string(value)
		}
		return nil
	})
	return data
}

// removed deletes the object "mine", and waits until it and what was made of it are not
// there.
func removed(t *testing.T, c *testkube.Cluster, namespace, version, resource, made string) {
	t.Helper()
	in := objects(t, c, namespace, version, resource)
	if err := in.Delete(t.Context(), "mine", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for what, in := range map[string]dynamic.ResourceInterface{resource: in, made: objects(t, c, namespace, "v1", made)} {
		until(t, what+" to be gone", func() error {
			_, err := in.Get(t.Context(), "mine", metav1.GetOptions{})
			return isGone(err)
		})
	}
}

// TestCrossplaneV1 proves that a claim ends in a real object of the cluster,
// made by the provider, and that its connection secret comes back to the claim.
func TestCrossplaneV1(t *testing.T) {
	t.Parallel()
	c := testkube.Start(t, testkube.Options{Crossplane: "v1"})
	namespace := c.Namespace(t)
	c.Apply(t, []byte(`
apiVersion: apiextensions.crossplane.io/v1
kind: CompositeResourceDefinition
metadata: {name: xstores.one.nestor.internal}
spec:
  group: one.nestor.internal
  names: {kind: XStore, plural: xstores}
  claimNames: {kind: Store, plural: stores}
  connectionSecretKeys: [password]
  versions:
    - name: v1
      served: true
      referenceable: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: {type: object, properties: {size: {type: string}, namespace: {type: string}}}
            status: {type: object, properties: {size: {type: string}}}
---
apiVersion: apiextensions.crossplane.io/v1
kind: Composition
metadata: {name: stores.one.nestor.internal}
spec:
  compositeTypeRef: {apiVersion: one.nestor.internal/v1, kind: XStore}
  mode: Resources
  writeConnectionSecretsToNamespace: crossplane-system
  resources:
    - name: secret
      base:
        apiVersion: kubernetes.crossplane.io/v1alpha2
        kind: Object
        spec:
          providerConfigRef: {name: default}
          writeConnectionSecretToRef: {namespace: crossplane-system}
          connectionDetails:
            - {apiVersion: v1, kind: Secret, fieldPath: data.password, toConnectionSecretKey: password}
          forProvider:
            manifest:
              apiVersion: v1
              kind: Secret
              stringData: {password: hunter2}
      connectionDetails:
        - {name: password, fromConnectionSecretKey: password}
      patches:
        - {fromFieldPath: "metadata.labels[crossplane.io/claim-name]", toFieldPath: spec.forProvider.manifest.metadata.name}
        - {fromFieldPath: spec.namespace, toFieldPath: spec.forProvider.manifest.metadata.namespace}
        - {fromFieldPath: spec.namespace, toFieldPath: "spec.connectionDetails[0].namespace"}
        - {fromFieldPath: "metadata.labels[crossplane.io/claim-name]", toFieldPath: "spec.connectionDetails[0].name"}
        - fromFieldPath: metadata.uid
          toFieldPath: spec.writeConnectionSecretToRef.name
          transforms: [{type: string, string: {type: Format, fmt: "%s-object"}}]
        - {fromFieldPath: spec.size, toFieldPath: "spec.forProvider.manifest.metadata.labels[size]"}
        - {type: ToCompositeFieldPath, fromFieldPath: "status.atProvider.manifest.metadata.labels[size]", toFieldPath: status.size}
`))
	await(t, c, "", "apiextensions.crossplane.io/v1", "compositeresourcedefinitions", "xstores.one.nestor.internal", "Offered")
	c.Apply(t, []byte(`
apiVersion: one.nestor.internal/v1
kind: Store
metadata: {name: mine, namespace: `+namespace+`}
spec:
  size: small
  namespace: `+namespace+`
  writeConnectionSecretToRef: {name: access}
`))

	claim := await(t, c, namespace, "one.nestor.internal/v1", "stores", "mine", "Ready")
	if size, _, err := unstructured.NestedString(claim.Object, "status", "size"); size != "small" || err != nil {
		t.Errorf("the claim's status has the size %q (%v), want what the object has", size, err)
	}
	if diff := cmp.Diff(map[string]string{"password": "hunter2"}, secretData(t, c, namespace, "mine")); diff != "" {
		t.Errorf("the composed object (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"password": "hunter2"}, secretData(t, c, namespace, "access")); diff != "" {
		t.Errorf("the claim's connection secret (-want +got):\n%s", diff)
	}
	// The provider converts between the versions of its kinds.
	if _, err := objects(t, c, "", "kubernetes.crossplane.io/v1alpha1", "objects").List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Errorf("objects in their old version: %v", err)
	}

	removed(t, c, namespace, "one.nestor.internal/v1", "stores", "secrets")
}

// TestCrossplaneV2 proves that a namespaced composite ends, through the
// function, in a real object of the cluster, made by the provider.
func TestCrossplaneV2(t *testing.T) {
	t.Parallel()
	c := testkube.Start(t, testkube.Options{Crossplane: "v2"})
	namespace := c.Namespace(t)
	c.Apply(t, []byte(`
apiVersion: apiextensions.crossplane.io/v2
kind: CompositeResourceDefinition
metadata: {name: stores.two.nestor.internal}
spec:
  scope: Namespaced
  group: two.nestor.internal
  names: {kind: Store, plural: stores}
  versions:
    - name: v1
      served: true
      referenceable: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: {type: object, properties: {size: {type: string}}}
            status: {type: object, properties: {size: {type: string}}}
---
apiVersion: apiextensions.crossplane.io/v1
kind: Composition
metadata: {name: stores.two.nestor.internal}
spec:
  compositeTypeRef: {apiVersion: two.nestor.internal/v1, kind: Store}
  mode: Pipeline
  pipeline:
    - step: compose
      functionRef: {name: function-patch-and-transform}
      input:
        apiVersion: pt.fn.crossplane.io/v1beta1
        kind: Resources
        resources:
          - name: settings
            base:
              apiVersion: kubernetes.m.crossplane.io/v1alpha1
              kind: Object
              spec:
                providerConfigRef: {kind: ClusterProviderConfig, name: default}
                forProvider:
                  manifest: {apiVersion: v1, kind: ConfigMap, data: {}}
            patches:
              - {type: FromCompositeFieldPath, fromFieldPath: metadata.name, toFieldPath: spec.forProvider.manifest.metadata.name}
              - {type: FromCompositeFieldPath, fromFieldPath: metadata.namespace, toFieldPath: spec.forProvider.manifest.metadata.namespace}
              - {type: FromCompositeFieldPath, fromFieldPath: spec.size, toFieldPath: spec.forProvider.manifest.data.size}
              - {type: ToCompositeFieldPath, fromFieldPath: status.atProvider.manifest.data.size, toFieldPath: status.size}
`))
	await(t, c, "", "apiextensions.crossplane.io/v2", "compositeresourcedefinitions", "stores.two.nestor.internal", "Established")
	c.Apply(t, []byte(`
apiVersion: two.nestor.internal/v1
kind: Store
metadata: {name: mine, namespace: `+namespace+`}
spec: {size: small}
`))

	composite := await(t, c, namespace, "two.nestor.internal/v1", "stores", "mine", "Ready")
	if size, _, err := unstructured.NestedString(composite.Object, "status", "size"); size != "small" || err != nil {
		t.Errorf("the composite's status has the size %q (%v), want what the object has", size, err)
	}
	made := await(t, c, namespace, "v1", "configmaps", "mine", "")
	if size, _, err := unstructured.NestedString(made.Object, "data", "size"); size != "small" || err != nil {
		t.Errorf("the composed object has the size %q (%v)", size, err)
	}

	removed(t, c, namespace, "two.nestor.internal/v1", "stores", "configmaps")
}
