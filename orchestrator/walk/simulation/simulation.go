// SPDX-License-Identifier: Apache-2.0

// Package simulation drives the walk through deployments that never happened.
// A scenario is drawn from a seed: two graphs, how long each step takes, which
// ones fail and what they had done by then, when somebody cancels, and when the
// workflow continues as new. It is played in virtual time against a world that
// only remembers what exists, in one goroutine and without a clock, so a seed
// always tells the same story.
//
// Two judges watch every step. The model is the walk's contract written down
// naively, over sets: it says which phase it is, which steps may start, and in
// the end who is left and under which status. The world knows what is really
// there: whether something in use was taken away, and whether what exists in
// the end is what the walk says.
//
// A scenario that breaks a rule is shrunk, step by step, to the smallest one
// that still breaks it. It prints as a few lines of text; the tests replay those
// in testdata.
//
// What this package is not for: workflows, stores and engines. Those are tried
// with real processes.
package simulation

import (
	"fmt"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/walk"
)

// Machine is what is simulated: *walk.Walk, or a mutant of it.
type Machine interface {
	Next() []walk.Step
	Complete(step walk.Step, out walk.Outcome) error
	Cancel()
	Done() bool
	Phase() walk.Phase
	InFlight() int
	Snapshot() ([]byte, error)
	Result() walk.Result
}

var _ Machine = (*walk.Walk)(nil)

// Maker begins machines, and takes them up again from their snapshots.
type Maker struct {
	New    func(target, previous []walk.Node, opts walk.Options) (Machine, error)
	Resume func(target, previous []walk.Node, opts walk.Options, snapshot []byte) (Machine, error)
	// WorldAlone judges by the world and does not ask the model, which knows
	// of most mistakes before they do harm.
	WorldAlone bool
}

// Walks makes the real thing.
func Walks() Maker {
	return Maker{
		New: func(target, previous []walk.Node, opts walk.Options) (Machine, error) {
			return walk.New(target, previous, opts)
		},
		Resume: func(target, previous []walk.Node, opts walk.Options, snapshot []byte) (Machine, error) {
			return walk.Resume(target, previous, opts, snapshot)
		},
	}
}

// Rule that a walk must keep.
type Rule string

// The rules.
const (
	RuleMade      Rule = "made"      // graphs without a cycle can be walked
	RulePhase     Rule = "phase"     // phases follow each other as the contract says
	RuleReady     Rule = "ready"     // just what is ready starts, smallest id first, up to the bound
	RuleOnce      Rule = "once"      // no step is handed out twice, no node is in two at once
	RuleBound     Rule = "bound"     // never more in flight than allowed
	RuleNeeds     Rule = "needs"     // nothing is made before what it needs
	RuleInUse     Rule = "in-use"    // nothing is taken away that something there still needs
	RuleOurs      Rule = "ours"      // a rollback destroys only what this walk created
	RuleCommit    Rule = "commit"    // nothing is removed before the whole target is there
	RuleEnds      Rule = "ends"      // a walk comes to its end
	RuleResume    Rule = "resume"    // a resumed walk has the future of the one that went on
	RuleStatus    Rule = "status"    // the status is what the outcomes say
	RuleLeft      Rule = "left"      // just the nodes are named that may not be as they should
	RuleSkipped   Rule = "skipped"   // just the nodes are skipped whose step never began
	RuleChanged   Rule = "changed"   // changes and failures are counted
	RuleTarget    Rule = "target"    // succeeded: what is there is what the target says
	RuleBack      Rule = "back"      // rolled back: what is there is what was there before
	RuleProven    Rule = "proven"    // rolled back: a step after the failure has seen each node
	RuleUnlisted  Rule = "unlisted"  // what is neither as wanted nor as before is named
	RuleSameStory Rule = "same-seed" // a seed always gives the same steps
)

// Violation of a rule.
type Violation struct {
	Rule   Rule
	At     int // virtual time
	Detail string
}

func (v *Violation) String() string {
	return fmt.Sprintf("rule %s is broken at %d: %s", v.Rule, v.At, v.Detail)
}

// Actions that a step can have, in the order in which scenarios list them.
func actions() []orchestrator.StepAction {
	return []orchestrator.StepAction{
		orchestrator.StepApply, orchestrator.StepRemove, orchestrator.StepObserve, orchestrator.StepRestore,
		orchestrator.StepDestroy, orchestrator.StepAdopt, orchestrator.StepForget, orchestrator.StepPrune,
	}
}

// action is an index into actions.
type action uint8

const (
	apply action = iota
	remove
	observe
	restore
	destroy
	adopt
	forget
	prune
	numActions
)

func actionOf(a orchestrator.StepAction) (action, bool) {
	switch a {
	case orchestrator.StepApply:
		return apply, true
	case orchestrator.StepRemove:
		return remove, true
	case orchestrator.StepObserve:
		return observe, true
	case orchestrator.StepRestore:
		return restore, true
	case orchestrator.StepDestroy:
		return destroy, true
	case orchestrator.StepAdopt:
		return adopt, true
	case orchestrator.StepForget:
		return forget, true
	case orchestrator.StepPrune:
		return prune, true
	default:
		return 0, false
	}
}
