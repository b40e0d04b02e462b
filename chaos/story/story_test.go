// SPDX-License-Identifier: Apache-2.0

package story_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/chaos/story"
	"github.com/HatiCode/nestor/orchestrator"
)

// TestStories: the same seed gives the same stories, and every story is one that
// can be told.
func TestStories(t *testing.T) {
	t.Parallel()
	kinds := map[story.Kind]int{}
	for n := range 60 {
		s := story.New(3, n)
		if diff := cmp.Diff(s, story.New(3, n)); diff != "" {
			t.Fatalf("story %d differs the second time:\n%s", n, diff)
		}
		state := map[string]story.Graph{}
		for _, step := range s.Steps {
			if diff := cmp.Diff(state[step.Environment], step.Before); diff != "" {
				t.Errorf("story %d: the %s begins elsewhere than the step before ended:\n%s", n, step.Name, diff)
			}
			state[step.Environment] = step.After
			failing := 0
			there := map[string]bool{}
			for _, node := range step.Graph {
				kinds[node.Kind]++
				for _, other := range node.Needs {
					if !there[other] {
						t.Errorf("story %d: %s needs %s, which does not come before it", n, node.Name, other)
					}
				}
				there[node.Name] = true
				if node.Fails {
					failing++
				}
				if node.Kind.Uncertain() && !s.Uncertain || node.Kind == story.Real && !s.Real {
					t.Errorf("story %d does not say that it has a %s node", n, node.Kind)
				}
			}
			if want := step.Want == orchestrator.StatusRolledBack; (failing == 1) != want || failing > 1 {
				t.Errorf("story %d: %d nodes fail in the %s, which ends %s", n, failing, step.Name, step.Want)
			}
		}
		for environment, left := range state {
			if len(left) > 0 {
				t.Errorf("story %d leaves %d nodes in %s", n, len(left), environment)
			}
		}
	}
	for _, kind := range []story.Kind{story.Known, story.Named, story.Blind, story.Real} {
		if kinds[kind] == 0 {
			t.Errorf("there is no %s node", kind)
		}
	}
}
