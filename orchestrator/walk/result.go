// SPDX-License-Identifier: Apache-2.0

package walk

import (
	"slices"

	"github.com/HatiCode/nestor/orchestrator"
)

// Failure names a step that did not succeed: it failed, or was canceled.
type Failure struct {
	Node    string
	Action  orchestrator.StepAction
	Verdict Verdict
	Message string
}

// FirstFailed finds the first that failed; found is false where all were canceled.
func FirstFailed(all []Failure) (first Failure, found bool) {
	at := slices.IndexFunc(all, func(f Failure) bool { return f.Verdict == Failed })
	if at < 0 {
		return Failure{}, false
	}
	return all[at], true
}

// Left names a node that is not as it should be at the end, and why.
type Left struct {
	Node   string
	Reason string
	Action string
}

// Result of a finished walk.
type Result struct {
	Status   orchestrator.Status
	Failures []Failure // in the order in which they came
	Left     []Left    // ordered by node
	Skipped  []string  // nodes of the target that never started, ordered
	Changed  int       // nodes that were changed by the apply and remove phases
}

// Failures so far, in the order in which they came; the caller must not change
// them.
func (w *Walk) Failures() []Failure { return w.failures }

// Changed counts the nodes that were changed so far by the apply and remove
// phases.
func (w *Walk) Changed() int { return w.changed }

// Result of the walk; it is complete only when Done.
func (w *Walk) Result() Result {
	res := Result{Status: w.status(), Failures: w.failures, Changed: w.changed}
	for _, id := range w.target.ids {
		if _, touched := w.touched[id]; !touched {
			res.Skipped = append(res.Skipped, id)
		}
	}
	for _, id := range w.ids {
		if l, left := w.left[id]; left {
			res.Left = append(res.Left, l)
		}
	}
	return res
}

func (w *Walk) status() orchestrator.Status {
	switch {
	case w.canceled && !w.pruned:
		return orchestrator.StatusCanceled
	case len(w.failures) == 0 && (len(w.left) == 0 || w.pruned):
		return orchestrator.StatusSucceeded
	case w.opts.Kind != orchestrator.KindDestroy && w.compensated() && len(w.left) == 0 && w.proven():
		return orchestrator.StatusRolledBack
	default:
		return orchestrator.StatusFailed
	}
}

// compensated says that a rollback was walked to its end: an apply step
// failed under OnFailureRollback, and no removal had begun.
func (w *Walk) compensated() bool {
	return w.opts.OnFailure == orchestrator.OnFailureRollback && len(w.removed) == 0
}

// proven says that every node that was touched is known to be as it was: its
// restoration succeeded, or it was read back as gone, or the engine had found
// nothing to change. With nothing left this holds; it is asked nevertheless, so
// that no slip elsewhere can end in a claim that nobody has checked.
func (w *Walk) proven() bool {
	for _, id := range w.ids {
		t, touched := w.touched[id]
		before, had := w.previous.nodes[id]
		switch {
		case !touched || t.restored:
		case had && !before.Partial, t.changed && (had || t.exists), t.created && t.exists:
			return false
		}
	}
	return true
}
