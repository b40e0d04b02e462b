// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"math/rand/v2"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/walk"
)

// Draw makes the scenario of a seed.
func Draw(seed uint64) *Scenario {
	d := &drawer{rand.New(rand.NewPCG(seed, 0x6e6573746f72))} //nolint:gosec // a seed shall give the same scenario every time
	s := &Scenario{Kind: d.kind(), OnFailure: d.onFailure(), InFlight: d.inFlight()}
	if s.Kind == orchestrator.KindAdopt {
		s.OnFailure = orchestrator.OnFailureRollback
	}
	n := d.size(s.Kind)
	s.Nodes = make([]Node, n)
	d.membership(s.Nodes, s.Kind)
	newOrder := d.Perm(n)
	oldOrder := newOrder
	if d.chance(0.2) {
		oldOrder = d.Perm(n) // what needed a node may be what it needs now
	}
	d.edges(newOrder, func(from, to int) { s.Nodes[from].NeedsNew |= one(to) })
	if d.chance(0.5) {
		for i := range s.Nodes {
			s.Nodes[i].NeedsOld = s.Nodes[i].NeedsNew & set(d.Uint64()|d.Uint64())
		}
		if d.chance(0.5) {
			d.someEdges(newOrder, 2, func(from, to int) { s.Nodes[from].NeedsOld |= one(to) })
		}
	} else {
		d.edges(oldOrder, func(from, to int) { s.Nodes[from].NeedsOld |= one(to) })
	}
	d.traits(s.Nodes)
	d.plans(s.Nodes)
	d.interruptions(s)
	s.normalize()
	return s
}

type drawer struct{ *rand.Rand }

func (d *drawer) chance(p float64) bool { return d.Float64() < p }

func (d *drawer) kind() orchestrator.Kind {
	switch p := d.IntN(20); {
	case p < 12:
		return orchestrator.KindApply
	case p < 14:
		return orchestrator.KindRollback
	case p < 15:
		return orchestrator.KindPromote
	case p < 18:
		return orchestrator.KindDestroy
	default:
		return orchestrator.KindAdopt
	}
}

func (d *drawer) onFailure() orchestrator.OnFailure {
	switch p := d.IntN(10); {
	case p < 7:
		return orchestrator.OnFailureRollback
	case p < 8:
		return orchestrator.OnFailureStop
	default:
		return orchestrator.OnFailureContinue
	}
}

func (d *drawer) inFlight() int {
	switch d.IntN(4) {
	case 0:
		return 1
	case 1:
		return 2 + d.IntN(3)
	case 2:
		return 5 + d.IntN(20)
	default:
		return 1 + d.IntN(500)
	}
}

func (d *drawer) size(k orchestrator.Kind) int {
	p := d.IntN(20)
	switch {
	case k == orchestrator.KindAdopt && p < 12:
		return 1 // all that Nestor asks for today
	case p < 1:
		return d.IntN(2)
	case p < 12:
		return 2 + d.IntN(7)
	case p < 18:
		return 9 + d.IntN(16)
	default:
		return 25 + d.IntN(maxNodes-25+1)
	}
}

// membership puts nodes into the target, the previous graph or both.
func (d *drawer) membership(nodes []Node, k orchestrator.Kind) {
	first := d.chance(0.25) // a first deployment has no previous graph
	made, gone := d.Float64()*0.5, d.Float64()*0.5
	for i := range nodes {
		n := &nodes[i]
		n.ID = idOf(i)
		n.Target, n.Previous = true, !first
		switch p := d.Float64(); {
		case k == orchestrator.KindAdopt, k == orchestrator.KindDestroy:
			n.Target, n.Previous = k == orchestrator.KindAdopt, k == orchestrator.KindDestroy
		case first:
		case p < made:
			n.Previous = false
		case p < made+gone:
			n.Target = false
		}
	}
}

// edges of one graph: each goes to an earlier one in the order, so that there
// is no cycle.
func (d *drawer) edges(order []int, edge func(from, to int)) {
	switch d.IntN(5) {
	case 0: // a chain
		for i := 1; i < len(order); i++ {
			edge(order[i], order[i-1])
		}
	case 1: // layers
		width := 1 + d.IntN(6)
		for i := width; i < len(order); i++ {
			for before := (i/width - 1) * width; before < i/width*width; before++ {
				if d.chance(0.7) {
					edge(order[i], order[before])
				}
			}
		}
	case 2: // a tree
		for i := 1; i < len(order); i++ {
			edge(order[i], order[d.IntN(i)])
		}
	case 3: // nothing needs anything
	default:
		d.someEdges(order, 1+d.IntN(3), edge)
	}
}

// someEdges gives each node up to a number of random needs.
func (d *drawer) someEdges(order []int, most int, edge func(from, to int)) {
	for i := 1; i < len(order); i++ {
		for range d.IntN(most + 1) {
			edge(order[i], order[d.IntN(i)])
		}
	}
}

// traits that make rollbacks hard, in some scenarios often and in others never.
func (d *drawer) traits(nodes []Node) {
	rate := func() float64 {
		if d.chance(0.5) {
			return 0
		}
		return d.Float64() * 0.3
	}
	forward, retain, partial, foreign := rate(), rate(), rate(), rate()
	unchanged := rate() * 3
	for i := range nodes {
		n := &nodes[i]
		n.ForwardOnly, n.Retain = d.chance(forward), d.chance(retain)
		n.Partial, n.Foreign = d.chance(partial), d.chance(foreign)
		n.Absent = n.Partial && d.chance(0.3)
		n.Unchanged = d.chance(unchanged)
	}
}

// plans say how steps go: how often they fail differs between scenarios, and
// between what goes forward and what takes back.
func (d *drawer) plans(nodes []Node) {
	rates := [...]float64{0, 0.02, 0.08, 0.25, 0.6}
	forward, back := rates[d.IntN(len(rates))], rates[d.IntN(len(rates))]
	slowest := 1 + d.IntN(20)
	replaces := 0.0
	if d.chance(0.4) {
		replaces = d.Float64() * 0.4
	}
	snapshot := float64(d.IntN(3)) / 2
	for i := range nodes {
		for a := range nodes[i].Plans {
			p := &nodes[i].Plans[a]
			p.Takes = 1 + d.IntN(slowest)
			p.Did = Did(d.IntN(int(DidAll) + 1)) //nolint:gosec // five of them
			p.Obeys = d.IntN(4) > 0
			rate := back
			if a := action(a); a == apply || a == remove || a == adopt {
				rate = forward
			}
			if d.chance(rate) {
				p.Verdict = walk.Failed
				p.Refused = d.IntN(8) == 0
				if d.IntN(8) == 0 {
					p.Verdict = walk.Canceled // an engine may give up of itself
				}
			}
			p.Replaces = replaces > 0 && d.chance(replaces)
			p.Snapshot, p.Proves, p.Differs = d.chance(snapshot), d.chance(0.7), d.chance(0.5)
		}
	}
}

// interruptions come at moments spread over what the walk may take.
func (d *drawer) interruptions(s *Scenario) {
	span := 2 + 4*len(s.Nodes)
	if d.chance(0.3) {
		for range 1 + d.IntN(2) {
			s.Cancels = append(s.Cancels, d.IntN(span))
		}
	}
	if d.chance(0.4) {
		for range 1 + d.IntN(4) {
			s.Drains = append(s.Drains, Drain{At: d.IntN(span), For: 1 + d.IntN(40)})
		}
	}
}
