// SPDX-License-Identifier: Apache-2.0

package terraform_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/supervise"
	"github.com/HatiCode/nestor/activities/engine/terraform"
)

// newThing is a node with the suite's thing, which waits in its creation.
func newThing(t *testing.T, program, name, id string) *small {
	t.Helper()
	s := newSmall(t, program, "", nil)
	world := filepath.Join(s.dir, "world")
	if err := os.MkdirAll(world, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(world, "hold"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.req.Inputs = map[string]any{
		"world": world, "name": name, "size": int64(3), "text": "plain", "password": "nobody-knows", "ratio": 0.5,
		"enabled": true, "zones": []any{}, "labels": map[string]any{}, "mode": "hold",
	}
	s.req.Sensitive = map[string]bool{"password": true}
	if err := prepare(s.dir, &s.req); err != nil {
		t.Fatal(err)
	}
	s.req.Implementation.Identity = map[string]string{"world_thing.thing": id}
	return s
}

func (s *small) ledger(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "world", "ledger"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	return string(text)
}

// killInCreate kills the program between "created" and "recorded" and returns
// what the attempt came to.
func (s *small) killInCreate(t *testing.T) error {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, _, err := s.apply(t)
		done <- err
	}()
	until(t, "the creation", func() bool { return strings.Contains(s.ledger(t), "create") })
	holder, err := supervise.ReadHolder(s.req.Workspace)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(holder.Engine, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case err = <-done:
	case <-time.After(patience):
		t.Fatal("the killed apply did not end")
	}
	if err := os.Remove(filepath.Join(s.dir, "world", "hold")); err != nil {
		t.Fatal(err)
	}
	return err
}

// TestForbiddenLook: a look that fails proves nothing, so nothing is created.
func TestForbiddenLook(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, program string) {
		t.Helper()
		s := newThing(t, program, "forbidden", "${inputs.world}/${inputs.name}")
		err := s.killInCreate(t)
		for range 2 {
			e, ok := engine.AsError(err)
			if !ok || e.Class != engine.Uncertain || !strings.Contains(e.Message, "AccessDenied") || !strings.Contains(e.Message, "forbidden") {
				t.Fatalf("got %v; want class uncertain and what came of the look", err)
			}
			_, _, err = s.apply(t)
		}
		if got := s.ledger(t); got != "create forbidden\n" {
			t.Errorf("side effects:\n%s", got)
		}
	})
}

// TestFoundSomethingElse: what is found under the ID but would have to be
// replaced may be somebody else's, and is left alone.
func TestFoundSomethingElse(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, program string) {
		t.Helper()
		s := newThing(t, program, "alpha", "${inputs.world}/beta")
		other := `{"id":"of-somebody","size":3,"text":"theirs","zones":[],"labels":{},"details":"{}"}`
		if err := os.WriteFile(filepath.Join(s.dir, "world", "thing-beta"), []byte(other), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.killInCreate(t); engine.ClassOf(err) != engine.Transient {
			t.Fatalf("got %v; want class transient", err)
		}
		for range 2 {
			_, _, err := s.apply(t)
			e, ok := engine.AsError(err)
			if !ok || e.Class != engine.Rejected || !strings.Contains(e.Message, "somebody else's") {
				t.Errorf("got %v; want class rejected", err)
			}
		}
		if got := s.ledger(t); got != "create alpha\n" {
			t.Errorf("side effects:\n%s", got)
		}
	})
}

// TestLookUnderDeadLock: the dead program has left its lock, which is in the way
// of the look and is broken for it. Of such a lock Terraform does not say who
// holds it.
func TestLookUnderDeadLock(t *testing.T) {
	t.Parallel()
	program := "tofu"
	if lookup(program) == "" {
		t.Fatal("tofu is missing; run \"make tools\"")
	}
	s := newThing(t, program, "alpha", "${inputs.world}/${inputs.name}")
	server := serveState(t)
	s.req.Backend = server.backend()
	if err := s.killInCreate(t); engine.ClassOf(err) != engine.Transient {
		t.Fatalf("got %v; want class transient", err)
	}
	if !strings.Contains(s.log.String(), "breaking lock") {
		t.Error("the killed program left no lock")
	}
	if _, _, err := s.apply(t); err != nil {
		t.Fatal(err)
	}
	if got := s.ledger(t); got != "create alpha\nset alpha 3\n" {
		t.Errorf("side effects:\n%s", got)
	}
}

// TestDeposed: while a replacement that creates first is at work the old
// instance is deposed, which says nothing of whether the new one was recorded.
func TestDeposed(t *testing.T) {
	t.Parallel()
	read := func(instances string) map[string]string {
		held, err := terraform.Current([]byte(`{"version": 4, "serial": 1, "lineage": "x", "resources": [` +
			`{"mode": "managed", "type": "t", "name": "n", "instances": [` + instances + `]}]}`))
		if err != nil {
			t.Fatal(err)
		}
		return held
	}
	const before, deposed, after = `{"attributes":{"id":"1"}}`, `{"deposed":"0a1b","attributes":{"id":"1"}}`, `{"attributes":{"id":"2"}}`
	if held := read(deposed); len(held) != 0 {
		t.Errorf("a deposed instance counts as one that is recorded: %v", held)
	}
	if diff := cmp.Diff(read(after), read(deposed+","+after)); diff != "" {
		t.Errorf("a deposed instance changes the digest of the current one:\n%s", diff)
	}
	if cmp.Equal(read(before), read(after)) {
		t.Error("two instances have one digest")
	}
}
