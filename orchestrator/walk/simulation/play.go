// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/orchestrator/walk"
)

// Story is what happened when a scenario was played.
type Story struct {
	// Steps that were performed.
	Steps int
	// Digest of all that happened, in its order and at its time.
	Digest uint64
	Result walk.Result
	// Lines tell it to a reader, if they were asked for.
	Lines []string
}

// Play a scenario to its end, or to the first rule that is broken. With tell,
// the story has lines.
func Play(s *Scenario, maker Maker, tell bool) (Story, *Violation) {
	p := &player{s: s, maker: maker, tell: tell}
	p.target, p.previous = s.walks()
	p.model.begin(s, &p.heard)
	p.world.begin(s)
	violation := p.play()
	return p.story, violation
}

// player is one walk in its world.
type player struct {
	s                *Scenario
	maker            Maker
	target, previous []walk.Node

	now     int
	machine Machine
	whole   Machine // the one that was never resumed, if machine was
	heard   heard
	model   model
	undoing bool // a phase of a rollback was seen
	world   world
	running []flight
	begun   [numActions]set
	cancels int // how many of s.Cancels have come
	drained set // which of s.Drains are over

	tell  bool
	story Story
}

// flight is a step that runs.
type flight struct {
	step     walk.Step
	action   action
	node     int
	ends     int
	canceled bool
}

func (p *player) violate(rule Rule, format string, args ...any) *Violation {
	return &Violation{Rule: rule, At: p.now, Detail: fmt.Sprintf(format, args...)}
}

func (p *player) say(format string, args ...any) {
	if p.tell {
		p.story.Lines = append(p.story.Lines, fmt.Sprintf("%4d  ", p.now)+fmt.Sprintf(format, args...))
	}
}

// note adds to the story's digest.
func (p *player) note(values ...uint64) {
	for _, v := range values {
		p.story.Digest = (p.story.Digest ^ v) * 0x100000001b3
	}
}

func (p *player) play() *Violation {
	var err error
	if p.machine, err = p.maker.New(p.target, p.previous, p.s.options()); err != nil {
		return p.violate(RuleMade, "%v", err)
	}
	if v := p.checkPhase(); v != nil {
		return v
	}
	for !p.machine.Done() {
		if p.now > 100_000 {
			return p.violate(RuleEnds, "it is still in phase %s", p.machine.Phase())
		}
		draining := p.draining()
		if draining && len(p.running) == 0 {
			if v := p.continueAsNew(); v != nil {
				return v
			}
			continue
		}
		if !draining {
			if v := p.start(); v != nil {
				return v
			}
		}
		if v := p.proceed(); v != nil {
			return v
		}
	}
	p.story.Result = p.machine.Result()
	return p.checkEnd()
}

// draining says that nothing is to be started now.
func (p *player) draining() bool {
	for i, d := range p.s.Drains {
		if !p.drained.has(i) && d.At <= p.now && p.now < d.At+d.For {
			return true
		}
	}
	return false
}

// continueAsNew goes on with a machine that was made from a snapshot. The first
// one is kept beside it, and must always do the same.
func (p *player) continueAsNew() *Violation {
	for i, d := range p.s.Drains {
		if d.At <= p.now {
			p.drained.put(i, true)
		}
	}
	snapshot, err := p.machine.Snapshot()
	if err != nil {
		return p.violate(RuleResume, "snapshot: %v", err)
	}
	resumed, err := p.maker.Resume(p.target, p.previous, p.s.options(), snapshot)
	if err != nil {
		return p.violate(RuleResume, "%v", err)
	}
	again, err := resumed.Snapshot()
	if err != nil || !bytes.Equal(snapshot, again) {
		return p.violate(RuleResume, "the resumed walk has another snapshot (%v): % x, was % x", err, again, snapshot)
	}
	if p.whole == nil {
		p.whole = p.machine
	}
	p.machine = resumed
	p.say("continue as new, with %d bytes", len(snapshot))
	p.note(uint64(p.now), 1) //nolint:gosec // a time
	return p.checkPhase()
}

// start what the machine hands out.
func (p *player) start() *Violation {
	steps := p.machine.Next()
	if p.whole != nil {
		if diff := cmp.Diff(p.whole.Next(), steps); diff != "" {
			return p.violate(RuleResume, "other steps start (-went on +resumed):\n%s", diff)
		}
	}
	var due set
	if !p.maker.WorldAlone {
		due = p.model.start()
	}
	for _, step := range steps {
		i, known := p.s.place(step.Node)
		a, possible := actionOf(step.Action)
		if !known || !possible {
			return p.violate(RuleReady, "%s %s is no step of this scenario", step.Action, step.Node)
		}
		if v := p.checkStart(step, a, i, due); v != nil {
			return v
		}
		due.put(i, false)
		plan := &p.s.Nodes[i].Plans[a]
		p.running = append(p.running, flight{step: step, action: a, node: i, ends: p.now + plan.Takes})
		p.begun[a].put(i, true)
		p.heard.began(a, i)
		p.story.Steps++
		p.say("start %s %s", step.Action, step.Node)
		p.note(uint64(p.now), uint64(a), uint64(i)) //nolint:gosec // small numbers
	}
	if due != 0 && !p.maker.WorldAlone {
		return p.violate(RuleReady, "%v may start and does not", p.s.ids(due))
	}
	return p.checkFlight()
}

// proceed to the next moment at which something happens, and report it: first
// what has ended, then a cancel, so that one may meet a phase that has just begun.
func (p *player) proceed() *Violation {
	next := -1
	soonest := func(t int) {
		if t >= p.now && (next < 0 || t < next) {
			next = t
		}
	}
	for _, f := range p.running {
		soonest(f.ends)
	}
	if p.cancels < len(p.s.Cancels) && len(p.running) > 0 {
		soonest(max(p.s.Cancels[p.cancels], p.now))
	}
	for i, d := range p.s.Drains {
		if !p.drained.has(i) && len(p.running) > 0 {
			if d.At > p.now {
				soonest(d.At)
			} else if d.At+d.For > p.now {
				soonest(d.At + d.For)
			}
		}
	}
	if next < 0 {
		return p.violate(RuleEnds, "nothing runs, nothing starts, and it is in phase %s", p.machine.Phase())
	}
	p.now = next
	for i := 0; i < len(p.running); {
		f := p.running[i]
		if f.ends > p.now {
			i++
			continue
		}
		p.running = append(p.running[:i], p.running[i+1:]...)
		if v := p.finish(f); v != nil {
			return v
		}
	}
	if p.cancels < len(p.s.Cancels) && p.s.Cancels[p.cancels] <= p.now {
		p.cancels++
		return p.cancel()
	}
	return nil
}

func (p *player) finish(f flight) *Violation {
	plan := &p.s.Nodes[f.node].Plans[f.action]
	out := p.world.perform(f.action, f.node, plan, f.canceled)
	p.say("%s of %s ends: %s", f.step.Action, f.step.Node, describe(out))
	p.note(uint64(p.now), 2, uint64(f.action), uint64(f.node), uint64(out.Verdict)) //nolint:gosec // small numbers
	if err := p.machine.Complete(f.step, out); err != nil {
		return p.violate(RuleOnce, "%v", err)
	}
	if p.whole != nil {
		if err := p.whole.Complete(f.step, out); err != nil {
			return p.violate(RuleResume, "the walk that went on: %v", err)
		}
	}
	p.heard.ended(f.action, f.node, out)
	if !p.maker.WorldAlone {
		p.model.complete(f.action, f.node, out.Verdict == walk.Succeeded)
	}
	return p.checkPhase()
}

func (p *player) cancel() *Violation {
	p.say("cancel")
	p.note(uint64(p.now), 3) //nolint:gosec // a time
	for i := range p.running {
		f := &p.running[i]
		if p.s.Nodes[f.node].Plans[f.action].Obeys {
			f.canceled, f.ends = true, min(f.ends, p.now+1)
		}
	}
	p.machine.Cancel()
	if p.whole != nil {
		p.whole.Cancel()
	}
	if !p.maker.WorldAlone {
		p.model.cancel()
	}
	return p.checkPhase()
}

func describe(out walk.Outcome) string {
	words := []string{[...]string{"succeeded", "failed", "canceled"}[out.Verdict]}
	for _, fact := range []struct {
		word string
		on   bool
	}{
		{"changed", out.Changed},
		{"exists", out.Exists},
		{"created", out.Created},
		{"replaced", out.Replaced},
		{"saved", out.Snapshotted},
		{"untouched", out.Untouched},
		{"differs", out.Differs},
	} {
		if fact.on {
			words = append(words, fact.word)
		}
	}
	return strings.Join(words, ", ")
}
