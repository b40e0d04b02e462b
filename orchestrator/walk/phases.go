// SPDX-License-Identifier: Apache-2.0

package walk

import (
	"github.com/HatiCode/nestor/orchestrator"
)

func (w *Walk) completeApply(id string, out Outcome) {
	t := w.touched[id]
	t.verdict, t.changed, t.created = out.Verdict, out.Changed, out.Created
	t.replaced, t.snapshotted = out.Replaced, out.Snapshotted
	if out.Verdict == Succeeded {
		if out.Changed {
			w.changed++
		}
		w.order.done(id)
		return
	}
	w.order.fail(id)
	if w.opts.OnFailure != orchestrator.OnFailureContinue {
		w.stopping = true
	}
}

// enterRemove begins the removal of what the target no longer has; for a
// destruction that is everything.
func (w *Walk) enterRemove() {
	var gone []string
	for _, id := range w.previous.ids {
		if !w.target.has(id) {
			gone = append(gone, id)
		}
	}
	w.phase = PhaseRemove
	w.order = newOrder(gone, w.previous.dependentsOf)
}

func (w *Walk) completeRemove(id string, out Outcome) {
	w.removed[id] = out.Verdict
	if out.Verdict == Succeeded {
		if out.Changed {
			w.changed++
		}
		w.order.done(id)
		return
	}
	w.order.fail(id)
	w.leave(id, out.unfinished("its removal"), "mend the cause and run the same command again")
}

// leaveUnremoved names what a failed or canceled removal did not come to.
func (w *Walk) leaveUnremoved() {
	for _, id := range w.previous.ids {
		if w.target.has(id) {
			continue
		}
		if _, tried := w.removed[id]; tried {
			continue
		}
		reason := "the removal was canceled before it came to this node"
		if cause, blocked := w.order.blocked[id]; blocked {
			reason = cause + " still needs it"
		}
		w.leave(id, reason, "run the same command again")
	}
}

// leaveUnsuccessful names what a walk that undoes nothing leaves: in doubt, or
// changed.
func (w *Walk) leaveUnsuccessful() {
	for _, id := range w.target.ids {
		t, touched := w.touched[id]
		switch {
		case !touched:
		case t.verdict != Succeeded:
			w.leave(id, "its step did not succeed, and nothing was undone", "mend the cause and apply again, or destroy")
		case t.changed && !w.previous.has(id):
			w.leave(id, "this deployment made it, and nothing was undone", "apply again, or "+GoBack)
		case t.changed:
			w.leave(id, "this deployment changed it, and nothing was undone", "apply again, or "+GoBack)
		}
	}
}

// GoBack is what an advice says where it means to deploy what was there before:
// the walk knows no release. Whoever records it puts the command in its place.
const GoBack = "apply the previous release again"

// enterObserve begins the rollback: nothing is assumed about what was touched.
func (w *Walk) enterObserve() {
	ids := make([]string, 0, len(w.touched))
	for _, id := range w.target.ids {
		if _, touched := w.touched[id]; touched {
			ids = append(ids, id)
		}
	}
	w.phase = PhaseObserve
	w.stopping = false
	w.order = newOrder(ids, func(string) []string { return nil })
}

func (w *Walk) completeObserve(id string, out Outcome) {
	t := w.touched[id]
	if out.Verdict == Succeeded {
		t.observed, t.exists, t.created = true, out.Exists, out.Created
		t.replaced = (t.replaced || out.Replaced) && !out.Untouched
		t.snapshotted = t.snapshotted || out.Snapshotted
		t.changed = t.changed && !out.Untouched
		w.order.done(id)
		return
	}
	// What cannot be observed is left alone, and so is what it would need.
	t.exists = true
	w.order.fail(id)
	w.leave(id, out.unfinished("observing its state"), "look at it by hand, then apply or destroy again")
}

// enterRestore walks the previous graph forward over what was touched.
func (w *Walk) enterRestore() {
	var ids []string
	for _, id := range w.previous.ids {
		t, touched := w.touched[id]
		if !touched {
			continue
		}
		if w.keptAsNew(id, t) {
			continue
		}
		ids = append(ids, id)
	}
	w.phase = PhaseRestore
	w.stopping = w.aborted
	w.order = newOrder(ids, w.previous.dependencies)
	for _, id := range ids {
		if _, left := w.left[id]; left {
			w.order.block(id, id)
		}
	}
}

// keptAsNew names the nodes that a rollback cannot take back.
func (w *Walk) keptAsNew(id string, t *touch) bool {
	if _, left := w.left[id]; left {
		return false // named already; enterRestore blocks it
	}
	if w.previous.nodes[id].Partial {
		switch {
		case !t.back():
			w.leave(id, "it was never whole before this deployment: there is nothing to take it back to", "apply again, or destroy")
		case t.exists:
			w.leave(id, "it was not whole before this deployment, which has not changed it", "apply again, or destroy")
		}
		return true
	}
	if t.back() {
		return false // restoring it is a proof, not a change
	}
	if w.target.nodes[id].ForwardOnly || w.previous.nodes[id].ForwardOnly {
		w.leave(id, "it is forward-only: the change stays", "check that it fits the previous release, or deploy forward")
		return true
	}
	if t.replaced && !t.snapshotted {
		w.leaveReplaced(id, t)
		return true
	}
	return false
}

// leaveReplaced names a node that lost what it held, and says how far its
// replacement came.
func (w *Walk) leaveReplaced(id string, t *touch) {
	why, again := "could not be made anew", "mend the cause and apply again, then restore its content from a backup"
	if t.verdict == Canceled {
		why, again = "was not made anew, since that was canceled", "apply again, then restore its content from a backup"
	}
	switch {
	case !t.exists:
		w.leave(id, "it was deleted to be replaced, and "+why+": nothing of it is there, and what it held is gone", again)
	case t.verdict != Succeeded:
		w.leave(id, "a resource was to be replaced, and that "+t.verdict.ended()+": what it held before is gone", again)
	default:
		w.leave(id, "a resource was replaced: what it held before is gone", "restore its content from a backup, or deploy forward")
	}
}

func (w *Walk) completeRestore(id string, out Outcome) {
	if out.Verdict == Succeeded {
		t := w.touched[id]
		t.restored = true
		switch {
		case out.Replaced && !out.Snapshotted:
			w.leave(id, "taking it back replaced a resource: what it held before is gone", "restore its content from a backup")
		case t.replaced && !out.Snapshotted:
			w.leave(id, "a resource was replaced, and taking it back made none anew that its snapshot could fill", "restore its content from the snapshot by hand")
		case out.Differs:
			w.leave(id, "it is as its previous graph says, but what it gets from others is not what it was: they were not taken back, or give something else now",
				"look whether it works with what it gets; if not, take them back by hand and "+GoBack+", or deploy forward")
		}
		w.order.done(id)
		return
	}
	w.order.fail(id)
	w.leave(id, out.unfinished("restoring it"), "mend the cause, then "+GoBack)
}

// enterDestroy removes what this deployment created, unless something that
// could not be taken back still needs it.
func (w *Walk) enterDestroy() {
	w.leaveUnrestored()
	var ids []string
	for _, id := range w.target.ids {
		t, touched := w.touched[id]
		switch {
		case !touched || w.previous.has(id):
		case t.exists:
			ids = append(ids, id)
		case t.replaced && !t.created:
			w.leave(id, "it was there before this deployment, which took it away to replace it", "restore it from a backup, or deploy forward")
		}
	}
	w.phase = PhaseDestroy
	w.stopping = w.aborted
	w.order = newOrder(ids, w.target.dependentsOf)
	for _, id := range ids {
		w.keepIfNeeded(id)
	}
}

// keepIfNeeded blocks the destruction of a created node that must stay.
func (w *Walk) keepIfNeeded(id string) {
	node, t := w.target.nodes[id], w.touched[id]
	if _, left := w.left[id]; left {
		w.order.block(id, id)
		return
	}
	switch {
	case !t.observed: // leaveUndestroyed says so
	case !t.created:
		// It was there before, unknown to any graph. What is not ours is not
		// destroyed; what was not changed is as it was.
		t.exists = !t.back()
		if t.exists {
			w.leave(id, "it was there before this deployment, which changed it", "look at it by hand, or deploy forward")
		}
	case node.ForwardOnly:
		w.leave(id, "it is forward-only: what was created stays", "destroy it by hand if it is not wanted")
	case node.Retain:
		w.leave(id, "its deletionPolicy is retain: what was created stays", "destroy it by hand if it is not wanted")
	default:
		user := w.usedByWhatStays(id)
		if user == "" {
			return
		}
		w.leave(id, user+", which could not be taken back, uses it", "apply again, then it is removed with its user")
	}
	w.order.block(id, id)
}

// usedByWhatStays names a dependent from the previous graph that keeps its new
// form and so still uses the created node.
func (w *Walk) usedByWhatStays(id string) string {
	for _, dependent := range w.target.dependentsOf(id) {
		t, touched := w.touched[dependent]
		if touched && w.previous.has(dependent) && !t.back() {
			return dependent
		}
	}
	return ""
}

// leaveUnrestored names what the restoration did not come to.
func (w *Walk) leaveUnrestored() {
	for _, id := range w.previous.ids {
		t, touched := w.touched[id]
		if !touched || t.back() {
			continue
		}
		if _, named := w.left[id]; named {
			continue
		}
		reason := "the rollback was canceled before it came to this node"
		if cause, blocked := w.order.blocked[id]; blocked {
			reason = cause + ", which it needs, was not restored"
		}
		w.leave(id, reason, GoBack)
	}
}

func (w *Walk) completeDestroy(id string, out Outcome) {
	w.touched[id].exists = out.Verdict != Succeeded
	if out.Verdict == Succeeded {
		w.order.done(id)
		return
	}
	w.order.fail(id)
	w.leave(id, out.unfinished("destroying what this deployment created"), "mend the cause, then destroy or apply again")
}

// leaveUndestroyed names created nodes that the destruction did not come to.
func (w *Walk) leaveUndestroyed() {
	for _, id := range w.target.ids {
		t, touched := w.touched[id]
		if !touched || w.previous.has(id) || !t.exists {
			continue
		}
		if _, named := w.left[id]; named {
			continue
		}
		reason := "the rollback was canceled before it came to this node"
		if cause, blocked := w.order.blocked[id]; blocked && cause != id {
			reason = cause + ", which uses it, is still there"
		}
		w.leave(id, reason, "destroy or apply again")
	}
}

func (w *Walk) leave(id, reason, action string) {
	w.left[id] = Left{Node: id, Reason: reason, Action: action}
}
