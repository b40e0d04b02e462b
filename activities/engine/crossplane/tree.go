// SPDX-License-Identifier: Apache-2.0

package crossplane

import (
	"context"
	"errors"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/HatiCode/nestor/activities/engine"
)

// Bounds of a tree; a composition that goes beyond them is judged by its upper
// part.
const (
	maxDepth = 8
	maxParts = 500
)

// part is one object of the tree that Crossplane makes of a claim or composite:
// the composite of a claim, the resources of a composite, and so on down.
type part struct {
	address string
	object  *unstructured.Unstructured // nil when it is not there (yet)
}

// uid of the object; empty when it is not there.
func (p part) uid() types.UID {
	if p.object == nil {
		return ""
	}
	return p.object.GetUID()
}

// tree reads everything below an object, each parent before its children. Parts
// that this account may not read are left out: the object's own conditions tell
// of them, too.
func (n *node) tree(ctx context.Context, root *unstructured.Unstructured) ([]part, error) {
	return n.below(ctx, root, 1, nil)
}

func (n *node) below(ctx context.Context, parent *unstructured.Unstructured, depth int, parts []part) ([]part, error) {
	if depth > maxDepth {
		return parts, nil
	}
	for _, ref := range references(parent) {
		if len(parts) >= maxParts {
			return parts, nil
		}
		p, readable, err := n.follow(ctx, ref)
		if err != nil {
			return parts, err
		}
		if !readable {
			continue
		}
		parts = append(parts, p)
		if p.object == nil {
			continue
		}
		if parts, err = n.below(ctx, p.object, depth+1, parts); err != nil {
			return parts, err
		}
	}
	return parts, nil
}

// follow reads what a reference names.
func (n *node) follow(ctx context.Context, ref reference) (p part, readable bool, err error) {
	kind, err := n.cluster.Kind(ctx, ref.gvk)
	if meta.IsNoMatchError(err) {
		return p, false, nil // with its kind, every object of it is gone
	}
	if err != nil {
		return p, false, n.cluster.FailReading(ctx, ref.gvk.Kind, err)
	}
	namespace := ref.namespace
	if !kind.Namespaced {
		namespace = ""
	}
	p = part{address: addressOf(ref.gvk, namespace, ref.name)}
	p.object, err = n.getOf(ctx, kind, namespace, ref.name)
	var denied *engine.Error
	if errors.As(err, &denied) && denied.Class == engine.Unreadable {
		n.say("%s cannot be read, so what it says of itself is not seen: %s", p.address, denied.Message)
		return p, false, nil
	}
	return p, true, err
}

// reference is one object's to another that was made for it.
type reference struct {
	gvk             schema.GroupVersionKind
	namespace, name string
}

// references of a claim to its composite, and of a composite to what it is
// composed of, as 1.20 and as 2.x write them.
func references(obj *unstructured.Unstructured) []reference {
	var out []reference
	add := func(v any) {
		m, _ := v.(map[string]any)
		text := func(key string) string { s, _ := m[key].(string); return s }
		gv, err := schema.ParseGroupVersion(text("apiVersion"))
		if err != nil || text("apiVersion") == "" || text("kind") == "" || text("name") == "" {
			return // written before the object has its name
		}
		r := reference{gvk: gv.WithKind(text("kind")), namespace: text("namespace"), name: text("name")}
		if r.namespace == "" {
			r.namespace = obj.GetNamespace()
		}
		out = append(out, r)
	}
	if ref, there, _ := unstructured.NestedFieldNoCopy(obj.Object, "spec", "resourceRef"); there {
		add(ref)
	}
	for _, path := range [][]string{{"spec", "resourceRefs"}, {"spec", "crossplane", "resourceRefs"}} {
		refs, _, _ := unstructured.NestedFieldNoCopy(obj.Object, path...)
		list, _ := refs.([]any)
		for _, ref := range list {
			add(ref)
		}
	}
	return out
}

// fingerprint changes with everything that happens to an object and its tree.
func fingerprint(root *unstructured.Unstructured, parts []part) string {
	var b strings.Builder
	b.WriteString(root.GetResourceVersion())
	for _, p := range parts {
		version := ""
		if p.object != nil {
			version = p.object.GetResourceVersion()
		}
		b.WriteString(" " + p.address + "=" + version)
	}
	return b.String()
}
