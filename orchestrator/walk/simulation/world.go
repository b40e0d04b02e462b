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
	s         *Scenario
	now       [maxNodes]thing
	before    [maxNodes]thing
	intended  set // this walk has recorded something of it
	created   set // by this deployment
	replaced  set
	snapshots set
	letGo     set // retained: left to itself
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
		w.observe(i, &out)
	case adopt:
		if did >= DidHalf {
			w.now[i].managed = true
		}
		out.Changed = verdict != walk.Succeeded
	case forget:
		if did == DidAll {
			w.now[i].managed = false
		}
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
	w.snapshots.put(i, replaces && p.Snapshot)
	switch did {
	case DidHalf:
		t.version = broken
		t.wound++
	case DidGone:
		if there {
			t.version = absent
			t.life++
		}
	case DidAll:
		t.version, t.wound = fresh, 0
		if replaces {
			t.life++
		}
	}
	if succeeded {
		out.Created, out.Replaced = !there, replaces
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
	case DidGone:
		if there {
			t.version = absent
			t.life++
		}
	case DidAll:
		out.Changed = out.Verdict != walk.Succeeded || t.version != old
		t.version, t.wound = old, 0
		if p.Replaces && there {
			t.life++
			out.Replaced = out.Verdict == walk.Succeeded
		}
		if w.snapshots.has(i) && !out.Replaced {
			t.life = w.before[i].life
		}
	}
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
		*t = thing{}
	}
}

// observe tells what a step can know: of a node that no engine was ever asked
// for, nothing is ours.
func (w *world) observe(i int, out *walk.Outcome) {
	n := &w.s.Nodes[i]
	out.Changed = out.Verdict != walk.Succeeded
	if out.Verdict != walk.Succeeded {
		return
	}
	known := n.Previous || w.intended.has(i)
	out.Exists = known && w.now[i].version != absent
	out.Created, out.Replaced = w.created.has(i), w.replaced.has(i)
}

// uses are the nodes that what is there of a node needs. What is half made may
// need what either graph says.
func (w *world) uses(i int) set {
	n := &w.s.Nodes[i]
	switch w.now[i].version {
	case old:
		return n.NeedsOld
	case fresh:
		return n.NeedsNew
	case broken:
		if w.intended.has(i) {
			return n.NeedsOld | n.NeedsNew
		}
		return n.NeedsOld
	default:
		return 0
	}
}

// user of a node: something that is there, was not left to itself, and
// needs it.
func (w *world) user(of int) (int, bool) {
	for i := range w.s.Nodes {
		if i != of && !w.letGo.has(i) && w.uses(i).has(of) {
			return i, true
		}
	}
	return 0, false
}

// outstanding says that a node of the previous graph can be taken back, and was
// not yet.
func (w *world) outstanding(i int) bool {
	n := &w.s.Nodes[i]
	stays := n.Partial || n.ForwardOnly || w.replaced.has(i)
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
