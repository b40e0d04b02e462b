// SPDX-License-Identifier: Apache-2.0

// Package enginetest is the one suite that every engine passes, with its real
// program where it has one. It counts side effects in the engine's own world:
// what was created, set and destroyed, and how often.
//
// All cases use one definition, the thing (see Thing), which each engine
// realises in its own way. What is peculiar to one engine belongs to that
// engine's own tests.
package enginetest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/HatiCode/nestor/activities/engine"
)

// Thing is the contract of the definition that the suite uses. It has a ledger,
// the file "ledger" in the directory of input "world", to which each side
// effect appends one line:
//
//   - "create <name>" when it is created, "destroy <name>" when it is destroyed;
//   - "set <name> <size>" when its size is set, at creation and at each change.
//
// Inputs: world (string), name (string; a change replaces the thing), size
// (integer; a change updates it), text (string), password (string, sensitive),
// ratio (number), enabled (boolean), zones (list of strings), labels (map of
// strings) and mode (string):
//
//   - "fail-create" fails before anything is created, saying "quota exceeded";
//   - "fail-set" fails when the size is set, saying "quota exceeded";
//   - "hold" goes on after the line "create" only when the file "hold" in the
//     world is gone.
//
// Outputs: id (string, known after creation only) and every input but world and
// mode, under its name.
const Thing = "thing"

// Harness is an engine as the suite sees it. dir is one test's directory:
// opening an engine on it again stands for another worker process.
type Harness struct {
	Name string
	// Open returns the engine.
	Open func(dir string) (engine.Engine, error)
	// Prepare sets Bundle, Implementation and Backend for the thing.
	Prepare func(dir string, req *engine.Request) error
	// Corrupt makes the node's state unreadable.
	Corrupt func(t *testing.T, dir string, req engine.Request)
	// Drift takes a part of the thing away, behind the engine's back.
	Drift func(t *testing.T, dir string, req engine.Request)
	// LockForeign locks the node's state as somebody who is not provably dead,
	// and may change the request's backend for it. Calling release unlocks it.
	LockForeign func(t *testing.T, dir string, req *engine.Request) (release func())
	// LockDead leaves a lock of a provably dead holder, likewise.
	LockDead func(t *testing.T, dir string, req *engine.Request)
	// Program is the pid of the engine's program at work in a workspace; nil
	// for an engine without one.
	Program func(workspace string) (int, error)
	// Settle does what the engine's error asks of a person who found that a
	// creation that was cut off had made nothing; with Program.
	Settle func(workspace string) error
	// Missing and TooOld open an engine without a usable program; nil for an
	// engine without one. Found is what TooOld's error names.
	Missing, TooOld func(dir string) (engine.Engine, error)
	Found           string
}

// childVariable names the file that tells a re-executed test binary what to do.
const childVariable = "NESTOR_ENGINETEST_CHILD"

// child is an apply in a process of its own, to be killed.
type child struct {
	Harness string         `json:"harness"`
	Dir     string         `json:"dir"`
	Inputs  map[string]any `json:"inputs"`
}

// Main is the body of TestMain: it is either the tests or, executed again by
// one of them, a worker that applies the thing.
func Main(m *testing.M, harnesses ...Harness) int {
	path, ok := os.LookupEnv(childVariable)
	if !ok {
		return m.Run()
	}
	if err := runChild(path, harnesses); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func runChild(path string, harnesses []Harness) error {
	text, err := os.ReadFile(path) //nolint:gosec // written by the test that started this process
	if err != nil {
		return err
	}
	var c child
	if err := json.Unmarshal(text, &c); err != nil {
		return err
	}
	for _, h := range harnesses {
		if h.Name != c.Harness {
			continue
		}
		e, err := h.Open(c.Dir)
		if err != nil {
			return err
		}
		req := request(c.Dir, c.Inputs, os.Stderr)
		if err := h.Prepare(c.Dir, &req); err != nil {
			return err
		}
		ctx := context.Background()
		p, err := e.Preview(ctx, req)
		if err != nil {
			return err
		}
		_, err = e.Apply(ctx, req, p)
		return err
	}
	return fmt.Errorf("no harness %q", c.Harness)
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	t.Helper()
	cases := map[string]func(*testing.T, Harness){
		"create":           testCreate,
		"no change":        testNoChange,
		"update":           testUpdate,
		"replace":          testReplace,
		"failed create":    testFailedCreate,
		"failed update":    testFailedUpdate,
		"outputs":          testOutputs,
		"missing output":   testMissingOutput,
		"literal strings":  testLiteral,
		"unknown inputs":   testUnknown,
		"destroy":          testDestroy,
		"unreadable state": testUnreadable,
		"drift":            testDrift,
		"cancel":           testCancel,
		"foreign lock":     testForeignLock,
		"dead lock":        testDeadLock,
		"two at once":      testTwoAtOnce,
		"killed worker":    testKilledWorker,
		"killed program":   testKilledProgram,
		"no program":       testNoProgram,
	}
	for name, run := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, h)
		})
	}
}

// Paths inside a test's directory.
func worldOf(dir string) string { return filepath.Join(dir, "world") }

// Ledger is the path of the thing's ledger.
func Ledger(dir string) string { return filepath.Join(worldOf(dir), "ledger") }
