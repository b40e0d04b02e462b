// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/HatiCode/nestor/activities/engine/kube"
)

// crdGVK is the kind of a CRD.
func crdGVK() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: crdGroup, Version: "v1", Kind: crdKind}
}

// maxCauses bounds what is said of one object's pods.
const maxCauses = 3

// causes says why a workload is not ready, by its pods: what they wait for, how
// they ended, why they are not placed. It adds to what the object says itself, so
// pods that cannot be read add nothing.
func (n *node) causes(ctx context.Context, live *unstructured.Unstructured) []string {
	if live.GetKind() == "Pod" {
		return podCauses(live)
	}
	selector, _, err := unstructured.NestedStringMap(live.Object, "spec", "selector", "matchLabels")
	if err != nil || len(selector) == 0 {
		return nil
	}
	list, err := n.cluster.Dynamic.Resource(schema.GroupVersionResource{Version: "v1", Resource: "pods"}).
		Namespace(live.GetNamespace()).List(ctx, metav1.ListOptions{LabelSelector: labels.Set(selector).AsSelector().String(), Limit: 50})
	if err != nil {
		return nil
	}
	var out []string
	for i := range list.Items {
		for _, cause := range podCauses(&list.Items[i]) {
			if !slices.Contains(out, cause) && len(out) < maxCauses {
				out = append(out, cause)
			}
		}
	}
	return out
}

// podCauses are what keeps one pod from being ready.
func podCauses(pod *unstructured.Unstructured) []string {
	var out []string
	if c, there := kube.FindCondition(pod, "PodScheduled"); there && c.Status == "False" {
		out = append(out, fmt.Sprintf("pod %s: %s", pod.GetName(), c))
	}
	for _, field := range []string{"initContainerStatuses", "containerStatuses"} {
		statuses, _, err := unstructured.NestedSlice(pod.Object, "status", field)
		if err != nil {
			continue
		}
		for _, s := range statuses {
			status, _ := s.(map[string]any)
			if why := containerCause(status); why != "" {
				out = append(out, fmt.Sprintf("pod %s: container %v: %s", pod.GetName(), status["name"], why))
			}
		}
	}
	return out
}

// containerCause is why a container does not run.
func containerCause(status map[string]any) string {
	for _, at := range [][]string{{"state", "waiting"}, {"state", "terminated"}, {"lastState", "terminated"}} {
		state, there, err := unstructured.NestedMap(status, at...)
		if err != nil || !there {
			continue
		}
		reason, _ := state["reason"].(string)
		message, _ := state["message"].(string)
		code, exited := state["exitCode"].(int64)
		if reason == "ContainerCreating" || reason == "PodInitializing" || (exited && code == 0) {
			continue
		}
		said := []string{reason}
		if exited {
			said = append(said, fmt.Sprintf("exit code %d", code))
		}
		if message != "" {
			said = append(said, message)
		}
		return strings.Join(slices.DeleteFunc(said, func(s string) bool { return s == "" }), ": ")
	}
	return ""
}
