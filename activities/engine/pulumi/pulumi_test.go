// SPDX-License-Identifier: Apache-2.0

package pulumi_test

import (
	"bytes"
	"context"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/orchestrator"
)

// buffer is a log.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// small is a node with a program of its own.
type small struct {
	engine engine.Engine
	req    engine.Request
	log    *buffer
	dir    string
}

func newSmall(t *testing.T, text string, inputs map[string]any, outputs ...engine.OutputSpec) *small {
	t.Helper()
	dir := t.TempDir()
	e, err := open(dir, program())
	if err != nil {
		t.Fatal(err)
	}
	s := &small{engine: e, log: &buffer{}, dir: dir, req: engine.Request{
		Address: "alpha/shop/staging/web.small", Node: "web.small", Workspace: filepath.Join(dir, "work"),
		Inputs: inputs, Sensitive: map[string]bool{}, Outputs: outputs,
	}}
	s.req.Log = s.log
	if err := bundle(dir, &s.req, text); err != nil {
		t.Fatal(err)
	}
	s.req.Implementation.Inputs = nil
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log:\n%s", s.log)
		}
	})
	return s
}

// newThing is a node with the thing of the suite.
func newThing(t *testing.T) *small {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "thing", "Pulumi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s := newSmall(t, string(text), nil, engine.OutputSpec{Name: "id", Type: "string"}, engine.OutputSpec{Name: "size", Type: "integer"})
	world := filepath.Join(s.dir, "world")
	if err := os.MkdirAll(world, 0o700); err != nil {
		t.Fatal(err)
	}
	s.req.Inputs = map[string]any{
		"world": world, "name": "alpha", "size": int64(3), "note": "plain", "password": "correct-horse-battery",
		"ratio": 0.5, "enabled": true, "zones": []any{"a"}, "labels": map[string]any{}, "mode": "",
	}
	s.req.Sensitive["password"] = true
	return s
}

// with inputs changed.
func (s *small) with(change map[string]any) engine.Request {
	req := s.req
	req.Inputs = maps.Clone(req.Inputs)
	maps.Copy(req.Inputs, change)
	return req
}

func (s *small) apply(ctx context.Context, req engine.Request) (engine.Preview, engine.Result, error) {
	p, err := s.engine.Preview(ctx, req)
	if err != nil {
		return p, engine.Result{}, err
	}
	r, err := s.engine.Apply(ctx, req, p)
	return p, r, err
}

func (s *small) up(t *testing.T, req engine.Request) (engine.Preview, engine.Result) {
	t.Helper()
	p, r, err := s.apply(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return p, r
}

func (s *small) ledger(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "world", "ledger"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(text)
}

// wantError checks an error's class and some of its words.
func wantError(t *testing.T, err error, class engine.Class, words ...string) {
	t.Helper()
	if got := engine.ClassOf(err); got != class {
		t.Errorf("class is %q (%v); want %s", got, err, class)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q is not in: %v", w, err)
		}
	}
}

// stash hands its configuration on to its outputs; it needs no plugin.
const stash = `
name: small
runtime: yaml
resources:
  kept:
    type: pulumi:index:Stash
    properties:
      input: ${value}
outputs:
  value: ${kept.output}
`

func TestConfiguration(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason    string
		kind      string
		value     any
		sensitive bool
	}{
		"text like a number":  {reason: "Pulumi YAML would make a number of it", kind: "string", value: "123"},
		"text like a boolean": {reason: "Pulumi YAML would make a boolean of it", kind: "string", value: "t"},
		"text like JSON":      {reason: "Pulumi YAML would make a map of it", kind: "string", value: `{"a": [1]}`},
		"text like a string":  {reason: "Pulumi YAML would take the quotes off", kind: "string", value: `"quoted"`},
		"leading zero":        {reason: "a text that begins with 0 stays one", kind: "string", value: "0123"},
		"control characters":  {reason: "YAML does not take them as they are", kind: "string", value: "a\u007f\u0085\ufeff\x01b"},
		"integer":             {reason: "ints stay ints", kind: "integer", value: int64(-7)},
		"structure": {reason: "types inside are kept", kind: "map", value: map[string]any{
			"n": int64(1), "s": "1", "l": []any{"true", true, 0.25}, "e": map[string]any{},
		}},
		"secret text":      {reason: "encrypted and decrypted", kind: "string", value: "correct-horse", sensitive: true},
		"secret number":    {reason: "encrypted and decrypted, with its type", kind: "integer", value: int64(4711), sensitive: true},
		"secret structure": {reason: "encrypted and decrypted, with its types", kind: "list", value: []any{"x", int64(2)}, sensitive: true},
		"secret like JSON": {reason: "it is a text nevertheless", kind: "string", value: "true", sensitive: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSmall(t, stash, map[string]any{"value": c.value},
				engine.OutputSpec{Name: "value", Type: c.kind, Sensitive: c.sensitive})
			s.req.Sensitive["value"] = c.sensitive
			_, r := s.up(t, s.req)
			if diff := cmp.Diff(c.value, r.Outputs["value"]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
		})
	}
}

// TestSecretsStayInside: neither a log nor a file holds one.
func TestSecretsStayInside(t *testing.T) {
	t.Parallel()
	const secret = "correct-horse-battery"
	s := newSmall(t, stash, map[string]any{"value": map[string]any{"deep": secret}}, engine.OutputSpec{Name: "value", Type: "map", Sensitive: true})
	s.req.Sensitive["value"] = true
	p, _ := s.up(t, s.req)
	for _, c := range p.Changes {
		for _, a := range c.Attributes {
			if !a.Sensitive || a.After != nil {
				t.Errorf("the preview shows %+v", a)
			}
		}
	}
	if strings.Contains(s.log.String(), secret) {
		t.Error("the log holds the secret")
	}
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte(secret)) {
			t.Errorf("%s holds the secret", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(s.dir, "data", "pulumi", "passphrase"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the passphrase's file: %v, %v; want mode 0600", info, err)
	}
	// A program that hands a secret on where the definition calls it none.
	s.req.Outputs[0].Sensitive = false
	_, _, err = s.apply(t.Context(), s.with(map[string]any{"value": map[string]any{"deep": "other"}}))
	wantError(t, err, engine.Invalid, "secret", "value")
}

func TestSettings(t *testing.T) {
	t.Parallel()
	s := newSmall(t, strings.ReplaceAll(stash, "${value}", "${greeting}"), map[string]any{"name": "ada", "many": []any{"x"}},
		engine.OutputSpec{Name: "value", Type: "string"})
	s.req.Implementation.Inputs = map[string]string{"name": "", "many": ""}
	s.req.Implementation.Settings = map[string]any{
		"config": map[string]any{"greeting": "hello ${inputs.name}", "aws:region": "${inputs.absent}"},
	}
	_, r := s.up(t, s.req)
	if r.Outputs["value"] != "hello ada" {
		t.Errorf("outputs are %v", r.Outputs)
	}
	bad := map[string]struct {
		reason, words string
		settings      map[string]any
	}{
		"unknown field":  {"a misspelt setting must not be dropped", "colour", map[string]any{"colour": "x"}},
		"no such plugin": {"a plugin is named with its exact version", "plugins", map[string]any{"plugins": map[string]any{"aws": "latest"}}},
		"bad reference":  {"only inputs can be named", "inputs", map[string]any{"config": map[string]any{"x": "${env.HOME}"}}},
		"given twice":    {"two values for a key are a mistake", "twice", map[string]any{"config": map[string]any{"name": "x"}}},
	}
	for name, c := range bad {
		req := s.req
		req.Implementation.Inputs = map[string]string{"many": ""}
		req.Implementation.Settings = c.settings
		_, err := s.engine.Preview(t.Context(), req)
		if got := engine.ClassOf(err); got != engine.Invalid || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %s: got %v", name, c.reason, err)
		}
	}
}

// TestBadPrograms: each is refused with what is wrong and where, and before
// anything is done.
func TestBadPrograms(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason, program string
		class           engine.Class
		words           []string
	}{
		"no YAML":            {"the line is told", "name: small\nruntime: yaml\nresources:\n  - x: [\n", engine.Invalid, []string{module, "4"}},
		"no such variable":   {"with the file and the line that Pulumi told", strings.ReplaceAll(stash, "${value}", "${valeu}"), engine.Invalid, []string{"valeu", "Pulumi.yaml", "8"}},
		"no name":            {"a project has one", "runtime: yaml\n", engine.Invalid, []string{"name"}},
		"another language":   {"the missing host is named", "name: small\nruntime: cobol\n", engine.Unavailable, []string{"pulumi-language-cobol", "looked in"}},
		"outside the module": {"the program stays in its directory", "name: small\nruntime: yaml\nmain: ../..\n", engine.Invalid, []string{"../.."}},
		"resource called as a key": {
			"Pulumi would leave it out", strings.ReplaceAll(stash, "kept", "value"), engine.Invalid,
			[]string{module, "resource", `"value"`, "another name"},
		},
		"variable called as a key": {
			"Pulumi would leave it out", stash + "variables:\n  value: other\n", engine.Invalid, []string{"variable", `"value"`},
		},
		"missing plugin": {
			"the plugin is named, at once", strings.ReplaceAll(stash, "pulumi:index:Stash", "nosuch:index:Thing"),
			engine.Unavailable,
			[]string{"nosuch"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSmall(t, c.program, map[string]any{"value": "x"})
			_, err := s.engine.Preview(t.Context(), s.req)
			wantError(t, err, c.class, c.words...)
			if strings.Contains(err.Error(), "error occurred") {
				t.Errorf("%s: the message says more than once that something failed: %v", c.reason, err)
			}
			if strings.Contains(err.Error(), s.dir) && c.class == engine.Invalid {
				t.Errorf("%s: the message names a path of this machine: %v", c.reason, err)
			}
			seen, err := s.engine.Observe(t.Context(), s.req)
			if c.class == engine.Unavailable && (err != nil || seen.Exists) {
				t.Errorf("%s: observed %+v, %v", c.reason, seen, err)
			}
		})
	}
}

// TestFetchFails: a plugin that the definition names and that cannot be had.
func TestFetchFails(t *testing.T) {
	t.Parallel()
	s := newSmall(t, stash, map[string]any{"value": "x"})
	s.req.Implementation.Settings = map[string]any{"plugins": map[string]any{"thing": "1.2.3", "nosuch": "1.0.0"}}
	// A proxy that refuses stands for no network, wherever the test runs.
	s.req.Env = map[string]string{"HTTPS_PROXY": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1"}
	began := time.Now()
	_, err := s.engine.Preview(t.Context(), s.req)
	wantError(t, err, engine.Unavailable, "nosuch", "1.0.0")
	if took := time.Since(began); took > 2*time.Minute {
		t.Errorf("it took %s to fail", took)
	}
}

func TestRequestIsChecked(t *testing.T) {
	t.Parallel()
	s := newSmall(t, stash, map[string]any{"value": "x"})
	cases := map[string]struct {
		reason, words string
		change        func(*engine.Request)
	}{
		"address":   {"it becomes a path", "address", func(r *engine.Request) { r.Address = "a/../b" }},
		"workspace": {"it must not depend on where the worker runs", "workspace", func(r *engine.Request) { r.Workspace = "work" }},
		"module":    {"it stays in the bundle", "bundle", func(r *engine.Request) { r.Implementation.Module = "../x" }},
		"empty":     {"there must be a program", "Pulumi.yaml", func(r *engine.Request) { r.Implementation.Module = "programs" }},
		"home":      {"the engine sets it itself", "PULUMI_HOME", func(r *engine.Request) { r.Env = map[string]string{"PULUMI_HOME": "/"} }},
		"backend":   {"not every one can be used", "consul", func(r *engine.Request) { r.Backend = orchestrator.Backend{Type: "consul"} }},
		"setting": {"a misspelt setting must not move the state", "bucket", func(r *engine.Request) {
			r.Backend = orchestrator.Backend{Type: "s3", Config: map[string]any{"bucket": "x"}}
		}},
		"passphrase": {"other workers must be able to read the state", "PULUMI_CONFIG_PASSPHRASE", func(r *engine.Request) {
			r.Backend = orchestrator.Backend{Type: "s3", Config: map[string]any{"url": "s3://bucket"}}
		}},
		"reference": {"it becomes a path", "state reference", func(r *engine.Request) { r.StateRef = "../x" }},
		"key":       {"it becomes a configuration key", "configuration key", func(r *engine.Request) { r.Implementation.Inputs = map[string]string{"value": "a:b:c"} }},
		"identity": {"an ID is written to logs", "sensitive", func(r *engine.Request) {
			r.Sensitive = map[string]bool{"value": true}
			r.Implementation.Identity = map[string]string{"a:b:C::d": "${inputs.value}"}
		}},
		"both": {"an input is known or it is not", "both", func(r *engine.Request) { r.Unknown = map[string]string{"value": "x"} }},
	}
	for name, c := range cases {
		req := s.req
		c.change(&req)
		_, err := s.engine.Observe(t.Context(), req)
		if got := engine.ClassOf(err); got != engine.Invalid || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %s: got %v", name, c.reason, err)
		}
	}
}

// TestCalledAsAnUnknownKey: a program is refused for its names whatever is known
// of its inputs, wherever it is, and one that has never been made can be
// destroyed all the same.
func TestCalledAsAnUnknownKey(t *testing.T) {
	t.Parallel()
	s := newSmall(t, "name: small\nruntime: yaml\n", nil)
	text := strings.ReplaceAll(strings.Replace(strings.Replace(stash, "name: small\n", "", 1), "runtime: yaml\n", "", 1), "kept", "value")
	write(t, filepath.Join(s.req.Bundle, filepath.FromSlash(module), "Main.yaml"), text)
	s.req.Unknown = map[string]string{"value": "known after web.database"}
	_, err := s.engine.Preview(t.Context(), s.req)
	wantError(t, err, engine.Invalid, `"value"`, "another name")
	if err := s.engine.Destroy(t.Context(), s.req); err != nil {
		t.Errorf("destroy: %v", err)
	}
}
