// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/release"
	helmtime "helm.sh/helm/v3/pkg/time"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/HatiCode/nestor/activities/engine/kube"
)

// moment is when hooks run.
type moment string

const (
	before moment = "pre"
	after  moment = "post"
)

// hooks runs those of the attempt's kind. What the release itself lacks of
// nothing new has none.
func (a *attempt) hooks(ctx context.Context, at moment) error {
	if a.saved.Mode == mend {
		return nil
	}
	verb := "upgrade"
	switch {
	case a.saved.Install:
		verb = "install"
	case a.saved.Mode == rollback:
		verb = "rollback"
	}
	return a.runHooks(ctx, a.revision, release.HookEvent(string(at)+"-"+verb), a.saved.Mode == resume)
}

// runHooks runs the hooks of an event, by weight. Each run is recorded before it
// begins and when it ends. With again set, a hook that has succeeded does not run
// another time, and one that still runs is waited for.
func (n *node) runHooks(ctx context.Context, r *revision, event release.HookEvent, again bool) error {
	var list []*release.Hook
	for _, h := range r.Hooks {
		if slices.Contains(h.Events, event) {
			list = append(list, h)
		}
	}
	slices.SortStableFunc(list, func(x, y *release.Hook) int {
		if x.Weight != y.Weight {
			return x.Weight - y.Weight
		}
		return strings.Compare(x.Name, y.Name)
	})
	for _, h := range list {
		once := again && len(h.Events) == 1
		if once && h.LastRun.Phase == release.HookPhaseSucceeded {
			n.say("hook %s %s/%s has run already", event, h.Kind, h.Name)
			continue
		}
		if err := n.runHook(ctx, r, event, h, once && h.LastRun.Phase == release.HookPhaseRunning); err != nil {
			return err
		}
	}
	for _, h := range slices.Backward(list) {
		if err := n.deleteHook(ctx, h, release.HookSucceeded); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) runHook(ctx context.Context, r *revision, event release.HookEvent, h *release.Hook, running bool) error {
	n.say("hook %s %s/%s", event, h.Kind, h.Name)
	objects, err := n.hookObjects(ctx, h)
	if err != nil {
		return err
	}
	if running {
		running = n.stillThere(ctx, objects)
	}
	if !running {
		if err := n.startHook(ctx, r, h, objects); err != nil {
			return err
		}
	}
	err = n.awaitHook(ctx, event, objects)
	if ctx.Err() != nil {
		return err // it may still run; the next attempt waits for it
	}
	h.LastRun.CompletedAt, h.LastRun.Phase = helmtime.Now(), release.HookPhaseSucceeded
	if err != nil {
		h.LastRun.Phase = release.HookPhaseFailed
		if deleteErr := n.deleteHook(ctx, h, release.HookFailed); deleteErr != nil {
			n.say("hook %s %s/%s: %v", event, h.Kind, h.Name, deleteErr)
		}
		return err
	}
	return n.record(ctx, r)
}

// startHook removes what is left of an earlier run and creates the hook anew.
func (n *node) startHook(ctx context.Context, r *revision, h *release.Hook, objects []object) error {
	if err := n.deleteHook(ctx, h, release.HookBeforeHookCreation); err != nil {
		return err
	}
	h.LastRun = release.HookExecution{StartedAt: helmtime.Now(), Phase: release.HookPhaseRunning}
	if err := n.record(ctx, r); err != nil {
		return err
	}
	for _, o := range objects {
		_, err := n.cluster.Objects(o.kind, o.key.namespace).Create(ctx, o.Unstructured, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			return rejected(o.key.address(), "the hook exists already, and its policy does not let it be replaced; delete it, or give the hook the policy %s", release.HookBeforeHookCreation)
		}
		if err != nil {
			return n.cluster.Fail(ctx, o.key.address(), err)
		}
	}
	return nil
}

// stillThere says that an earlier attempt's hook can be waited for.
func (n *node) stillThere(ctx context.Context, objects []object) bool {
	for _, o := range objects {
		live, err := n.live(ctx, o)
		if err != nil || live == nil || live.GetDeletionTimestamp() != nil {
			return false
		}
		if _, failed, _ := kube.Status(live); failed {
			return false
		}
	}
	return true
}

// awaitHook waits for a hook's end: of a Job or a Pod. Others are done when they
// are there.
func (n *node) awaitHook(ctx context.Context, event release.HookEvent, objects []object) error {
	for _, o := range objects {
		if o.key.kind != "Job" && o.key.kind != "Pod" {
			continue
		}
		if err := n.awaitEnd(ctx, o, fmt.Sprintf("hook %s", event)); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) hookObjects(ctx context.Context, h *release.Hook) ([]object, error) {
	parsed, err := parseManifest(h.Manifest, orElse(h.Path, "hook "+h.Name))
	if err != nil {
		return nil, err
	}
	return n.objects(ctx, parsed, nil, false)
}

// deleteHook deletes a hook where its policy says so, and waits until it is
// gone.
func (n *node) deleteHook(ctx context.Context, h *release.Hook, policy release.HookDeletePolicy) error {
	policies := h.DeletePolicies
	if len(policies) == 0 {
		policies = []release.HookDeletePolicy{release.HookBeforeHookCreation}
	}
	if h.Kind == crdKind || !slices.Contains(policies, policy) {
		return nil
	}
	parsed, err := parseManifest(h.Manifest, orElse(h.Path, "hook "+h.Name))
	if err != nil {
		return err
	}
	objects, err := n.objects(ctx, parsed, nil, true)
	if err != nil {
		return err
	}
	return n.deleteObjects(ctx, objects)
}

// hookLeavings are the objects of all hooks, which outlive their runs.
func (n *node) hookLeavings(ctx context.Context, h history) ([]object, error) {
	var parsed []*unstructured.Unstructured
	for _, r := range h {
		for _, hook := range r.Hooks {
			if hook.Kind == crdKind {
				continue
			}
			more, err := parseManifest(hook.Manifest, orElse(hook.Path, "hook "+hook.Name))
			if err != nil {
				return nil, err
			}
			parsed = append(parsed, more...)
		}
	}
	return n.objects(ctx, parsed, nil, true)
}
