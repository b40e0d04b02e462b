// SPDX-License-Identifier: Apache-2.0

package crossplane

import (
	"context"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/csaupgrade"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/orchestrator"
)

// conflicts is how often a write is tried again that Crossplane's own writes
// overtook.
const conflicts = 20

// apply carries out the plan that a preview showed, waits until the object is
// ready, and reads its outputs.
func (n *node) apply(ctx context.Context, shown engine.Preview) (engine.Result, error) {
	p, err := n.planned(ctx, shown)
	if err != nil {
		return engine.Result{}, err
	}
	changed := p.found.live
	for range conflicts {
		err = n.carryOut(ctx, p)
		if !apierrors.IsConflict(err) {
			break
		}
		// Somebody wrote to the object, most likely Crossplane to a part of it
		// that is not the node's. The plan must still be the same.
		if p, err = n.planned(ctx, shown); err != nil {
			return engine.Result{}, err
		}
	}
	if err != nil {
		return engine.Result{}, n.cluster.Fail(ctx, n.address(), err)
	}
	obj, err := n.await(ctx, p.action == actNothing, changed)
	if err != nil {
		return engine.Result{}, err
	}
	return n.result(ctx, obj)
}

// planned makes the plan again, which must be the one that was shown.
func (n *node) planned(ctx context.Context, shown engine.Preview) (plan, error) {
	p, err := n.plan(ctx)
	if err != nil {
		return p, err
	}
	if p.preview.Token != shown.Token {
		return p, n.overtaken("the object, or what it is to become, is no longer what the preview saw")
	}
	return p, nil
}

// carryOut makes the changes of a plan. A conflict is returned as it is.
func (n *node) carryOut(ctx context.Context, p plan) error {
	if p.action == actNothing {
		return nil
	}
	if live := p.found.live; live != nil && live.GetDeletionTimestamp() == nil && paused(live) && !paused(p.want.sent) {
		return n.pausedError(finding{n.address(), pausedMessage})
	}
	if p.makeNamespace {
		if err := n.createNamespace(ctx); err != nil {
			return err
		}
	}
	switch p.action {
	case actUpdate:
		n.say("applying %s", n.address())
		live, err := n.ownFields(ctx, p.found.live)
		if err != nil {
			return err
		}
		_, err = n.applyObject(ctx, p.want.sent, live.GetResourceVersion(), false)
		return err
	case actReplace, actCreate:
		for _, old := range p.found.all() {
			if err := n.remove(ctx, old); err != nil {
				return err
			}
		}
		return n.create(ctx, p.want.sent)
	default:
		return nil
	}
}

// create makes the object by an ordinary create, which, unlike server-side
// apply, never takes over one that somebody else has just made.
func (n *node) create(ctx context.Context, obj *unstructured.Unstructured) error {
	n.say("creating %s", n.address())
	obj = obj.DeepCopy()
	// Nothing that is seen of a new object can be about an older version of it.
	annotate(obj, map[string]string{annotationSettled: obj.GetAnnotations()[annotationApplied]})
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	made, err := n.cluster.Objects(n.kind, n.namespace).Create(call, obj, metav1.CreateOptions{
		FieldManager: manager, FieldValidation: metav1.FieldValidationStrict,
	})
	if apierrors.IsAlreadyExists(err) {
		there, err := n.get(ctx, n.namespace, n.name)
		if err != nil {
			return err
		}
		if there != nil && !n.ours(there) {
			return n.taken(there)
		}
		return n.overtaken("somebody has just made the object")
	}
	if err != nil {
		return err
	}
	_, err = n.ownFields(ctx, made)
	return err
}

// ownFields makes what was created by a plain create as if it had been applied,
// so that a field that leaves the definition leaves the object.
func (n *node) ownFields(ctx context.Context, obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	var err error
	for range conflicts {
		plain := slices.ContainsFunc(obj.GetManagedFields(), func(f metav1.ManagedFieldsEntry) bool {
			return f.Manager == manager && f.Operation == metav1.ManagedFieldsOperationUpdate && f.Subresource == ""
		})
		if !plain {
			return obj, nil
		}
		var patch []byte
		if patch, err = csaupgrade.UpgradeManagedFieldsPatch(obj, sets.New(manager), manager); err != nil {
			return nil, failed("read the owners of the object's fields", err)
		}
		var patched *unstructured.Unstructured
		if patched, err = n.patch(ctx, obj, types.JSONPatchType, patch, manager); err == nil {
			return patched, nil
		}
		if !apierrors.IsConflict(err) && !apierrors.IsInvalid(err) {
			return nil, err
		}
		again, readErr := n.get(ctx, obj.GetNamespace(), obj.GetName())
		if readErr != nil {
			return nil, readErr
		}
		if again == nil || again.GetUID() != obj.GetUID() {
			return nil, n.overtaken("the object was deleted by somebody else")
		}
		obj = again
	}
	return nil, err
}

func (n *node) patch(ctx context.Context, obj *unstructured.Unstructured, kind types.PatchType, patch []byte, by string) (*unstructured.Unstructured, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return n.cluster.Objects(n.kind, obj.GetNamespace()).Patch(ctx, obj.GetName(), kind, patch, metav1.PatchOptions{FieldManager: by})
}

// createNamespace makes the object's namespace. It may be shared with others,
// so nobody's destruction takes it away.
func (n *node) createNamespace(ctx context.Context) error {
	n.say("creating namespace %s", n.namespace)
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	namespace := &unstructured.Unstructured{}
	namespace.SetAPIVersion("v1")
	namespace.SetKind("Namespace")
	namespace.SetName(n.namespace)
	namespaces := n.cluster.Dynamic.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"})
	_, err := namespaces.Create(ctx, namespace, metav1.CreateOptions{FieldManager: manager})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return n.cluster.Fail(ctx, "Namespace/"+n.namespace, err)
	}
	return nil
}

// result is what the ready object gives.
func (n *node) result(ctx context.Context, obj *unstructured.Unstructured) (engine.Result, error) {
	obj, outputs, err := n.awaitOutputs(ctx, obj)
	if err != nil {
		return engine.Result{}, err
	}
	return engine.Result{Outputs: outputs, Serial: obj.GetGeneration(), Lineage: string(obj.GetUID())}, nil
}

func sortChanges(changes []orchestrator.Change) {
	slices.SortStableFunc(changes, func(a, b orchestrator.Change) int { return strings.Compare(a.Address, b.Address) })
}

// pause between two looks at something that changes by itself: short at first,
// so that what is quick is not held up, and none beyond the limit.
func pause(ctx context.Context, round int, limit deadline) error {
	const first, most = 100 * time.Millisecond, 2 * time.Second
	wait := limit.cut(min(first<<min(round/4, 8), most))
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return canceled(ctx)
	case <-timer.C:
		return nil
	}
}
