// SPDX-License-Identifier: Apache-2.0

package fake_test

import (
	"context"
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
	"github.com/HatiCode/nestor/orchestrator"
)

func TestMain(m *testing.M) { os.Exit(enginetest.Main(m, harness())) }

func TestConformance(t *testing.T) {
	t.Parallel()
	enginetest.Run(t, harness())
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
		text := `{"host":"` + l.Host + `","bootId":"` + l.BootID + `","pid":1,"startTime":"` + l.StartTime + `","since":"2026-01-02T03:04:05Z"}`
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return enginetest.Harness{
		Name: fake.Name,
		Open: func(dir string) (engine.Engine, error) { return fake.New(fake.Config{Dir: world(dir)}) },
		Prepare: func(_ string, req *engine.Request) error {
			settings := map[string]any{"immutable": []any{"name"}, "ignore": []any{"mode", "world"}, "announce": "size"}
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
			req.Implementation = map[string]any{"settings": settings}
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
		LockDead: func(t *testing.T, dir string, req *engine.Request) {
			t.Helper()
			self, err := supervise.Self()
			if err != nil {
				t.Fatal(err)
			}
			self.BootID = "an-earlier-boot"
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
		Implementation: map[string]any{"settings": settings},
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
