// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/kube"
)

// Intervals of waiting: it looks often at first, when most things happen.
const (
	firstLook   = 50 * time.Millisecond
	lastLook    = 2 * time.Second
	reportEvery = 15 * time.Second
)

// poll calls look until it says that nothing is missing. What is missing goes to
// the log when it changes, and every now and then.
func (n *node) poll(ctx context.Context, what string, look func(context.Context) (missing string, err error)) error {
	return n.pollAll(ctx, func(ctx context.Context) (string, string, error) {
		missing, err := look(ctx)
		return what, missing, err
	})
}

// pollAll is poll for several things, of which look names one that is missing.
func (n *node) pollAll(ctx context.Context, look func(context.Context) (what, missing string, err error)) error {
	var what, said string
	var reported time.Time
	pause := firstLook
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return n.gaveUp(ctx, what, said)
		case <-timer.C:
		}
		at, missing, err := look(ctx)
		switch {
		case ctx.Err() != nil:
			return n.gaveUp(ctx, what, said)
		case err != nil && engine.ClassOf(err) == engine.Transient:
			missing = err.Error() // a server that is busy or restarts: it is asked again
		case err != nil:
			return err
		case missing == "":
			return nil
		}
		if at != what || missing != said || time.Since(reported) >= reportEvery {
			n.say("waiting for %s: %s", at, missing)
			what, said, reported = at, missing, time.Now()
		}
		pause = min(pause*3/2, lastLook)
		timer.Reset(pause)
	}
}

// gaveUp is the error of a wait whose context has ended. When that is for lack of
// time, it says what was not there in time.
func (n *node) gaveUp(ctx context.Context, what, missing string) error {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return canceled(ctx)
	}
	return rejected(what, "%v, and it is not ready: %s; raise timeouts in the definition if it needs longer",
		context.Cause(ctx), n.cluster.Mask.Text(orElse(missing, "nobody has looked yet")))
}

// awaitReady waits until every object is ready. One that has failed for good ends
// the wait at once, whatever else is missing.
func (n *node) awaitReady(ctx context.Context, objects []object) error {
	left := slices.Clone(objects)
	return n.pollAll(ctx, func(ctx context.Context) (what, missing string, err error) {
		var still []object
		for _, o := range left {
			lacks, err := n.judge(ctx, o)
			if err != nil {
				return o.key.address(), "", err
			}
			if lacks == "" {
				continue
			}
			if len(still) == 0 {
				what, missing = o.key.address(), lacks
			}
			still = append(still, o)
		}
		left = still
		return what, missing, nil
	})
}

// judge says what an object lacks to be ready.
func (n *node) judge(ctx context.Context, o object) (missing string, err error) {
	live, err := n.live(ctx, o)
	if err != nil {
		return "", err
	}
	if live == nil {
		return "", rejected(o.key.address(), "somebody deleted it while it was waited for")
	}
	ready, failed, message := kube.Status(live)
	if failed {
		return "", n.failedObject(ctx, o, live, message)
	}
	if why := n.refusedReplicas(live); why != "" {
		return "", rejected(o.key.address(), "%s", n.cluster.Mask.Text(why))
	}
	switch {
	case !ready:
		return n.cluster.Mask.Text(strings.Join(append([]string{message}, n.causes(ctx, live)...), "; ")), nil
	case o.key.kind == "Job" && o.key.group == "batch" && !finished(live):
		return "it has not finished", nil
	case unreported(live) && n.reports(ctx, o):
		return "no controller has reported on it yet", nil
	}
	return "", nil
}

// failedObject is the error for an object that will not become ready by itself.
func (n *node) failedObject(ctx context.Context, o object, live *unstructured.Unstructured, message string) error {
	said := append([]string{message}, n.causes(ctx, live)...)
	return rejected(o.key.address(), "%s", shorten(n.cluster.Mask.Text(strings.Join(said, "; "))))
}

// oldRefusal is how long a refusal from before this attempt is given to pass.
const oldRefusal = time.Minute

// refusedReplicas is why a workload's pods are not let in: admission or a quota,
// which no waiting cures.
func (n *node) refusedReplicas(live *unstructured.Unstructured) string {
	c, there := kube.FindCondition(live, "ReplicaFailure")
	seen, _, err := unstructured.NestedInt64(live.Object, "status", "observedGeneration")
	if !there || c.Status != "True" || err != nil || seen != live.GetGeneration() || strings.Contains(c.Message, "not found") {
		return ""
	}
	since, err := time.Parse(time.RFC3339, c.Since)
	if err == nil && since.Before(n.begun.Truncate(time.Second)) && time.Since(n.begun) < oldRefusal {
		return "" // what refused then may be different now
	}
	for _, word := range []string{"exceeded quota", "denied", "forbidden"} {
		if strings.Contains(c.Message, word) {
			return c.Message
		}
	}
	return ""
}

// finished says that a Job has completed, or was told not to run.
func finished(live *unstructured.Unstructured) bool {
	if c, there := kube.FindCondition(live, "Complete"); there && c.Status == "True" {
		return true
	}
	suspended, _, _ := unstructured.NestedBool(live.Object, "spec", "suspend")
	return suspended
}

// unreported says that nobody has written an object's status.
func unreported(live *unstructured.Unstructured) bool {
	status, _, err := unstructured.NestedMap(live.Object, "status")
	return err == nil && len(status) == 0
}

// reports says that an object's kind is a custom one whose definition promises a
// report: its status has conditions or an observed generation. Without leave to
// read definitions nothing is promised.
func (n *node) reports(ctx context.Context, o object) bool {
	if !o.kind.Status || !strings.Contains(o.key.group, ".") || strings.HasSuffix(o.key.group, ".k8s.io") {
		return false
	}
	crds, err := n.cluster.Kind(ctx, crdGVK())
	if err != nil {
		return false
	}
	crd, err := n.cluster.Objects(crds, "").Get(ctx, o.kind.Resource.Resource+"."+o.key.group, metav1.GetOptions{})
	if err != nil {
		return false
	}
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	for _, v := range versions {
		m, _ := v.(map[string]any)
		if m["name"] != o.kind.GVK.Version {
			continue
		}
		for _, field := range []string{"conditions", "observedGeneration"} {
			if _, there, _ := unstructured.NestedMap(m, "schema", "openAPIV3Schema", "properties", "status", "properties", field); there {
				return true
			}
		}
	}
	return false
}

// awaitEnd waits until a Job or a Pod has run to its end.
func (n *node) awaitEnd(ctx context.Context, o object, what string) error {
	return n.poll(ctx, what+" "+o.key.address(), func(ctx context.Context) (string, error) {
		live, err := n.live(ctx, o)
		if err != nil {
			return "", err
		}
		if live == nil {
			return "", rejected(o.key.address(), "somebody deleted the %s while it ran", what)
		}
		phase, _, _ := unstructured.NestedString(live.Object, "status", "phase")
		_, failed, message := kube.Status(live)
		c, there := kube.FindCondition(live, "Failed")
		switch {
		case finished(live), o.key.kind == "Pod" && phase == "Succeeded":
			return "", nil
		case failed, phase == "Failed", there && c.Status == "True":
			said := append([]string{what + " failed", orElse(c.Message, message)}, n.causes(ctx, live)...)
			return "", rejected(o.key.address(), "%s", shorten(n.cluster.Mask.Text(strings.Join(said, ": "))))
		default:
			return strings.Join(append([]string{"it has not finished"}, n.causes(ctx, live)...), "; "), nil
		}
	})
}

// deleteObjects deletes what is there, with all that depends on it, and waits
// until it is gone. A namesake of an object with a uid is left alone: it is an
// error of class Transient.
func (n *node) deleteObjects(ctx context.Context, objects []object) error {
	for _, o := range objects {
		// What has pods goes after them; the rest has nothing to wait for.
		how := metav1.DeletePropagationBackground
		if o.key.group == "apps" || o.key.group == "batch" {
			how = metav1.DeletePropagationForeground
		}
		options := metav1.DeleteOptions{PropagationPolicy: &how}
		if o.uid != "" {
			options.Preconditions = metav1.NewUIDPreconditions(string(o.uid))
		}
		err := n.cluster.Objects(o.kind, o.key.namespace).Delete(ctx, o.key.name, options)
		if apierrors.IsConflict(err) && o.uid != "" {
			return again("somebody has made %s anew", o.key.address())
		}
		if err != nil && !apierrors.IsNotFound(err) {
			return n.cluster.Fail(ctx, o.key.address(), err)
		}
	}
	return n.awaitGone(ctx, objects)
}

// awaitGone waits until objects have gone, and reads that back.
func (n *node) awaitGone(ctx context.Context, objects []object) error {
	for _, o := range objects {
		err := n.poll(ctx, o.key.address()+" to go", func(ctx context.Context) (string, error) {
			live, err := n.live(ctx, o)
			if err != nil || live == nil {
				if meta.IsNoMatchError(err) {
					return "", nil
				}
				return "", err
			}
			if live.GetDeletionTimestamp() == nil {
				return "", rejected(o.key.address(), "somebody has made it again while it was waited for to go")
			}
			if left := live.GetFinalizers(); len(left) > 0 {
				return fmt.Sprintf("finalizers %s hold it", strings.Join(left, ", ")), nil
			}
			return "it is being deleted", nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
