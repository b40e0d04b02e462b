// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"context"
	"encoding/json"

	"github.com/google/uuid"
	"helm.sh/helm/v3/pkg/release"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/HatiCode/nestor/activities/engine"
)

// adopt makes an existing release the node's: its last record gets the node's
// marks. Neither an object nor what the record holds is changed.
func (n *node) adopt(ctx context.Context, source engine.Source) (engine.Observation, error) {
	if source.Ref == "" || source.State != nil {
		return engine.Observation{}, invalid("a Helm release is adopted by its name: <namespace>/<release>")
	}
	namespace, name, err := parseRef(source.Ref)
	if err != nil {
		return engine.Observation{}, err
	}
	if own := n.cluster.Namespace; namespace != own {
		return engine.Observation{}, rejected("release "+source.Ref, "it is in namespace %s, and this node's releases are in namespace %s, by the definition and the environment; only those can be adopted",
			namespace, n.known(own))
	}
	if err := n.refuseSecond(ctx, source.Ref); err != nil {
		return engine.Observation{}, err
	}
	n.namespace, n.release, n.req.StateRef = namespace, name, source.Ref
	h, err := n.history(ctx)
	if err != nil {
		return engine.Observation{}, err
	}
	last := h.last()
	if last == nil || last.status() == release.StatusUninstalled {
		return engine.Observation{}, invalid("cluster %s has no release %s in namespace %s", n.cluster.Name, name, namespace)
	}
	if address := last.annotations[addressAnnotation]; last.labels[nodeLabel] != "" && !n.ours(h) {
		return engine.Observation{}, rejected("release "+source.Ref, "it belongs to node %s", address)
	}
	if err := n.refuseHeld(h); err != nil {
		return engine.Observation{}, err
	}
	src, err := n.source(ctx)
	if err != nil {
		return engine.Observation{}, err
	}
	ch, err := src.chart()
	if err != nil {
		return engine.Observation{}, err
	}
	if last.Chart == nil || last.Chart.Metadata == nil || last.Chart.Metadata.Name != ch.Metadata.Name {
		return engine.Observation{}, invalid("release %s is not of chart %s, which the definition names", source.Ref, ch.Metadata.Name)
	}
	lineage := last.labels[lineageLabel]
	if lineage == "" {
		lineage = uuid.NewString()
	}
	err = n.remark(ctx, *last, map[string]any{nodeLabel: addressDigest(n.req.Address), lineageLabel: lineage},
		map[string]any{addressAnnotation: n.req.Address})
	if err != nil {
		return engine.Observation{}, err
	}
	return n.observe(ctx)
}

// refuseSecond is the error for a node that has another release already.
func (n *node) refuseSecond(ctx context.Context, ref string) error {
	if n.placed() && n.ref() != ref {
		h, err := n.history(ctx)
		if err != nil {
			return err
		}
		if n.ours(h) {
			return rejected("release "+n.ref(), "the node has this release already; destroy or forget it first")
		}
	}
	at, err := n.elsewhere(ctx)
	if err != nil {
		return err
	}
	if at != "" && at != ref {
		return rejected("release "+at, "the node has this release already; destroy or forget it first")
	}
	return nil
}

// forget takes the node's marks off its release, which is then anybody's.
func (n *node) forget(ctx context.Context) error {
	h, err := n.history(ctx)
	if err != nil || !n.ours(h) {
		return err
	}
	if err := n.refuseHeld(h); err != nil {
		return err
	}
	for _, r := range h {
		err := n.remark(ctx, r, map[string]any{nodeLabel: nil, lineageLabel: nil, sourceLabel: nil},
			map[string]any{addressAnnotation: nil, holderAnnotation: nil})
		if err != nil {
			return err
		}
	}
	return nil
}

// remark changes the marks of a record and nothing else.
func (n *node) remark(ctx context.Context, r revision, labels, annotations map[string]any) error {
	text, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"labels": labels, "annotations": annotations, "resourceVersion": r.resourceVersion,
	}})
	if err != nil {
		return failed("mark release", err)
	}
	_, err = n.secrets().Patch(ctx, r.secret, types.MergePatchType, text, metav1.PatchOptions{})
	return n.cluster.Fail(ctx, "release "+n.ref(), err)
}
