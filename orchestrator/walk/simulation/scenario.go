// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"strings"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/walk"
)

// Scenario is everything that happens to one walk.
type Scenario struct {
	Kind      orchestrator.Kind
	OnFailure orchestrator.OnFailure
	InFlight  int
	// Nodes of both graphs, in the order of their ids.
	Nodes []Node
	// Cancels are the moments at which somebody cancels.
	Cancels []int
	Drains  []Drain
}

// Node of one graph or of both.
type Node struct {
	ID               string
	Target, Previous bool
	// NeedsNew and NeedsOld are what it depends on in the target and in the
	// previous graph.
	NeedsNew, NeedsOld set
	ForwardOnly        bool
	Retain             bool
	// Partial, in the previous graph: it never came to be. What there is of it
	// is half made, or, with Absent, nothing.
	Partial, Absent bool
	// Unchanged: its step finds nothing to do.
	Unchanged bool
	// Foreign, in the target alone: it is there already, unknown to any graph.
	Foreign bool
	// Plans say how its steps go.
	Plans [numActions]Plan
}

// Plan of one step.
type Plan struct {
	// Takes is how long it runs, at least 1.
	Takes   int
	Verdict walk.Verdict
	// Refused: it failed since nobody approved its change; nothing was done.
	Refused bool
	// Did is what a step has done that does not succeed, be it of itself or
	// since it was canceled.
	Did Did
	// Obeys a cancel: the step ends at once, canceled.
	Obeys bool
	// Replaces a resource.
	Replaces bool
	// Snapshot: the step saves what the node holds before it changes it.
	Snapshot bool
	// Proves, of an observation: that nothing was changed, where that is so.
	Proves bool
	// Differs, of a restoration: what the node gets from others that are not as
	// before makes it another.
	Differs bool
}

// Did is how far a step came.
type Did uint8

// How far a step came.
const (
	DidNothing Did = iota // not even its intent is recorded
	DidIntend             // its intent is recorded, no more
	DidHalf               // something is there that no graph describes
	DidGone               // the half of a replacement that takes away
	DidAll                // everything, but nobody was told
)

// Drain is a moment from which nothing is started, so that the workflow can
// continue as new when nothing is in flight; it is given up after a while.
type Drain struct {
	At, For int
}

// walks gives the graphs as the walk takes them.
func (s *Scenario) walks() (target, previous []walk.Node) {
	target, previous = make([]walk.Node, 0, len(s.Nodes)), make([]walk.Node, 0, len(s.Nodes))
	for i := range s.Nodes {
		n := &s.Nodes[i]
		out := walk.Node{ID: n.ID, ForwardOnly: n.ForwardOnly, Retain: n.Retain}
		if n.Target {
			out.Dependencies = s.ids(n.NeedsNew)
			target = append(target, out)
		}
		if n.Previous {
			out.Dependencies, out.Partial = s.ids(n.NeedsOld), n.Partial
			previous = append(previous, out)
		}
	}
	return target, previous
}

func (s *Scenario) options() walk.Options {
	return walk.Options{Kind: s.Kind, OnFailure: s.OnFailure, MaxInFlight: s.InFlight}
}

func (s *Scenario) ids(in set) []string {
	if in == 0 {
		return nil
	}
	ids := make([]string, 0, in.size())
	for ; in != 0; in = in.rest() {
		ids = append(ids, s.Nodes[in.first()].ID)
	}
	return ids
}

// place of an id in Nodes.
func (s *Scenario) place(id string) (int, bool) {
	low, high := 0, len(s.Nodes)
	for low < high {
		middle := (low + high) / 2
		if s.Nodes[middle].ID < id {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, low < len(s.Nodes) && s.Nodes[low].ID == id
}

// normalize takes out what contradicts the rest, so that every change that the
// generator or the shrinker makes gives a scenario that can happen.
func (s *Scenario) normalize() {
	var target, previous set
	for i := range s.Nodes {
		n := &s.Nodes[i]
		n.Target = n.Target && s.Kind != orchestrator.KindDestroy
		n.Previous = n.Previous && s.Kind != orchestrator.KindAdopt
		target.put(i, n.Target)
		previous.put(i, n.Previous)
	}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		n.NeedsNew &= target
		n.NeedsOld &= previous
		if !n.Target {
			n.NeedsNew = 0
		}
		if !n.Previous {
			n.NeedsOld = 0
		}
		n.Partial = n.Partial && n.Previous
		n.Absent = n.Absent && n.Partial
		n.Foreign = n.Foreign && !n.Previous || s.Kind == orchestrator.KindAdopt
		n.Unchanged = n.Unchanged && n.Target && (n.Previous || n.Foreign) && !n.Partial
		if n.Unchanged {
			n.NeedsOld &= target // what did not change uses nothing that goes away
		}
		for a := range n.Plans {
			n.Plans[a].normalize(action(a))
		}
	}
	s.InFlight = max(s.InFlight, 1)
}

func (p *Plan) normalize(a action) {
	p.Takes = max(p.Takes, 1)
	p.Replaces = p.Replaces && (a == apply || a == restore)
	p.Snapshot = p.Snapshot && a == apply
	p.Proves = p.Proves && a == observe
	p.Differs = p.Differs && a == restore
	p.Refused = p.Refused && p.Verdict == walk.Failed && (a == apply || a == remove)
	if p.Refused {
		p.Obeys = false
	}
	if p.Refused || p.Verdict == walk.Succeeded && !p.Obeys {
		p.Did = DidNothing
	}
	if p.Did == DidGone && !p.Replaces {
		p.Did = DidHalf
	}
}

// clone shares nothing with the original.
func (s *Scenario) clone() *Scenario {
	c := *s
	c.Nodes = append([]Node(nil), s.Nodes...)
	c.Cancels = append([]int(nil), s.Cancels...)
	c.Drains = append([]Drain(nil), s.Drains...)
	return &c
}

// without a node.
func (s *Scenario) without(i int) *Scenario {
	c := s.clone()
	c.Nodes = append(c.Nodes[:i], c.Nodes[i+1:]...)
	for j := range c.Nodes {
		n := &c.Nodes[j]
		n.NeedsNew, n.NeedsOld = n.NeedsNew.squeeze(i), n.NeedsOld.squeeze(i)
	}
	c.normalize()
	return c
}

// squeeze takes a place out, and moves those behind it up.
func (s set) squeeze(i int) set {
	before := one(i) - 1
	return s&before | (s>>1)&^before
}

// idOf the node at a place: a to z, za to zz, zza and so on, which sort as their
// places do.
func idOf(i int) string {
	return strings.Repeat("z", i/26) + string(rune('a'+i%26))
}
