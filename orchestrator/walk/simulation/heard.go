// SPDX-License-Identifier: Apache-2.0

package simulation

import "github.com/HatiCode/nestor/orchestrator/walk"

// heard is what steps have told so far: all that a walk can know.
type heard struct {
	failures  int
	changed   int
	touched   set // an apply or adopt step was begun
	ready     set // that step succeeded
	told      set // it said that it changed something, or has not ended
	created   set
	replaced  set
	saved     set // a snapshot was made before it was replaced
	observed  set
	unseen    set // its observation failed
	exists    set
	restored  set
	harmed    set // its restoration failed, or something was lost or differs
	destroyed set
	removed   set
	forgotten set
	pruned    set
}

func (h *heard) began(a action, i int) {
	if a == apply || a == adopt {
		h.touched.put(i, true)
		h.told.put(i, true)
		h.exists.put(i, true)
	}
}

func (h *heard) ended(a action, i int, out walk.Outcome) {
	ok := out.Verdict == walk.Succeeded
	if !ok && a != prune {
		h.failures++
	}
	if ok && out.Changed && (a == apply || a == remove) {
		h.changed++
	}
	switch a {
	case apply, adopt:
		h.ready.put(i, ok)
		h.told.put(i, out.Changed || a == adopt)
		h.created.put(i, out.Created)
		h.replaced.put(i, out.Replaced)
		h.saved.put(i, out.Snapshotted)
	case remove:
		h.removed.put(i, ok)
	case observe:
		h.looked(i, ok, out)
	case restore:
		h.restored.put(i, ok)
		lost := out.Replaced || h.replaced.has(i)
		h.harmed.put(i, !ok || lost && !out.Snapshotted || out.Differs)
	case destroy:
		h.destroyed.put(i, ok)
	case forget:
		h.forgotten.put(i, ok)
	case prune:
		h.pruned.put(i, ok)
	default:
	}
}

func (h *heard) looked(i int, ok bool, out walk.Outcome) {
	h.observed.put(i, ok)
	h.unseen.put(i, !ok)
	if ok {
		h.exists.put(i, out.Exists)
		h.created.put(i, out.Created)
		h.replaced.put(i, (out.Replaced || h.replaced.has(i)) && !out.Untouched)
		h.saved.put(i, out.Snapshotted || h.saved.has(i))
		h.told.put(i, h.told.has(i) && !out.Untouched)
	}
}
