// SPDX-License-Identifier: Apache-2.0

package kubetest

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// condition is what a thing reports of itself, in the words of kstatus.
type condition struct {
	kind, status    string
	reason, message string
}

func ready() []condition {
	return []condition{{"Ready", "True", "Available", ""}}
}

func progressing(reason, message string) []condition {
	return []condition{{"Ready", "False", reason, message}, {"Reconciling", "True", reason, message}}
}

func stalled(reason, message string) []condition {
	return []condition{{"Ready", "False", reason, message}, {"Stalled", "True", reason, message}}
}

// report writes a thing's status, if it says something new.
func (c *controller) report(ctx context.Context, thing *unstructured.Unstructured, made *record, conditions []condition) error {
	before, _, err := unstructured.NestedMap(thing.Object, "status")
	if err != nil {
		return err
	}
	status := map[string]any{
		"observedGeneration": thing.GetGeneration(),
		"id":                 "thing-" + string(thing.GetUID()),
		"conditions":         written(conditions, thing.GetGeneration(), before["conditions"]),
	}
	spec, _, err := unstructured.NestedMap(thing.Object, "spec")
	if err != nil {
		return err
	}
	for _, name := range []string{"name", "text", "ratio", "enabled", "zones", "labels", "details"} {
		if v, given := spec[name]; given {
			status[name] = v
		}
	}
	if made.set {
		status["size"] = made.size
	}
	if equality.Semantic.DeepEqual(before, status) {
		return nil
	}
	thing.Object["status"] = status
	_, err = c.things.UpdateStatus(ctx, thing, metav1.UpdateOptions{})
	return err
}

// written are the conditions as the API has them. One that stays keeps its time.
func written(conditions []condition, generation int64, before any) []any {
	since := map[any]any{}
	if list, ok := before.([]any); ok {
		for _, e := range list {
			if old, ok := e.(map[string]any); ok {
				since[[2]any{old["type"], old["status"]}] = old["lastTransitionTime"]
			}
		}
	}
	out := make([]any, 0, len(conditions))
	for _, c := range conditions {
		at, stays := since[[2]any{c.kind, c.status}]
		if !stays {
			at = time.Now().UTC().Format(time.RFC3339)
		}
		entry := map[string]any{
			"type": c.kind, "status": c.status, "reason": c.reason,
			"observedGeneration": generation, "lastTransitionTime": at,
		}
		if c.message != "" {
			entry["message"] = c.message
		}
		out = append(out, entry)
	}
	return out
}
