// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// settle finds the release of a node whose namespace or name is not known yet:
// until they are known, they are taken to stay as they are.
func (n *node) settle(ctx context.Context) error {
	if n.placed() {
		return nil
	}
	at, err := n.elsewhere(ctx)
	if err != nil || at == "" {
		return err
	}
	n.namespace, n.release, err = parseRef(at)
	return err
}

// refuseMoved is the error for a node whose release is elsewhere: its namespace
// or name comes from an input, and that has changed.
func (n *node) refuseMoved(ctx context.Context) error {
	if n.req.StateRef != "" {
		return nil
	}
	at, err := n.elsewhere(ctx)
	if err != nil || at == "" || at == n.ref() {
		return err
	}
	return invalid("the release of this node is %s, and the definition now says %s; a release cannot move: set namespace and release back, or destroy the node first", at, n.ref())
}

// elsewhere looks through all namespaces for the node's release. It finds none
// where that is not allowed.
func (n *node) elsewhere(ctx context.Context) (ref string, err error) {
	selector := labels.Set{"owner": "helm", nodeLabel: addressDigest(n.req.Address)}.AsSelector().String()
	list, err := n.cluster.Dynamic.Resource(schema.GroupVersionResource{Version: "v1", Resource: "secrets"}).
		List(ctx, metav1.ListOptions{LabelSelector: selector, Limit: 1})
	if apierrors.IsForbidden(err) {
		return "", nil
	}
	if err != nil {
		return "", n.cluster.FailReading(ctx, "", err)
	}
	if len(list.Items) == 0 {
		return "", nil
	}
	found := list.Items[0]
	return found.GetNamespace() + "/" + found.GetLabels()["name"], nil
}
