// SPDX-License-Identifier: Apache-2.0

package fake

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/internal/canonical"
	"github.com/HatiCode/nestor/orchestrator"
)

const knownAfterApply = "known after apply"

// situation is everything that a preview depends on.
type situation struct {
	state    record
	wanted   map[string]any
	identity string    // of the wanted resource
	actual   *resource // the wanted resource, if it exists
	changes  []orchestrator.Change
	token    string
}

func (n *node) look(ctx context.Context) (situation, error) {
	var s situation
	var err error
	if s.state, err = n.recovered(ctx); err != nil {
		return s, err
	}
	if n.req.Destroy {
		ids, err := n.engine.outside.identities(ctx, n.key)
		if err != nil {
			return s, n.broken(err)
		}
		if s.state.Resource != nil || len(ids) > 0 {
			s.changes = []orchestrator.Change{{Address: n.address(), Action: orchestrator.ActionDelete}}
		}
		return s, n.sign(&s)
	}
	s.wanted = n.attributes()
	if s.identity, err = n.identity(s.wanted); err != nil {
		return s, n.broken(err)
	}
	if s.actual, err = n.engine.outside.find(ctx, n.key, s.identity); err != nil {
		return s, n.broken(err)
	}
	if c, ok := n.change(s); ok {
		s.changes = []orchestrator.Change{c}
	}
	return s, n.sign(&s)
}

// sign makes the token: it holds as long as the state and the request do.
func (n *node) sign(s *situation) error {
	token, err := canonical.Digest(map[string]any{
		"serial": s.state.Serial, "lineage": s.state.Lineage, "changes": s.changes, "destroy": n.req.Destroy,
	})
	if err != nil {
		return n.fail(engine.Invalid, "an input cannot be digested: %v", err)
	}
	s.token = token
	return nil
}

// change compares what is wanted with what is there.
func (n *node) change(s situation) (orchestrator.Change, bool) {
	c := orchestrator.Change{Address: n.address()}
	var before map[string]any
	recorded := s.state.Resource
	switch {
	case recorded != nil && s.state.Identity != s.identity:
		c.Action, before = orchestrator.ActionReplace, recorded.Attributes
	case s.actual == nil:
		c.Action = orchestrator.ActionCreate
		if recorded != nil {
			c.Reason = "was deleted by somebody else"
		}
	case recorded == nil:
		c.Action, c.Reason = orchestrator.ActionCreate, "its creation was cut off; it is taken over"
	default:
		c.Action, before = orchestrator.ActionUpdate, s.actual.Attributes
		if !same(recorded.Attributes, s.actual.Attributes) {
			c.Reason = "was changed by somebody else"
		}
	}
	c.Attributes = n.differences(before, s.wanted, c.Action == orchestrator.ActionReplace)
	if c.Action == orchestrator.ActionUpdate && len(c.Attributes) == 0 {
		return c, false
	}
	if c.Action != orchestrator.ActionUpdate {
		c.Attributes = append(c.Attributes, orchestrator.AttributeChange{Path: "id", Unknown: knownAfterApply})
	}
	slices.SortFunc(c.Attributes, func(a, b orchestrator.AttributeChange) int { return strings.Compare(a.Path, b.Path) })
	return c, true
}

func (n *node) differences(before, after map[string]any, replace bool) []orchestrator.AttributeChange {
	names := map[string]bool{}
	for _, m := range []map[string]any{before, after} {
		for name := range m {
			names[name] = true
		}
	}
	for name := range n.req.Unknown {
		names[name] = true
	}
	var out []orchestrator.AttributeChange
	for name := range names {
		reason := n.req.Unknown[name]
		if reason == "" && same(before[name], after[name]) {
			continue
		}
		a := orchestrator.AttributeChange{
			Path: name, Unknown: reason, Replaces: replace && slices.Contains(n.behaviour.Immutable, name),
			Sensitive: n.req.Sensitive[name],
		}
		if !a.Sensitive {
			a.Before, a.After = plain(before[name]), plain(after[name])
		}
		out = append(out, a)
	}
	return out
}

// same compares values by their JSON meaning.
func same(a, b any) bool {
	if reflect.DeepEqual(a, b) {
		return true
	}
	left, errLeft := canonical.JSON(a)
	right, errRight := canonical.JSON(b)
	return errLeft == nil && errRight == nil && string(left) == string(right)
}
