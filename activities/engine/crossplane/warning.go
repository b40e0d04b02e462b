// SPDX-License-Identifier: Apache-2.0

package crossplane

import (
	"context"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// warning is the newest warning among the events of a failing object, where its
// condition says only that there is one. It is extra: what keeps it from being
// read is no error.
func (n *node) warning(ctx context.Context, f *finding) string {
	if !strings.Contains(f.message, "event") {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, name, _ := strings.Cut(f.address, "/")
	if namespace, short, both := strings.Cut(name, "/"); both && namespace != "" {
		name = short
	}
	events := n.cluster.Dynamic.Resource(schema.GroupVersionResource{Version: "v1", Resource: "events"})
	list, err := events.Namespace(metav1.NamespaceAll).List(ctx, metav1.ListOptions{
		FieldSelector: fields.Set{"involvedObject.name": name, "type": "Warning"}.String(),
	})
	if err != nil {
		return ""
	}
	message, at := "", ""
	for _, e := range list.Items {
		kind, _, _ := unstructured.NestedString(e.Object, "involvedObject", "kind")
		when, _, _ := unstructured.NestedString(e.Object, "lastTimestamp")
		said, _, _ := unstructured.NestedString(e.Object, "message")
		if strings.HasPrefix(f.address, kind) && when >= at {
			message, at = said, when
		}
	}
	if message == "" {
		return ""
	}
	return " (" + message + ")"
}
