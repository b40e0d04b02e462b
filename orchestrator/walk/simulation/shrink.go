// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"reflect"

	"github.com/HatiCode/nestor/orchestrator/walk"
)

// Shrink makes a scenario smaller while the same rule is broken, until nothing
// can be taken from it any more. It returns that scenario and how it breaks the
// rule; nil if s breaks none.
func Shrink(s *Scenario, maker Maker) (*Scenario, *Violation) {
	_, broken := Play(s, maker, false)
	if broken == nil {
		return s, nil
	}
	for again := true; again; {
		again = false
		for smaller := range smallerThan(s) {
			if _, v := Play(smaller, maker, false); v != nil && v.Rule == broken.Rule {
				s, broken, again = smaller, v, true
				break
			}
		}
	}
	return s, broken
}

// smallerThan gives scenarios with one thing less, the greatest things first.
func smallerThan(s *Scenario) func(yield func(*Scenario) bool) {
	return func(yield func(*Scenario) bool) {
		for i := range s.Nodes {
			if !yield(s.without(i)) {
				return
			}
		}
		// change yields the scenario that edit makes, if it is another one.
		change := func(edit func(c *Scenario) bool) bool {
			c := s.clone()
			if !edit(c) {
				return true
			}
			c.normalize()
			return reflect.DeepEqual(c, s) || yield(c)
		}
		_ = shrinkCalls(s, change) && shrinkNodes(s, change)
	}
}

type changer func(edit func(c *Scenario) bool) bool

// shrinkCalls takes interruptions away, and makes what stays come earlier.
func shrinkCalls(s *Scenario, change changer) bool {
	for i := range s.Cancels {
		if !change(func(c *Scenario) bool { c.Cancels = append(c.Cancels[:i], c.Cancels[i+1:]...); return true }) ||
			!change(func(c *Scenario) bool { return lower(&c.Cancels[i], 0) }) {
			return false
		}
	}
	for i := range s.Drains {
		if !change(func(c *Scenario) bool { c.Drains = append(c.Drains[:i], c.Drains[i+1:]...); return true }) ||
			!change(func(c *Scenario) bool { return lower(&c.Drains[i].At, 0) }) ||
			!change(func(c *Scenario) bool { return lower(&c.Drains[i].For, 1) }) {
			return false
		}
	}
	return change(func(c *Scenario) bool { return lower(&c.InFlight, 1) })
}

// lower a number by one, or by much.
func lower(n *int, least int) bool {
	if *n <= least {
		return false
	}
	*n = max(least, min(*n-1, *n*3/4))
	return true
}

func clearFlag(on *bool) bool {
	was := *on
	*on = false
	return was
}

// shrinkNodes takes away what nodes are and need, and what their steps do other
// than to succeed at once.
func shrinkNodes(s *Scenario, change changer) bool {
	for i := range s.Nodes {
		newNeeds, oldNeeds := func(n *Node) *set { return &n.NeedsNew }, func(n *Node) *set { return &n.NeedsOld }
		if !shrinkNeeds(s, i, newNeeds, change) || !shrinkNeeds(s, i, oldNeeds, change) {
			return false
		}
		for f := range s.Nodes[i].flags() {
			if !change(func(c *Scenario) bool { return clearFlag(c.Nodes[i].flags()[f].on) }) {
				return false
			}
		}
		if s.Nodes[i].Target && s.Nodes[i].Previous {
			if !change(func(c *Scenario) bool { c.Nodes[i].Previous = false; return true }) ||
				!change(func(c *Scenario) bool { c.Nodes[i].Target = false; return true }) {
				return false
			}
		}
		for a := range s.Nodes[i].Plans {
			if !shrinkPlan(s, i, a, change) {
				return false
			}
		}
	}
	return true
}

func shrinkNeeds(s *Scenario, i int, needs func(n *Node) *set, change changer) bool {
	for left := *needs(&s.Nodes[i]); left != 0; left = left.rest() {
		if !change(func(c *Scenario) bool { needs(&c.Nodes[i]).put(left.first(), false); return true }) {
			return false
		}
	}
	return true
}

func shrinkPlan(s *Scenario, i, a int, change changer) bool {
	simple := Plan{Takes: 1}
	if s.Nodes[i].Plans[a] == simple {
		return true
	}
	plan := func(c *Scenario) *Plan { return &c.Nodes[i].Plans[a] }
	if !change(func(c *Scenario) bool { *plan(c) = simple; return true }) ||
		!change(func(c *Scenario) bool { return lower(&plan(c).Takes, 1) }) ||
		!change(func(c *Scenario) bool { p := plan(c); p.Did--; return p.Did < DidAll }) ||
		!change(func(c *Scenario) bool {
			p := plan(c)
			was := p.Verdict
			p.Verdict = walk.Succeeded
			return was != walk.Succeeded
		}) {
		return false
	}
	for f := range s.Nodes[i].Plans[a].flags() {
		if !change(func(c *Scenario) bool { return clearFlag(plan(c).flags()[f].on) }) {
			return false
		}
	}
	return true
}
