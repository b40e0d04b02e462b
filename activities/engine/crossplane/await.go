// SPDX-License-Identifier: Apache-2.0

package crossplane

import (
	"context"
	"encoding/json"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/HatiCode/nestor/activities/engine"
)

// How long a changed object and all it is composed of must be quiet before what
// they say is believed. Crossplane does not say which version of a composed
// resource a composite's status has seen, and in 1.20 not even which version of
// the composite itself its conditions are about. So the wait grows with the time
// that the controllers took to react at all, and is long while nothing in the
// object's status shows that the change arrived there. An object that was just
// created needs no such wait: what it says was never said about an older version.
const (
	quiet      = 700 * time.Millisecond
	quietBlind = 1500 * time.Millisecond
	quietSame  = 4 * time.Second
	quietMost  = 15 * time.Second
	// agreement bounds the wait for parts that say they are not ready under an
	// object that says it is. A composition may mean it so.
	agreement = 10 * time.Second
	// stirring bounds how long Crossplane is made to look again at parts that
	// keep changing: a composition may write something new at each look.
	stirring = time.Minute
)

// flicker is how long a failure may vanish and still be the same one.
const flicker = 3 * time.Second

// waiting is one wait for an object to be ready.
type waiting struct {
	node *node
	// idle says that this attempt changed nothing.
	idle         bool
	began        time.Time
	limit        deadline
	failingSince time.Time
	failingLast  time.Time
	unreachable  time.Time
	calm         time.Time // since when the tree is as seen says
	disagreeing  time.Time
	// before is the digest of the status that the change found; first is the
	// fingerprint of the first look, and reaction how long it held.
	before, first string
	reaction      time.Duration
	seen          string
	// poked is when Crossplane was first made to look again, and below is what
	// the parts said the last time.
	poked time.Time
	below string
}

// await waits until the node's object is ready, and returns it as it is then.
// What fails, and what nothing works on, is waited for no longer than the
// engine's patience. An object that is paused is in the way of changes alone:
// idle says that there were none. changed is the object as it was before the changes;
// nil for a new one, and where that is not known.
func (n *node) await(ctx context.Context, idle bool, changed *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	w := &waiting{node: n, idle: idle, before: statusDigest(changed), began: time.Now(), limit: deadlineOf(ctx)}
	for round := 0; ; round++ {
		obj, done, err := w.look(ctx)
		if done || err != nil {
			return obj, err
		}
		if err := pause(ctx, round, w.limit); err != nil {
			return nil, err
		}
	}
}

// look is one look at the object and its tree.
func (w *waiting) look(ctx context.Context) (obj *unstructured.Unstructured, done bool, err error) {
	n := w.node
	obj, err = n.get(ctx, n.namespace, n.name)
	var parts []part
	if err == nil && obj != nil && n.ours(obj) {
		parts, err = n.tree(ctx, obj)
	}
	switch {
	case engine.ClassOf(err) == engine.Transient:
		return nil, false, w.tolerate(err)
	case engine.ClassOf(err) == engine.Unreadable:
		// The change is made; that it cannot be watched is a refusal.
		e, _ := engine.AsError(err)
		return nil, false, n.rejected(e.Resource, "%s", e.Message)
	case err != nil:
		return nil, false, err
	case obj == nil:
		return nil, false, n.rejected(n.address(), "it was deleted by somebody else while it was waited for")
	case !n.ours(obj):
		return nil, false, n.taken(obj)
	}
	w.unreachable = time.Time{}
	w.react(fingerprint(obj, parts))
	h := judge(obj, n.address(), parts)
	if h.ready {
		done, err = w.settled(ctx, obj, h, parts)
		return obj, done, err
	}
	if w.idle && h.dormant {
		n.say("%s is paused, and is as it is to be", n.address())
		return obj, true, nil
	}
	w.calm = time.Time{}
	n.say("waiting for %s", h.says)
	return obj, false, w.giveUp(ctx, h)
}

// tolerate keeps waiting while the cluster is out of reach, for a while.
func (w *waiting) tolerate(err error) error {
	if w.unreachable.IsZero() {
		w.unreachable = time.Now()
	}
	if time.Since(w.unreachable) > w.node.patience {
		return err
	}
	w.node.say("still waiting for %s: %v", w.node.address(), err)
	return nil
}

// giveUp decides whether waiting on can help.
func (w *waiting) giveUp(ctx context.Context, h health) error {
	n, now := w.node, time.Now()
	if h.paused != nil {
		return n.pausedError(*h.paused)
	}
	if h.failing != nil {
		if w.failingSince.IsZero() {
			w.failingSince = now
		}
		w.failingLast = now
	} else if now.Sub(w.failingLast) > flicker {
		w.failingSince = time.Time{}
	}
	switch {
	case h.failing != nil && now.Sub(w.failingSince) > n.patience:
		return n.rejected(h.failing.address, "it has been failing for %s: %s%s", n.patience, h.failing.message, n.warning(ctx, h.failing))
	case h.untouched && now.Sub(w.began) > n.patience:
		return n.rejected(n.address(), "no controller has worked on it for %s; is what reconciles %s (Crossplane, or a provider) installed and running?",
			n.patience, n.gvk.Kind)
	case w.limit.passed():
		return n.rejected(n.address(), "not ready after %s: %s; raise timeouts.apply in the definition if it needs longer",
			time.Since(w.began).Round(time.Second), h.says)
	}
	return nil
}

// settled says whether an object that says it is ready can be believed.
func (w *waiting) settled(ctx context.Context, obj *unstructured.Unstructured, h health, parts []part) (bool, error) {
	n, now := w.node, time.Now()
	annotations := obj.GetAnnotations()
	if annotations[annotationSettled] == annotations[annotationApplied] {
		return true, nil
	}
	if h.unsynced != nil {
		// No composition means that: its readiness says nothing of an update that was
		// refused below, where what was there before is still ready.
		h.failing, h.says = h.unsynced, h.unsynced.address+": "+h.unsynced.message
		w.calm = time.Time{}
		n.say("waiting for %s", h.says)
		return false, w.giveUp(ctx, h)
	}
	if !h.agreed && !w.limit.passed() {
		if w.disagreeing.IsZero() {
			w.disagreeing = now
		}
		if now.Sub(w.disagreeing) < agreement {
			n.say("waiting for %s: it says that it is ready, and something below it says that it is not", n.address())
			w.calm = time.Time{}
			return false, nil
		}
	}
	if w.limit.passed() {
		return false, n.rejected(n.address(), "it says that it is ready, and what it is composed of did not come to rest in %s; raise timeouts.apply in the definition if it needs longer",
			now.Sub(w.began).Round(time.Second))
	}
	if below := statusesDigest(parts); w.poked.IsZero() || (below != w.below && now.Sub(w.poked) < stirring) {
		// Crossplane looks at everything once more, after the parts have said this.
		if w.poked.IsZero() {
			w.poked = now
		}
		w.below, w.calm = below, time.Time{}
		return false, n.note(ctx, obj, annotationLooked, obj.GetResourceVersion())
	}
	seen := fingerprint(obj, parts)
	if w.calm.IsZero() || seen != w.seen {
		w.calm, w.seen = now, seen
		return false, nil
	}
	if now.Sub(w.calm) < w.enough(h, obj) {
		return false, nil
	}
	return true, n.note(ctx, obj, annotationSettled, annotations[annotationApplied])
}

// react notes when something first happened after the change.
func (w *waiting) react(seen string) {
	switch {
	case w.first == "":
		w.first = seen
	case w.first != seen && w.reaction == 0:
		w.reaction = time.Since(w.began)
	}
}

// enough is how long the quiet must last.
func (w *waiting) enough(h health, obj *unstructured.Unstructured) time.Duration {
	enough := quiet
	switch {
	case statusDigest(obj) == w.before:
		enough = quietSame
	case h.blind:
		enough = quietBlind
	}
	return min(enough+2*w.reaction, quietMost)
}

// statusDigest covers an object's status but for its conditions.
func statusDigest(obj *unstructured.Unstructured) string {
	if obj == nil {
		return ""
	}
	status, _, _ := unstructured.NestedMap(obj.Object, "status") // a copy
	for _, name := range []string{"conditions", "observedGeneration", "connectionDetails"} {
		delete(status, name)
	}
	return digest(status)
}

// statusesDigest covers what all parts say.
func statusesDigest(parts []part) string {
	said := make([]any, len(parts))
	for i, p := range parts {
		said[i] = []any{p.address, statusDigest(p.object)}
	}
	return digest(said)
}

// note writes an annotation on the object.
func (n *node) note(ctx context.Context, obj *unstructured.Unstructured, annotation, value string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid":         obj.GetUID(), // not another one of that name
		"annotations": map[string]any{annotation: value},
	}})
	if err != nil {
		return failed("write annotation", err)
	}
	_, err = n.patch(ctx, obj, types.MergePatchType, patch, settler)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil // the next look says what happened
	}
	return n.cluster.Fail(ctx, n.address(), err)
}

func (n *node) pausedError(f finding) error {
	return n.rejected(f.address, "%s, so Crossplane does nothing; take the annotation off, or set it to \"false\"", f.message)
}
