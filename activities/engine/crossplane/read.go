// SPDX-License-Identifier: Apache-2.0

package crossplane

import (
	"context"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/kube"
)

// callTimeout bounds one question to the API server.
const callTimeout = 30 * time.Second

// found is what the cluster has of a node.
type found struct {
	// live is the node's object under the name that it is to have; nil when
	// there is none.
	live *unstructured.Unstructured
	// others are the node's objects under other names: the definition names it
	// differently now.
	others []*unstructured.Unstructured
	// foreign has the name that the node's object is to have, and is not the
	// node's.
	foreign *unstructured.Unstructured
}

func (f found) all() []*unstructured.Unstructured {
	if f.live == nil {
		return f.others
	}
	return append([]*unstructured.Unstructured{f.live}, f.others...)
}

// state identifies the node's object: the cluster's own name for it, and the
// number of its specification.
func (f found) state() engine.State {
	all := f.all()
	if len(all) == 0 {
		return engine.State{Live: true}
	}
	return stateOf(all[0])
}

func stateOf(obj *unstructured.Unstructured) engine.State {
	return engine.State{Lineage: string(obj.GetUID()), Serial: obj.GetGeneration(), Live: true}
}

// read finds the node's objects. A kind that the cluster has in no version has
// no objects. It changes nothing.
func (n *node) read(ctx context.Context) (found, error) {
	var f found
	if !n.known() {
		return f, nil
	}
	marked, err := n.list(ctx)
	if err != nil {
		return f, err
	}
	for _, obj := range marked {
		switch {
		case !n.ours(obj):
		case obj.GetName() == n.name && obj.GetNamespace() == n.namespace:
			f.live = obj
		default:
			f.others = append(f.others, obj)
		}
	}
	slices.SortFunc(f.others, func(a, b *unstructured.Unstructured) int {
		return strings.Compare(joinRef(a.GetNamespace(), a.GetName()), joinRef(b.GetNamespace(), b.GetName()))
	})
	if f.live == nil {
		err = n.readName(ctx, &f)
	}
	return f, err
}

// readName looks at what has the name that the node's object is to have.
func (n *node) readName(ctx context.Context, f *found) error {
	if n.nameless() {
		return nil
	}
	switch obj, err := n.get(ctx, n.namespace, n.name); {
	case err != nil:
		return err
	case obj == nil:
	case n.ours(obj): // it was made between the two questions
		f.live = obj
	default:
		f.foreign = obj
	}
	return nil
}

// list finds the objects with the node's label, in every namespace if that is
// allowed.
func (n *node) list(ctx context.Context) ([]*unstructured.Unstructured, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	options := metav1.ListOptions{LabelSelector: labelNode + "=" + nodeHash(n.req.Address)}
	list, err := n.cluster.Objects(n.kind, metav1.NamespaceAll).List(ctx, options)
	if apierrors.IsForbidden(err) && n.kind.Namespaced && !n.nameless() {
		list, err = n.cluster.Objects(n.kind, n.namespace).List(ctx, options)
	}
	if apierrors.IsNotFound(err) {
		return nil, n.unserved(ctx, n.kind, n.shownAddress())
	}
	if err != nil {
		return nil, n.cluster.FailReading(ctx, n.shownAddress(), err)
	}
	out := make([]*unstructured.Unstructured, len(list.Items))
	for i := range list.Items {
		out[i] = &list.Items[i]
	}
	return out, nil
}

// get reads an object of the node's kind; nil when it is not there.
func (n *node) get(ctx context.Context, namespace, name string) (*unstructured.Unstructured, error) {
	return n.getOf(ctx, n.kind, namespace, name)
}

func (n *node) getOf(ctx context.Context, kind kube.Kind, namespace, name string) (*unstructured.Unstructured, error) {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	obj, err := n.cluster.Objects(kind, namespace).Get(call, name, metav1.GetOptions{})
	address := addressOf(kind.GVK, namespace, name)
	switch {
	case apierrors.IsNotFound(err) && apierrors.IsUnexpectedServerError(err): // no word of an API: it is not the object alone
		return nil, n.unserved(ctx, kind, address)
	case apierrors.IsNotFound(err):
		return nil, nil //nolint:nilnil // absent is an answer here
	case err != nil:
		return nil, n.cluster.FailReading(ctx, address, err)
	default:
		return obj, nil
	}
}

// unserved judges a kind that the API server no longer knows as it did: with a
// kind that no version has, every object of it is gone; otherwise nothing is
// said about the objects, and another attempt finds them.
func (n *node) unserved(ctx context.Context, kind kube.Kind, address string) error {
	now, err := n.cluster.KindAnew(ctx, kind.GVK)
	switch {
	case meta.IsNoMatchError(err):
		return nil
	case err != nil:
		return n.cluster.FailReading(ctx, address, err)
	default:
		return &engine.Error{
			Class: engine.Transient, Engine: Name, Resource: address,
			Message: "its kind was not served for a moment; it is in " + now.GVK.GroupVersion().String() + " now",
		}
	}
}

func (n *node) observe(ctx context.Context) (engine.Observation, error) {
	f, err := n.read(ctx)
	if err != nil {
		return engine.Observation{}, err
	}
	all := f.all()
	if len(all) == 0 {
		return engine.Observation{State: f.state()}, nil
	}
	return n.observation(ctx, all[0])
}

// observation is what one object of the node says now.
func (n *node) observation(ctx context.Context, obj *unstructured.Unstructured) (engine.Observation, error) {
	outputs, err := n.presentOutputs(ctx, obj)
	if err != nil {
		return engine.Observation{}, err
	}
	return engine.Observation{
		Exists: true, Outputs: outputs, State: stateOf(obj), Instances: n.instances(obj),
		StateRef: joinRef(obj.GetNamespace(), obj.GetName()),
	}, nil
}

// instances are the cluster's own names of objects, but for those that are going.
func (n *node) instances(objects ...*unstructured.Unstructured) map[string]string {
	out := map[string]string{}
	for _, o := range objects {
		if o.GetDeletionTimestamp() == nil {
			out[addressOf(n.gvk, o.GetNamespace(), o.GetName())] = string(o.GetUID())
		}
	}
	return out
}
