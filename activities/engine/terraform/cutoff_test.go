// SPDX-License-Identifier: Apache-2.0

package terraform_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/catalog"
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
	// cutOff leaves a thing that no state knows of, and goes to another host. What
	// was asked for is on record; what is asked for then is up to the test.
	cutOff := func(t *testing.T) *small {
		t.Helper()
		s := newThing(t, program, "alpha", identity)
		s.req.Announced = announced(s.req)
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
		s.req.Announced.Implementation.Identity = nil
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
		if _, _, err := s.apply(t); err != nil {
			t.Fatal(err)
		}
		wantLedger(t, s, "create alpha\nset alpha 3\n")
	})
	t.Run("absent", func(t *testing.T) {
		t.Parallel()
		s := cutOff(t)
		if err := os.Remove(filepath.Join(s.dir, "world", "thing-alpha")); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.apply(t); err != nil {
			t.Fatal(err)
		}
		wantLedger(t, s, "create alpha\ncreate alpha\nset alpha 3\n")
	})
	t.Run("another is wanted now", func(t *testing.T) {
		t.Parallel()
		s := cutOff(t)
		s.req.Implementation.Identity = s.req.Announced.Implementation.Identity
		s.req.Inputs["name"] = "beta"
		if _, _, err := s.apply(t); err != nil {
			t.Fatal(err)
		}
		// Nothing is left that no state lists.
		wantLedger(t, s, "create alpha\ndestroy alpha\ncreate beta\nset beta 3\n")
	})
	t.Run("another is wanted now and the first cannot be looked up", func(t *testing.T) {
		t.Parallel()
		s := cutOff(t)
		s.req.Implementation.Identity = s.req.Announced.Implementation.Identity
		s.req.Announced.Implementation.Identity = nil
		s.req.Inputs["name"] = "beta"
		for range 2 {
			if _, _, err := s.apply(t); engine.ClassOf(err) != engine.Uncertain {
				t.Errorf("got %v; want class uncertain", err)
			}
		}
		wantLedger(t, s, "create alpha\n")
	})
	t.Run("somebody else's", func(t *testing.T) {
		t.Parallel()
		s := cutOff(t)
		s.req.Implementation.Identity = s.req.Announced.Implementation.Identity
		s.req.Announced.Implementation.Identity = map[string]string{"world_thing.thing": "${inputs.world}/gamma"}
		theirs := `{"id":"of-somebody","size":3,"text":"theirs","zones":[],"labels":{},"details":"{}"}`
		if err := os.WriteFile(filepath.Join(s.dir, "world", "thing-gamma"), []byte(theirs), 0o600); err != nil {
			t.Fatal(err)
		}
		s.req.Inputs["name"] = "beta"
		for range 2 {
			if _, _, err := s.apply(t); engine.ClassOf(err) != engine.Rejected {
				t.Errorf("got %v; want class rejected", err)
			}
		}
		wantLedger(t, s, "create alpha\n")
	})
	t.Run("nothing is wanted now", func(t *testing.T) {
		t.Parallel()
		const module = "variable \"n\" { type = number }\nresource \"terraform_data\" \"one\" { count = var.n }\n"
		s := newSmall(t, program, module, map[string]any{"n": 1})
		s.req.Announced = announced(s.req)
		s.req.Inputs["n"] = 0
		s.req.Attempt, s.req.CutOff = 6, 5
		for range 2 {
			_, _, err := s.apply(t)
			if e, ok := engine.AsError(err); !ok || e.Class != engine.Uncertain || e.Resource != "module.node.terraform_data.one[0]" {
				t.Errorf("got %v; want what may be there to be named", err)
			}
		}
	})
	t.Run("another definition", func(t *testing.T) {
		t.Parallel()
		s := cutOff(t)
		bundle := filepath.Join(s.dir, "other")
		if err := os.MkdirAll(filepath.Join(bundle, "m"), 0o700); err != nil {
			t.Fatal(err)
		}
		const module = "variable \"v\" { type = string }\nresource \"terraform_data\" \"one\" { input = var.v }\n"
		if err := os.WriteFile(filepath.Join(bundle, "m", "main.tf"), []byte(module), 0o600); err != nil {
			t.Fatal(err)
		}
		s.req.Bundle, s.req.Implementation = bundle, catalog.Implementation{Module: "m"}
		s.req.Inputs, s.req.Sensitive, s.req.Outputs = map[string]any{"v": "x"}, nil, nil
		if _, _, err := s.apply(t); err != nil {
			t.Fatal(err)
		}
		wantLedger(t, s, "create alpha\ndestroy alpha\n")
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
	t.Run("replacement not begun", func(t *testing.T) {
		t.Parallel()
		const module = "variable \"v\" { type = string }\nresource \"terraform_data\" \"one\" {\n  triggers_replace = var.v\n%s}\n"
		for name, test := range map[string]struct {
			lifecycle string
			doubt     bool
			reason    string
		}{
			"deleted first": {reason: "what is still there was not deleted, so nothing took its place yet"},
			"created first": {
				lifecycle: "  lifecycle { create_before_destroy = true }\n", doubt: true,
				reason: "the second may be there beside the first",
			},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := newSmall(t, program, fmt.Sprintf(module, test.lifecycle), map[string]any{"v": "a"})
				s.req.Attempt = 4
				if _, _, err := s.apply(t); err != nil {
					t.Fatal(err)
				}
				s.req.Inputs["v"] = "b"
				s.req.Workspace = filepath.Join(s.dir, "elsewhere")
				s.req.Attempt, s.req.CutOff = 6, 5
				_, _, err := s.apply(t)
				if (engine.ClassOf(err) == engine.Uncertain) != test.doubt {
					t.Errorf("got %v; want a doubt: %t, since %s", err, test.doubt, test.reason)
				}
				if e, ok := engine.AsError(err); ok && !strings.Contains(e.Message, "the module.node.terraform_data.one that the state holds is not the one to remove") {
					t.Errorf("%v sends a person to remove the old one", err)
				}
			})
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

// announced is what a request asks for, as it is on record after its attempt.
func announced(req engine.Request) *engine.Announced {
	return &engine.Announced{
		Bundle: req.Bundle, Implementation: req.Implementation, Inputs: maps.Clone(req.Inputs), Sensitive: req.Sensitive, Outputs: req.Outputs,
	}
}

// TestSettledIsOfWhatWasBefore: a person's word is about what was cut off before
// the request, and says nothing of what the request itself leaves.
func TestSettledIsOfWhatWasBefore(t *testing.T) {
	t.Parallel()
	t.Run("cut off", func(t *testing.T) {
		t.Parallel()
		each(t, func(t *testing.T, program string) {
			t.Helper()
			s := newThing(t, program, "alpha", "")
			s.req.Implementation.Identity = nil
			s.req.Settled = true
			if err := s.killInCreate(t); engine.ClassOf(err) != engine.Uncertain {
				t.Fatalf("got %v; want class uncertain", err)
			}
			s.req.Settled = false // the registry has an intent since
			if _, _, err := s.apply(t); engine.ClassOf(err) != engine.Uncertain {
				t.Errorf("the next attempt gave %v; want class uncertain", err)
			}
			if got := s.ledger(t); got != "create alpha\n" {
				t.Errorf("side effects:\n%s", got)
			}
		})
	})
	t.Run("not saved", func(t *testing.T) {
		t.Parallel()
		each(t, func(t *testing.T, program string) {
			t.Helper()
			world := t.TempDir()
			ledger, goOn := filepath.Join(world, "ledger"), filepath.Join(world, "go")
			s := newSmall(t, program, fmt.Sprintf(`resource "terraform_data" "one" {
  provisioner "local-exec" {
    command = "echo made >> %s; until [ -e %s ]; do sleep 0.1; done"
  }
}
`, ledger, goOn), nil)
			server := serveState(t)
			s.req.Backend = server.backend()
			s.req.Settled = true
			done := make(chan error, 1)
			go func() {
				_, _, err := s.apply(t)
				done <- err
			}()
			until(t, "the creation", func() bool { return exists(ledger) })
			server.fail(http.StatusInternalServerError)
			if err := os.WriteFile(goOn, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-done:
				if !errors.Is(err, engine.ErrUnsettled) {
					t.Fatalf("got %v; want what was created to be on no record", err)
				}
			case <-time.After(patience):
				t.Fatal("the apply did not end")
			}
			server.fail(0)
			server.unlock()
			s.req.Settled = false
			if _, _, err := s.apply(t); err != nil {
				t.Fatal(err)
			}
			if text, err := os.ReadFile(ledger); err != nil || string(text) != "made\n" {
				t.Errorf("side effects: %q, %v", text, err)
			}
		})
	})
}
