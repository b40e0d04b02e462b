// SPDX-License-Identifier: Apache-2.0

package simulation_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/walk/simulation"
)

// graphs are walked by each run of the tests.
const graphs = 100_000

// TestAnyWalk: whatever fails and whenever somebody cancels, no rule is broken.
// Each run takes other seeds. `simulate -seed` plays them again.
func TestAnyWalk(t *testing.T) {
	t.Parallel()
	seed := uint64(rand.Uint32())
	tally, found := simulation.Search(t.Context(), seed, graphs, runtime.GOMAXPROCS(0), simulation.Walks())
	t.Logf("seed %d: %d graphs, %d nodes, %d steps, %v", seed, tally.Graphs, tally.Nodes, tally.Steps, tally.Statuses)
	if found != nil {
		t.Fatalf("%v\n\nThe smallest scenario that breaks this rule; mend the walk, and keep it in testdata:\n%s", found.Violation, found)
	}
	if tally.Graphs != graphs {
		t.Errorf("%d graphs were walked, not %d", tally.Graphs, graphs)
	}
	// What never occurs is no key of the tally.
	for _, status := range []orchestrator.Status{
		orchestrator.StatusSucceeded, orchestrator.StatusRolledBack, orchestrator.StatusFailed, orchestrator.StatusCanceled,
	} {
		if n := tally.Statuses[status]; n < graphs/100 {
			t.Errorf("only %d of %d walks ended %s: the scenarios have become tame", n, graphs, status)
		}
	}
}

// TestRegressions: what once went wrong does not go wrong again.
func TestRegressions(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenario in testdata: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s, err := simulation.Parse(string(text))
			if err != nil {
				t.Fatal(err)
			}
			if story, broken := simulation.Play(s, simulation.Walks(), true); broken != nil {
				t.Errorf("%v\n%s", broken, strings.Join(story.Lines, "\n"))
			}
		})
	}
}

// TestText: what is printed is what is read.
func TestText(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		s := simulation.Draw(seed)
		again, err := simulation.Parse(s.String())
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, s)
		}
		if diff := cmp.Diff(s, again, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("seed %d (-drawn +read):\n%s", seed, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ text, want string }{
		"another line":       {"edge a b", `"edge" is none of`},
		"nodes out of order": {"node b in both\nnode a in both", "line 2: node a comes after b"},
		"an unknown need":    {"node a in both, new needs b", "node b is needed"},
		"an unknown trait":   {"node a in both, shiny", `"shiny" is not known`},
		"an unknown step":    {"node a in both\nstep paint a: failed", `"paint" is no action`},
		"an unknown fault":   {"node a in both\nstep apply a: did harm", `"did harm" is not known`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := simulation.Parse(tc.text); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}
