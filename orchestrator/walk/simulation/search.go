// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/HatiCode/nestor/orchestrator"
)

// Tally is what a search has played.
type Tally struct {
	Graphs, Steps, Nodes uint64
	Statuses             map[orchestrator.Status]uint64
}

// Found is a seed whose scenario breaks a rule.
type Found struct {
	Seed      uint64
	Scenario  *Scenario // the smallest that breaks the same rule
	Violation *Violation
	Lines     []string
}

// String tells a finding as a file of testdata: the scenario, with what happens
// in comments above it.
func (f *Found) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# seed %d: rule %s\n# %s\n#\n", f.Seed, f.Violation.Rule, strings.ReplaceAll(f.Violation.Detail, "\n", "\n# "))
	for _, line := range f.Lines {
		fmt.Fprintf(&b, "# %s\n", line)
	}
	return b.String() + f.Scenario.String()
}

// Search plays the scenarios of the seeds first, first+1 and so on, in as many
// shards as asked for, and stops at the first that breaks a rule or when ctx is
// over. Every sixty-fourth is played twice: a seed tells one story.
func Search(ctx context.Context, first, graphs uint64, shards int, maker Maker) (Tally, *Found) {
	var next atomic.Uint64
	var broken atomic.Bool
	var mu sync.Mutex
	total := Tally{Statuses: map[orchestrator.Status]uint64{}}
	var found *Found
	var wait sync.WaitGroup
	for range shards {
		wait.Go(func() {
			own := Tally{Statuses: map[orchestrator.Status]uint64{}}
			defer func() {
				mu.Lock()
				defer mu.Unlock()
				total.add(own)
			}()
			for i := next.Add(1) - 1; i < graphs && !broken.Load() && ctx.Err() == nil; i = next.Add(1) - 1 {
				v := own.play(first+i, maker)
				if v == nil {
					continue
				}
				mu.Lock()
				if broken.Store(true); found == nil || first+i < found.Seed {
					found = &Found{Seed: first + i, Violation: v}
				}
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	if found != nil {
		found.shrink(maker)
	}
	return total, found
}

func (t *Tally) add(o Tally) {
	t.Graphs += o.Graphs
	t.Steps += o.Steps
	t.Nodes += o.Nodes
	for status, n := range o.Statuses {
		t.Statuses[status] += n
	}
}

func (t *Tally) play(seed uint64, maker Maker) *Violation {
	s := Draw(seed)
	story, v := Play(s, maker, false)
	t.Graphs++
	t.Nodes += uint64(len(s.Nodes))
	t.Steps += uint64(story.Steps) //nolint:gosec // a count
	t.Statuses[story.Result.Status]++
	if v != nil || seed%64 != 0 {
		return v
	}
	if again, _ := Play(Draw(seed), maker, false); again.Digest != story.Digest {
		return &Violation{Rule: RuleSameStory, Detail: "the same seed gave other steps"}
	}
	return nil
}

func (f *Found) shrink(maker Maker) {
	s, v := Shrink(Draw(f.Seed), maker)
	f.Scenario = s
	if v == nil {
		return // it does not happen every time, and cannot be made smaller
	}
	f.Violation = v
	story, _ := Play(s, maker, true)
	f.Lines = story.Lines
}
