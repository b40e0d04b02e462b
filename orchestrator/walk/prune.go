// SPDX-License-Identifier: Apache-2.0

package walk

// enterPrune begins the destruction of earlier snapshots, once everything else
// has succeeded, be it that a cancel came too late to stop any of it. What this
// deployment has taken stays, until a later one takes another.
func (w *Walk) enterPrune() {
	w.phase = PhasePrune
	var ids []string
	if len(w.failures) == 0 && len(w.left) == 0 {
		w.pruned = true
		for _, id := range w.target.ids {
			if t, touched := w.touched[id]; touched && t.snapshotted {
				ids = append(ids, id)
			}
		}
	}
	w.order = newOrder(ids, func(string) []string { return nil })
}

// completePrune names an earlier snapshot that is still there. The deployment
// has done what it was asked for all the same: that is no failure of it.
func (w *Walk) completePrune(id string, out Outcome) {
	if out.Verdict == Succeeded {
		w.order.done(id)
		return
	}
	w.order.fail(id)
	w.leave(id, out.unfinished("destroying an earlier snapshot of it"), pruneAction)
}

// leaveUnpruned names what a cancel kept from being pruned.
func (w *Walk) leaveUnpruned() {
	for id, ok := w.order.next(); ok; id, ok = w.order.next() {
		w.leave(id, "an earlier snapshot of it was not destroyed any more, since the deployment was asked to stop", pruneAction)
	}
}

const pruneAction = "the next deployment that takes a snapshot tries again; or destroy it by hand"
