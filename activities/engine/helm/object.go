// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/releaseutil"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/HatiCode/nestor/activities/engine/kube"
)

// What Helm writes on every object of a release.
const (
	managedByLabel   = "app.kubernetes.io/managed-by"
	managedBy        = "Helm"
	releaseName      = "meta.helm.sh/release-name"
	releaseNamespace = "meta.helm.sh/release-namespace"
)

// policyAnnotation with the value "keep" makes an object outlive its release.
const policyAnnotation = "helm.sh/resource-policy"

// key identifies an object, whatever version of its kind it is written in.
type key struct {
	group, kind, namespace, name string
}

// address is how changes and messages name an object: "Deployment/ns/name".
func (k key) address() string {
	if k.namespace == "" {
		return k.kind + "/" + k.name
	}
	return k.kind + "/" + k.namespace + "/" + k.name
}

// object is one of a manifest.
type object struct {
	*unstructured.Unstructured
	key  key
	kind kube.Kind
	// served is false for a kind that the cluster does not have (yet).
	served bool
	// standing says that a revision which is wholly there brought the object: it
	// is the release's even without its marks.
	standing bool
	// uid of the live object, where no namesake will do.
	uid types.UID
	// conceals are the fields whose values come from sensitive inputs.
	conceals []string
}

// keeps says that the object outlives its release.
func (o object) keeps() bool {
	return strings.TrimSpace(strings.ToLower(o.GetAnnotations()[policyAnnotation])) == "keep"
}

// parseManifest reads the objects of a manifest; where names it in messages.
func parseManifest(text, where string) ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	docs := releaseutil.SplitManifests(text)
	names := make([]string, 0, len(docs))
	for name := range docs {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return documentNumber(a) - documentNumber(b) })
	for _, name := range names {
		converted, err := yaml.YAMLToJSON([]byte(docs[name]))
		if err != nil {
			return nil, invalid("%s is no YAML: %s", orElse(templateOf(docs[name]), where), shorten(err.Error()))
		}
		if bytes.Equal(bytes.TrimSpace(converted), []byte("null")) {
			continue
		}
		where := orElse(templateOf(docs[name]), where)
		u := &unstructured.Unstructured{}
		if err := u.UnmarshalJSON(converted); err != nil {
			return nil, invalid("%s holds no Kubernetes object: %s", where, shorten(err.Error()))
		}
		if !u.IsList() {
			out = append(out, u)
			continue
		}
		list, err := u.ToList()
		if err != nil {
			return nil, invalid("%s holds a list that cannot be read: %s", where, shorten(err.Error()))
		}
		for i := range list.Items {
			out = append(out, &list.Items[i])
		}
	}
	for _, u := range out {
		if u.GetName() == "" {
			return nil, invalid("%s: a %s has no metadata.name", where, u.GetKind())
		}
		if err := plainMetadata(u); err != nil {
			return nil, invalid("%s: %s %s: %v", where, u.GetKind(), u.GetName(), err)
		}
	}
	return out, nil
}

// plainMetadata refuses labels and annotations that are no texts, which a chart
// that forgot to quote a number makes.
func plainMetadata(u *unstructured.Unstructured) error {
	for _, field := range []string{"labels", "annotations"} {
		m, _, err := unstructured.NestedMap(u.Object, "metadata", field)
		if err != nil {
			return fmt.Errorf("metadata.%s is no map", field)
		}
		for k, v := range m {
			if _, text := v.(string); !text {
				return fmt.Errorf("metadata.%s.%s is no text; the chart has to quote it", field, k)
			}
		}
	}
	return nil
}

// documentNumber orders the names that SplitManifests gives.
func documentNumber(name string) int {
	var n int
	if _, err := fmt.Sscanf(name, "manifest-%d", &n); err != nil {
		return 0
	}
	return n
}

// templateOf finds the comment by which Helm says where a document is from.
func templateOf(doc string) string {
	for line := range strings.SplitSeq(doc, "\n") {
		if from, ok := strings.CutPrefix(line, "# Source: "); ok {
			return strings.TrimSpace(from)
		}
	}
	return ""
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// objects completes parsed objects: the kind that the cluster knows them as, and
// the release's namespace where they have none. defined are the kinds that the
// release itself brings. A kind that is neither is an error unless gone is set:
// objects are then looked for in whatever version of their kind is served, and
// where none is, they are gone with it.
func (n *node) objects(ctx context.Context, parsed []*unstructured.Unstructured, defined map[schema.GroupVersionKind]kube.Kind, gone bool) ([]object, error) {
	out := make([]object, 0, len(parsed))
	seen := map[key]bool{}
	for _, u := range parsed {
		gvk := u.GroupVersionKind()
		o := object{Unstructured: u, served: true}
		find := n.exactKind
		if gone {
			find = n.cluster.Kind
		}
		kind, err := find(ctx, gvk)
		if meta.IsNoMatchError(err) {
			own, brings := defined[gvk]
			switch {
			case brings:
				kind, err, o.served = own, nil, false
			case gone:
				continue
			}
		}
		if err != nil {
			return nil, n.cluster.Fail(ctx, u.GetKind()+"/"+u.GetName(), err)
		}
		o.kind = kind
		o.key = key{group: gvk.Group, kind: gvk.Kind, name: u.GetName()}
		if kind.Namespaced {
			if u.GetNamespace() == "" {
				u.SetNamespace(n.namespace)
			}
			o.key.namespace = u.GetNamespace()
		} else {
			u.SetNamespace("")
		}
		if seen[o.key] && !gone {
			return nil, invalid("the chart renders %s twice", o.key.address())
		}
		if seen[o.key] {
			continue
		}
		seen[o.key] = true
		out = append(out, o)
	}
	return out, nil
}

// exactKind finds a kind in the very version that is asked for.
func (n *node) exactKind(ctx context.Context, gvk schema.GroupVersionKind) (kube.Kind, error) {
	kind, err := n.cluster.Kind(ctx, gvk)
	if err == nil && kind.GVK != gvk {
		return kube.Kind{}, &meta.NoKindMatchError{GroupKind: gvk.GroupKind(), SearchedVersions: []string{gvk.Version}}
	}
	return kind, err
}

// definedBy are the kinds that CRDs among the objects define.
func definedBy(objects ...*unstructured.Unstructured) map[schema.GroupVersionKind]kube.Kind {
	out := map[schema.GroupVersionKind]kube.Kind{}
	for _, u := range objects {
		if u.GetKind() != crdKind || u.GroupVersionKind().Group != crdGroup {
			continue
		}
		group, _, _ := unstructured.NestedString(u.Object, "spec", "group")
		kind, _, _ := unstructured.NestedString(u.Object, "spec", "names", "kind")
		plural, _, _ := unstructured.NestedString(u.Object, "spec", "names", "plural")
		scope, _, _ := unstructured.NestedString(u.Object, "spec", "scope")
		versions, _, _ := unstructured.NestedSlice(u.Object, "spec", "versions")
		for _, v := range versions {
			m, _ := v.(map[string]any)
			name, _ := m["name"].(string)
			gvk := schema.GroupVersionKind{Group: group, Version: name, Kind: kind}
			_, status, _ := unstructured.NestedMap(m, "subresources", "status")
			out[gvk] = kube.Kind{
				GVK: gvk, Resource: gvk.GroupVersion().WithResource(plural), Namespaced: scope == "Namespaced", Status: status,
			}
		}
	}
	return out
}

// The kind of a CRD.
const (
	crdGroup = "apiextensions.k8s.io"
	crdKind  = "CustomResourceDefinition"
)

// claimed is the object as Helm writes it: with the marks of its release.
func (n *node) claimed(u *unstructured.Unstructured) *unstructured.Unstructured {
	out := u.DeepCopy()
	labels, annotations := out.GetLabels(), out.GetAnnotations()
	if labels == nil {
		labels = map[string]string{}
	}
	if annotations == nil {
		annotations = map[string]string{}
	}
	labels[managedByLabel] = managedBy
	annotations[releaseName], annotations[releaseNamespace] = n.release, n.namespace
	out.SetLabels(labels)
	out.SetAnnotations(annotations)
	return out
}

// owned says whether a live object belongs to this release, and otherwise to
// what.
func (n *node) owned(live *unstructured.Unstructured) (ours bool, owner string) {
	a := live.GetAnnotations()
	name, namespace := a[releaseName], a[releaseNamespace]
	switch {
	case name == "" && namespace == "":
		return false, ""
	case name == n.release && namespace == n.namespace:
		return true, ""
	default:
		return false, namespace + "/" + name
	}
}

// forDeletion orders objects as they are to be deleted.
func forDeletion(objects []object) []object {
	rank := map[string]int{}
	for i, kind := range releaseutil.UninstallOrder {
		rank[kind] = i + 1
	}
	out := slices.Clone(objects)
	place := func(o object) int {
		if r, known := rank[o.key.kind]; known {
			return r
		}
		return 0 // kinds of others first: their controllers may need the rest
	}
	slices.SortStableFunc(out, func(a, b object) int { return place(a) - place(b) })
	return out
}
