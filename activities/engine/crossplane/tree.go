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
	"github.com/HatiCode/nestor/activities/engine/kube"
)

// Bounds of a tree; the health of a composition that goes beyond them is judged
// by its upper part.
const (
	maxDepth = 8
	maxParts = 500
)

// part is one object of the tree that Crossplane makes of a claim or composite:
// the composite of a claim, the resources of a composite, and so on down.
type part struct {
	address string
	kind    kube.Kind
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
	t := reading{node: n}
	err := t.below(ctx, root, 1)
	return t.parts, err
}

// wholeTree is tree for a removal, which is proven by all parts being gone: it
// fails when a part would be left out, and names it.
func (n *node) wholeTree(ctx context.Context, root *unstructured.Unstructured) ([]part, error) {
	t := reading{node: n}
	if err := t.below(ctx, root, 1); err != nil {
		return nil, err
	}
	switch {
	case len(t.unread) > 0:
		e := *t.unread[0]
		e.Message = "nothing would prove that it goes with what it is composed for, since it cannot be read: " + e.Message
		if more := t.unread[1:]; len(more) > 0 {
			names := make([]string, len(more))
			for i, m := range more {
				names[i] = m.Resource
			}
			e.Message += "; nor can " + strings.Join(names, ", ")
		}
		return nil, &e
	case len(t.beyond) > 0:
		return nil, n.rejected(t.beyond[0],
			"nothing would prove that it goes: at most %d levels and %d objects are followed, and these lie beyond: %s; delete the topmost object by hand, and look after these",
			maxDepth, maxParts, strings.Join(t.beyond, ", "))
	}
	return t.parts, nil
}

// reading is one reading of a tree.
type reading struct {
	node  *node
	parts []part
	// unread are the errors of the parts that this account may not read, beyond
	// the addresses of those that the bounds leave out, without what is below.
	unread []*engine.Error
	beyond []string
}

func (t *reading) below(ctx context.Context, parent *unstructured.Unstructured, depth int) error {
	for _, ref := range references(parent) {
		if depth > maxDepth || len(t.parts) >= maxParts {
			t.beyond = append(t.beyond, addressOf(ref.gvk, ref.namespace, ref.name))
			continue
		}
		obj, err := t.follow(ctx, ref)
		if err != nil {
			return err
		}
		if obj == nil {
			continue
		}
		if err := t.below(ctx, obj, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// follow reads what a reference names; nil when it is not there, or cannot be
// read.
func (t *reading) follow(ctx context.Context, ref reference) (*unstructured.Unstructured, error) {
	n := t.node
	kind, err := n.cluster.Kind(ctx, ref.gvk)
	if meta.IsNoMatchError(err) {
		return nil, nil //nolint:nilnil // with its kind, every object of it is gone
	}
	if err != nil {
		return nil, n.cluster.FailReading(ctx, addressOf(ref.gvk, ref.namespace, ref.name), err)
	}
	namespace := ref.namespace
	if !kind.Namespaced {
		namespace = ""
	}
	p := part{address: addressOf(ref.gvk, namespace, ref.name), kind: kind}
	p.object, err = n.getOf(ctx, kind, namespace, ref.name)
	var denied *engine.Error
	if errors.As(err, &denied) && denied.Class == engine.Unreadable {
		n.say("%s cannot be read, so what it says of itself is not seen: %s", p.address, denied.Message)
		t.unread = append(t.unread, denied)
		return nil, nil //nolint:nilnil // it is told by unread
	}
	if err != nil {
		return nil, err
	}
	t.parts = append(t.parts, p)
	return p.object, nil
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
