// SPDX-License-Identifier: Apache-2.0

package pulumi

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"github.com/HatiCode/nestor/orchestrator"
)

// changes reads what a preview would do to resources in the world, ordered by
// address. Pulumi's own bookkeeping and components, which only group, are none.
func (n *node) changes(rec *record, t *tracer) []orchestrator.Change {
	var out []orchestrator.Change
	for _, urn := range rec.order {
		s := rec.steps[urn]
		action, ok := s.action()
		if !ok || own(s.kind) || !s.custom || s.planned() {
			continue
		}
		out = append(out, orchestrator.Change{
			Address:    n.redact.Text(addressOf(urn)),
			Action:     action,
			Attributes: n.attributes(s, action, t),
			Reason:     s.reason(),
		})
	}
	slices.SortStableFunc(out, func(a, b orchestrator.Change) int { return strings.Compare(a.Address, b.Address) })
	return out
}

// planned says whether the resource is one of those that are never made.
func (s *step) planned() bool {
	name := s.urn[strings.LastIndex(s.urn, "::")+2:]
	return s.kind == stashType && (name == seedName || strings.HasPrefix(name, markedName))
}

// action of all that happens to a resource.
func (s *step) action() (orchestrator.Action, bool) {
	has := func(ops ...apitype.OpType) bool {
		return slices.ContainsFunc(ops, func(op apitype.OpType) bool { return slices.Contains(s.ops, op) })
	}
	switch {
	case has(apitype.OpReplace, apitype.OpCreateReplacement, apitype.OpImportReplacement):
		return orchestrator.ActionReplace, true
	case has(apitype.OpCreate):
		return orchestrator.ActionCreate, true
	case has(apitype.OpUpdate, apitype.OpImport):
		return orchestrator.ActionUpdate, true
	case has(apitype.OpDelete, apitype.OpDeleteReplaced):
		return orchestrator.ActionDelete, true
	default: // same, and whatever is only read
		return "", false
	}
}

// reason why, as far as Pulumi knows.
func (s *step) reason() string {
	var parts []string
	switch {
	case slices.Contains(s.ops, apitype.OpImport), slices.Contains(s.ops, apitype.OpImportReplacement):
		parts = append(parts, "is taken over by its import ID")
	case slices.Contains(s.ops, apitype.OpReplace), slices.Contains(s.ops, apitype.OpCreateReplacement):
		parts = append(parts, "cannot be updated in place")
	case len(s.ops) == 1 && s.ops[0] == apitype.OpDeleteReplaced:
		parts = append(parts, "was replaced before and is still there")
	}
	switch {
	case !s.drifted():
	case s.drift.New == nil:
		parts = append(parts, "was deleted by somebody else")
	default:
		parts = append(parts, "was changed by somebody else")
	}
	return strings.Join(parts, "; ")
}

// quiet says whether a run would leave the checkpoint as it is.
func (rec *record) quiet() bool {
	for _, s := range rec.steps {
		for _, op := range s.ops {
			if op != apitype.OpSame && op != apitype.OpRead {
				return false
			}
		}
		if s.drifted() {
			return false
		}
		if s.kind == stackType && s.meta != nil && !sameOutputs(s.meta) {
			return false
		}
	}
	return rec.root() != nil
}

func sameOutputs(m *apitype.StepEventMetadata) bool {
	return m.Old != nil && m.New != nil && reflect.DeepEqual(m.Old.Outputs, m.New.Outputs)
}

// planOutputs are the stack's outputs as a plan has them, by the program's
// names, secrets in clear. What is not known is the mark.
func (n *node) planOutputs(ctx context.Context, p plan, s salt) (map[string]any, error) {
	for urn, r := range p.Resources {
		if typeOf(urn) != stackType {
			continue
		}
		key, err := n.engine.vault.key(ctx, n.passphrase, s)
		if err != nil {
			return nil, err
		}
		open, err := reveal(ctx, key, r.State)
		if err != nil {
			return nil, err
		}
		outputs, _ := open.(map[string]any)
		return outputs, nil
	}
	return nil, nil
}

// checkOutputs refuses, before anything is done, outputs that the definition
// declares and the program does not give, or gives of another type, and those
// that the program calls secret and the definition does not: they would be
// shown to everybody.
func (n *node) checkOutputs(p plan, open map[string]any) error {
	var given map[string]any
	for urn, r := range p.Resources {
		if typeOf(urn) == stackType {
			given = r.State
		}
	}
	for _, spec := range n.req.Outputs {
		name := n.outputName(spec.Name)
		value, there := given[name]
		if !there {
			if len(n.req.Unknown) > 0 {
				continue
			}
			return n.missingOutput(spec)
		}
		if _, secret := isSecret(value); secret && !spec.Sensitive {
			return invalid("output %q of program %q is secret, and the definition does not say that it is sensitive",
				name, n.req.Implementation.Module)
		}
		if holdsMark(open[name]) {
			continue
		}
		if _, err := typedOutput(spec, open[name]); err != nil {
			return err
		}
	}
	return nil
}

// kept lists the declared outputs that the plan leaves as they are.
func (n *node) kept(ctx context.Context, d deployment, planned map[string]any) []string {
	root, _ := d.root()
	var names []string
	for _, spec := range n.req.Outputs {
		name := n.outputName(spec.Name)
		before, there := root.Outputs[name]
		after, still := planned[name]
		if !there || !still || holdsMark(after) {
			continue
		}
		if open, err := n.clear(ctx, d, before); err == nil && reflect.DeepEqual(open, after) {
			names = append(names, spec.Name)
		}
	}
	return names
}

// holdsMark says whether anything in a value is not known.
func holdsMark(value any) bool {
	switch v := value.(type) {
	case string:
		return strings.Contains(v, mark) || slices.Contains(typedMarks, v)
	case map[string]any:
		for _, e := range v {
			if holdsMark(e) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, holdsMark)
	}
	return false
}
