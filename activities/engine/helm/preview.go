// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"context"
	"maps"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/release"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/internal/expand"
	"github.com/HatiCode/nestor/orchestrator"
)

func (n *node) preview(ctx context.Context) (engine.Preview, error) {
	if err := n.settle(ctx); err != nil {
		return engine.Preview{}, err
	}
	h, err := n.history(ctx)
	if err != nil {
		return engine.Preview{}, err
	}
	if err := n.refuseTaken(h); err != nil {
		return engine.Preview{}, err
	}
	if len(h) == 0 {
		if err := n.refuseMoved(ctx); err != nil {
			return engine.Preview{}, err
		}
	}
	p, err := n.previewOf(ctx, h)
	p.State = n.state(h)
	return p, err
}

// state identifies the release: its lineage is a mark that it keeps, its serial
// the last revision. One that was uninstalled has none.
func (n *node) state(h history) engine.State {
	last := h.last()
	if last == nil || last.status() == release.StatusUninstalled || !n.ours(h) {
		return engine.State{}
	}
	return engine.State{Lineage: last.labels[lineageLabel], Serial: int64(last.Version)}
}

func (n *node) previewOf(ctx context.Context, h history) (engine.Preview, error) {
	r, err := n.renderer(ctx)
	if err != nil {
		return engine.Preview{}, err
	}
	if err := n.sameChart(r, h); err != nil {
		return engine.Preview{}, err
	}
	if len(n.req.Unknown) > 0 {
		return n.previewUnknown(ctx, r, h)
	}
	g, err := n.aim(r, h)
	if err != nil {
		return engine.Preview{}, err
	}
	g.conceals = n.conceal(r, g.rendering, revisionOf{revision: g.revision, install: g.install})
	found, err := n.compareAll(ctx, r, h, g)
	if err != nil {
		return engine.Preview{}, err
	}
	changes, steps := collect(found)
	n.announce(g)
	if len(steps) == 0 && g.mode == mend {
		g.mode = nothing
	}
	token, err := n.save(h, g, steps)
	return engine.Preview{Changes: changes, OutputsKept: n.kept(h, g, changes), Token: token}, err
}

// previewUnknown shows what can be said while inputs are unknown. It has no token:
// it is never applied.
func (n *node) previewUnknown(ctx context.Context, r *renderer, h history) (engine.Preview, error) {
	at := revisionOf{revision: 1, install: h.whole() == nil}
	var before map[string]any
	if last := h.last(); last != nil {
		at.revision, before = last.Version, last.Config
	}
	rendered, err := r.renderUnknown(at, before)
	if err != nil {
		if engine.ClassOf(err) != engine.Invalid {
			return engine.Preview{}, err
		}
		n.say("the chart cannot be rendered while inputs are unknown: %v", err)
		return n.coarse(h), nil
	}
	g := goal{install: at.install, rendering: rendered.rendering, conditional: rendered.conditional, conceals: rendered.conceals}
	found, err := n.compareAll(ctx, r, h, g)
	if err != nil {
		return engine.Preview{}, err
	}
	changes, _ := collect(found)
	return engine.Preview{Changes: changes, OutputsKept: n.kept(h, g, changes)}, nil
}

// coarse is the preview of a chart that renders only when all is known: the
// release as one, with its unknown values.
func (n *node) coarse(h history) engine.Preview {
	change := orchestrator.Change{
		Address: "Release/" + n.ref(), Action: orchestrator.ActionCreate,
		Reason: "the chart cannot be rendered before its values are known",
	}
	if h.whole() != nil {
		change.Action = orchestrator.ActionUpdate
	}
	change.Address = n.shown(key{kind: "Release", namespace: n.namespace, name: n.release})
	for _, name := range slices.Sorted(maps.Keys(n.req.Unknown)) {
		change.Attributes = append(change.Attributes, orchestrator.AttributeChange{
			Path: "inputs." + name, Unknown: n.req.Unknown[name], Sensitive: n.req.Sensitive[name],
		})
	}
	return engine.Preview{Changes: []orchestrator.Change{change}}
}

// collect splits comparisons into the changes, by address, and the steps, in
// their order.
func collect(found []comparison) ([]orchestrator.Change, []step) {
	var changes []orchestrator.Change
	var steps []step
	for _, c := range found {
		if c.change != nil {
			changes = append(changes, *c.change)
			steps = append(steps, *c.step)
		}
	}
	slices.SortStableFunc(changes, func(a, b orchestrator.Change) int { return strings.Compare(a.Address, b.Address) })
	return changes, steps
}

// announce says in the log what is no change of a resource.
func (n *node) announce(g goal) {
	switch g.mode {
	case rollback:
		n.say("chart and values are those of revision %d: this is a rollback to it", g.to)
	case resume:
		n.say("revision %d was not finished: this goes on with it", g.revision)
	case install, upgrade, mend, nothing:
	}
	for _, h := range g.hooks {
		events := make([]string, len(h.Events))
		for i, e := range h.Events {
			events[i] = e.String()
		}
		n.say("hook %s: %s/%s", strings.Join(events, ","), h.Kind, h.Name)
	}
}

// sameChart refuses to make one chart's release out of another's, which nobody
// means.
func (n *node) sameChart(r *renderer, h history) error {
	last := h.last()
	if last == nil || last.Chart == nil || last.Chart.Metadata == nil || last.status() == release.StatusUninstalled {
		return nil
	}
	ch, err := r.source.chart()
	if err != nil {
		return err
	}
	if last.Chart.Metadata.Name != ch.Metadata.Name && n.req.StateRef != "" && last.source() == "" {
		return invalid("release %s is of chart %s, and the definition's chart is %s", n.ref(), last.Chart.Metadata.Name, ch.Metadata.Name)
	}
	return nil
}

// kept lists the outputs that the changes cannot touch.
func (n *node) kept(h history, g goal, changes []orchestrator.Change) []string {
	if h.whole() == nil {
		return nil
	}
	touched := map[string]bool{}
	for _, c := range changes {
		touched[c.Address] = true
	}
	var out []string
	for _, spec := range n.req.Outputs {
		o, listed := n.settings.Outputs[spec.Name]
		switch {
		case !listed:
		case o.Value != nil:
			if references, err := expand.References(o.Value); err == nil && !slices.ContainsFunc(references, func(r string) bool {
				return !strings.HasPrefix(r, "release.")
			}) {
				out = append(out, spec.Name)
			}
		case o.Object != nil && !strings.Contains(o.Path, "status"):
			ref, err := n.reference(*o.Object)
			if err != nil {
				continue
			}
			of := manifestHas(g.objects, ref.Kind, ref.Name, n.namespace, ref.Namespace)
			address := n.shown(key{kind: ref.Kind, namespace: orElse(ref.Namespace, n.namespace), name: ref.Name})
			if of && !touched[address] && !touched[ref.Kind+"/"+ref.Name] {
				out = append(out, spec.Name)
			}
		}
	}
	return out
}

func manifestHas(objects []*unstructured.Unstructured, kind, name, releaseNamespace, namespace string) bool {
	return slices.ContainsFunc(objects, func(u *unstructured.Unstructured) bool {
		at := orElse(u.GetNamespace(), releaseNamespace)
		return u.GetKind() == kind && u.GetName() == name && (namespace == "" || at == namespace)
	})
}
