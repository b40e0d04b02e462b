// SPDX-License-Identifier: Apache-2.0

package simulation_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/walk"
	"github.com/HatiCode/nestor/orchestrator/walk/simulation"
)

// mutant is a walk with one thing wrong.
type mutant struct {
	simulation.Machine
	next     func(m simulation.Machine) []walk.Step
	complete func(m simulation.Machine, step walk.Step, out walk.Outcome) error
	cancel   func(m simulation.Machine)
	result   func(r walk.Result) walk.Result
}

func (m mutant) Next() []walk.Step {
	if m.next != nil {
		return m.next(m.Machine)
	}
	return m.Machine.Next()
}

func (m mutant) Complete(step walk.Step, out walk.Outcome) error {
	if m.complete != nil {
		return m.complete(m.Machine, step, out)
	}
	return m.Machine.Complete(step, out)
}

func (m mutant) Cancel() {
	if m.cancel != nil {
		m.cancel(m.Machine)
		return
	}
	m.Machine.Cancel()
}

func (m mutant) Result() walk.Result {
	if m.result != nil {
		return m.result(m.Machine.Result())
	}
	return m.Machine.Result()
}

// always puts a mutant in the place of every walk.
func always(m mutant) simulation.Maker {
	walks := simulation.Walks()
	return simulation.Maker{
		New: func(target, previous []walk.Node, opts walk.Options) (simulation.Machine, error) {
			w, err := walks.New(target, previous, opts)
			m.Machine = w
			return m, err
		},
		Resume: func(target, previous []walk.Node, opts walk.Options, snapshot []byte) (simulation.Machine, error) {
			w, err := walks.Resume(target, previous, opts, snapshot)
			m.Machine = w
			return m, err
		},
	}
}

// given lets the walk see other graphs and options than there are.
func given(see func(target, previous []walk.Node, opts *walk.Options)) simulation.Maker {
	walks := simulation.Walks()
	return simulation.Maker{
		New: func(target, previous []walk.Node, opts walk.Options) (simulation.Machine, error) {
			see(target, previous, &opts)
			return walks.New(target, previous, opts)
		},
		Resume: func(target, previous []walk.Node, opts walk.Options, snapshot []byte) (simulation.Machine, error) {
			see(target, previous, &opts)
			return walks.Resume(target, previous, opts, snapshot)
		},
	}
}

// told lets the walk hear other outcomes than there were.
func told(hear func(step walk.Step, out *walk.Outcome)) simulation.Maker {
	return always(mutant{complete: func(m simulation.Machine, step walk.Step, out walk.Outcome) error {
		hear(step, &out)
		return m.Complete(step, out)
	}})
}

func result(say func(r *walk.Result)) simulation.Maker {
	return always(mutant{result: func(r walk.Result) walk.Result {
		r.Left, r.Skipped = slices.Clone(r.Left), slices.Clone(r.Skipped)
		say(&r)
		return r
	}})
}

// forgetful resumes without the last bytes of the snapshot's last record.
func forgetful() simulation.Maker {
	walks := simulation.Walks()
	resume := walks.Resume
	walks.Resume = func(target, previous []walk.Node, opts walk.Options, snapshot []byte) (simulation.Machine, error) {
		if len(snapshot) == 4 {
			snapshot = snapshot[:1]
		}
		return resume(target, previous, opts, snapshot)
	}
	return walks
}

// TestMutants: each walk with one thing wrong breaks the rule that is there for
// it. A rule that nothing can break would be no rule.
func TestMutants(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		make simulation.Maker
		rule []simulation.Rule // any of them
	}{
		"starts before what it needs": {
			given(func(target, _ []walk.Node, _ *walk.Options) { firstNeedless(target) }),
			[]simulation.Rule{simulation.RuleNeeds},
		},
		"restores and removes out of order": {
			given(func(_, previous []walk.Node, _ *walk.Options) { firstNeedless(previous) }),
			[]simulation.Rule{simulation.RuleNeeds, simulation.RuleInUse, simulation.RulePhase, simulation.RuleReady},
		},
		"starts the greatest first": {
			always(mutant{next: func(m simulation.Machine) []walk.Step {
				steps := m.Next()
				slices.Reverse(steps)
				return steps
			}}),
			[]simulation.Rule{simulation.RuleReady},
		},
		"starts one too many": {
			given(func(_, _ []walk.Node, opts *walk.Options) { opts.MaxInFlight++ }),
			[]simulation.Rule{simulation.RuleReady},
		},
		"starts one too few": {
			given(func(_, _ []walk.Node, opts *walk.Options) { opts.MaxInFlight = max(1, opts.MaxInFlight-1) }),
			[]simulation.Rule{simulation.RuleReady},
		},
		"starts a step twice": {
			always(mutant{next: func(m simulation.Machine) []walk.Step {
				steps := m.Next()
				return append(steps, steps...)
			}}),
			[]simulation.Rule{simulation.RuleOnce},
		},
		"starts nothing": {
			always(mutant{next: func(simulation.Machine) []walk.Step { return nil }}),
			[]simulation.Rule{simulation.RuleReady, simulation.RuleEnds},
		},
		"does not hear a cancel": {
			always(mutant{cancel: func(simulation.Machine) {}}),
			[]simulation.Rule{simulation.RulePhase, simulation.RuleReady, simulation.RuleStatus},
		},
		"takes a failure for a success": {
			told(func(step walk.Step, out *walk.Outcome) {
				if step.Action == orchestrator.StepApply {
					out.Verdict = walk.Succeeded
				}
			}),
			[]simulation.Rule{simulation.RulePhase, simulation.RuleReady, simulation.RuleNeeds},
		},
		"trusts a failed step to have changed nothing": {
			told(func(_ walk.Step, out *walk.Outcome) { out.Changed = out.Changed && out.Verdict == walk.Succeeded }),
			[]simulation.Rule{simulation.RuleLeft, simulation.RuleReady, simulation.RulePhase, simulation.RuleStatus},
		},
		"destroys what it did not make": {
			told(func(step walk.Step, out *walk.Outcome) {
				out.Created = out.Created || step.Action == orchestrator.StepObserve && out.Exists
			}),
			[]simulation.Rule{simulation.RuleOurs},
		},
		"takes back what was replaced": {
			told(func(_ walk.Step, out *walk.Outcome) { out.Replaced = false }),
			[]simulation.Rule{simulation.RuleReady, simulation.RulePhase, simulation.RuleLeft},
		},
		"believes that all is gone": {
			told(func(step walk.Step, out *walk.Outcome) {
				out.Exists = out.Exists && step.Action != orchestrator.StepObserve
			}),
			[]simulation.Rule{simulation.RulePhase, simulation.RuleReady, simulation.RuleLeft},
		},
		"takes forward-only nodes back": {
			given(func(target, previous []walk.Node, _ *walk.Options) {
				for _, nodes := range [][]walk.Node{target, previous} {
					for i := range nodes {
						nodes[i].ForwardOnly = false
					}
				}
			}),
			[]simulation.Rule{simulation.RuleReady, simulation.RulePhase},
		},
		"rolls back a walk that shall stop": {
			given(func(_, _ []walk.Node, opts *walk.Options) { opts.OnFailure = orchestrator.OnFailureRollback }),
			[]simulation.Rule{simulation.RulePhase, simulation.RuleReady},
		},
		"names one node too few": {
			result(func(r *walk.Result) { r.Left = r.Left[:max(0, len(r.Left)-1)] }),
			[]simulation.Rule{simulation.RuleLeft},
		},
		"names one node too many": {
			result(func(r *walk.Result) {
				if len(r.Skipped) > 0 {
					r.Left = append(r.Left, walk.Left{Node: r.Skipped[0], Reason: "why", Action: "what"})
				}
			}),
			[]simulation.Rule{simulation.RuleLeft},
		},
		"does not say what to do": {
			result(func(r *walk.Result) {
				for i := range r.Left {
					r.Left[i].Action = ""
				}
			}),
			[]simulation.Rule{simulation.RuleLeft},
		},
		"is silent on what was skipped": {
			result(func(r *walk.Result) { r.Skipped = nil }),
			[]simulation.Rule{simulation.RuleSkipped},
		},
		"calls a failure rolled back": {
			result(func(r *walk.Result) {
				if r.Status == orchestrator.StatusFailed {
					r.Status = orchestrator.StatusRolledBack
				}
			}),
			[]simulation.Rule{simulation.RuleStatus},
		},
		"miscounts": {
			result(func(r *walk.Result) { r.Changed++ }),
			[]simulation.Rule{simulation.RuleChanged},
		},
		"forgets when it continues as new": {
			forgetful(),
			[]simulation.Rule{simulation.RuleResume},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, found := simulation.Search(t.Context(), 1, 20_000, 1, tc.make)
			if found == nil {
				t.Fatal("no rule is broken")
			}
			if !slices.Contains(tc.rule, found.Violation.Rule) {
				t.Errorf("%v, want one of %v\n%s", found.Violation, tc.rule, found)
			}
			if n := len(found.Scenario.Nodes); n > 4 {
				t.Errorf("the smallest scenario has %d nodes:\n%s", n, found)
			}
			text, err := simulation.Parse(found.String())
			if err != nil {
				t.Fatalf("what is printed cannot be read: %v\n%s", err, found)
			}
			_, again := simulation.Play(text, tc.make, false)
			if again == nil || again.Rule != found.Violation.Rule {
				t.Errorf("the printed scenario gives %v, not %v:\n%s", again, found.Violation, found)
			}
		})
	}
}

// TestMutantsHarm: the same without the model, which knows of most mistakes
// before they do harm. The world notices what they do.
func TestMutantsHarm(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		make simulation.Maker
		rule simulation.Rule
	}{
		"applies before what it needs": {
			given(func(target, _ []walk.Node, _ *walk.Options) { needless(target) }), simulation.RuleNeeds,
		},
		"restores before what it needs, or removes what is in use": {
			given(func(_, previous []walk.Node, opts *walk.Options) {
				if opts.Kind != orchestrator.KindDestroy {
					needless(previous)
				}
			}), simulation.RuleNeeds,
		},
		"destroys what is in use": {
			given(func(_, previous []walk.Node, opts *walk.Options) {
				if opts.Kind == orchestrator.KindDestroy {
					needless(previous)
				}
			}), simulation.RuleInUse,
		},
		"destroys what it did not make": {
			told(func(step walk.Step, out *walk.Outcome) {
				out.Created = out.Created || step.Action == orchestrator.StepObserve && out.Exists
			}), simulation.RuleOurs,
		},
		"removes before all is there": {
			told(func(step walk.Step, out *walk.Outcome) {
				if step.Action == orchestrator.StepApply {
					out.Verdict = walk.Succeeded
				}
			}), simulation.RuleCommit,
		},
		"calls everything succeeded": {
			result(func(r *walk.Result) { r.Status = orchestrator.StatusSucceeded }), simulation.RuleTarget,
		},
		"rolls back and leaves something": {
			told(func(step walk.Step, out *walk.Outcome) {
				out.Replaced = false
				if step.Action == orchestrator.StepObserve {
					out.Verdict, out.Exists = walk.Succeeded, false
				}
			}), simulation.RuleBack,
		},
		"calls everything rolled back": {
			result(func(r *walk.Result) {
				if r.Status == orchestrator.StatusCanceled {
					r.Status = orchestrator.StatusRolledBack
				}
			}), simulation.RuleProven,
		},
		"names nothing": {
			result(func(r *walk.Result) { r.Left = nil }), simulation.RuleUnlisted,
		},
		"runs more than it may": {
			given(func(_, _ []walk.Node, opts *walk.Options) { opts.MaxInFlight++ }), simulation.RuleBound,
		},
		"cannot begin": {
			given(func(_, _ []walk.Node, opts *walk.Options) { opts.MaxInFlight = 0 }), simulation.RuleMade,
		},
		"stands still": {
			always(mutant{next: func(simulation.Machine) []walk.Step { return nil }}), simulation.RuleEnds,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.make.WorldAlone = true
			// Some mistakes break several rules; each seed tells of its first.
			for seed := range uint64(30_000) {
				_, broken := simulation.Play(simulation.Draw(seed), tc.make, false)
				if broken != nil && broken.Rule == tc.rule {
					return
				}
			}
			t.Errorf("rule %s is never broken", tc.rule)
		})
	}
}

// needless lets no node need anything.
func needless(nodes []walk.Node) {
	for i := range nodes {
		nodes[i].Dependencies = nil
	}
}

// firstNeedless lets the first node that needs something need nothing.
func firstNeedless(nodes []walk.Node) {
	for i := range nodes {
		if len(nodes[i].Dependencies) > 0 {
			nodes[i].Dependencies = nil
			return
		}
	}
}

func TestTheSameSeedTellsTheSameStory(t *testing.T) {
	t.Parallel()
	calls := 0
	fickle := told(func(_ walk.Step, out *walk.Outcome) {
		calls++
		out.Changed = out.Changed && calls%7 > 0
	})
	if _, found := simulation.Search(t.Context(), 1, 20_000, 1, fickle); found == nil {
		t.Error("a walk that does not always do the same breaks no rule")
	}
	for seed := range uint64(200) {
		one, _ := simulation.Play(simulation.Draw(seed), simulation.Walks(), true)
		two, _ := simulation.Play(simulation.Draw(seed), simulation.Walks(), true)
		if diff := cmp.Diff(one, two); diff != "" {
			t.Fatalf("seed %d (-once +again):\n%s", seed, diff)
		}
	}
}
