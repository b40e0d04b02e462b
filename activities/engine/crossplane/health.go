// SPDX-License-Identifier: Apache-2.0

package crossplane

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/HatiCode/nestor/activities/engine/kube"
)

// Crossplane's own words.
const (
	annotationPaused   = "crossplane.io/paused"
	conditionSynced    = "Synced"
	conditionReady     = "Ready"
	conditionLastAsync = "LastAsyncOperation" // of providers that work in the background
	reasonError        = "ReconcileError"
	reasonPaused       = "ReconcilePaused"
)

// pausedMessage is what is wrong with a paused object.
const pausedMessage = "it is paused by the annotation " + annotationPaused

// finding is something that an object says is wrong.
type finding struct {
	address, message string
}

// health is what an object and its tree say.
type health struct {
	ready bool
	// says, in a line, what is waited for.
	says string
	// paused and failing are the deepest objects that are; nil when none is.
	// unsynced is the deepest of those failing that are not what they are to be:
	// what they were asked for last was refused.
	paused, failing, unsynced *finding
	// untouched says that no controller has said anything about the object.
	untouched bool
	// blind says that a condition which matters does not tell which version of
	// its object it is about.
	blind bool
	// dormant says that the object is paused and was ready before.
	dormant bool
	// agreed says that every part agrees with the object that it is ready.
	agreed bool
}

// judge reads what an object and its tree say about themselves.
func judge(root *unstructured.Unstructured, address string, parts []part) health {
	h := health{agreed: true}
	synced, hasSynced := kube.FindCondition(root, conditionSynced)
	ready, hasReady := kube.FindCondition(root, conditionReady)
	h.untouched = !hasSynced && !hasReady
	holds := func(c kube.Condition, there bool) bool { return there && c.Status == "True" && !c.Stale(root) }
	h.ready = holds(synced, hasSynced) && holds(ready, hasReady)
	h.dormant = paused(root) && synced.Reason == reasonPaused && holds(ready, hasReady) &&
		root.GetAnnotations()[annotationApplied] == root.GetAnnotations()[annotationSettled]
	if !h.ready {
		h.says = address + ": " + missing(root, synced, hasSynced, ready, hasReady)
	}
	h.look(address, root)
	for _, p := range parts {
		h.lookAt(root, p)
	}
	if !h.ready && h.failing != nil && h.failing.address != address {
		h.says += "; " + h.failing.address + ": " + h.failing.message
	}
	return h
}

// missing says what an object lacks to be ready.
func missing(root *unstructured.Unstructured, synced kube.Condition, hasSynced bool, ready kube.Condition, hasReady bool) string {
	switch {
	case !hasSynced && !hasReady:
		return "nothing works on it yet"
	case hasSynced && synced.Stale(root), hasReady && ready.Stale(root):
		return "its last change is not worked on yet"
	case hasSynced && synced.Status != "True":
		return synced.String()
	case hasReady:
		return ready.String()
	default:
		return "it does not say yet whether it is ready"
	}
}

// look notes what is wrong with one object.
func (h *health) look(address string, obj *unstructured.Unstructured) {
	if paused(obj) {
		h.paused = &finding{address, pausedMessage}
	}
	synced, hasSynced := kube.FindCondition(obj, conditionSynced)
	if hasSynced && synced.ObservedGeneration == 0 {
		h.blind = true
	}
	if message := unsynced(obj); message != "" {
		h.unsynced = &finding{address, message}
	}
	if message := trouble(obj); message != "" {
		h.failing = &finding{address, message}
	}
}

// lookAt judges a part of the tree: what it says must be about the version of it
// that is there now.
func (h *health) lookAt(root *unstructured.Unstructured, p part) {
	wait := func(why string) {
		if h.ready {
			h.ready, h.says = false, p.address+": "+why
		}
	}
	if p.object == nil {
		wait("it is not there yet")
		return
	}
	h.look(p.address, p.object)
	// A claim's annotations reach the composite together with its spec.
	want, has := root.GetAnnotations()[annotationApplied], p.object.GetAnnotations()[annotationApplied]
	if want != "" && has != "" && has != want && p.object.GetAnnotations()[annotationAddress] == root.GetAnnotations()[annotationAddress] {
		wait("the claim's last change has not reached it yet")
	}
	for _, name := range []string{conditionSynced, conditionReady} {
		c, there := kube.FindCondition(p.object, name)
		switch {
		case !there:
		case c.Stale(p.object):
			wait("its last change is not worked on yet")
		case c.Status != "True":
			h.agreed = false
		}
	}
}

func paused(obj *unstructured.Unstructured) bool {
	return obj.GetAnnotations()[annotationPaused] == "true"
}

// unsynced is why an object is not made what it is to be; empty while nothing is in
// the way. What waits for another resource only waits.
func unsynced(obj *unstructured.Unstructured) string {
	if c, there := kube.FindCondition(obj, conditionSynced); there && c.Status == "False" && c.Reason == reasonError && !c.Stale(obj) {
		if strings.Contains(c.Message, "cannot resolve references") {
			return ""
		}
		return c.String()
	}
	if c, there := kube.FindCondition(obj, conditionLastAsync); there && c.Status == "False" && !c.Stale(obj) {
		return c.String()
	}
	return ""
}

// trouble is what an object says is going wrong; empty while nothing does.
func trouble(obj *unstructured.Unstructured) string {
	if message := unsynced(obj); message != "" {
		return message
	}
	if _, failed, message := kube.Status(obj); failed {
		return message
	}
	// provider-kubernetes shows the object that it made as it is.
	manifest, there, _ := unstructured.NestedMap(obj.Object, "status", "atProvider", "manifest")
	if !there || manifest["kind"] == nil {
		return ""
	}
	inner := &unstructured.Unstructured{Object: manifest}
	if _, failed, message := kube.Status(inner); failed {
		return addressOf(inner.GroupVersionKind(), inner.GetNamespace(), inner.GetName()) + ": " + message
	}
	return ""
}
