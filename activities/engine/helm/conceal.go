// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"encoding/json"
	"maps"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/HatiCode/nestor/activities/engine/kube"
)

// What a chart makes of sensitive inputs is found as what depends on unknown ones
// is: rendered with others in their place, the fields that differ come from them.
// Their older values do, too.

// concealed are the fields of objects that show no value.
type concealed map[*unstructured.Unstructured][]string

// everyField is a path that covers a whole object.
const everyField = ""

// maskOf hides what must not be shown of an object.
func (n *node) maskOf(o object) *kube.Mask { return n.cluster.Mask.Hiding(o.conceals...) }

// conceal finds what a rendering made of sensitive inputs.
func (n *node) conceal(r *renderer, of *rendering, at revisionOf) concealed {
	out := concealed{}
	if inputs, some := n.otherSecrets(n.req.Inputs); some {
		n.concealBy(out, of.objects, r, inputs, at)
	}
	return out
}

// otherSecrets are inputs with other values for the sensitive ones of them.
func (n *node) otherSecrets(inputs map[string]any) (others map[string]any, some bool) {
	others = maps.Clone(inputs)
	for name := range n.req.Sensitive {
		_, unknown := n.req.Unknown[name]
		if v, given := inputs[name]; given && v != nil && !unknown {
			others[name], some = otherThan(v), true
		}
	}
	return others, some
}

// otherThan is another value of the same shape.
func otherThan(v any) any {
	switch t := v.(type) {
	case string:
		return t + "-other"
	case bool:
		return !t
	case int:
		return t + 1
	case int64:
		return t + 1
	case float64:
		return t + 1
	case json.Number:
		return json.Number("1" + t.String())
	case []any:
		out := make([]any, len(t))
		for i, e := range t {
			out[i] = otherThan(e)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(t))
		for k, e := range t {
			out[k] = otherThan(e)
		}
		return out
	default:
		return v
	}
}

// concealBy renders with other secrets and conceals what differs; everything where
// the chart does not take them.
func (n *node) concealBy(out concealed, objects []*unstructured.Unstructured, r *renderer, inputs map[string]any, at revisionOf) {
	other, err := r.render(inputs, at, false)
	if err != nil { // which may quote them
		n.say("the chart cannot be rendered with other sensitive inputs, so no value that it makes is shown")
		for _, u := range objects {
			out[u] = []string{everyField}
		}
		return
	}
	out.differing(objects, other, placer{}, func(u, twin *unstructured.Unstructured) { n.learnDiffering(u.Object, twin.Object) })
}

// differing conceals what differs in another rendering. An object that it does not
// have is concealed as a whole.
func (c concealed) differing(objects []*unstructured.Unstructured, other *rendering, place placer, each func(u, twin *unstructured.Unstructured)) {
	for _, u := range objects {
		twin := find(other.objects, place.identity(u), place)
		if twin == nil {
			c[u] = []string{everyField}
			continue
		}
		for _, a := range kube.Diff(u, twin, nil) {
			c[u] = append(c[u], a.Path)
		}
		if each != nil {
			each(u, twin)
		}
	}
}

// learnDiffering teaches the mask the values of a that b does not have.
func (n *node) learnDiffering(a, b any) {
	switch x := a.(type) {
	case map[string]any:
		y, _ := b.(map[string]any)
		for k, v := range x {
			if _, both := y[k]; !both && y != nil {
				n.cluster.Mask.Learn(k)
			}
			n.learnDiffering(v, y[k])
		}
	case []any:
		y, _ := b.([]any)
		for i, v := range x {
			var w any
			if i < len(y) {
				w = y[i]
			}
			n.learnDiffering(v, w)
		}
	case string:
		// What is true or false is concealed where it stands: it stands elsewhere, too.
		if _, notText := strconv.ParseBool(x); a != b && notText != nil {
			n.cluster.Mask.Learn(x)
		}
	default:
		if a != b {
			n.cluster.Mask.Learn(x)
		}
	}
}
