// SPDX-License-Identifier: Apache-2.0

package pulumi_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/pulumi"
	"github.com/HatiCode/nestor/orchestrator"
)

// newGoThing is a node whose thing is made by a program in Go.
func newGoThing(t *testing.T) *small {
	t.Helper()
	s := newThing(t)
	s.req.Inputs = map[string]any{
		"world": s.req.Inputs["world"], "name": "alpha", "size": int64(3), "note": "plain",
		"password": "correct-horse-battery", "zones": []any{"a", "b"}, "labels": map[string]any{"tier": "web"},
	}
	s.req.Outputs = []engine.OutputSpec{
		{Name: "id", Type: "string"},
		{Name: "size", Type: "integer"},
		{Name: "text", Type: "string"},
		{Name: "password", Type: "string", Sensitive: true},
		{Name: "zones", Type: "list"},
		{Name: "labels", Type: "map"},
	}
	directory := filepath.Join(s.req.Bundle, filepath.FromSlash(module))
	if err := os.RemoveAll(directory); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(directory, os.DirFS(filepath.Join("testdata", "go"))); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestGo drives a real program in Go through the life of a node.
func TestGo(t *testing.T) {
	t.Parallel()
	s := newGoThing(t)
	want := map[string]any{
		"id": s.req.Inputs["world"].(string) + "/thing-alpha", "size": int64(3), "text": "plain", "password": "correct-horse-battery",
		"zones": []any{"a", "b"}, "labels": map[string]any{"tier": "web"},
	}
	p, r := s.up(t, s.req)
	if len(p.Changes) != 1 || p.Changes[0].Address != thing || p.Changes[0].Action != orchestrator.ActionCreate {
		t.Errorf("the first preview is %+v; want the creation of %s", p.Changes, thing)
	}
	if diff := cmp.Diff(want, r.Outputs); diff != "" {
		t.Errorf("outputs of the creation (-want +got):\n%s", diff)
	}

	if p, _ = s.up(t, s.req); !p.Empty() {
		t.Errorf("nothing has changed, and the preview is %+v", p.Changes)
	}

	goUnknown(t, s)

	change := s.with(map[string]any{"size": int64(5), "zones": []any{"a"}, "password": "staple"})
	p, r = s.up(t, change)
	got := attributes(t, p, thing)
	if a := got["size"]; a.Before != int64(3) || a.After != int64(5) {
		t.Errorf("the size is previewed as %+v; want 3 to 5", a)
	}
	if a := got["password"]; !a.Sensitive || a.Before != nil || a.After != nil {
		t.Errorf("the password is previewed as %+v; want a change of something sensitive", a)
	}
	maps.Copy(want, map[string]any{"size": int64(5), "zones": []any{"a"}, "password": "staple"})
	if diff := cmp.Diff(want, r.Outputs); diff != "" {
		t.Errorf("outputs of the update (-want +got):\n%s", diff)
	}
	for _, secret := range []string{"correct-horse-battery", "staple"} {
		if text, err := os.ReadFile(checkpoint(t, s.dir)); err != nil || strings.Contains(string(text), secret) {
			t.Errorf("a secret is in the checkpoint in clear (%v)", err)
		}
		if strings.Contains(s.log.String(), secret) {
			t.Errorf("a secret is in the log")
		}
	}

	if err := s.engine.Destroy(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	if exists(want["id"].(string)) {
		t.Error("the thing is still there after the destruction")
	}
	if seen, err := s.engine.Observe(t.Context(), change); err != nil || seen.Exists {
		t.Errorf("observed %+v, %v; want nothing", seen, err)
	}
}

// goUnknown previews with inputs that are not known: a text is Pulumi's own
// unknown, and what stands for the others is never shown.
func goUnknown(t *testing.T, s *small) {
	t.Helper()
	req := s.with(nil)
	req.Unknown = map[string]string{}
	for input, node := range map[string]string{"note": "a", "size": "b", "password": "c", "zones": "d", "labels": "e"} {
		delete(req.Inputs, input)
		req.Unknown[input] = "known after web." + node
	}
	p, err := s.engine.Preview(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	got := attributes(t, p, thing)
	if a := got["size"]; a.Before != int64(3) || a.After != nil || a.Unknown != "known after web.b" {
		t.Errorf("the size is %+v; want unknown after web.b alone", a)
	}
	for _, path := range []string{"text", "zones[0]"} {
		if a := got[path]; !strings.HasPrefix(a.Unknown, "known after web.a; ") || a.After != nil {
			t.Errorf("%s is %+v; want unknown for one of all reasons", path, a)
		}
	}
	if diff := cmp.Diff([]string{"id"}, p.OutputsKept); diff != "" {
		t.Errorf("outputs kept (-want +got):\n%s", diff)
	}
	_, err = s.engine.Apply(t.Context(), req, p)
	wantError(t, err, engine.Invalid, "unknown")
}

// TestGoFails: what is wrong is told by those who know it, and nothing is made.
func TestGoFails(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		change func(t *testing.T, s *small)
		class  engine.Class
		words  []string
	}{
		"does not compile": {
			reason: "the file and the line that Go told",
			change: func(t *testing.T, s *small) {
				t.Helper()
				write(t, filepath.Join(s.req.Bundle, filepath.FromSlash(module), "broken.go"), "package main\n\nvar x int = nothing\n")
			},
			class: engine.Invalid, words: []string{"broken.go:3", "nothing"},
		},
		"misses configuration": {
			reason: "the key that the program asked for",
			change: func(t *testing.T, s *small) {
				t.Helper()
				delete(s.req.Inputs, "note")
			},
			class: engine.Invalid, words: []string{"shop:note"},
		},
		"misses a module": {
			reason: "what Go says of it, and that the worker has no access; the environment's settings go before the worker's",
			change: func(t *testing.T, s *small) {
				t.Helper()
				s.req.Env = map[string]string{"GOPROXY": "off", "GOMODCACHE": filepath.Join(s.dir, "empty"), "GOFLAGS": "-modcacherw"}
			},
			class: engine.Unavailable, words: []string{"depends on", "GOPROXY=off"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newGoThing(t)
			c.change(t, s)
			_, err := s.engine.Preview(t.Context(), s.req)
			wantError(t, err, c.class, c.words...)
			if got := s.ledger(t); got != "" {
				t.Errorf("%s: the world was touched: %s", c.reason, got)
			}
		})
	}
}

// TestHostMissing: a worker that has Pulumi and not the language's host says
// which one, for every language that people write.
func TestHostMissing(t *testing.T) {
	t.Parallel()
	for _, runtime := range []string{"go", "nodejs", "python"} {
		t.Run(runtime, func(t *testing.T) {
			t.Parallel()
			s := newSmall(t, "name: small\nruntime: "+runtime+"\n", map[string]any{"value": "x"})
			if installed("pulumi-language-" + runtime) {
				return // it cannot be missing on this machine
			}
			c := config(s.dir, program())
			c.SearchPath = nil
			e, err := pulumi.New(c)
			if err != nil {
				t.Fatal(err)
			}
			_, err = e.Preview(t.Context(), s.req)
			wantError(t, err, engine.Unavailable, "pulumi-language-"+runtime, "looked in")
		})
	}
}
