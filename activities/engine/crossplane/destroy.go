// SPDX-License-Identifier: Apache-2.0

package crossplane

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/orchestrator"
)

// previewDestroy lists the node's objects; what Crossplane composed for them
// goes with them.
func (n *node) previewDestroy(ctx context.Context) (engine.Preview, error) {
	f, err := n.read(ctx)
	if err != nil {
		return engine.Preview{}, err
	}
	p := engine.Preview{State: f.state()}
	for _, obj := range f.all() {
		change := orchestrator.Change{
			Address: addressOf(obj.GroupVersionKind(), obj.GetNamespace(), obj.GetName()), Action: orchestrator.ActionDelete,
		}
		if obj.GetDeletionTimestamp() != nil {
			change.Reason = "is being deleted already"
		}
		p.Changes = append(p.Changes, change)
	}
	sortChanges(p.Changes)
	return p, nil
}

// destroy removes the node's objects and reads back that they are gone.
func (n *node) destroy(ctx context.Context) error {
	f, err := n.read(ctx)
	if err != nil {
		return err
	}
	for _, obj := range f.all() {
		if err := n.remove(ctx, obj); err != nil {
			return err
		}
	}
	if f, err = n.read(ctx); err != nil {
		return err
	}
	if left := f.all(); len(left) > 0 {
		return n.rejected(addressOf(left[0].GroupVersionKind(), left[0].GetNamespace(), left[0].GetName()),
			"still there after the destruction: %s", describe(left))
	}
	return nil
}

// remove deletes an object, in the foreground: it stays until everything that
// depends on it is gone. So whatever cuts this off, the object is there for the
// next attempt as long as anything is left.
func (n *node) remove(ctx context.Context, obj *unstructured.Unstructured) error {
	address := addressOf(obj.GroupVersionKind(), obj.GetNamespace(), obj.GetName())
	parts, err := n.wholeTree(ctx, obj)
	if err != nil {
		return err
	}
	if obj.GetDeletionTimestamp() == nil {
		if err := n.waitForComposite(ctx, obj); err != nil {
			return n.unlessGone(ctx, address, err)
		}
		n.say("deleting %s", address)
		if err := n.delete(ctx, obj); err != nil {
			return n.unlessGone(ctx, address, err)
		}
	}
	return n.awaitGone(ctx, address, obj, parts)
}

func (n *node) delete(ctx context.Context, obj *unstructured.Unstructured) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	foreground, uid := metav1.DeletePropagationForeground, obj.GetUID()
	return n.cluster.Objects(n.kind, obj.GetNamespace()).Delete(ctx, obj.GetName(), metav1.DeleteOptions{
		PropagationPolicy: &foreground, Preconditions: &metav1.Preconditions{UID: &uid},
	})
}

func (n *node) unlessGone(ctx context.Context, address string, err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return n.cluster.Fail(ctx, address, err)
}

// waitForComposite makes a claim stay until its composite is gone: by itself a
// claim goes at once, and nothing is left that names the composite.
func (n *node) waitForComposite(ctx context.Context, obj *unstructured.Unstructured) error {
	const field = "compositeDeletePolicy"
	policy, isClaim, _ := unstructured.NestedString(obj.Object, "spec", field)
	foreground := string(metav1.DeletePropagationForeground)
	if !isClaim || policy == foreground {
		return nil
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": obj.GetUID()}, "spec": map[string]any{field: foreground},
	})
	if err != nil {
		return failed("write delete policy", err)
	}
	_, err = n.patch(ctx, obj, types.MergePatchType, patch, settler)
	return err
}

// awaitGone waits until an object and its tree are read back as gone.
func (n *node) awaitGone(ctx context.Context, address string, obj *unstructured.Unstructured, parts []part) error {
	w := &going{node: n, address: address, root: obj.GetUID(), began: time.Now(), limit: deadlineOf(ctx)}
	w.left = []part{{address: address, kind: n.kind, object: obj}}
	for _, p := range parts {
		if p.object != nil {
			w.left = append(w.left, p)
		}
	}
	for round := 0; ; round++ {
		gone, err := w.look(ctx)
		if gone || err != nil {
			return err
		}
		if err := pause(ctx, round, w.limit); err != nil {
			return err
		}
	}
}

// going is one wait for objects to go.
type going struct {
	node        *node
	address     string
	root        types.UID
	began       time.Time
	limit       deadline
	left        []part
	stuckSince  time.Time
	unreachable time.Time
}

// look reads what is left, the deepest last.
func (w *going) look(ctx context.Context) (gone bool, err error) {
	n := w.node
	var left []part
	for _, r := range w.left {
		now, err := n.getOf(ctx, r.kind, r.object.GetNamespace(), r.object.GetName())
		if engine.ClassOf(err) == engine.Transient {
			return false, w.tolerate(err)
		}
		if err != nil {
			return false, err
		}
		if now != nil && now.GetUID() == r.uid() {
			r.object = now
			left = append(left, r)
		}
	}
	w.unreachable = time.Time{}
	w.left = left
	if len(left) == 0 {
		return true, nil
	}
	last := left[len(left)-1]
	why := holding(last.object)
	n.say("waiting for %s to go: %s", last.address, why)
	return false, w.giveUp(last, why, left[0].uid() == w.root)
}

func (w *going) tolerate(err error) error {
	if w.unreachable.IsZero() {
		w.unreachable = time.Now()
	}
	if time.Since(w.unreachable) > w.node.patience {
		return err
	}
	w.node.say("still waiting for %s to go: %v", w.address, err)
	return nil
}

// giveUp decides whether waiting on can help.
func (w *going) giveUp(last part, why string, rooted bool) error {
	n := w.node
	if paused(last.object) {
		return n.rejected(last.address, "it cannot go while it is paused by the annotation %s; take the annotation off", annotationPaused)
	}
	// While the root is there, the cluster's garbage collector is to delete what
	// hangs on it, in its own time.
	forgotten := last.object.GetDeletionTimestamp() == nil && !rooted
	stuck := trouble(last.object) != "" || heldByOthers(last.object) || forgotten
	switch {
	case !stuck:
		w.stuckSince = time.Time{}
	case w.stuckSince.IsZero():
		w.stuckSince = time.Now()
	case time.Since(w.stuckSince) > n.patience:
		return n.rejected(last.address, "it does not go away: %s", why)
	}
	if w.limit.passed() {
		return n.rejected(last.address, "still there after %s: %s; raise timeouts.destroy in the definition if it needs longer",
			time.Since(w.began).Round(time.Second), why)
	}
	return nil
}

// holding says what keeps an object.
func holding(obj *unstructured.Unstructured) string {
	if obj.GetDeletionTimestamp() == nil {
		return "nobody has deleted it"
	}
	why := "it has no finalizer left"
	if finalizers := obj.GetFinalizers(); len(finalizers) > 0 {
		why = "finalizers hold it: " + strings.Join(finalizers, ", ")
	}
	if message := trouble(obj); message != "" {
		why += fmt.Sprintf(" (%s)", message)
	}
	return why
}

// heldByOthers says that a finalizer that is neither Crossplane's nor Kubernetes'
// own is there: Crossplane leaves the external resource alone until it is gone.
func heldByOthers(obj *unstructured.Unstructured) bool {
	return slices.ContainsFunc(obj.GetFinalizers(), func(f string) bool {
		return !strings.Contains(f, "crossplane.io") && f != metav1.FinalizerDeleteDependents && f != metav1.FinalizerOrphanDependents
	})
}
