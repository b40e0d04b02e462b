// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/release"
	helmtime "helm.sh/helm/v3/pkg/time"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/orchestrator"
)

// previewDestroy lists what a destruction deletes.
func (n *node) previewDestroy(ctx context.Context) (engine.Preview, error) {
	h, err := n.history(ctx)
	if err != nil || !n.ours(h) {
		return engine.Preview{}, err
	}
	objects, err := n.everything(ctx, h, h.standing())
	if err != nil {
		return engine.Preview{}, err
	}
	p := engine.Preview{State: n.state(h)}
	for _, o := range objects {
		p.Changes = append(p.Changes, orchestrator.Change{Address: n.shown(o.key), Action: orchestrator.ActionDelete})
	}
	slices.SortFunc(p.Changes, func(a, b orchestrator.Change) int { return strings.Compare(a.Address, b.Address) })
	return p, nil
}

// everything of the release that is there, in the order of its deletion: of any
// revision, since a failed one may have left what the next did not name. What has
// no mark of the release is its own in the standing revision alone.
func (n *node) everything(ctx context.Context, h history, standing int) ([]object, error) {
	var named []object
	at := map[key]int{}
	for _, r := range slices.Backward(h) {
		parsed, err := parseManifest(r.Manifest, fmt.Sprintf("the manifest of revision %d", r.Version))
		if err != nil {
			return nil, err
		}
		objects, err := n.objects(ctx, parsed, nil, true)
		if err != nil {
			return nil, err
		}
		for _, o := range objects {
			i, there := at[o.key]
			if !there {
				i, at[o.key] = len(named), len(named)
				named = append(named, o)
			}
			named[i].standing = named[i].standing || r.Version == standing
		}
	}
	var out []object
	for _, o := range named {
		live, err := n.live(ctx, o)
		if err != nil {
			return nil, err
		}
		if live == nil || n.stays(o, live) {
			continue
		}
		o.uid = live.GetUID()
		out = append(out, o)
	}
	return forDeletion(out), nil
}

// destroy uninstalls the release and reads back that it is gone.
func (n *node) destroy(ctx context.Context) error {
	if !n.placed() {
		return invalid("where the release is depends on an input that is not known: %s", n.shown(key{kind: "Release", namespace: n.namespace, name: n.release}))
	}
	h, err := n.history(ctx)
	if err != nil {
		return err
	}
	if len(h) == 0 {
		n.say("release %s is not there", n.ref())
		return nil
	}
	if !n.ours(h) {
		n.say("release %s is there and belongs to somebody else; it stays", n.ref())
		return nil
	}
	if err := n.refuseHeld(h); err != nil {
		return err
	}
	last := h.last()
	continued, standing := last.status() == release.StatusUninstalling, h.standing()
	last.Info.Status, last.Info.Description = release.StatusUninstalling, "Deletion in progress (or silently failed)"
	last.Info.Deleted = helmtime.Now()
	if err := n.hold(last); err != nil {
		return err
	}
	if err := n.record(ctx, last); err != nil {
		return err
	}
	if err := n.uninstall(ctx, h, standing, continued); err != nil {
		return n.interrupted(ctx, last, err)
	}
	return n.proveGone(ctx)
}

// interrupted lets go of a release whose uninstall did not end well; the next
// attempt goes on with it.
func (n *node) interrupted(ctx context.Context, last *revision, failure error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	last.Info.Status = release.StatusFailed
	last.Info.Description = "uninstall: " + n.cluster.Mask.Text(shorten(failure.Error()))
	letGo(last)
	if err := n.record(ctx, last); err != nil {
		n.say("record the failed uninstall: %v", err)
	}
	return failure
}

func (n *node) uninstall(ctx context.Context, h history, standing int, continued bool) error {
	last := h.last()
	if !n.settings.DisableHooks {
		if err := n.runHooks(ctx, last, release.HookPreDelete, continued); err != nil {
			return err
		}
	}
	objects, err := n.everything(ctx, h, standing)
	if err != nil {
		return err
	}
	for _, o := range objects {
		n.say("delete %s", o.key.address())
	}
	if err := n.deleteObjects(ctx, objects); err != nil {
		return err
	}
	if !n.settings.DisableHooks {
		if err := n.runHooks(ctx, last, release.HookPostDelete, continued); err != nil {
			return err
		}
	}
	left, err := n.hookLeavings(ctx, h)
	if err != nil {
		return err
	}
	left = slices.DeleteFunc(left, func(o object) bool { return o.keeps() })
	if err := n.deleteObjects(ctx, forDeletion(left)); err != nil {
		return err
	}
	n.nameCRDs(*last)
	if n.settings.CreateNamespace {
		n.say("%s stays: others may use it", (key{kind: "Namespace", name: n.namespace}).address())
	}
	// The last record goes last: it is what another attempt goes on with.
	for _, r := range h {
		if err := n.forgetRevision(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// nameCRDs says which CRDs of the chart stay: others may use their kinds.
func (n *node) nameCRDs(r revision) {
	if r.Chart == nil {
		return
	}
	for _, crd := range r.Chart.CRDObjects() {
		parsed, err := parseManifest(string(crd.File.Data), crd.Filename)
		if err != nil {
			n.say("%v", err)
			continue
		}
		for _, u := range parsed {
			n.say("%s stays: it is from the chart's folder crds, and others may use its kind", (key{kind: u.GetKind(), name: u.GetName()}).address())
		}
	}
}

// proveGone reads back that no record is left; the objects were read back when
// they went.
func (n *node) proveGone(ctx context.Context) error {
	h, err := n.history(ctx)
	if err != nil {
		return err
	}
	if last := h.last(); last != nil {
		return rejected("release "+n.ref(), "revision %d is there again after the release was uninstalled; somebody else works on it", last.Version)
	}
	return nil
}
