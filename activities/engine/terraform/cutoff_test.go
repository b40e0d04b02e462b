// SPDX-License-Identifier: Apache-2.0

package terraform_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/HatiCode/nestor/activities/engine"
)

// TestCutOffElsewhere: a creation was cut off on another host. This one's
// workspace knows nothing of it, and makes nothing again without a look.
func TestCutOffElsewhere(t *testing.T) {
	t.Parallel()
	const identity = "${inputs.world}/${inputs.name}"
	program := "tofu"
	if lookup(program) == "" {
		t.Fatal("tofu is missing; run \"make tools\"")
	}
	// cutOff leaves a thing that no state knows of, and goes to another host.
	cutOff := func(t *testing.T) *small {
		t.Helper()
		s := newThing(t, program, "alpha", identity)
		s.req.Implementation.Identity = nil
		s.req.Attempt = 5
		if err := s.killInCreate(t); engine.ClassOf(err) != engine.Uncertain {
			t.Fatalf("got %v; want class uncertain", err)
		}
		s.req.Workspace = filepath.Join(s.dir, "elsewhere")
		s.req.Attempt, s.req.CutOff = 6, 5
		return s
	}
	wantLedger := func(t *testing.T, s *small, want string) {
		t.Helper()
		if got := s.ledger(t); got != want {
			t.Errorf("side effects:\n%s\nwant:\n%s", got, want)
		}
	}
	t.Run("in doubt", func(t *testing.T) {
		t.Parallel()
		s := cutOff(t)
		seen, err := s.engine.Observe(t.Context(), s.req)
		if err != nil || !seen.Exists || len(seen.Uncertain) != 1 || !strings.HasSuffix(seen.Uncertain[0], "world_thing.thing") {
			t.Errorf("observed %+v, %v; want the thing in doubt", seen, err)
		}
		for range 2 {
			_, _, err := s.apply(t)
			if e, ok := engine.AsError(err); !ok || e.Class != engine.Uncertain || !strings.Contains(e.Message, "nestor forget") {
				t.Fatalf("got %v; want class uncertain and the way out", err)
			}
		}
		if err := s.engine.Destroy(t.Context(), s.req); engine.ClassOf(err) != engine.Uncertain {
			t.Errorf("the destruction gave %v; want class uncertain", err)
		}
		wantLedger(t, s, "create alpha\n")
		s.req.Settled = true // a person has looked
		if _, err := s.engine.Preview(t.Context(), s.req); err != nil {
			t.Errorf("after a person's word: %v", err)
		}
	})
	t.Run("found", func(t *testing.T) {
		t.Parallel()
		s := cutOff(t)
		s.req.Implementation.Identity = map[string]string{"world_thing.thing": identity}
		if _, _, err := s.apply(t); err != nil {
			t.Fatal(err)
		}
		wantLedger(t, s, "create alpha\nset alpha 3\n")
	})
	t.Run("absent", func(t *testing.T) {
		t.Parallel()
		s := cutOff(t)
		s.req.Implementation.Identity = map[string]string{"world_thing.thing": identity}
		s.req.Inputs["name"] = "beta" // of which nothing is there
		if _, _, err := s.apply(t); err != nil {
			t.Fatal(err)
		}
		wantLedger(t, s, "create alpha\ncreate beta\nset beta 3\n")
	})
	t.Run("not begun", func(t *testing.T) {
		t.Parallel()
		s := newSmall(t, program, "resource \"terraform_data\" \"one\" {}\n", nil)
		s.req.Attempt = 5
		if _, err := s.engine.Preview(t.Context(), s.req); err != nil { // then it is announced, and the worker dies
			t.Fatal(err)
		}
		s.req.Attempt, s.req.CutOff = 6, 5
		if _, _, err := s.apply(t); err != nil {
			t.Errorf("what had not begun is in doubt: %v", err)
		}
	})
	t.Run("known here", func(t *testing.T) {
		t.Parallel()
		s := cutOff(t)
		s.req.CutOff = 4 // before the one that this host's workspace knows
		s.req.Workspace = filepath.Join(s.dir, "work")
		if _, _, err := s.apply(t); engine.ClassOf(err) != engine.Uncertain {
			t.Errorf("got %v; want what this workspace knows", err)
		}
		wantLedger(t, s, "create alpha\n")
	})
}
