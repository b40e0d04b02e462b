// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chartutil"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/HatiCode/nestor/activities/engine/kube"
)

// An unknown input is found in what a chart renders by rendering it several
// times, with stand-ins of the type that the value will have, and comparing: what
// differs depends on it, be it the value itself, what was computed or chosen by
// it, or its digest. Stand-ins that are texts are recognised inside a text, too.

// standIn is a pair of values for one unknown input: rendering with the second
// shows what depends on it.
type standIn struct {
	base, other any
	// converted is a value of another type, for charts that make numbers of what
	// nothing shows to be one; nil where the type is known.
	converted any
}

// token is a text that stands for the unknown input of a number. It can be part
// of a name, a label, a URL and whatever else a text becomes.
func token(number int, variant string) string { return fmt.Sprintf("nstr%dx%s", number, variant) }

// standIns for an input of a type, as JSON names types.
func standIns(number int, kind string) standIn {
	a, b := token(number, "a"), token(number, "b")
	switch kind {
	case "integer":
		return standIn{base: int64(1), other: int64(2)}
	case "number":
		return standIn{base: 1.5, other: 2.5}
	case "boolean":
		return standIn{base: true, other: false}
	case "list":
		return standIn{base: []any{a}, other: []any{b, b}}
	case "map":
		return standIn{base: map[string]any{a: a}, other: map[string]any{b: b}}
	case "string":
		return standIn{base: a, other: b}
	default: // a text, as long as nothing shows that it is none
		return standIn{base: a, other: b, converted: int64(7)}
	}
}

// kinds to try for an input whose type nothing tells, in this order.
func guesses() []string { return []string{"", "integer", "boolean", "list", "map", "number"} }

// unknownRendering is what can be said of a rendering while inputs are unknown.
// Placeholders stand in objects where a value depends on an unknown input.
type unknownRendering struct {
	*rendering
	// conditional objects may turn out not to be there: why.
	conditional map[*unstructured.Unstructured]string
	conceals    concealed
}

// renderUnknown renders with unknown inputs. It fails with what the chart says
// to the likeliest stand-ins when it renders with none.
func (r *renderer) renderUnknown(at revisionOf, before map[string]any) (*unknownRendering, error) {
	names := slices.Sorted(maps.Keys(r.node.req.Unknown))
	kinds, err := r.unknownKinds(names, before)
	if err != nil {
		return nil, err
	}
	var first error
	for _, guess := range guesses() {
		ins := make([]standIn, len(names))
		for i, name := range names {
			ins[i] = standIns(i, orElse(kinds[name], guess))
		}
		base, err := r.render(r.with(names, ins, -1, nil), at, false)
		if err != nil {
			if first == nil {
				first = err
			}
			continue
		}
		return r.compare(base, names, ins, at), nil
	}
	return nil, first
}

// with are the inputs with stand-ins; that of number one is replaced.
func (r *renderer) with(names []string, ins []standIn, one int, replaced any) map[string]any {
	inputs := maps.Clone(r.node.req.Inputs)
	if inputs == nil {
		inputs = map[string]any{}
	}
	for i, name := range names {
		inputs[name] = ins[i].base
		if i == one {
			inputs[name] = replaced
		}
	}
	return inputs
}

// compare renders with every variant and marks what differs.
func (r *renderer) compare(base *rendering, names []string, ins []standIn, at revisionOf) *unknownRendering {
	m := newMarker(base, r.node.req.Unknown, names)
	hidden, some := concealed{}, false
	conceal := func(sensitive bool, other *rendering) {
		if sensitive {
			some = true
			hidden.differing(base.objects, other, m.place, nil)
		}
	}
	for i := range names {
		reason, sensitive := r.node.req.Unknown[names[i]], r.node.req.Sensitive[names[i]]
		if other, err := r.render(r.with(names, ins, i, ins[i].other), at, false); err == nil {
			m.differ(other, reason)
			m.appear(other, reason)
			conceal(sensitive, other)
		}
		if ins[i].converted == nil {
			continue
		}
		if other, err := r.render(r.with(names, ins, i, ins[i].converted), at, false); err == nil {
			m.differ(other, reason)
			conceal(sensitive, other)
		}
	}
	if inputs, known := r.node.otherSecrets(r.with(names, ins, -1, nil)); known {
		some = true
		r.node.concealBy(hidden, base.objects, r, inputs, at)
	}
	return m.done(hidden, some)
}

// marker marks in a base rendering what differs in others.
type marker struct {
	base  *rendering
	place placer
	// marked are the objects of all renderings, by identity; order keeps that of
	// their appearance.
	marked      map[string]*unstructured.Unstructured
	order       []string
	conditional map[*unstructured.Unstructured]string
}

func newMarker(base *rendering, reasons map[string]string, names []string) *marker {
	m := &marker{
		base: base, marked: map[string]*unstructured.Unstructured{},
		conditional: map[*unstructured.Unstructured]string{},
	}
	for _, name := range names {
		m.place = append(m.place, reasons[name])
	}
	for _, u := range base.objects {
		m.add(m.place.identity(u), u)
	}
	return m
}

func (m *marker) add(id string, u *unstructured.Unstructured) *unstructured.Unstructured {
	have := u.DeepCopy()
	m.marked[id] = have
	m.order = append(m.order, id)
	return have
}

// differ marks what differs from the base for a reason.
func (m *marker) differ(other *rendering, reason string) {
	for _, u := range other.objects {
		id := m.place.identity(u)
		if from := find(m.base.objects, id, m.place); from != nil {
			have := m.marked[id]
			have.Object, _ = m.mark(have.Object, from.Object, u.Object, reason).(map[string]any)
		}
	}
}

// appear marks the objects that are in one rendering alone.
func (m *marker) appear(other *rendering, reason string) {
	here := map[string]bool{}
	for _, u := range other.objects {
		id := m.place.identity(u)
		here[id] = true
		if m.marked[id] == nil {
			m.conditional[m.add(id, u)] = reason
		}
	}
	for _, u := range m.base.objects {
		if id := m.place.identity(u); !here[id] {
			m.conditional[m.marked[id]] = reason
		}
	}
}

// done puts placeholders where stand-ins are left, such as in names. hidden is by
// the base's objects; of one that only another rendering has, nothing is shown
// where there are secrets.
func (m *marker) done(hidden concealed, secrets bool) *unknownRendering {
	paths := map[string][]string{}
	for _, u := range m.base.objects {
		id := m.place.identity(u)
		paths[id] = append(paths[id], hidden[u]...)
	}
	conceals := concealed{}
	objects := make([]*unstructured.Unstructured, 0, len(m.order))
	for _, id := range m.order {
		u := m.marked[id]
		u.Object, _ = m.place.value(u.Object).(map[string]any)
		objects = append(objects, u)
		known, based := paths[id]
		if !based && secrets {
			known = []string{everyField}
		}
		conceals[u] = known
	}
	return &unknownRendering{
		rendering:   &rendering{chart: m.base.chart, values: m.base.values, hooks: m.base.hooks, objects: objects},
		conditional: m.conditional, conceals: conceals,
	}
}

func find(objects []*unstructured.Unstructured, id string, place placer) *unstructured.Unstructured {
	for _, u := range objects {
		if place.identity(u) == id {
			return u
		}
	}
	return nil
}

// mark puts placeholders into out, a copy of a, where b differs from a.
func (m *marker) mark(out, a, b any, reason string) any {
	if reflect.DeepEqual(a, b) {
		return out
	}
	unknown := kube.Placeholder(reason)
	x, isMap := a.(map[string]any)
	y, both := b.(map[string]any)
	o, still := out.(map[string]any)
	if isMap && both && still {
		if tokenKeys(x, y) {
			return unknown
		}
		for k := range y {
			if _, there := x[k]; !there {
				o[k] = unknown
			}
		}
		for k := range x {
			if _, there := y[k]; !there {
				o[k] = unknown
			} else {
				o[k] = m.mark(o[k], x[k], y[k], reason)
			}
		}
		return o
	}
	l, isList := a.([]any)
	n, both := b.([]any)
	p, still := out.([]any)
	if isList && both && still && len(l) == len(n) {
		for i := range l {
			p[i] = m.mark(p[i], l[i], n[i], reason)
		}
		return p
	}
	s, isText := a.(string)
	t, both := b.(string)
	if isText && both && out == a && m.place.text(s) == m.place.text(t) {
		return m.place.text(s) // the value stands in it as it is
	}
	if _, already := kube.UnknownIn(out); already && !isMap && !isList {
		return out
	}
	return unknown
}

// tokenKeys says that the maps differ by keys that are stand-ins.
func tokenKeys(x, y map[string]any) bool {
	for _, m := range []map[string]any{x, y} {
		for k := range m {
			if strings.Contains(k, "nstr") && hasToken(k) {
				return true
			}
		}
	}
	return false
}

// maxUnknown bounds the numbers of tokens that are looked for.
const maxUnknown = 1000

func hasToken(s string) bool {
	rest := s
	for {
		_, after, found := strings.Cut(rest, "nstr")
		if !found {
			return false
		}
		var number int
		var variant byte
		if n, err := fmt.Sscanf(after, "%dx%c", &number, &variant); err == nil && n == 2 && number < maxUnknown && (variant == 'a' || variant == 'b') {
			return true
		}
		rest = after
	}
}

// placer replaces tokens by placeholders; it holds the reasons by number.
type placer []string

func (p placer) text(s string) string {
	if !strings.Contains(s, "nstr") {
		return s
	}
	for i := len(p) - 1; i >= 0; i-- {
		unknown := kube.Placeholder(p[i])
		s = strings.ReplaceAll(s, token(i, "a"), unknown)
		s = strings.ReplaceAll(s, token(i, "b"), unknown)
	}
	return s
}

func (p placer) value(v any) any {
	switch t := v.(type) {
	case string:
		return p.text(t)
	case []any:
		for i, e := range t {
			t[i] = p.value(e)
		}
		return t
	case map[string]any:
		for _, k := range slices.Collect(maps.Keys(t)) {
			e := p.value(t[k])
			delete(t, k)
			t[p.text(k)] = e
		}
		return t
	default:
		return v
	}
}

// identity of an object across renderings.
func (p placer) identity(u *unstructured.Unstructured) string {
	gvk := u.GroupVersionKind()
	return p.text(strings.Join([]string{gvk.Group, gvk.Kind, u.GetNamespace(), u.GetName()}, "/"))
}

// unknownKinds finds the types of unknown inputs: that of the value in the last
// revision, or of the chart's default in the same place.
func (r *renderer) unknownKinds(names []string, before map[string]any) (map[string]string, error) {
	paths, err := r.node.valuePaths()
	if err != nil {
		return nil, err
	}
	ch, err := r.source.chart()
	if err != nil {
		return nil, err
	}
	defaults, err := chartutil.CoalesceValues(ch, map[string]any{})
	if err != nil {
		return nil, r.wrong(err)
	}
	kinds := map[string]string{}
	for _, name := range names {
		path, listed := paths[name]
		if !listed {
			path = lonePath(r.node.settings.Values, "${inputs."+name+"}")
		}
		if path == nil {
			continue
		}
		kinds[name] = orElse(kindOf(getPath(before, path)), kindOf(getPath(defaults, path)))
	}
	return kinds, nil
}

// lonePath finds where a template is a reference alone.
func lonePath(values map[string]any, reference string) []string {
	for _, k := range slices.Sorted(maps.Keys(values)) {
		switch t := values[k].(type) {
		case string:
			if t == reference {
				return []string{k}
			}
		case map[string]any:
			if path := lonePath(t, reference); path != nil {
				return append([]string{k}, path...)
			}
		}
	}
	return nil
}

// kindOf a value; a number says whether it is whole.
func kindOf(v any) string {
	switch t := v.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case int, int64:
		return "integer"
	case float64:
		if t == float64(int64(t)) {
			return "integer"
		}
		return "number"
	case []any:
		return "list"
	case map[string]any, chartutil.Values:
		return "map"
	case nil:
		return ""
	default:
		if s := fmt.Sprint(t); strings.ContainsAny(s, ".eE") { // json.Number
			return "number"
		}
		return "integer"
	}
}
