// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"context"
	"maps"

	"helm.sh/helm/v3/pkg/release"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/kube"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/internal/expand"
)

// observe reads the release's record. A release of somebody else's under the
// node's name is no state of the node.
func (n *node) observe(ctx context.Context) (engine.Observation, error) {
	h, err := n.history(ctx)
	if err != nil {
		return engine.Observation{}, err
	}
	last := h.last()
	if last == nil || last.status() == release.StatusUninstalled {
		return engine.Observation{}, nil
	}
	if !n.ours(h) {
		n.say("release %s is there and belongs to somebody else", n.ref())
		return engine.Observation{}, nil
	}
	seen := engine.Observation{
		Exists: true, Outputs: map[string]any{},
		State: engine.State{Lineage: last.labels[lineageLabel], Serial: int64(last.Version)}, StateRef: n.req.StateRef,
	}
	for _, spec := range n.req.Outputs {
		one, err := n.readOutputs(ctx, []engine.OutputSpec{spec})
		if engine.ClassOf(err) == engine.Invalid {
			continue // not there yet, or not as declared: an apply says so
		}
		if err != nil {
			return engine.Observation{}, err
		}
		maps.Copy(seen.Outputs, one)
	}
	return seen, nil
}

// outputs reads all declared outputs.
func (n *node) outputs(ctx context.Context) (map[string]any, error) {
	return n.readOutputs(ctx, n.req.Outputs)
}

func (n *node) readOutputs(ctx context.Context, specs []engine.OutputSpec) (map[string]any, error) {
	return kube.Outputs(ctx, Name, specs, n.settings.Outputs, kube.OutputSource{
		Lookup: n.outputLookup(),
		Get: func(ctx context.Context, ref catalog.ObjectReference) (*unstructured.Unstructured, error) {
			return n.outputObject(ctx, ref)
		},
	})
}

// outputLookup knows the release beside the inputs.
func (n *node) outputLookup() expand.Lookup {
	inputs := kube.Lookup(n.req)
	return func(reference string) (any, error) {
		switch reference {
		case "release.name":
			return n.release, nil
		case "release.namespace":
			return n.namespace, nil
		default:
			return inputs(reference)
		}
	}
}

// reference fills in the templates of an output's object.
func (n *node) reference(ref catalog.ObjectReference) (catalog.ObjectReference, error) {
	var err error
	if ref.Name, err = expand.String(ref.Name, n.outputLookup()); err != nil {
		return ref, err
	}
	ref.Namespace, err = expand.String(ref.Namespace, n.outputLookup())
	return ref, err
}

func (n *node) outputObject(ctx context.Context, ref catalog.ObjectReference) (*unstructured.Unstructured, error) {
	address := ref.Kind + "/" + ref.Name
	kind, err := n.cluster.Kind(ctx, schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind))
	if err != nil {
		return nil, n.cluster.Fail(ctx, address, err)
	}
	obj, err := n.cluster.Objects(kind, orElse(ref.Namespace, n.namespace)).Get(ctx, ref.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, &kube.MissingError{What: address}
	}
	if err != nil {
		return nil, n.cluster.FailReading(ctx, address, err)
	}
	return obj, nil
}
