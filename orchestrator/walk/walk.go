// SPDX-License-Identifier: Apache-2.0

// Package walk decides which step of a deployment may run next, and what
// follows a failure or a cancellation. It is a pure state machine: no clock, no
// I/O, no goroutine. Its caller starts the steps it is given, in that order,
// and reports each outcome; the same reports give the same steps.
//
// A deployment walks through phases:
//
//	apply    the target graph forward: a node starts the moment its last
//	         dependency is done, smallest id first
//	remove   nodes of the previous graph that the target no longer has,
//	         dependents first. The commit point: nothing is undone after it
//	prune    nodes that a snapshot was taken of: which of their snapshots nobody
//	         needs any more, the step decides
//
// and, when a node failed for good or the deployment was canceled under
// OnFailureRollback:
//
//	observe  what was touched: is anything of it there?
//	restore  the previous graph forward over the touched nodes
//	destroy  what this deployment created, dependents first
//
// A destruction (KindDestroy) has the phase remove only, over the whole
// previous graph. An adoption (KindAdopt) takes over what exists, and takes
// nothing back but that:
//
//	adopt    the target's nodes
//	forget   those that were begun, when one failed or it was canceled
//
// What this package is not for: running steps, retrying them (an outcome is
// final), or recording anything.
package walk

import (
	"fmt"
	"slices"

	"github.com/HatiCode/nestor/orchestrator"
)

// Node is what the walk needs to know of a graph's node.
type Node struct {
	ID           string
	Dependencies []string
	// ForwardOnly nodes are not taken back.
	ForwardOnly bool
	// Retain keeps the resources when the node goes away.
	Retain bool
	// Partial, of a node of the previous graph: it never came to be as that
	// graph says, so there is no state to take it back to.
	Partial bool
}

// Options of a walk.
type Options struct {
	Kind      orchestrator.Kind
	OnFailure orchestrator.OnFailure
	// MaxInFlight bounds the steps that run at once; at least 1.
	MaxInFlight int
}

// Phase of a walk.
type Phase string

// The phases, in the order in which they can come.
const (
	PhaseApply   Phase = "apply"
	PhaseRemove  Phase = "remove"
	PhaseObserve Phase = "observe"
	PhaseRestore Phase = "restore"
	PhaseDestroy Phase = "destroy"
	PhaseAdopt   Phase = "adopt"
	PhaseForget  Phase = "forget"
	PhasePrune   Phase = "prune"
	PhaseDone    Phase = "done"
)

// Compensating says that the phase belongs to a rollback.
func (p Phase) Compensating() bool {
	return p == PhaseObserve || p == PhaseRestore || p == PhaseDestroy || p == PhaseForget
}

// Step is one action on one node.
type Step struct {
	Action orchestrator.StepAction
	Node   string
	// Previous says that the node's description is the previous graph's.
	Previous bool
}

// Outcome of a step; it is final.
type Outcome struct {
	Verdict Verdict
	// Changed: the engine was asked to change something.
	Changed bool
	// Exists answers an observe.
	Exists bool
	// Created: this deployment made it, nothing was there before.
	Created bool
	// Replaced: a resource was replaced, so that what was is gone.
	Replaced bool
	// Snapshotted: what the node held was saved before the change; of a restore,
	// it was given back.
	Snapshotted bool
	// Untouched, of an observe: it is proven that the apply step has changed
	// nothing.
	Untouched bool
	// Differs, of a restore that succeeded: it is as the previous graph says, but
	// gets something from others that is not as it was.
	Differs bool
	// Message says why it did not succeed.
	Message string
}

// unfinished says how something that did not succeed has ended.
func (o Outcome) unfinished(what string) string {
	if o.Verdict == Canceled {
		return what + " " + o.Verdict.ended()
	}
	return what + " " + o.Verdict.ended() + ": " + o.Message
}

// Verdict of a step.
type Verdict uint8

// The verdicts.
const (
	Succeeded Verdict = iota
	Failed
	Canceled
)

// ended says how something ended that did not succeed.
func (v Verdict) ended() string {
	if v == Canceled {
		return "was canceled before it was done"
	}
	return "failed"
}

// Walk is the state machine. It is not safe for concurrent use.
type Walk struct {
	opts     Options
	target   graph
	previous graph
	ids      []string // of both, ordered

	phase    Phase
	order    *order
	running  map[Step]struct{}
	stopping bool // nothing new starts in this phase
	canceled bool
	aborted  bool // the rollback itself was canceled

	touched  map[string]*touch // nodes that an apply step was started for
	removed  map[string]Verdict
	failures []Failure
	left     map[string]Left
	changed  int
	pruned   bool // the phase prune was come to with everything there that was asked for
	journal  []record
}

// touch is what is known of a node that this deployment acted on.
type touch struct {
	verdict     Verdict
	changed     bool
	created     bool
	replaced    bool
	snapshotted bool
	observed    bool
	exists      bool // until observed otherwise
	restored    bool
}

// back says that the node is as it was before the deployment.
func (t *touch) back() bool {
	return t.restored || !t.changed
}

// New prepares a walk from the previous graph to the target. A destruction has
// no target. Dependencies must name nodes of the same graph.
func New(target, previous []Node, opts Options) (*Walk, error) {
	if opts.MaxInFlight < 1 {
		return nil, fmt.Errorf("walk: at least one step must be allowed in flight, got %d", opts.MaxInFlight)
	}
	t, err := newGraph(target)
	if err != nil {
		return nil, fmt.Errorf("target graph: %w", err)
	}
	p, err := newGraph(previous)
	if err != nil {
		return nil, fmt.Errorf("previous graph: %w", err)
	}
	ids := append(slices.Clone(t.ids), p.ids...)
	slices.Sort(ids)
	w := &Walk{
		opts: opts, target: t, previous: p, ids: slices.Compact(ids),
		running: map[Step]struct{}{},
		touched: map[string]*touch{},
		removed: map[string]Verdict{},
		left:    map[string]Left{},
	}
	switch opts.Kind {
	case orchestrator.KindDestroy:
		w.enterRemove()
	case orchestrator.KindAdopt:
		w.phase = PhaseAdopt
		w.order = newOrder(w.target.ids, w.target.dependencies)
	default:
		w.phase = PhaseApply
		w.order = newOrder(w.target.ids, w.target.dependencies)
	}
	w.advance()
	return w, nil
}

// Phase the walk is in.
func (w *Walk) Phase() Phase { return w.phase }

// Done says that no step is running and none will come.
func (w *Walk) Done() bool { return w.phase == PhaseDone }

// InFlight counts the steps that run.
func (w *Walk) InFlight() int { return len(w.running) }

// Size counts the nodes the walk is about.
func (w *Walk) Size() int {
	return len(w.ids)
}

// Next hands out the steps to start now, in this order, each once.
func (w *Walk) Next() []Step {
	var steps []Step
	for !w.stopping && w.phase != PhaseDone && len(w.running) < w.opts.MaxInFlight {
		id, ok := w.order.next()
		if !ok {
			break
		}
		step := w.step(id)
		w.begin(step)
		steps = append(steps, step)
	}
	return steps
}

// begin notes that a step runs.
func (w *Walk) begin(step Step) {
	w.running[step] = struct{}{}
	if step.Action == orchestrator.StepApply || step.Action == orchestrator.StepAdopt {
		w.touched[step.Node] = &touch{verdict: Canceled, changed: true, exists: true}
	}
}

// Complete reports the outcome of a step that Next handed out.
func (w *Walk) Complete(step Step, out Outcome) error {
	if _, running := w.running[step]; !running {
		return fmt.Errorf("walk: step %s %s is not running", step.Action, step.Node)
	}
	w.complete(step, out)
	w.advance()
	return nil
}

func (w *Walk) complete(step Step, out Outcome) {
	delete(w.running, step)
	w.journal = append(w.journal, record{phase: w.phase, step: step, outcome: out})
	if out.Verdict != Succeeded && step.Action != orchestrator.StepPrune {
		w.failures = append(w.failures, Failure{Node: step.Node, Action: step.Action, Verdict: out.Verdict, Message: out.Message})
	}
	switch step.Action {
	case orchestrator.StepApply:
		w.completeApply(step.Node, out)
	case orchestrator.StepRemove:
		w.completeRemove(step.Node, out)
	case orchestrator.StepObserve:
		w.completeObserve(step.Node, out)
	case orchestrator.StepRestore:
		w.completeRestore(step.Node, out)
	case orchestrator.StepDestroy:
		w.completeDestroy(step.Node, out)
	case orchestrator.StepAdopt:
		w.completeAdopt(step.Node, out)
	case orchestrator.StepForget:
		w.completeForget(step.Node, out)
	case orchestrator.StepPrune:
		w.completePrune(step.Node, out)
	}
}

// Cancel stops the walk: before a rollback it starts one (under
// OnFailureRollback), in a rollback it ends it. Where everything that was asked
// for is there nevertheless, since it came during the last removals and those
// succeeded, or while earlier snapshots are pruned, it keeps no more than further
// snapshots from being pruned: the walk has succeeded all the same. Steps in flight
// are the caller's to cancel; their outcomes are still awaited. Canceling a walk
// that is done changes nothing.
func (w *Walk) Cancel() {
	if w.phase == PhaseDone {
		return
	}
	w.cancel()
	w.advance()
}

func (w *Walk) cancel() {
	w.journal = append(w.journal, record{phase: w.phase, cancel: true})
	w.stopping = true
	if w.phase == PhasePrune {
		return
	}
	w.canceled = true
	if w.phase.Compensating() {
		w.aborted = true
	}
}

// step is what the present phase does to a node.
func (w *Walk) step(id string) Step {
	actions := map[Phase]orchestrator.StepAction{
		PhaseApply:   orchestrator.StepApply,
		PhaseRemove:  orchestrator.StepRemove,
		PhaseObserve: orchestrator.StepObserve,
		PhaseRestore: orchestrator.StepRestore,
		PhaseDestroy: orchestrator.StepDestroy,
		PhaseAdopt:   orchestrator.StepAdopt,
		PhaseForget:  orchestrator.StepForget,
		PhasePrune:   orchestrator.StepPrune,
	}
	return Step{
		Action:   actions[w.phase],
		Node:     id,
		Previous: w.phase == PhaseRemove || w.phase == PhaseRestore,
	}
}

// advance moves on to the next phase while the present one is over.
func (w *Walk) advance() {
	for w.phase != PhaseDone && len(w.running) == 0 && (w.stopping || w.order.finished()) {
		w.nextPhase()
	}
}

func (w *Walk) nextPhase() {
	switch w.phase {
	case PhaseApply:
		w.afterApply()
	case PhaseRemove:
		w.leaveUnremoved()
		w.enterPrune()
	case PhasePrune:
		w.leaveUnpruned()
		w.phase = PhaseDone
	case PhaseObserve:
		w.enterRestore()
	case PhaseRestore:
		w.enterDestroy()
	case PhaseDestroy:
		w.leaveUndestroyed()
		w.phase = PhaseDone
	case PhaseAdopt:
		w.afterAdopt()
	case PhaseForget:
		w.leaveUnforgotten()
		w.phase = PhaseDone
	case PhaseDone:
	}
}

func (w *Walk) afterApply() {
	switch {
	case !w.canceled && len(w.failures) == 0:
		w.enterRemove()
	case w.opts.OnFailure == orchestrator.OnFailureRollback && len(w.touched) > 0:
		w.enterObserve()
	default:
		w.leaveUnsuccessful()
		w.phase = PhaseDone
	}
}
