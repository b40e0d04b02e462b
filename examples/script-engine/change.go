// SPDX-License-Identifier: Apache-2.0

package script

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/orchestrator"
)

// situation is what a preview is made of.
type situation struct {
	state   state
	actual  map[string]any // the inputs as they are in truth; nil when it does not exist
	changes []orchestrator.Change
	token   string
}

// look settles what an earlier attempt left and compares what is wanted with
// what is there.
func (n *node) look(ctx context.Context) (situation, error) {
	var s situation
	var err error
	if s.state, err = n.settle(ctx); err != nil {
		return s, err
	}
	if s.state.Resource != nil {
		if s.actual, err = n.actual(ctx, s.state.Resource); err != nil {
			return s, err
		}
	}
	if c, needed := n.change(s); needed {
		s.changes = []orchestrator.Change{c}
	}
	// Without a state yet, its lineage is a new one each time.
	text, err := json.Marshal([]any{s.state.Serial, s.state.Resource, s.changes, n.req.Inputs})
	if err != nil {
		return s, fail(engine.Invalid, "an input cannot be written: %v", err)
	}
	sum := sha256.Sum256(text)
	s.token = hex.EncodeToString(sum[:])
	return s, nil
}

// actual asks the read script what a resource is now; nil when it is gone.
func (n *node) actual(ctx context.Context, r *resource) (map[string]any, error) {
	seen, err := n.run(ctx, read, r.ID, r.Inputs)
	if err != nil {
		return nil, err
	}
	if seen.absent {
		return nil, nil //nolint:nilnil // gone is an answer
	}
	actual := maps.Clone(r.Inputs)
	for name, text := range seen.inputs {
		actual[name] = like(r.Inputs[name], text)
	}
	return actual, nil
}

// like reads text as the kind of value that it is compared with.
func like(value any, text string) any {
	if _, isText := value.(string); isText {
		return text
	}
	var parsed any
	if err := decode([]byte(text), &parsed); err != nil {
		return text
	}
	return typed(parsed)
}

func (n *node) change(s situation) (orchestrator.Change, bool) {
	c := orchestrator.Change{Address: resourceAddress}
	r := s.state.Resource
	switch {
	case n.req.Destroy:
		c.Action = orchestrator.ActionDelete
		return c, r != nil
	case r == nil:
		c.Action = orchestrator.ActionCreate
	case s.actual == nil:
		c.Action, c.Reason = orchestrator.ActionCreate, "was deleted by somebody else"
	default:
		c.Action = orchestrator.ActionUpdate
		if !same(s.actual, r.Inputs) {
			c.Reason = "was changed by somebody else"
		}
		if r.Partial {
			c.Reason = "its last change did not come to its end"
		}
	}
	c.Attributes = n.attributes(s.actual)
	if c.Action == orchestrator.ActionCreate {
		c.Attributes = append(c.Attributes, orchestrator.AttributeChange{Path: "id", Unknown: "known after apply"})
		return c, true
	}
	if slices.ContainsFunc(c.Attributes, func(a orchestrator.AttributeChange) bool { return a.Replaces }) {
		c.Action = orchestrator.ActionReplace
	}
	return c, len(c.Attributes) > 0 || r.Partial
}

// attributes that differ, by name.
func (n *node) attributes(before map[string]any) []orchestrator.AttributeChange {
	names := maps.Clone(n.req.Inputs)
	maps.Copy(names, before)
	for name := range n.req.Unknown {
		names[name] = nil
	}
	var out []orchestrator.AttributeChange
	for _, name := range slices.Sorted(maps.Keys(names)) {
		was, is := before[name], n.req.Inputs[name]
		if n.req.Unknown[name] == "" && same(was, is) {
			continue
		}
		a := orchestrator.AttributeChange{
			Path: name, Unknown: n.req.Unknown[name], Sensitive: n.req.Sensitive[name],
			Replaces: before != nil && n.immutable(name),
		}
		if !a.Sensitive {
			a.Before, a.After = typed(was), is
		}
		out = append(out, a)
	}
	return out
}

// kept lists the outputs that an update leaves as they are: those that are
// inputs, and the ID.
func (n *node) kept(s situation) []string {
	if len(s.changes) == 0 || s.changes[0].Action != orchestrator.ActionUpdate {
		return nil
	}
	var names []string
	for _, spec := range n.req.Outputs {
		_, given := s.state.Resource.Outputs[spec.Name]
		_, isInput := s.state.Resource.Inputs[spec.Name]
		changed := slices.ContainsFunc(s.changes[0].Attributes, func(a orchestrator.AttributeChange) bool { return a.Path == spec.Name })
		if !given && !changed && (isInput || spec.Name == "id") {
			names = append(names, spec.Name)
		}
	}
	return names
}

// same compares values that may have been through JSON.
func same(a, b any) bool {
	left, leftErr := json.Marshal(a)
	right, rightErr := json.Marshal(b)
	return leftErr == nil && rightErr == nil && bytes.Equal(left, right)
}

// typed brings the numbers of a state to the types of package catalog.
func typed(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		f, err := v.Float64()
		if err != nil {
			return v.String()
		}
		return f
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = typed(e)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = typed(e)
		}
		return out
	default:
		return v
	}
}
