// SPDX-License-Identifier: Apache-2.0

package crossplane

import (
	"context"
	"encoding/json"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/HatiCode/nestor/activities/engine"
)

// adopt marks an object that exists as the node's. Its fields stay whose they
// are, so the next preview shows where the definition differs.
func (n *node) adopt(ctx context.Context, source engine.Source) (engine.Observation, error) {
	switch {
	case n.lacking != nil:
		return engine.Observation{}, n.lacking
	case source.State != nil:
		return engine.Observation{}, invalid("", "Crossplane has no state to take over; name the object: \"<namespace>/<name>\" or \"<name>\"")
	case source.Ref == "":
		return engine.Observation{}, invalid("", "name the object to adopt: \"<namespace>/<name>\" or \"<name>\"")
	}
	n.takeRef(source.Ref)
	if !n.kind.Namespaced {
		n.namespace = ""
	}
	if problems := validation.IsDNS1123Subdomain(n.name); len(problems) > 0 {
		return engine.Observation{}, invalid("", "%q names no object: %s", source.Ref, strings.Join(problems, "; "))
	}
	if problems := validation.IsDNS1123Label(n.namespace); n.namespace != "" && len(problems) > 0 {
		return engine.Observation{}, invalid("", "%q names no namespace: %s", source.Ref, strings.Join(problems, "; "))
	}
	f, err := n.read(ctx)
	if err != nil {
		return engine.Observation{}, err
	}
	switch obj := f.foreign; {
	case len(f.others) > 0:
		return engine.Observation{}, n.rejected(n.address(), "this node has an object already: %s", describe(f.others))
	case f.live != nil:
		return n.observation(ctx, f.live)
	case obj == nil:
		return engine.Observation{}, invalid(n.address(), "there is no such object to adopt")
	case ownerOf(obj) != "":
		return engine.Observation{}, n.taken(obj)
	case obj.GetDeletionTimestamp() != nil:
		return engine.Observation{}, n.rejected(n.address(), "it is being deleted")
	default:
		marked := obj.DeepCopy()
		n.mark(marked)
		if obj, err = n.remark(ctx, obj, marked.GetLabels()[labelNode], n.req.Address, marked.GetAnnotations()[annotationObject]); err != nil {
			return engine.Observation{}, err
		}
		return n.observation(ctx, obj)
	}
}

// forget takes the mark off the node's objects.
func (n *node) forget(ctx context.Context) error {
	f, err := n.read(ctx)
	if err != nil {
		return err
	}
	for _, obj := range f.all() {
		if _, err := n.remark(ctx, obj, nil, nil, nil); err != nil {
			return err
		}
	}
	return nil
}

// remark writes the mark, or takes it off where the values are nil.
func (n *node) remark(ctx context.Context, obj *unstructured.Unstructured, hash, address, object any) (*unstructured.Unstructured, error) {
	metadata := map[string]any{"uid": obj.GetUID()}
	annotations := map[string]any{annotationAddress: address, annotationObject: object}
	if address == nil {
		annotations[annotationApplied], annotations[annotationSettled], annotations[annotationLooked] = nil, nil, nil
	} else {
		metadata["resourceVersion"] = obj.GetResourceVersion() // another node may be adopting it, too
	}
	metadata["labels"], metadata["annotations"] = map[string]any{labelNode: hash}, annotations
	patch, err := json.Marshal(map[string]any{"metadata": metadata})
	if err != nil {
		return nil, failed("write mark", err)
	}
	marked, err := n.patch(ctx, obj, types.MergePatchType, patch, settler)
	if apierrors.IsNotFound(err) && address == nil {
		return obj, nil
	}
	if err != nil {
		return nil, n.cluster.Fail(ctx, n.address(), err)
	}
	return marked, nil
}
