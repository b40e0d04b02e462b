// SPDX-License-Identifier: Apache-2.0

package script_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/enginetest"
	"github.com/HatiCode/nestor/activities/engine/supervise"
	"github.com/HatiCode/nestor/catalog"
	script "github.com/HatiCode/nestor/examples/script-engine"
	"github.com/HatiCode/nestor/orchestrator"
)

// TestMain makes this binary a supervisor and a worker to be killed as well.
func TestMain(m *testing.M) {
	if supervise.Main() {
		return
	}
	os.Exit(enginetest.Main(m, harness()))
}

// TestConformance is what every engine passes.
func TestConformance(t *testing.T) {
	t.Parallel()
	enginetest.Run(t, harness())
}

func open(dir, shell string) (engine.Engine, error) {
	return script.New(script.Config{
		DataDir: filepath.Join(dir, "data"), Shell: shell, Grace: 20 * time.Second, Linger: time.Minute,
	})
}

func statePath(dir string, req engine.Request, suffix string) string {
	return filepath.Join(dir, "data", "script-state", filepath.FromSlash(req.Address)+suffix)
}

func harness() enginetest.Harness {
	return enginetest.Harness{
		Name: script.Name,
		Open: func(dir string) (engine.Engine, error) { return open(dir, "") },
		Prepare: func(_ string, req *engine.Request) error {
			bundle, err := filepath.Abs("testdata")
			req.Bundle = bundle
			req.Implementation = catalog.Implementation{Module: "thing", Settings: map[string]any{"immutable": []any{"name"}}}
			return err
		},
		Identity: func(_ string, req *engine.Request) error {
			req.Implementation.Identity = map[string]string{"resource": "${inputs.world}:${inputs.name}"}
			return nil
		},
		Corrupt: func(t *testing.T, dir string, req engine.Request) {
			t.Helper()
			if err := os.WriteFile(statePath(dir, req, ".json"), []byte(`{"lineage": "l`), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		Drift: func(t *testing.T, dir string, _ engine.Request) {
			t.Helper()
			if err := os.Remove(filepath.Join(dir, "world", "things", "alpha", "size")); err != nil {
				t.Fatal(err)
			}
		},
		LockForeign: func(t *testing.T, dir string, req *engine.Request) func() {
			t.Helper()
			path := lock(t, dir, *req, orchestrator.Lease{Host: "elsewhere", BootID: "another", PID: 1, StartTime: "1"})
			return func() {
				if err := os.Remove(path); err != nil {
					t.Error(err)
				}
			}
		},
		LockDead: func(t *testing.T, dir string, req *engine.Request) {
			t.Helper()
			dead, err := supervise.Self()
			if err != nil {
				t.Fatal(err)
			}
			dead.StartTime = "0" // a process of this number that began at boot
			lock(t, dir, *req, dead)
		},
		Program:    pid(func(h supervise.Holder) int { return h.Engine }),
		Supervisor: pid(func(h supervise.Holder) int { return h.PID }),
		Missing:    func(dir string) (engine.Engine, error) { return open(dir, filepath.Join(dir, "nowhere", "sh")) },
	}
}

// pid reads the workspace's lease. A script may be at work a moment before its
// supervisor has written down who it is.
func pid(of func(supervise.Holder) int) func(string) (int, error) {
	return func(workspace string) (int, error) {
		deadline, tick := time.After(time.Minute), time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			holder, err := supervise.ReadHolder(workspace)
			if err != nil || holder.Engine != 0 {
				return of(holder), err
			}
			select {
			case <-deadline:
				return 0, errors.New("no program is at work")
			case <-tick.C:
			}
		}
	}
}

func lock(t *testing.T, dir string, req engine.Request, holder orchestrator.Lease) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"holder": holder, "since": time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	path := statePath(dir, req, ".lock")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
