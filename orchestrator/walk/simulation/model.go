// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/walk"
)

// model is the walk's contract written down over sets, without any cleverness:
// whatever may start is looked for anew each time. It knows what the walk can
// know, which is what steps have told, and nothing of the world.
type model struct {
	*heard
	s                *Scenario
	target, previous set
	new, old         relation // of the two graphs
	none             [maxNodes]set

	phase    walk.Phase
	stopping bool
	canceled bool // while something was not there yet that was asked for
	aborted  bool
	undoing  bool // the rollback began
	removing bool // the removal began
	pruning  bool // snapshots are pruned: all else has succeeded

	// of the present phase
	eligible set
	needs    *[maxNodes]set
	started  set
	done     set
	running  set

	restorable set
}

// relation of one graph, both ways.
type relation struct {
	needs, users [maxNodes]set
}

func (m *model) begin(s *Scenario, h *heard) {
	*m = model{s: s, heard: h}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		m.target.put(i, n.Target)
		m.previous.put(i, n.Previous)
		m.new.add(i, n.NeedsNew)
		m.old.add(i, n.NeedsOld)
	}
	switch s.Kind {
	case orchestrator.KindDestroy:
		m.removing = true
		m.enter(walk.PhaseRemove, m.previous, &m.old.users)
	case orchestrator.KindAdopt:
		m.enter(walk.PhaseAdopt, m.target, &m.new.needs)
	default:
		m.enter(walk.PhaseApply, m.target, &m.new.needs)
	}
	m.advance()
}

func (r *relation) add(i int, needs set) {
	r.needs[i] = needs
	for ; needs != 0; needs = needs.rest() {
		r.users[needs.first()] |= one(i)
	}
}

func (m *model) enter(phase walk.Phase, eligible set, needs *[maxNodes]set) {
	m.phase, m.eligible, m.needs = phase, eligible, needs
	m.started, m.done = 0, 0
	m.stopping = m.aborted
}

// mayStart are the nodes whose step may start now: everything it needs that
// has a step in this phase is done.
func (m *model) mayStart() set {
	if m.stopping {
		return 0
	}
	var free set
	for open := m.eligible &^ m.started; open != 0; open = open.rest() {
		if i := open.first(); m.needs[i]&m.eligible&^m.done == 0 {
			free |= one(i)
		}
	}
	return free
}

// start gives the steps that are due, smallest first.
func (m *model) start() set {
	free, due := m.mayStart(), set(0)
	for room := m.s.InFlight - m.running.size(); free != 0 && room > 0; room-- {
		due |= one(free.first())
		free = free.rest()
	}
	m.started |= due
	m.running |= due
	return due
}

// complete notes a step that ended; its outcome was heard already.
func (m *model) complete(a action, i int, ok bool) {
	m.running.put(i, false)
	m.done.put(i, ok)
	if !ok && (a == adopt || a == apply && m.s.OnFailure != orchestrator.OnFailureContinue) {
		m.stopping = true
	}
	m.advance()
}

func (m *model) cancel() {
	if m.phase == walk.PhaseDone {
		return
	}
	m.stopping = true
	m.canceled = m.canceled || !m.pruning
	if m.phase.Compensating() {
		m.aborted = true
	}
	m.advance()
}

// advance to the next phase while the present one is over.
func (m *model) advance() {
	for m.phase != walk.PhaseDone && m.running == 0 && m.mayStart() == 0 {
		m.next()
	}
}

func (m *model) next() {
	failed := m.canceled || m.failures > 0
	switch m.phase {
	case walk.PhaseApply:
		switch {
		case !failed:
			m.removing = true
			m.enter(walk.PhaseRemove, m.previous&^m.target, &m.old.users)
		case m.s.OnFailure == orchestrator.OnFailureRollback && m.touched != 0:
			m.undoing = true
			m.enter(walk.PhaseObserve, m.touched, &m.none)
		default:
			m.phase = walk.PhaseDone
		}
	case walk.PhaseObserve:
		m.restorable = m.touched & m.previous &^ m.keptAsNew()
		m.enter(walk.PhaseRestore, m.restorable, &m.old.needs)
		m.started |= m.unseen
	case walk.PhaseRestore:
		made := m.touched & m.exists &^ m.previous
		m.enter(walk.PhaseDestroy, made, &m.new.users)
		m.started |= made &^ m.ours()
	case walk.PhaseRemove:
		if m.failures > 0 || m.unremoved() != 0 {
			m.phase = walk.PhaseDone
			return
		}
		late := m.stopping // a cancel found nothing left to stop
		m.pruning, m.canceled = true, false
		m.enter(walk.PhasePrune, m.touched&m.saved, &m.none)
		m.stopping = late
	case walk.PhaseAdopt:
		if !failed || m.touched == 0 {
			m.phase = walk.PhaseDone
			return
		}
		m.undoing = true
		m.enter(walk.PhaseForget, m.touched, &m.new.users)
	default:
		m.phase = walk.PhaseDone
	}
}

// keptAsNew are the nodes of the previous graph that are not taken back: there
// is no way, or nothing to go back to.
func (m *model) keptAsNew() set {
	var kept set
	for in := m.touched & m.previous &^ m.unseen; in != 0; in = in.rest() {
		i := in.first()
		n := &m.s.Nodes[i]
		lost := m.replaced.has(i) && !m.saved.has(i)
		kept.put(i, n.Partial || m.told.has(i) && (n.ForwardOnly || lost))
	}
	return kept
}

// isBack are the nodes that are as before, as far as steps have told.
func (m *model) isBack() set {
	lost := m.replaced &^ m.saved
	back := m.previous & (m.restored&^lost | m.touched&^m.told) &^ m.harmed
	for in := back; in != 0; in = in.rest() {
		if i := in.first(); m.s.Nodes[i].Partial && m.exists.has(i) {
			back.put(i, false) // it is as it was, which is not whole
		}
	}
	made := m.touched &^ m.previous
	gone := ^m.exists &^ (m.replaced &^ m.created) // what was there before is not there again
	return back&^m.unseen |
		made&m.observed&(gone|m.destroyed) |
		made&m.observed&^m.created&^m.told |
		m.forgotten
}

// ours are the nodes that a rollback destroys: this walk has made them, they
// are to go, and nothing that keeps its new form uses them.
func (m *model) ours() set {
	ours := m.touched & m.observed & m.created & m.exists &^ m.previous
	staying := m.touched & m.previous &^ (m.restored | m.touched&^m.told)
	for in := ours; in != 0; in = in.rest() {
		i := in.first()
		n := &m.s.Nodes[i]
		if n.ForwardOnly || n.Retain || m.new.users[i]&staying != 0 {
			ours.put(i, false)
		}
	}
	return ours
}

// left are the nodes that the walk has to name.
func (m *model) left() set {
	failed := m.canceled || m.failures > 0
	switch {
	case m.pruning:
		return m.touched & m.saved &^ m.pruned
	case !failed:
		return 0
	case m.undoing:
		return m.touched &^ m.isBack()
	case m.removing:
		return m.unremoved()
	default: // nothing was undone
		return m.touched &^ (m.ready &^ m.told)
	}
}

// unremoved are the nodes that are to go and are not known to be gone.
func (m *model) unremoved() set { return m.previous &^ m.target &^ m.removed }

func (m *model) status() orchestrator.Status {
	switch {
	case m.canceled:
		return orchestrator.StatusCanceled
	case m.failures == 0:
		return orchestrator.StatusSucceeded
	case m.undoing && m.left() == 0:
		return orchestrator.StatusRolledBack
	default:
		return orchestrator.StatusFailed
	}
}
