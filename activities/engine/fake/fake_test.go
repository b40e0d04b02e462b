// SPDX-License-Identifier: Apache-2.0

package fake_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/enginetest"
	"github.com/HatiCode/nestor/activities/engine/fake"
	"github.com/HatiCode/nestor/activities/engine/supervise"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/orchestrator"
)

// served are the worlds of the tests whose resources are in a cloud.
var served *worlds

func TestMain(m *testing.M) {
	var stop func()
	served, stop = serveWorlds()
	code := enginetest.Main(m, harness(), forgetful(), inCloud(harness(), served), inCloud(forgetful(), served))
	stop()
	os.Exit(code)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	enginetest.Run(t, harness())
}

// TestForgetfulConformance runs the suite with an engine that does not see by
// itself what a create that was cut off has made.
func TestForgetfulConformance(t *testing.T) {
	t.Parallel()
	enginetest.Run(t, forgetful())
}

// forgetful is the harness of such an engine.
func forgetful() enginetest.Harness {
	h := harness()
	h.Name = "forgetful"
	prepare := h.Prepare
	h.Prepare = func(dir string, req *engine.Request) error {
		if err := prepare(dir, req); err != nil {
			return err
		}
		req.Implementation.Settings["forgetful"] = true
		return nil
	}
	h.Identity = func(_ string, req *engine.Request) error {
		req.Implementation.Identity = map[string]string{"fake_resource." + req.Node: "${inputs.name}"}
		return nil
	}
	h.Clear = func(workspace string) error {
		return os.RemoveAll(filepath.Join(world(filepath.Dir(workspace)), "resources"))
	}
	return h
}

func world(dir string) string { return filepath.Join(dir, "world") }

func file(dir, kind string, req engine.Request, rest ...string) string {
	parts := append([]string{world(dir), kind, strings.ReplaceAll(req.Address, "/", "%2F")}, rest...)
	return filepath.Join(parts...)
}

func harness() enginetest.Harness {
	lock := func(t *testing.T, dir string, req engine.Request, l orchestrator.Lease) string {
		t.Helper()
		path := file(dir, "locks", req, "holder.json")
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		l.PID = 1
		text, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return enginetest.Harness{
		Name: fake.Name,
		Open: func(dir string) (engine.Engine, error) { return fake.New(fake.Config{Dir: world(dir)}) },
		Prepare: func(_ string, req *engine.Request) error {
			settings := map[string]any{
				"immutable": []any{"name"}, "ignore": []any{"mode", "world"}, "announce": "size",
				"holdCreate": "hold-create", "holdUpdate": "hold-set", "holdDestroy": "hold-destroy",
			}
			switch req.Inputs["mode"] {
			case "fail-create":
				settings["fail"] = map[string]any{"create": -1}
				settings["message"] = "quota exceeded"
			case "fail-set":
				settings["fail"] = map[string]any{"update": -1}
				settings["message"] = "quota exceeded"
			case "hold":
				settings["hold"] = "hold"
			}
			req.Implementation = catalog.Implementation{Settings: settings}
			return nil
		},
		Corrupt: func(t *testing.T, dir string, req engine.Request) {
			t.Helper()
			if err := os.WriteFile(file(dir, "state", req)+".json", []byte(`{"serial": 1, "lin`), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		Drift: func(t *testing.T, dir string, req engine.Request) {
			t.Helper()
			if err := fake.Tamper(world(dir), req.Address, "text", "tampered"); err != nil {
				t.Fatal(err)
			}
		},
		LockForeign: func(t *testing.T, dir string, req *engine.Request) func() {
			t.Helper()
			path := lock(t, dir, *req, orchestrator.Lease{Host: "another-host", BootID: "b", StartTime: "1"})
			return func() {
				if err := os.Remove(path); err != nil {
					t.Error(err)
				}
			}
		},
		Adopt: func(t *testing.T, dir string, req engine.Request) engine.Source {
			t.Helper()
			e, err := fake.New(fake.Config{Dir: world(dir)})
			if err != nil {
				t.Fatal(err)
			}
			req.Address = "somebody/else/" + req.Node
			if _, err := apply(t.Context(), e, req); err != nil {
				t.Fatal(err)
			}
			return engine.Source{Ref: req.Address}
		},
		LockDead: func(t *testing.T, dir string, req *engine.Request) {
			t.Helper()
			self, err := supervise.Self()
			if err != nil {
				t.Fatal(err)
			}
			self.StartTime = "0" // of a process that had this pid before
			lock(t, dir, *req, self)
		},
	}
}

// start opens a world and asks for one node with the given settings.
func start(t *testing.T, settings map[string]any) (engine.Engine, engine.Request, string) {
	t.Helper()
	dir := t.TempDir()
	e, err := fake.New(fake.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return e, engine.Request{
		Address: "t/app/env/web.db", Node: "web.db", Log: io.Discard,
		Implementation: catalog.Implementation{Settings: settings},
		Inputs:         map[string]any{"size": int64(1)},
		Outputs:        []engine.OutputSpec{{Name: "endpoint", Type: "string"}},
	}, dir
}

func apply(ctx context.Context, e engine.Engine, req engine.Request) (engine.Result, error) {
	p, err := e.Preview(ctx, req)
	if err != nil {
		return engine.Result{}, err
	}
	return e.Apply(ctx, req, p)
}

func TestFailsAsOftenAsAsked(t *testing.T) {
	t.Parallel()
	e, req, dir := start(t, map[string]any{
		"fail": map[string]any{"create": 2}, "outputs": map[string]any{"endpoint": "{node}.test:{size}/{id}"},
	})
	for i := range 2 {
		if _, err := apply(t.Context(), e, req); engine.ClassOf(err) != engine.Transient {
			t.Fatalf("try %d: got %v; want class transient", i+1, err)
		}
	}
	r, err := apply(t.Context(), e, req)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"endpoint": "web.db.test:1/web.db-1"}, r.Outputs); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
	ledger, err := fake.Ledger(dir)
	if diff := cmp.Diff([]string{"create web.db"}, ledger); err != nil || diff != "" {
		t.Errorf("side effects (-want +got):\n%s%v", diff, err)
	}
	if n, err := fake.Resources(dir); err != nil || n != 1 {
		t.Errorf("%d resources, %v", n, err)
	}
}

func TestHangsUntilCanceled(t *testing.T) {
	t.Parallel()
	e, req, dir := start(t, map[string]any{"hang": []any{"create"}})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := apply(ctx, e, req)
	if engine.ClassOf(err) != engine.Canceled || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v; want class canceled", err)
	}
	if ledger, err := fake.Ledger(dir); len(ledger) != 0 || err != nil {
		t.Errorf("side effects %v, %v", ledger, err)
	}
}

func TestBehaviourFromAnInput(t *testing.T) {
	t.Parallel()
	e, req, _ := start(t, map[string]any{"outputs": map[string]any{"endpoint": "x"}})
	req.Inputs["fake"] = map[string]any{"fail": map[string]any{"preview": -1}, "class": "unreadable", "message": "no"}
	if _, err := e.Preview(t.Context(), req); engine.ClassOf(err) != engine.Unreadable {
		t.Errorf("got %v; want class unreadable", err)
	}
	req.Inputs["fake"] = map[string]any{"fial": 1}
	if _, err := e.Preview(t.Context(), req); engine.ClassOf(err) != engine.Invalid || !strings.Contains(err.Error(), "fial") {
		t.Errorf("got %v; want class invalid, naming the field", err)
	}
}

// TestOutputsKept says which outputs a change leaves as they are.
func TestOutputsKept(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		change func(*engine.Request)
		want   []string
	}{
		"update":  {"only what is made of the changed input changes", func(r *engine.Request) { r.Inputs["size"] = int64(2) }, []string{"endpoint", "id"}},
		"replace": {"another resource has another id", func(r *engine.Request) { r.Inputs["name"] = "beta" }, []string{"size"}},
		"unknown": {"what is not known may change", func(r *engine.Request) {
			delete(r.Inputs, "name")
			r.Unknown = map[string]string{"name": "known after x"}
		}, []string{"size"}},
		"nothing": {"without a change nothing is said", func(*engine.Request) {}, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, req, _ := start(t, map[string]any{"immutable": []any{"name"}, "outputs": map[string]any{"endpoint": "{name}.test/{id}"}})
			req.Inputs["name"] = "alpha"
			req.Outputs = []engine.OutputSpec{{Name: "endpoint", Type: "string"}, {Name: "id", Type: "string"}, {Name: "size", Type: "integer"}}
			if _, err := apply(t.Context(), e, req); err != nil {
				t.Fatal(err)
			}
			c.change(&req)
			p, err := e.Preview(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, p.OutputsKept); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
		})
	}
}

func TestStalePreview(t *testing.T) {
	t.Parallel()
	e, req, _ := start(t, map[string]any{"outputs": map[string]any{"endpoint": "x"}})
	p, err := e.Preview(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := apply(t.Context(), e, req); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Apply(t.Context(), req, p); engine.ClassOf(err) != engine.Transient {
		t.Errorf("got %v; want class transient", err)
	}
}
