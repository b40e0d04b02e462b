// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"slices"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/walk"
)

// checkPhase compares what can be seen of the machine with the model.
func (p *player) checkPhase() *Violation {
	p.undoing = p.undoing || p.machine.Phase().Compensating()
	if p.maker.WorldAlone {
		return nil
	}
	if got, want := p.machine.Phase(), p.model.phase; got != want {
		return p.violate(RulePhase, "it is in phase %s, not %s", got, want)
	}
	if p.machine.Done() != (p.model.phase == walk.PhaseDone) {
		return p.violate(RulePhase, "done: %v in phase %s", p.machine.Done(), p.machine.Phase())
	}
	if p.whole != nil && p.whole.Phase() != p.machine.Phase() {
		return p.violate(RuleResume, "the resumed walk is in phase %s, the one that went on in %s", p.machine.Phase(), p.whole.Phase())
	}
	return nil
}

func (p *player) checkFlight() *Violation {
	if len(p.running) > p.s.InFlight {
		return p.violate(RuleBound, "%d steps are in flight, allowed are %d", len(p.running), p.s.InFlight)
	}
	if got := p.machine.InFlight(); got != len(p.running) {
		return p.violate(RuleBound, "it counts %d steps in flight, there are %d", got, len(p.running))
	}
	return nil
}

// checkStart judges one step that is about to start; due are the nodes that the
// model would start, less those already handed out.
func (p *player) checkStart(step walk.Step, a action, i int, due set) *Violation {
	if p.begun[a].has(i) {
		return p.violate(RuleOnce, "%s of %s starts again", step.Action, step.Node)
	}
	for _, f := range p.running {
		if f.node == i {
			return p.violate(RuleOnce, "%s of %s starts during its %s", step.Action, step.Node, f.step.Action)
		}
	}
	if v := p.checkWorld(step, a, i); v != nil {
		return v
	}
	if p.maker.WorldAlone {
		return nil
	}
	if due == 0 || due.first() != i {
		return p.violate(RuleReady, "%s of %s starts; it was the turn of %v", step.Action, step.Node, p.s.ids(due))
	}
	if step.Action != p.stepOf() {
		return p.violate(RulePhase, "%s of %s is no step of phase %s", step.Action, step.Node, p.model.phase)
	}
	if step.Previous != (a == remove || a == restore) {
		return p.violate(RulePhase, "%s of %s is about the wrong graph", step.Action, step.Node)
	}
	return nil
}

// stepOf the present phase.
func (p *player) stepOf() orchestrator.StepAction {
	switch p.model.phase {
	case walk.PhaseApply:
		return orchestrator.StepApply
	case walk.PhaseRemove:
		return orchestrator.StepRemove
	case walk.PhaseObserve:
		return orchestrator.StepObserve
	case walk.PhaseRestore:
		return orchestrator.StepRestore
	case walk.PhaseDestroy:
		return orchestrator.StepDestroy
	case walk.PhaseAdopt:
		return orchestrator.StepAdopt
	case walk.PhaseForget:
		return orchestrator.StepForget
	case walk.PhasePrune:
		return orchestrator.StepPrune
	default:
		return ""
	}
}

// checkWorld looks whether what is there allows a step.
func (p *player) checkWorld(step walk.Step, a action, i int) *Violation {
	n := &p.s.Nodes[i]
	switch a {
	case apply:
		for needs := n.NeedsNew; needs != 0; needs = needs.rest() {
			if need := needs.first(); !p.world.asTarget(need) {
				return p.violate(RuleNeeds, "apply of %s starts before %s is there", step.Node, p.s.Nodes[need].ID)
			}
		}
	case restore:
		if n.Partial {
			return p.violate(RuleBack, "%s was never whole, and is taken back to that", step.Node)
		}
		for needs := n.NeedsOld & p.heard.touched; needs != 0; needs = needs.rest() {
			if need := needs.first(); p.world.outstanding(need) {
				return p.violate(RuleNeeds, "restore of %s starts before %s is back", step.Node, p.s.Nodes[need].ID)
			}
		}
	case remove, destroy:
		if user, used := p.world.user(i); used {
			return p.violate(RuleInUse, "%s of %s, which %s still needs", step.Action, step.Node, p.s.Nodes[user].ID)
		}
		if a == destroy && (n.Previous || !p.world.created.has(i)) {
			return p.violate(RuleOurs, "%s is destroyed, and was there before", step.Node)
		}
		if a == remove {
			return p.checkCommit(step)
		}
	default: // the others may always start
	}
	return nil
}

// checkCommit: nothing is removed before the whole target is there.
func (p *player) checkCommit(step walk.Step) *Violation {
	for i := range p.s.Nodes {
		if p.s.Nodes[i].Target && !p.world.asTarget(i) {
			return p.violate(RuleCommit, "%s is removed before %s is there", step.Node, p.s.Nodes[i].ID)
		}
	}
	return nil
}

// checkEnd judges the result against the model and against the world.
func (p *player) checkEnd() *Violation {
	if len(p.running) > 0 {
		return p.violate(RuleEnds, "it is done, and %d steps run", len(p.running))
	}
	if steps := p.machine.Next(); len(steps) > 0 {
		return p.violate(RuleEnds, "it is done, and hands out %v", steps)
	}
	res := p.story.Result
	p.say("%s, left %v, skipped %v", res.Status, res.Left, res.Skipped)
	if p.whole != nil {
		if diff := cmp.Diff(p.whole.Result(), res); diff != "" {
			return p.violate(RuleResume, "another result (-went on +resumed):\n%s", diff)
		}
	}
	if !p.maker.WorldAlone {
		if v := p.checkResult(res); v != nil {
			return v
		}
	}
	return p.checkThings(res)
}

// checkResult compares the result with the model's.
func (p *player) checkResult(res walk.Result) *Violation {
	if want := p.model.status(); res.Status != want {
		return p.violate(RuleStatus, "%s, not %s (left %v)", res.Status, want, res.Left)
	}
	if want := p.s.ids(p.model.target &^ p.heard.touched); !slices.Equal(want, res.Skipped) {
		return p.violate(RuleSkipped, "%v are skipped, not %v", res.Skipped, want)
	}
	if res.Changed != p.heard.changed || len(res.Failures) != p.heard.failures {
		return p.violate(RuleChanged, "%d changed and %d failed, not %d and %d",
			res.Changed, len(res.Failures), p.heard.changed, p.heard.failures)
	}
	return p.checkLeft(res)
}

func (p *player) checkLeft(res walk.Result) *Violation {
	left := make([]string, 0, len(res.Left))
	for _, l := range res.Left {
		left = append(left, l.Node)
		if l.Reason == "" || l.Action == "" {
			return p.violate(RuleLeft, "%s is left without a reason or without what to do: %+v", l.Node, l)
		}
	}
	if want := p.s.ids(p.model.left()); !slices.Equal(want, left) {
		return p.violate(RuleLeft, "%v are left, not %v", left, want)
	}
	return nil
}

// checkThings: what is there in the end is what the result says.
func (p *player) checkThings(res walk.Result) *Violation {
	var left, skipped set
	for _, l := range res.Left {
		i, _ := p.s.place(l.Node)
		left.put(i, true)
	}
	for _, id := range res.Skipped {
		i, _ := p.s.place(id)
		skipped.put(i, true)
	}
	for i := range p.s.Nodes {
		n, now, before := &p.s.Nodes[i], p.world.now[i], p.world.before[i]
		asTarget, asBefore := p.world.asTarget(i), p.world.asBefore(i)
		switch {
		case res.Status == orchestrator.StatusSucceeded:
			if !asTarget {
				return p.violate(RuleTarget, "%s is %+v, and was %+v", n.ID, now, before)
			}
		case res.Status == orchestrator.StatusRolledBack:
			if !asBefore {
				return p.violate(RuleBack, "%s is %+v, and was %+v", n.ID, now, before)
			}
			if v := p.checkProven(i); v != nil {
				return v
			}
		case left.has(i):
		case p.undoing, skipped.has(i):
			if !asBefore {
				return p.violate(RuleUnlisted, "%s is %+v, was %+v, and is not left", n.ID, now, before)
			}
		case !asTarget && (n.Target || !asBefore):
			return p.violate(RuleUnlisted, "%s is %+v, was %+v, and is not left", n.ID, now, before)
		}
	}
	return nil
}

// checkProven: of what was touched, a step of the rollback has said that it is
// as before.
func (p *player) checkProven(i int) *Violation {
	h, n := &p.heard, &p.s.Nodes[i]
	if !h.touched.has(i) || h.forgotten.has(i) {
		return nil
	}
	switch {
	case !h.observed.has(i):
		return p.violate(RuleProven, "nobody has looked at %s", n.ID)
	case h.restored.has(i), h.destroyed.has(i), !h.exists.has(i) && !n.Previous, !h.told.has(i):
		return nil
	default:
		return p.violate(RuleProven, "nobody has taken %s back", n.ID)
	}
}
