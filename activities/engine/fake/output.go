// SPDX-License-Identifier: Apache-2.0

package fake

import (
	"fmt"
	"maps"
	"strings"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/orchestrator"
)

// outputs by the definition's names; those it cannot give are absent.
func (n *node) outputs(r *resource) map[string]any {
	out := map[string]any{}
	for _, spec := range n.req.Outputs {
		if value, ok := n.behaviour.Outputs[spec.Name]; ok {
			out[spec.Name] = n.fill(value, r)
		} else if value, ok := r.Attributes[spec.Name]; ok {
			out[spec.Name] = value
		} else if spec.Name == "id" {
			out[spec.Name] = r.ID
		}
	}
	return out
}

func (n *node) fill(value any, r *resource) any {
	text, ok := value.(string)
	if !ok {
		return value
	}
	pairs := []string{"{id}", r.ID, "{node}", n.req.Node, "{content}", r.Content}
	for name, v := range r.Attributes {
		pairs = append(pairs, "{"+name+"}", fmt.Sprint(v))
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// typedOutputs converts to the declared types; with all set, one that is
// missing is an error.
func (n *node) typedOutputs(values map[string]any, all bool) (map[string]any, error) {
	out := map[string]any{}
	for _, spec := range n.req.Outputs {
		value, ok := values[spec.Name]
		if !ok || value == nil {
			if all {
				return nil, n.fail(engine.Invalid, "the definition declares output %q, and nothing gives it", spec.Name)
			}
			continue
		}
		converted, ok := typed(catalog.Type(spec.Type), value)
		if !ok {
			return nil, n.fail(engine.Invalid, "output %q is declared as %s and is none", spec.Name, spec.Type)
		}
		out[spec.Name] = converted
	}
	return out, nil
}

// kept lists the declared outputs that a change leaves as they are. Nothing is
// said of them where there is no change.
func (n *node) kept(s situation) []string {
	if n.req.Destroy || s.state.Resource == nil || len(s.changes) == 0 || s.changes[0].Action == orchestrator.ActionCreate {
		return nil
	}
	const other = "\x00" // as no value is
	next := &resource{ID: s.state.Resource.ID, Name: s.state.Resource.Name, Attributes: maps.Clone(s.wanted), Content: s.state.Resource.Content}
	if s.changes[0].Action == orchestrator.ActionReplace {
		next.ID, next.Content = other, other
	}
	for name := range n.req.Unknown {
		next.Attributes[name] = other
	}
	var names []string
	after := n.outputs(next)
	for _, spec := range n.req.Outputs {
		if before, ok := s.state.Outputs[spec.Name]; ok && same(before, after[spec.Name]) {
			names = append(names, spec.Name)
		}
	}
	return names
}
