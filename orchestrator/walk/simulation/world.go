// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/walk"
)

// version of what is there of a node.
type version uint8

const (
	absent  version = iota
	old             // as the previous graph says
	fresh           // as the target says
	broken          // half of something
	foreign         // made by nobody we know
)

// thing is what is there of a node. Two are the same if they are equal.
type thing struct {
	version version
	life    uint8 // counts the times that what it held before was lost
	wound   uint8 // counts the times it was left half made
	managed bool  // adopted
}

// world is what exists, and what steps have recorded of it.
type world struct {
	s        *Scenario
	now      [maxNodes]thing
	before   [maxNodes]thing
	intended set // this walk has recorded something of it
	created  set // by this deployment
	replaced set
	saved    set           // what it held is in a snapshot
	letGo    set           // retained: left to itself
	uses     [maxNodes]set // what is there of a node needs these
}

func (w *world) begin(s *Scenario) {
	*w = world{s: s}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		t := thing{}
		switch {
		case n.Previous && !n.Partial:
			t.version = old
		case n.Partial && !n.Absent:
			t.version = broken
		case n.Foreign:
			t.version = foreign
		}
		w.now[i], w.before[i] = t, t
		if t.version != absent {
			w.uses[i] = n.NeedsOld
		}
	}
}

// perform does what a step's engine does, and tells what the step would tell.
func (w *world) perform(a action, i int, p *Plan, canceled bool) walk.Outcome {
	verdict, did := p.Verdict, p.Did
	if canceled {
		verdict = walk.Canceled
	}
	if verdict == walk.Succeeded {
		did = DidAll
	}
	out := walk.Outcome{Verdict: verdict, Changed: true}
	if verdict != walk.Succeeded {
		out.Message = "drawn"
		out.Changed = !p.Refused
	}
	switch a {
	case apply:
		w.apply(i, p, did, &out)
	case restore:
		w.restore(i, p, did, &out)
	case remove:
		w.remove(i, did, &out)
	case destroy:
		w.takeAway(i, did)
	case observe:
		w.observe(i, p, &out)
	case adopt:
		if did >= DidHalf {
			w.now[i].managed = true
		}
		out.Changed = verdict != walk.Succeeded
	case forget:
		if did == DidAll {
			w.now[i].managed = false
		}
	default:
	}
	return out
}

func (w *world) apply(i int, p *Plan, did Did, out *walk.Outcome) {
	n, t := &w.s.Nodes[i], &w.now[i]
	succeeded := out.Verdict == walk.Succeeded
	if n.Unchanged {
		w.intended.put(i, succeeded)
		out.Changed = !succeeded && out.Changed
		return
	}
	if did == DidNothing {
		return
	}
	there := t.version != absent
	replaces := p.Replaces && there
	w.intended.put(i, true)
	w.created.put(i, !there)
	w.replaced.put(i, replaces)
	w.saved.put(i, p.Snapshot && n.Previous && !n.Partial && w.s.OnFailure == orchestrator.OnFailureRollback)
	switch did {
	case DidHalf:
		t.version = broken
		t.wound++
		w.uses[i] |= n.NeedsNew
	case DidGone:
		if there {
			t.version, w.uses[i] = absent, 0
			t.life++
		}
	case DidAll:
		t.version, t.wound, w.uses[i] = fresh, 0, n.NeedsNew
		if replaces {
			t.life++
		}
	default:
	}
	if succeeded {
		out.Created, out.Replaced, out.Snapshotted = !there, replaces, w.saved.has(i)
	}
}

func (w *world) restore(i int, p *Plan, did Did, out *walk.Outcome) {
	n, t := &w.s.Nodes[i], &w.now[i]
	if n.Unchanged {
		out.Changed = out.Verdict != walk.Succeeded
		return
	}
	there := t.version != absent
	switch did {
	case DidHalf:
		t.version = broken
		t.wound++
		w.uses[i] |= n.NeedsOld
	case DidGone:
		if there {
			t.version, w.uses[i] = absent, 0
			t.life++
		}
	case DidAll:
		w.bringBack(i, p, out)
	default:
	}
}

// bringBack makes a node as its previous graph says. What is made anew is filled
// from the snapshot, if there is one.
func (w *world) bringBack(i int, p *Plan, out *walk.Outcome) {
	t := &w.now[i]
	succeeded := out.Verdict == walk.Succeeded
	anew := p.Replaces || t.version == absent
	out.Changed = !succeeded || anew || t.version != old
	switch {
	case anew && w.saved.has(i):
		t.life = w.before[i].life
		out.Snapshotted = succeeded
	case anew && t.version != absent:
		t.life++
	}
	out.Replaced = succeeded && p.Replaces && t.version != absent
	t.version, t.wound, w.uses[i] = old, 0, w.s.Nodes[i].NeedsOld
	if p.Differs && w.getsOther(i) {
		t.wound++
		out.Differs = succeeded
	}
}

// getsOther says that something a node needs is not as before.
func (w *world) getsOther(i int) bool {
	for needs := w.s.Nodes[i].NeedsOld; needs != 0; needs = needs.rest() {
		if !w.asBefore(needs.first()) {
			return true
		}
	}
	return false
}

func (w *world) remove(i int, did Did, out *walk.Outcome) {
	if !w.s.Nodes[i].Retain {
		w.takeAway(i, did)
		return
	}
	if out.Verdict == walk.Succeeded {
		w.letGo.put(i, true)
		out.Exists, out.Changed = true, false
	}
}

func (w *world) takeAway(i int, did Did) {
	t := &w.now[i]
	switch did {
	case DidHalf, DidGone:
		t.version = broken
		t.wound++
	case DidAll:
		*t, w.uses[i] = thing{}, 0
	default:
	}
}

// observe tells what a step can know: of a node that no engine was ever asked
// for, nothing is ours.
func (w *world) observe(i int, p *Plan, out *walk.Outcome) {
	n := &w.s.Nodes[i]
	out.Changed = out.Verdict != walk.Succeeded
	if out.Verdict != walk.Succeeded {
		return
	}
	known := n.Previous || w.intended.has(i)
	out.Exists = known && w.now[i].version != absent
	out.Created, out.Replaced, out.Snapshotted = w.created.has(i), w.replaced.has(i), w.saved.has(i)
	asked := w.intended.has(i) && !n.Unchanged
	out.Untouched = out.Exists && (!asked || p.Proves && n.Previous && !n.Partial && w.asBefore(i))
}

// user of a node: something that is there, was not left to itself, and
// needs it.
func (w *world) user(of int) (int, bool) {
	for i := range w.s.Nodes {
		if i != of && !w.letGo.has(i) && w.uses[i].has(of) {
			return i, true
		}
	}
	return 0, false
}

// outstanding says that a node of the previous graph can be taken back, and was
// not yet.
func (w *world) outstanding(i int) bool {
	n := &w.s.Nodes[i]
	stays := n.Partial || n.ForwardOnly || w.replaced.has(i) && !w.saved.has(i)
	return !stays && !w.asBefore(i) && w.now[i].version != old
}

// asTarget says that a node is as the target says, or gone if it says nothing.
func (w *world) asTarget(i int) bool {
	n, t := &w.s.Nodes[i], w.now[i]
	switch {
	case w.s.Kind == orchestrator.KindAdopt:
		return t.managed && t.version == w.before[i].version
	case !n.Target:
		return t.version == absent || w.letGo.has(i)
	default:
		return t.version == fresh || n.Unchanged && t.version != absent && t == w.before[i]
	}
}

// asBefore says that a node is as it was when the walk began.
func (w *world) asBefore(i int) bool { return w.now[i] == w.before[i] }
