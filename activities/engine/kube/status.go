// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"fmt"
	"strings"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Status judges an object by its own status: ready, failed in a way that its
// controller does not take back by itself, or neither, with what it says about
// itself. Built-in kinds are judged by their own rules. Custom ones follow
// kstatus (observedGeneration, Ready, Reconciling, Stalled) and Crossplane's
// Synced beside Ready; one that says nothing at all counts as ready (see
// Kind.Status for which kinds will say something).
func Status(obj *unstructured.Unstructured) (ready, failed bool, message string) {
	r, err := status.Compute(obj)
	if err != nil {
		return false, false, "its status cannot be judged: " + err.Error()
	}
	switch r.Status {
	case status.FailedStatus:
		return false, true, orElse(r.Message, "failed")
	case status.TerminatingStatus:
		return false, false, "it is being deleted"
	case status.CurrentStatus:
	default:
		return false, false, orElse(r.Message, "not ready yet")
	}
	for _, name := range []string{"Synced", "Ready"} {
		c, there := FindCondition(obj, name)
		if there && (c.Status != "True" || c.Stale(obj)) {
			return false, false, c.String()
		}
	}
	return true, false, ""
}

// Condition is one of an object's status.conditions.
type Condition struct {
	Type, Status, Reason, Message string
	// Since is when it last changed, as the object says it (RFC 3339).
	Since string
	// ObservedGeneration of the object that it was made for; 0 where the
	// controller does not say.
	ObservedGeneration int64
}

// FindCondition finds the condition of a type.
func FindCondition(obj *unstructured.Unstructured, conditionType string) (Condition, bool) {
	list, _, err := unstructured.NestedSlice(obj.Object, "status", "conditions")
	if err != nil {
		return Condition{}, false
	}
	for _, e := range list {
		m, ok := e.(map[string]any)
		if !ok || text(m["type"]) != conditionType {
			continue
		}
		generation, _ := m["observedGeneration"].(int64)
		return Condition{
			Type: conditionType, Status: text(m["status"]), Reason: text(m["reason"]), Message: text(m["message"]),
			Since: text(m["lastTransitionTime"]), ObservedGeneration: generation,
		}, true
	}
	return Condition{}, false
}

// Stale says that the condition is about an earlier version of the object.
func (c Condition) Stale(obj *unstructured.Unstructured) bool {
	return c.ObservedGeneration != 0 && c.ObservedGeneration < obj.GetGeneration()
}

// String is such as "Ready=False (Creating): no endpoint yet".
func (c Condition) String() string {
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "%s=%s", c.Type, c.Status)
	if c.Reason != "" {
		_, _ = fmt.Fprintf(&b, " (%s)", c.Reason)
	}
	if c.Message != "" {
		_, _ = fmt.Fprintf(&b, ": %s", c.Message)
	}
	return b.String()
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
