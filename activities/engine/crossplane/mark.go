// SPDX-License-Identifier: Apache-2.0

package crossplane

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// The mark of a node's object. Crossplane copies labels and annotations from a
// claim to its composite, and people copy whole objects: the mark names the
// object that it was put on, and says nothing on any other.
const (
	// labelNode is how the object is found; its value is a hash of the address.
	labelNode = "nestor.io/node"
	// annotationAddress is the node's address, annotationObject the marked
	// object's namespace and name.
	annotationAddress = "nestor.io/address"
	annotationObject  = "nestor.io/object"
	// annotationApplied is the digest of what was last applied; it reaches a
	// claim's composite together with the claim's spec. annotationSettled is the
	// same digest once the object was seen ready with it; each change empties it,
	// since a change back finds what the one before it left.
	annotationApplied = "nestor.io/applied"
	annotationSettled = "nestor.io/settled"
	// annotationLooked changes to make Crossplane look at the object again.
	annotationLooked = "nestor.io/looked"

	markPrefix = "nestor.io/"
)

// manager owns what server-side apply writes; settler writes the last two
// annotations and what a destruction needs.
const (
	manager = "nestor"
	settler = "nestor-progress"
)

func nodeHash(address string) string {
	sum := sha256.Sum256([]byte(address))
	return hex.EncodeToString(sum[:])[:32]
}

// Lengths of a derived name. Crossplane appends six characters to a claim's name
// for its composite, and uses that as a label, which ends at 63.
const (
	maxName  = 56
	nameHash = 8
)

// derivedName is a name for the object of the node with that address: readable,
// fit for DNS, and no other node's.
func derivedName(address string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(address) {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			r = '-'
		}
		if r != '-' || (b.Len() > 0 && !strings.HasSuffix(b.String(), "-")) {
			b.WriteRune(r)
		}
	}
	readable := b.String()
	if most := maxName - nameHash - 1; len(readable) > most {
		readable = readable[len(readable)-most:] // the end tells nodes of an application apart
	}
	readable = strings.Trim(readable, "-")
	if readable == "" || (readable[0] >= '0' && readable[0] <= '9') {
		readable = strings.TrimRight("n-"+readable, "-")
	}
	return readable + "-" + nodeHash(address)[:nameHash]
}

// mark puts the node's mark on an object.
func (n *node) mark(obj *unstructured.Unstructured) {
	labels := obj.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[labelNode] = nodeHash(n.req.Address)
	obj.SetLabels(labels)
	annotate(obj, map[string]string{
		annotationAddress: n.req.Address, annotationObject: joinRef(obj.GetNamespace(), obj.GetName()),
	})
}

func annotate(obj *unstructured.Unstructured, add map[string]string) {
	annotations := obj.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	maps.Copy(annotations, add)
	obj.SetAnnotations(annotations)
}

// ownerOf is the address of the node that an object is marked for; empty when
// it is no node's.
func ownerOf(obj *unstructured.Unstructured) string {
	annotations := obj.GetAnnotations()
	if annotations[annotationObject] != joinRef(obj.GetNamespace(), obj.GetName()) {
		return ""
	}
	return annotations[annotationAddress]
}

// ours says that an object is this node's.
func (n *node) ours(obj *unstructured.Unstructured) bool {
	return ownerOf(obj) == n.req.Address
}

// taken is the error of an object that belongs to somebody else.
func (n *node) taken(obj *unstructured.Unstructured) error {
	address := addressOf(obj.GroupVersionKind(), obj.GetNamespace(), obj.GetName())
	if owner := ownerOf(obj); owner != "" {
		return n.rejected(address, "the name is taken by the node %s; choose another metadata.name in the definition", owner)
	}
	by := "somebody else"
	if names := managers(obj); len(names) > 0 {
		by += " (" + strings.Join(names, ", ") + ")"
	}
	return n.rejected(address,
		"the name is taken by %s: the object exists and bears no mark of this node; choose another metadata.name, or adopt the object", by)
}

// managers are those who wrote to an object, as they call themselves.
func managers(obj *unstructured.Unstructured) []string {
	found := map[string]bool{}
	for _, f := range obj.GetManagedFields() {
		if f.Subresource == "" {
			found[f.Manager] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// bare is an object without the mark and without what the server sets: what
// people mean by its content.
func bare(obj *unstructured.Unstructured) *unstructured.Unstructured {
	if obj == nil {
		return nil
	}
	out := obj.DeepCopy()
	strip := func(all map[string]string) map[string]string {
		maps.DeleteFunc(all, func(k, _ string) bool { return strings.HasPrefix(k, markPrefix) })
		if len(all) == 0 {
			return nil
		}
		return all
	}
	if labels := strip(out.GetLabels()); labels != nil {
		out.SetLabels(labels)
	} else {
		unstructured.RemoveNestedField(out.Object, "metadata", "labels")
	}
	if annotations := strip(out.GetAnnotations()); annotations != nil {
		out.SetAnnotations(annotations)
	} else {
		unstructured.RemoveNestedField(out.Object, "metadata", "annotations")
	}
	for _, field := range []string{
		"resourceVersion", "generation", "managedFields", "creationTimestamp", "selfLink",
	} {
		unstructured.RemoveNestedField(out.Object, "metadata", field)
	}
	unstructured.RemoveNestedField(out.Object, "status")
	return out
}

// describe lists objects in a message.
func describe(objects []*unstructured.Unstructured) string {
	names := make([]string, len(objects))
	for i, o := range objects {
		names[i] = addressOf(o.GroupVersionKind(), o.GetNamespace(), o.GetName())
	}
	return strings.Join(names, ", ")
}
