// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"helm.sh/helm/v3/pkg/release"
	helmtime "helm.sh/helm/v3/pkg/time"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/orchestrator"
)

// Helm's words for what a revision is.
const (
	describeInstall = "Install complete"
	describeUpgrade = "Upgrade complete"
)

// Bounds of what outlives a canceled context, and of the history.
const (
	recordTimeout = 15 * time.Second
	keepRevisions = 10
)

func (n *node) apply(ctx context.Context, p engine.Preview) (engine.Result, error) {
	if len(n.req.Unknown) > 0 || p.Token == "" {
		return engine.Result{}, invalid("a preview with unknown inputs cannot be applied; preview again once they are known")
	}
	h, err := n.history(ctx)
	if err != nil {
		return engine.Result{}, err
	}
	if err := n.refuseTaken(h); err != nil {
		return engine.Result{}, err
	}
	if err := n.refuseHeld(h); err != nil {
		return engine.Result{}, err
	}
	s, planned, err := n.load(p.Token, h)
	if err != nil {
		return engine.Result{}, err
	}
	defer n.drop(p.Token)
	now := h.last()
	if s.Mode != nothing {
		if now, err = n.carryOut(ctx, h, s, planned); err != nil {
			return engine.Result{}, err
		}
	}
	outputs, err := n.outputs(ctx)
	if err != nil {
		return engine.Result{}, err
	}
	return engine.Result{Outputs: outputs, Serial: int64(now.Version), Lineage: now.labels[lineageLabel]}, nil
}

// attempt is an apply at work on one revision.
type attempt struct {
	*node
	saved    saved
	history  history
	revision *revision
}

// carryOut does what was previewed: it records that it begins, acts, waits until
// everything is ready, and records how that ended. What it leaves when it is
// stopped or fails, the next attempt goes on with.
func (n *node) carryOut(ctx context.Context, h history, s saved, planned *release.Release) (*revision, error) {
	a := &attempt{node: n, saved: s, history: h}
	crds, namespace, rest := a.stages()
	if err := a.carry(ctx, namespace); err != nil { // the record needs it
		return nil, err
	}
	if err := a.begin(ctx, planned); err != nil {
		return nil, err
	}
	err := a.run(ctx, crds, rest)
	if endErr := a.end(ctx, err); endErr != nil {
		err = errors.Join(err, endErr)
	}
	if err != nil {
		return nil, err
	}
	return a.revision, nil
}

func (a *attempt) stages() (crds, namespace, rest []step) {
	own := key{kind: "Namespace", name: a.namespace}.address()
	for _, s := range a.saved.Steps {
		switch {
		case s.CRD:
			crds = append(crds, s)
		case s.Address == own && s.Action == orchestrator.ActionCreate && len(namespace) == 0:
			namespace = append(namespace, s)
		default:
			rest = append(rest, s)
		}
	}
	return crds, namespace, rest
}

// begin records the attempt before anything is done.
func (a *attempt) begin(ctx context.Context, planned *release.Release) error {
	now := helmtime.Now()
	r := &revision{Release: planned}
	planned.Info.FirstDeployed, planned.Info.LastDeployed = now, now
	if last := a.history.last(); last != nil {
		r.labels = last.labels // a label of somebody else's is carried along, as Helm does
		planned.Info.FirstDeployed = last.Info.FirstDeployed
		if last.Version == planned.Version {
			r.Release, r.resourceVersion, r.annotations = last.Release, last.resourceVersion, last.annotations
			r.Info.LastDeployed, r.Info.Deleted = now, helmtime.Time{}
		}
	}
	switch {
	case a.saved.Install:
		r.Info.Status, r.Info.Description = release.StatusPendingInstall, "Initial install underway"
	case a.saved.Mode == rollback:
		r.Info.Status, r.Info.Description = release.StatusPendingRollback, fmt.Sprintf("Rollback to %d underway", a.saved.To)
	default:
		r.Info.Status, r.Info.Description = release.StatusPendingUpgrade, "Preparing upgrade"
	}
	if err := a.hold(r); err != nil {
		return err
	}
	r.labels[sourceLabel] = sourceMark(a.saved.Digest, r.Version)
	a.revision = r
	return a.record(ctx, r)
}

// run does the work between the two records.
func (a *attempt) run(ctx context.Context, crds, steps []step) error {
	if err := a.carry(ctx, crds); err != nil {
		return err
	}
	for _, crd := range crds {
		if err := a.established(ctx, crd); err != nil {
			return err
		}
	}
	if err := a.hooks(ctx, before); err != nil {
		return err
	}
	if err := a.carry(ctx, steps); err != nil {
		return err
	}
	parsed, err := parseManifest(a.revision.Manifest, "the manifest")
	if err != nil {
		return err
	}
	objects, err := a.objects(ctx, parsed, nil, false)
	if err != nil {
		return err
	}
	if err := a.awaitReady(ctx, objects); err != nil {
		return err
	}
	return a.hooks(ctx, after)
}

// end records how the attempt ended, also when ctx has ended.
func (a *attempt) end(ctx context.Context, failure error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	r := a.revision
	letGo(r)
	if failure != nil {
		r.Info.Status = release.StatusFailed
		r.Info.Description = a.cluster.Mask.Text(shorten(failure.Error()))
		if engine.ClassOf(failure) == engine.Canceled {
			r.Info.Description = "stopped as asked; the next attempt goes on with it"
		}
		return a.record(ctx, r)
	}
	r.Info.Status, r.Info.Description = release.StatusDeployed, describeUpgrade
	switch {
	case a.saved.Install:
		r.Info.Description = describeInstall
	case a.saved.Mode == rollback:
		r.Info.Description = fmt.Sprintf("Rollback to %d", a.saved.To)
	}
	if err := a.record(ctx, r); err != nil {
		return err
	}
	return a.tidy(ctx)
}

// tidy marks what the revision supersedes, and what was cut off, and drops what
// is older than Helm keeps.
func (a *attempt) tidy(ctx context.Context) error {
	var older history
	for _, r := range a.history {
		if r.Version < a.revision.Version {
			older = append(older, r)
		}
	}
	for i := range older {
		r := &older[i]
		switch {
		case i < len(older)-keepRevisions+1:
			if err := a.forgetRevision(ctx, *r); err != nil {
				return err
			}
			continue
		case r.status() == release.StatusDeployed:
			r.Info.Status = release.StatusSuperseded
		case r.pending():
			r.Info.Status, r.Info.Description = release.StatusFailed, "cut off; a later revision followed"
			letGo(r)
		default:
			continue
		}
		if err := a.record(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// carry does steps in order.
func (a *attempt) carry(ctx context.Context, steps []step) error {
	for _, s := range steps {
		if ctx.Err() != nil {
			return canceled(ctx)
		}
		a.say("%s %s", s.Action, s.Address)
		if err := a.do(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (a *attempt) do(ctx context.Context, s step) error {
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(s.Object); err != nil {
		return again("what was previewed of %s cannot be read: %v", s.Address, err)
	}
	list, err := a.objects(ctx, []*unstructured.Unstructured{u}, nil, s.Action == orchestrator.ActionDelete)
	if err != nil || len(list) == 0 {
		return err
	}
	o := list[0]
	objects := a.cluster.Objects(o.kind, o.key.namespace)
	switch s.Action {
	case orchestrator.ActionCreate:
		return a.createObject(ctx, o)
	case orchestrator.ActionReplace:
		o.uid = s.UID
		if err := a.deleteObjects(ctx, []object{o}); err != nil {
			return err
		}
		return a.createObject(ctx, o)
	case orchestrator.ActionDelete:
		o.uid = s.UID
		return a.deleteObjects(ctx, []object{o})
	case orchestrator.ActionUpdate:
		if err := a.unchanged(ctx, o, s); err != nil {
			return err
		}
		_, err := objects.Patch(ctx, o.key.name, s.Patch.Type, s.Patch.Text, metav1.PatchOptions{})
		return a.cluster.Fail(ctx, s.Address, err)
	default:
		return invalid("%s: a preview of this engine has no action %q", s.Address, s.Action)
	}
}

// unchanged checks that the patch would still be the one that was previewed.
func (a *attempt) unchanged(ctx context.Context, o object, s step) error {
	live, err := a.live(ctx, o)
	if err != nil {
		return err
	}
	var earlier *unstructured.Unstructured
	if s.Before != nil {
		earlier = &unstructured.Unstructured{}
		if err := earlier.UnmarshalJSON(s.Before); err != nil {
			return again("what was previewed of %s cannot be read: %v", s.Address, err)
		}
	}
	if live == nil || live.GetDeletionTimestamp() != nil {
		return again("%s has been deleted since it was previewed", s.Address)
	}
	now, err := threeWay(earlier, live, o.Unstructured)
	if err != nil {
		return invalid("%s: %v", s.Address, err)
	}
	shown, err := shownDigest(live, s.Patch)
	if err != nil {
		return invalid("%s: %v", s.Address, err)
	}
	if string(now.Text) != string(s.Patch.Text) || shown != s.Shown {
		return again("%s has changed since it was previewed", s.Address)
	}
	return nil
}

// createObject waits for a namesake that is being deleted.
func (a *attempt) createObject(ctx context.Context, o object) error {
	live, err := a.live(ctx, o)
	if err != nil {
		return err
	}
	if live != nil && live.GetDeletionTimestamp() == nil {
		return again("%s has appeared since it was previewed", o.key.address())
	}
	if live != nil {
		if err := a.awaitGone(ctx, []object{o}); err != nil {
			return err
		}
	}
	_, err = a.cluster.Objects(o.kind, o.key.namespace).Create(ctx, o.Unstructured, metav1.CreateOptions{})
	return a.cluster.Fail(ctx, o.key.address(), err)
}

// established waits until a CRD's kind is served.
func (a *attempt) established(ctx context.Context, s step) error {
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(s.Object); err != nil {
		return again("what was previewed of %s cannot be read: %v", s.Address, err)
	}
	kinds := definedBy(u)
	return a.poll(ctx, s.Address, func(ctx context.Context) (string, error) {
		for gvk := range kinds {
			if _, err := a.exactKind(ctx, gvk); err != nil {
				return "the API server does not serve it yet", nil //nolint:nilerr // it is asked again until it does
			}
		}
		return "", nil
	})
}
