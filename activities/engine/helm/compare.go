// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/HatiCode/nestor/activities/engine/kube"
	"github.com/HatiCode/nestor/internal/canonical"
	"github.com/HatiCode/nestor/orchestrator"
)

// comparer compares objects of a manifest with what is there.
type comparer struct {
	node   *node
	before map[key]object
	// complete says that before was wholly there once: what is missing now,
	// somebody took away.
	complete bool
	// namespace says that the release's namespace is yet to be made; brings are
	// those that the manifest makes.
	namespace bool
	brings    []string
}

// Reasons of changes that no change of chart or values explains.
const (
	deletedByOther = "was deleted by somebody else"
	changedByOther = "was changed by somebody else"
)

// compare finds what an object needs. conditional is why it may turn out not to
// be there.
func (c *comparer) compare(ctx context.Context, o object, conditional string) (comparison, error) {
	n := c.node
	var reason string
	if conditional != "" {
		reason = "whether it is there is " + conditional
	}
	live, err := n.live(ctx, o)
	if err != nil {
		return comparison{}, err
	}
	before, had := c.before[o.key] // an attempt that was refused had it only in mind
	if live == nil || live.GetDeletionTimestamp() != nil {
		if had && c.complete {
			reason = deletedByOther
		}
		if err := c.tryCreate(ctx, o); err != nil {
			return comparison{}, err
		}
		return n.create(o, n.claimed(o.Unstructured), reason)
	}
	if ours, owner := n.owned(live); owner != "" || (!ours && !before.standing) {
		return comparison{}, n.takenObject(o, owner)
	}
	return c.update(ctx, o, before.Unstructured, live, reason)
}

func (n *node) takenObject(o object, owner string) error {
	if owner == "" {
		return rejected(o.key.address(), "it exists and belongs to no release; let the release take it over with labels and annotations (%s: %s, %s: %s, %s: %s), delete it, or name it otherwise",
			managedByLabel, managedBy, releaseName, n.release, releaseNamespace, n.namespace)
	}
	return rejected(o.key.address(), "it exists and belongs to release %s; delete it there, or name it otherwise", owner)
}

// tryCreate asks the server whether it would take the object, as far as it can
// tell before anything else is there.
func (c *comparer) tryCreate(ctx context.Context, o object) error {
	_, unknown := kube.UnknownIn(o.Object)
	inNew := (c.namespace && o.key.namespace == c.node.namespace) || slices.Contains(c.brings, o.key.namespace)
	if unknown || !o.served || inNew {
		return nil
	}
	_, err := c.node.cluster.Objects(o.kind, o.key.namespace).
		Create(ctx, c.node.claimed(o.Unstructured), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if definite(err) {
		return c.node.cluster.Fail(ctx, o.key.address(), err)
	}
	return nil
}

// definite says that a refusal would come again when everything else is there.
func definite(err error) bool {
	if apierrors.IsInvalid(err) || apierrors.IsUnauthorized(err) {
		return true
	}
	if apierrors.IsBadRequest(err) {
		return !strings.Contains(err.Error(), "dry run") // a webhook that cannot say
	}
	return apierrors.IsForbidden(err) && !strings.Contains(err.Error(), "not found")
}

func (c *comparer) update(ctx context.Context, o object, before, live *unstructured.Unstructured, reason string) (comparison, error) {
	n := c.node
	after := n.claimed(o.Unstructured)
	if before != nil {
		before = n.claimed(before)
	}
	p, err := threeWay(before, live, after)
	if err != nil {
		return comparison{}, invalid("%s: %v", o.key.address(), err)
	}
	if p.empty() {
		return comparison{}, nil
	}
	made, replacing, err := c.would(ctx, o, live, p)
	if err != nil {
		return comparison{}, err
	}
	change := orchestrator.Change{
		Address: n.shown(o.key), Action: orchestrator.ActionUpdate,
		Attributes: kube.Diff(live, made, n.maskOf(o)), Reason: reason,
	}
	if len(change.Attributes) == 0 {
		return comparison{}, nil
	}
	s := &step{Action: orchestrator.ActionUpdate, Address: o.key.address(), Patch: p, UID: live.GetUID()}
	if before != nil && c.complete && kube.Diff(before, after, nil) == nil && replacing == nil {
		change.Reason = changedByOther
	}
	if s.Shown, err = shownDigest(live, p); err != nil {
		return comparison{}, invalid("%s: %v", o.key.address(), err)
	}
	if replacing != nil {
		s.Action, s.Patch = orchestrator.ActionReplace, patch{}
		change.Action, change.Reason = orchestrator.ActionReplace, n.cluster.Mask.Text("cannot be updated in place: "+replacing.message)
		for i, a := range change.Attributes {
			change.Attributes[i].Replaces = replacing.forced(a.Path)
		}
	}
	if s.Object, err = json.Marshal(after.Object); err == nil && before != nil {
		s.Before, err = json.Marshal(before.Object)
	}
	if err != nil {
		return comparison{}, invalid("%s: %v", o.key.address(), err)
	}
	return comparison{change: &change, step: s}, nil
}

// would asks the server what a patch makes of the live object. What depends on an
// unknown value is worked out here instead.
func (c *comparer) would(ctx context.Context, o object, live *unstructured.Unstructured, p patch) (*unstructured.Unstructured, *replacement, error) {
	n := c.node
	locally := func() (*unstructured.Unstructured, error) {
		made, err := p.locally(live)
		if err != nil {
			return nil, invalid("%s: %v", o.key.address(), err)
		}
		return made, nil
	}
	if _, unknown := kube.UnknownIn(o.Object); unknown {
		made, err := locally()
		return made, nil, err
	}
	made, err := n.cluster.Objects(o.kind, o.key.namespace).
		Patch(ctx, o.key.name, p.Type, p.Text, metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
	if err == nil {
		return made, nil, nil
	}
	why := immutable(err)
	if why == nil {
		return nil, nil, n.cluster.Fail(ctx, o.key.address(), err)
	}
	if precious(o) {
		return nil, nil, invalid("%s: %s; it holds data or others' objects and is not replaced by itself: give it another name, or delete it by hand", o.key.address(), why.message)
	}
	made, err = locally()
	return made, why, err
}

// shownDigest covers what a patch changes, from and to.
func shownDigest(live *unstructured.Unstructured, p patch) (string, error) {
	made, err := p.locally(live)
	if err != nil {
		return "", err
	}
	return canonical.Digest(kube.Diff(live, made, nil))
}

// precious objects are not deleted for the sake of a change.
func precious(o object) bool {
	switch o.key.kind {
	case "PersistentVolumeClaim", "PersistentVolume", "Namespace", crdKind:
		return true
	default:
		return o.keeps()
	}
}

// replacement is why an object cannot be updated in place.
type replacement struct {
	message string
	fields  []string
}

// immutable reads a refusal to change what cannot change; nil for any other
// error.
func immutable(err error) *replacement {
	var status *apierrors.StatusError
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) || status.ErrStatus.Details == nil {
		return nil
	}
	var r replacement
	for _, cause := range status.ErrStatus.Details.Causes {
		said := strings.ToLower(cause.Message)
		if !strings.Contains(said, "immutable") && !strings.Contains(said, "may not be changed") &&
			!strings.Contains(said, "fields other than") {
			return nil // another fault, which a new object would have, too
		}
		r.fields = append(r.fields, cause.Field)
		r.message = shorten(cause.Field + ": " + cause.Message)
	}
	if len(r.fields) == 0 {
		return nil
	}
	return &r
}

// forced says that the field at path, or a part of it, made the replacement
// necessary.
func (r replacement) forced(path string) bool {
	inside := func(a, b string) bool {
		rest, ok := strings.CutPrefix(a, b)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	}
	return slices.ContainsFunc(r.fields, func(field string) bool { return inside(path, field) || inside(field, path) })
}
