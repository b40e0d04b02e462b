// SPDX-License-Identifier: Apache-2.0

package pulumi_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/orchestrator"
)

// attributes of the only change of a preview, by path.
func attributes(t *testing.T, p engine.Preview, address string) map[string]orchestrator.AttributeChange {
	t.Helper()
	for _, c := range p.Changes {
		if c.Address == address {
			out := map[string]orchestrator.AttributeChange{}
			for _, a := range c.Attributes {
				out[a.Path] = a
			}
			return out
		}
	}
	t.Fatalf("no change of %s in %+v", address, p.Changes)
	return nil
}

const twoThings = `
name: small
runtime: yaml
config:
  number: {type: integer}
  text: {type: string}
variables:
  both:
    list: ["${text}", "known"]
    number: ${number}
resources:
  first:
    type: pulumi:index:Stash
    properties: {input: "${number}"}
  second:
    type: pulumi:index:Stash
    properties: {input: "${both}"}
  third:
    type: pulumi:index:Stash
    properties: {input: "the ${text} in a text"}
  fourth:
    type: pulumi:index:Stash
    properties: {input: "known"}
outputs:
  fourth: ${fourth.output}
  first: ${first.input}
`

// TestUnknown traces each unknown property to the input behind it.
func TestUnknown(t *testing.T) {
	t.Parallel()
	outputs := []engine.OutputSpec{{Name: "fourth", Type: "string"}, {Name: "first", Type: "integer"}}
	const afterDatabase, afterCache = "known after web.database", "known after web.cache"
	check := func(t *testing.T, s *small) {
		t.Helper()
		s.up(t, s.req)
		req := s.req
		req.Inputs = nil
		req.Unknown = map[string]string{"number": afterDatabase, "text": afterCache}
		p, err := s.engine.Preview(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Changes) != 3 {
			t.Errorf("changes are %+v; want three updates", p.Changes)
		}
		got := attributes(t, p, "pulumi:index:Stash::first")["input"]
		want := orchestrator.AttributeChange{Path: "input", Before: int64(1), Unknown: afterDatabase}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("first (-want +got):\n%s", diff)
		}
		if got := attributes(t, p, "pulumi:index:Stash::third")["input"]; got.Unknown != afterCache || got.After != nil {
			t.Errorf("third is %+v", got)
		}
		if diff := cmp.Diff([]string{"fourth"}, p.OutputsKept); diff != "" {
			t.Errorf("outputs kept (-want +got):\n%s", diff)
		}
		_, err = s.engine.Apply(t.Context(), req, p)
		wantError(t, err, engine.Invalid, "unknown")
		if p, _ := s.up(t, s.req); !p.Empty() {
			t.Errorf("the preview has left something: %+v", p.Changes)
		}
	}
	t.Run("in the project file", func(t *testing.T) {
		t.Parallel()
		check(t, newSmall(t, twoThings, map[string]any{"number": int64(1), "text": "x"}, outputs...))
	})
	t.Run("in a file of its own", func(t *testing.T) {
		t.Parallel()
		s := newSmall(t, "name: small\nruntime: yaml\n", map[string]any{"number": int64(1), "text": "x"}, outputs...)
		program := strings.Replace(strings.Replace(twoThings, "name: small\n", "", 1), "runtime: yaml\n", "", 1)
		write(t, filepath.Join(s.req.Bundle, filepath.FromSlash(module), "Main.yaml"), program)
		check(t, s)
	})
}

// TestUnknownParts: Pulumi tells what a property depends on as a whole, so each
// part of it that is not known is so for the reasons of all.
func TestUnknownParts(t *testing.T) {
	t.Parallel()
	s := newSmall(t, strings.Replace(stash, "${value}", `{first: "${a}", second: {third: "${b}"}, fourth: "${c}", fifth: known}`, 1),
		map[string]any{"c": "x"})
	s.req.Unknown = map[string]string{"a": "known after web.network", "b": "known after web.database"}
	p, err := s.engine.Preview(t.Context(), s.req)
	if err != nil {
		t.Fatal(err)
	}
	const either = "known after web.database; known after web.network"
	want := map[string]orchestrator.AttributeChange{
		"input.first":        {Path: "input.first", Unknown: either},
		"input.second.third": {Path: "input.second.third", Unknown: either},
		"input.fourth":       {Path: "input.fourth", After: "x"},
		"input.fifth":        {Path: "input.fifth", After: "known"},
	}
	got := attributes(t, p, "pulumi:index:Stash::kept")
	maps.DeleteFunc(got, func(path string, _ orchestrator.AttributeChange) bool { return !strings.HasPrefix(path, "input") })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the parts (-want +got):\n%s", diff)
	}
}

// TestUnknownInAnotherLanguage: a program that reads its configuration as text.
// The compiler stands for any other language.
func TestUnknownInAnotherLanguage(t *testing.T) {
	t.Parallel()
	s := newSmall(t, "name: small\nruntime: {name: yaml, options: {compiler: cat program.yaml}}\n"+
		"config:\n  number: {type: integer}\n  text: {type: string}\n",
		nil, engine.OutputSpec{Name: "fourth", Type: "string"})
	program := strings.Replace(strings.Replace(twoThings, "name: small\n", "", 1), "runtime: yaml\n", "", 1)
	write(t, filepath.Join(s.req.Bundle, filepath.FromSlash(module), "program.yaml"), program)
	s.req.Unknown = map[string]string{"number": "known after web.a", "text": "known after web.b"}
	p, err := s.engine.Preview(t.Context(), s.req)
	if err != nil {
		t.Fatal(err)
	}
	if a := attributes(t, p, "pulumi:index:Stash::first")["input"]; a.Unknown != "known after web.a" || a.After != nil {
		t.Errorf("a number is %+v", a)
	}
	for _, path := range []string{"input.list[0]", "input.number"} {
		if a := attributes(t, p, "pulumi:index:Stash::second")[path]; a.Unknown == "" || a.After != nil {
			t.Errorf("%s is %+v", path, a)
		}
	}
	if a := attributes(t, p, "pulumi:index:Stash::third")["input"]; a.Unknown == "" || a.After != nil {
		t.Errorf("a text in a text is %+v", a)
	}
	if a := attributes(t, p, "pulumi:index:Stash::fourth")["input"]; a.After != "known" {
		t.Errorf("what is known is %+v", a)
	}
}

// TestOvertaken: what a preview showed is done exactly, or not at all.
func TestOvertaken(t *testing.T) {
	t.Parallel()
	change := map[string]func(t *testing.T, s *small){
		"the world has drifted": func(t *testing.T, s *small) {
			t.Helper()
			path := filepath.Join(s.dir, "world", "thing-alpha")
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			write(t, path, strings.Replace(string(text), `"Size":3`, `"Size":9`, 1))
		},
		"somebody has applied": func(t *testing.T, s *small) {
			t.Helper()
			s.up(t, s.with(map[string]any{"size": int64(4)}))
		},
	}
	for name, meanwhile := range change {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newThing(t)
			s.up(t, s.req)
			req := s.with(map[string]any{"note": "changed"})
			p, err := s.engine.Preview(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			meanwhile(t, s)
			before := s.ledger(t)
			_, err = s.engine.Apply(t.Context(), req, p)
			wantError(t, err, engine.Transient, "preview again")
			if diff := cmp.Diff(before, s.ledger(t)); diff != "" {
				t.Errorf("it acted nevertheless (-before +after):\n%s", diff)
			}
			if _, err := s.engine.Apply(t.Context(), req, p); engine.ClassOf(err) != engine.Transient {
				t.Errorf("the same preview again: %v", err)
			}
			s.up(t, req)
		})
	}
}

func TestTokenIsChecked(t *testing.T) {
	t.Parallel()
	s := newSmall(t, stash, map[string]any{"value": "x"})
	for _, token := range []string{"../plan-1.json", "Pulumi.yaml"} {
		_, err := s.engine.Apply(t.Context(), s.req, engine.Preview{Token: token})
		wantError(t, err, engine.Invalid, "token")
	}
	_, err := s.engine.Apply(t.Context(), s.req, engine.Preview{Token: "plan-1.json"})
	wantError(t, err, engine.Transient, "preview again")
}

// TestPreviewLeavesNothing: a plan of what is not there makes no stack.
func TestPreviewLeavesNothing(t *testing.T) {
	t.Parallel()
	s := newSmall(t, stash, map[string]any{"value": "x"})
	p, err := s.engine.Preview(t.Context(), s.req)
	if err != nil || len(p.Changes) != 1 {
		t.Fatalf("preview is %+v, %v", p, err)
	}
	stacks, err := filepath.Glob(filepath.Join(s.dir, "data", "pulumi-state", ".pulumi", "*", "*"))
	if err != nil || len(stacks) > 0 {
		t.Errorf("the preview has made %v, %v", stacks, err)
	}
}

// TestLivingLock is that of a process that is seen to live: another try helps.
func TestLivingLock(t *testing.T) {
	t.Parallel()
	s := newSmall(t, stash, map[string]any{"value": "x"}, engine.OutputSpec{Name: "value", Type: "string"})
	s.up(t, s.req)
	seen, err := s.engine.Observe(t.Context(), s.req)
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{"pid": os.Getpid(), "username": "ada", "hostname": host, "timestamp": time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	locks := filepath.Join(s.dir, "data", "pulumi-state", ".pulumi", "locks", "organization", filepath.FromSlash(seen.StateRef))
	write(t, filepath.Join(locks, "22222222-2222-3333-4444-555555555555.json"), string(text))
	_, _, err = s.apply(t.Context(), s.with(map[string]any{"value": "y"}))
	wantError(t, err, engine.Transient, "locked", "ada@"+host)
}
