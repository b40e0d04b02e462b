// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	tfjson "github.com/hashicorp/terraform-json"

	"github.com/HatiCode/nestor/orchestrator"
)

// changes reads what a plan would do to resources, ordered by address.
func (n *node) changes(plan *tfjson.Plan) []orchestrator.Change {
	for _, r := range slices.Concat(plan.ResourceChanges, plan.ResourceDrift) {
		if r.Change != nil {
			n.learnMarked(r.Change.Before, r.Change.BeforeSensitive)
			n.learnMarked(r.Change.After, r.Change.AfterSensitive)
		}
	}
	drift := map[string]*tfjson.ResourceChange{}
	for _, r := range plan.ResourceDrift {
		drift[r.Address] = r
	}
	reasons := n.unknownReasons(plan)
	var out []orchestrator.Change
	for _, r := range plan.ResourceChanges {
		action, ok := actionOf(r)
		if !ok || r.Address == unknownResource {
			continue
		}
		out = append(out, orchestrator.Change{
			Address:    n.redact.Text(addressOf(r)),
			Action:     action,
			Attributes: n.attributes(r, reasons),
			Reason:     reasonOf(r, drift[r.Address]),
		})
	}
	slices.SortStableFunc(out, func(a, b orchestrator.Change) int { return strings.Compare(a.Address, b.Address) })
	return out
}

// instances are digests of what the state holds of each resource. A state has no
// word for one that was made again, so this tells only of those that are replaced
// for an attribute: made again, it would have another one there.
func instances(s state, plan *tfjson.Plan) map[string]string {
	held := s.current()
	for _, r := range plan.ResourceChanges {
		action, _ := actionOf(r)
		if action == orchestrator.ActionReplace && r.ActionReason != tfjson.ActionReasonReplaceBecauseCannotUpdate {
			delete(held, r.Address)
		}
	}
	return held
}

// actionOf maps the program's actions; reading a data source and doing nothing
// are no changes.
func actionOf(r *tfjson.ResourceChange) (orchestrator.Action, bool) {
	if r.Change == nil || r.Mode != tfjson.ManagedResourceMode {
		return "", false
	}
	a := r.Change.Actions
	switch {
	case a.Replace():
		return orchestrator.ActionReplace, true
	case a.Create():
		return orchestrator.ActionCreate, true
	case a.Update():
		return orchestrator.ActionUpdate, true
	case a.Delete():
		return orchestrator.ActionDelete, true
	default:
		return "", false
	}
}

func addressOf(r *tfjson.ResourceChange) string {
	if r.DeposedKey != "" {
		return r.Address + " (deposed " + r.DeposedKey + ")"
	}
	return r.Address
}

// reasonOf says why, as far as the program knows.
func reasonOf(r, drift *tfjson.ResourceChange) string {
	var parts []string
	switch r.ActionReason {
	case tfjson.ActionReasonNone:
	case tfjson.ActionReasonReplaceBecauseCannotUpdate:
		parts = append(parts, "cannot be updated in place")
	case tfjson.ActionReasonReplaceBecauseTainted:
		parts = append(parts, "its creation did not finish")
	default:
		parts = append(parts, strings.ReplaceAll(string(r.ActionReason), "_", " "))
	}
	if drift != nil && drift.Change != nil {
		if drift.Change.Actions.Delete() {
			parts = append(parts, "was deleted by somebody else")
		} else {
			parts = append(parts, "was changed by somebody else")
		}
	}
	return strings.Join(parts, "; ")
}

// unknownReasons maps each argument of the module that is not known to why.
func (n *node) unknownReasons(plan *tfjson.Plan) tracer {
	t := tracer{reasons: map[string]string{}}
	for _, a := range n.args {
		if a.unknown != "" {
			t.reasons[a.name] = a.unknown
		}
	}
	if len(t.reasons) > 0 && plan.Config != nil && plan.Config.RootModule != nil {
		t.root = plan.Config.RootModule
	}
	return t
}

// tracer finds the unknown input behind an unknown attribute, where the
// configuration of the resource names the variable itself.
type tracer struct {
	reasons map[string]string // by the module's variable
	root    *tfjson.ConfigModule
}

// knownAfterApply is the reason when there is no other.
const knownAfterApply = "known after apply"

var instanceKey = regexp.MustCompile(`\[[^\]]*\]`)

// reason why the top-level attribute of a resource is not known.
func (t tracer) reason(r *tfjson.ResourceChange, attribute string) string {
	if t.root == nil || instanceKey.ReplaceAllString(r.ModuleAddress, "") != moduleAddress {
		return knownAfterApply
	}
	call := t.root.ModuleCalls[moduleName]
	if call == nil || call.Module == nil {
		return knownAfterApply
	}
	for _, c := range call.Module.Resources {
		if c.Mode != r.Mode || c.Type != r.Type || c.Name != r.Name {
			continue
		}
		if e := c.Expressions[attribute]; e != nil {
			return t.first(e)
		}
	}
	return knownAfterApply
}

func (t tracer) first(e *tfjson.Expression) string {
	if e.ExpressionData == nil {
		return knownAfterApply
	}
	for _, ref := range e.References {
		name, ok := strings.CutPrefix(ref, "var.")
		name, _, _ = strings.Cut(name, ".")
		if reason, unknown := t.reasons[name]; ok && unknown {
			return reason
		}
	}
	for _, block := range e.NestedBlocks {
		for _, key := range sortedKeys(block) {
			if reason := t.first(block[key]); reason != knownAfterApply {
				return reason
			}
		}
	}
	return knownAfterApply
}

// kept lists the declared outputs that the plan leaves as they are.
func (n *node) kept(plan *tfjson.Plan) []string {
	var names []string
	for _, o := range n.req.Outputs {
		if c := plan.OutputChanges[o.Name]; c != nil && c.Actions.NoOp() {
			names = append(names, o.Name)
		}
	}
	return names
}

// learnMarked teaches the redactor the texts that the program marks sensitive:
// a provider may repeat them where they are not marked.
func (n *node) learnMarked(value, mark any) {
	switch m := mark.(type) {
	case bool:
		if m {
			n.redact.Learn(value)
		}
	case map[string]any:
		if v, ok := value.(map[string]any); ok {
			for k, sub := range m {
				n.learnMarked(v[k], sub)
			}
		}
	case []any:
		if v, ok := value.([]any); ok {
			for i, sub := range m {
				if i < len(v) {
					n.learnMarked(v[i], sub)
				}
			}
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// replacePaths are the attributes that force a replacement, as written paths.
func replacePaths(c *tfjson.Change) []string {
	var out []string
	for _, p := range c.ReplacePaths {
		steps, ok := p.([]any)
		if !ok {
			continue
		}
		path := ""
		for _, s := range steps {
			switch s := s.(type) {
			case string:
				path = join(path, s)
			default:
				path += fmt.Sprintf("[%v]", s)
			}
		}
		out = append(out, path)
	}
	return out
}
