// SPDX-License-Identifier: Apache-2.0

package walk

// completeAdopt notes how an adoption ended. A node that was adopted has not
// been changed.
func (w *Walk) completeAdopt(id string, out Outcome) {
	w.touched[id].verdict = out.Verdict
	if out.Verdict == Succeeded {
		w.order.done(id)
		return
	}
	w.order.fail(id)
	w.stopping = true
}

// afterAdopt ends the walk, or lets go again what it has begun to take over: an
// adoption leaves all it was asked for, or nothing.
func (w *Walk) afterAdopt() {
	if !w.canceled && len(w.failures) == 0 || len(w.touched) == 0 {
		w.phase = PhaseDone
		return
	}
	var ids []string
	for _, id := range w.target.ids {
		if _, touched := w.touched[id]; touched {
			ids = append(ids, id)
		}
	}
	w.phase = PhaseForget
	w.stopping = false
	w.order = newOrder(ids, w.target.dependentsOf)
}

func (w *Walk) completeForget(id string, out Outcome) {
	if out.Verdict == Succeeded {
		w.touched[id].restored = true
		w.order.done(id)
		return
	}
	w.order.fail(id)
	w.leave(id, out.unfinished("letting go of what was adopted"), forgetAction)
}

// leaveUnforgotten names what the rollback of an adoption did not come to.
func (w *Walk) leaveUnforgotten() {
	for _, id := range w.target.ids {
		if t, touched := w.touched[id]; !touched || t.restored {
			continue
		}
		if _, named := w.left[id]; !named {
			w.leave(id, "the rollback was canceled before it came to this node", forgetAction)
		}
	}
}

const forgetAction = "adopt it again; or remove the state that was taken over by hand, and nothing that it lists"
