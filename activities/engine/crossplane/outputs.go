// SPDX-License-Identifier: Apache-2.0

package crossplane

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/kube"
	"github.com/HatiCode/nestor/catalog"
)

// outputPatience bounds the wait for an output of an object that is ready.
const outputPatience = 15 * time.Second

// awaitOutputs reads all outputs; what is not there yet is waited for, since
// Crossplane hands values up one object at a time.
func (n *node) awaitOutputs(ctx context.Context, obj *unstructured.Unstructured) (*unstructured.Unstructured, map[string]any, error) {
	limit, until := deadlineOf(ctx), time.Now().Add(min(n.patience, outputPatience))
	for round := 0; ; round++ {
		outputs, err := kube.Outputs(ctx, Name, n.req.Outputs, n.settings.Outputs, n.source(obj))
		var missing *kube.MissingError
		if err == nil || !errors.As(err, &missing) || time.Now().After(until) || limit.passed() {
			return obj, outputs, n.hide(ctx, err)
		}
		n.say("%s is ready; waiting for %s", n.address(), missing.What)
		if err := pause(ctx, round, limit); err != nil {
			return obj, nil, err
		}
		if obj, err = n.again(ctx, obj); err != nil {
			return obj, nil, err
		}
	}
}

// again reads an object that must still be there.
func (n *node) again(ctx context.Context, obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	now, err := n.get(ctx, obj.GetNamespace(), obj.GetName())
	if err != nil {
		return obj, err
	}
	if now == nil || now.GetUID() != obj.GetUID() {
		return obj, n.rejected(n.address(), "it was deleted by somebody else while its outputs were read")
	}
	return now, nil
}

// presentOutputs reads the outputs that are there.
func (n *node) presentOutputs(ctx context.Context, obj *unstructured.Unstructured) (map[string]any, error) {
	out := map[string]any{}
	for _, spec := range n.req.Outputs {
		one, err := kube.Outputs(ctx, Name, []engine.OutputSpec{spec}, n.settings.Outputs, n.source(obj))
		switch {
		case engine.ClassOf(err) == engine.Invalid: // not there, or not of the type that is now declared
		case err != nil:
			return nil, n.hide(ctx, err)
		default:
			out[spec.Name] = one[spec.Name]
		}
	}
	return out, nil
}

func (n *node) hide(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	return n.cluster.Fail(ctx, n.address(), err)
}

// source is where the outputs of the node's object come from.
func (n *node) source(obj *unstructured.Unstructured) kube.OutputSource {
	inputs := kube.Lookup(n.req)
	return kube.OutputSource{
		Own: obj,
		Lookup: func(reference string) (any, error) {
			switch reference {
			case "object.name":
				return obj.GetName(), nil
			case "object.namespace":
				return obj.GetNamespace(), nil
			default:
				return inputs(reference)
			}
		},
		Get: func(ctx context.Context, ref catalog.ObjectReference) (*unstructured.Unstructured, error) {
			return n.other(ctx, ref, obj.GetNamespace())
		},
		Secret: func(ctx context.Context, key string) (string, error) { return n.connectionSecret(ctx, obj, key) },
	}
}

// other reads an object that an output names.
func (n *node) other(ctx context.Context, ref catalog.ObjectReference, namespace string) (*unstructured.Unstructured, error) {
	gv, err := schema.ParseGroupVersion(ref.APIVersion)
	if err != nil {
		return nil, fmt.Errorf("object.apiVersion: %w", err)
	}
	if ref.Namespace != "" {
		namespace = ref.Namespace
	}
	kind, err := n.cluster.Kind(ctx, gv.WithKind(ref.Kind))
	if err != nil {
		return nil, n.cluster.FailReading(ctx, addressOf(gv.WithKind(ref.Kind), namespace, ref.Name), err)
	}
	obj, err := n.getOf(ctx, kind, namespace, ref.Name)
	if err != nil {
		return nil, err
	}
	if obj == nil {
		return nil, &kube.MissingError{What: addressOf(kind.GVK, namespace, ref.Name)}
	}
	return obj, nil
}

// connectionSecret reads a key of the secret into which Crossplane writes how
// the resource is reached.
func (n *node) connectionSecret(ctx context.Context, obj *unstructured.Unstructured, key string) (string, error) {
	ref, _, err := unstructured.NestedStringMap(obj.Object, "spec", "writeConnectionSecretToRef")
	if err != nil || ref["name"] == "" {
		return "", errors.New("secretKey needs spec.writeConnectionSecretToRef in settings.object, which has none")
	}
	namespace := ref["namespace"]
	if namespace == "" {
		namespace = obj.GetNamespace()
	}
	secret, err := n.other(ctx, catalog.ObjectReference{APIVersion: "v1", Kind: "Secret", Name: ref["name"]}, namespace)
	if err != nil {
		return "", err
	}
	text, there, err := unstructured.NestedString(secret.Object, "data", key)
	if err != nil || !there {
		return "", &kube.MissingError{What: "the key " + key + " of " + addressOf(secret.GroupVersionKind(), namespace, ref["name"])}
	}
	decoded, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "", fmt.Errorf("the key %s of the connection secret is not base64", key) // the text is a secret
	}
	return string(decoded), nil
}
