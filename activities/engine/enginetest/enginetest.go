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
	"path/filepath"
	"testing"

	"github.com/HatiCode/nestor/activities/engine"
)

// Thing is the contract of the definition that the suite uses. It has a ledger
// to which each side effect appends one line:
//
//   - "create <name>" when it is created, "destroy <name>" when it is destroyed;
//   - "set <name> <size>" when its size is set, at creation and at each change
//     of the size that the world has. To set what is set already is no effect.
//
// The ledger is the file "ledger" in the directory of input "world", or what
// Harness.World reads.
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
// One case has the input details as well, a map with lists and maps inside.
//
// Some cases put files into the world that hold the thing up whatever its mode:
//
//   - "hold-set": an update goes on after the line "set" only when the file is
//     gone;
//   - "hold-destroy": a destruction goes on after the line "destroy" only when
//     the file is gone;
//   - "hold-create" (with Harness.Identity only): a creation makes the file
//     "creating" and goes on, to the line "create", only when the file is gone.
//
// Outputs: id (string, known after creation only) and every input but world and
// mode, under its name.
const Thing = "thing"

// Replacement says how an engine shows that a changed name replaces the thing.
type Replacement string

const (
	// ReplaceInPlace shows one change that replaces, and the attribute that
	// forces it. It is the default.
	ReplaceInPlace Replacement = ""
	// ReplaceByName shows a thing that is created and one that is deleted, as
	// engines do whose objects are what their names say.
	ReplaceByName Replacement = "by name"
)

// Harness is an engine as the suite sees it. dir is one test's directory:
// opening an engine on it again stands for another worker process, and some
// cases do so in a process of their own, where Open and Prepare are all that is
// called.
//
// Name, Open, Prepare, Corrupt and Drift are needed. Where another function is
// nil, the cases that need it do not exist for the engine.
type Harness struct {
	Name string
	// Open returns the engine.
	Open func(dir string) (engine.Engine, error)
	// Prepare sets Bundle, Implementation and Backend for the thing.
	Prepare func(dir string, req *engine.Request) error
	// World reads the ledger; nil reads the file.
	World func(dir string) ([]string, error)
	// Corrupt makes the node's state unreadable.
	Corrupt func(t *testing.T, dir string, req engine.Request)
	// Drift takes a part of the thing away, behind the engine's back.
	Drift func(t *testing.T, dir string, req engine.Request)
	// Replacement is how a changed name shows.
	Replacement Replacement
	// LockForeign locks the node's state as somebody who is not provably dead,
	// and may change the request's backend for it. Calling release unlocks it.
	LockForeign func(t *testing.T, dir string, req *engine.Request) (release func())
	// LockDead leaves a lock of a provably dead holder, likewise.
	LockDead func(t *testing.T, dir string, req *engine.Request)
	// Program is the pid of the engine's program at work in a workspace, and
	// Supervisor that of its supervisor. An engine without a program of its own
	// has neither: its killed worker is the same case.
	Program, Supervisor func(workspace string) (pid int, err error)
	// Clear takes away what a creation that was cut off has made, as the person
	// does who looks for it, where the world would not hold it twice.
	Clear func(workspace string) error
	// Identity declares, in a request that Prepare has seen, how to find the
	// thing in the world: by the ID that its world, name or other inputs make.
	// An engine that finds by name what it makes needs none.
	Identity func(dir string, req *engine.Request) error
	// Adopt makes the request's thing outside Nestor and says how to adopt it.
	Adopt func(t *testing.T, dir string, req engine.Request) engine.Source
	// Missing and TooOld open an engine without a usable program. Found is what
	// TooOld's error names.
	Missing, TooOld func(dir string) (engine.Engine, error)
	Found           string
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	t.Helper()
	for name, run := range cases(h) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, h)
		})
	}
}

// cases that exist for an engine.
func cases(h Harness) map[string]func(*testing.T, Harness) {
	all := map[string]func(*testing.T, Harness){
		"create":            testCreate,
		"no change":         testNoChange,
		"update":            testUpdate,
		"replace":           testReplace,
		"failed create":     testFailedCreate,
		"failed update":     testFailedUpdate,
		"outputs":           testOutputs,
		"odd outputs":       testOddOutputs,
		"nested outputs":    testNestedOutputs,
		"missing output":    testMissingOutput,
		"literal strings":   testLiteral,
		"unknown inputs":    testUnknown,
		"destroy":           testDestroy,
		"unreadable state":  testUnreadable,
		"drift":             testDrift,
		"cancel":            testCancel,
		"two at once":       testTwoAtOnce,
		"two workers":       testTwoWorkers,
		"killed in update":  testKilledInUpdate,
		"killed in destroy": testKilledInDestroy,
	}
	add := func(exists bool, name string, run func(*testing.T, Harness)) {
		if exists {
			all[name] = run
		}
	}
	for _, v := range victims(h) {
		add(true, "killed "+v.String(), func(t *testing.T, h Harness) { t.Helper(); testKilled(t, h, v) })
		add(h.Identity != nil, "killed "+v.String()+" with identity", func(t *testing.T, h Harness) { t.Helper(); testFound(t, h, v) })
	}
	add(h.Identity != nil, "killed before creation", testKilledBefore)
	add(h.Identity != nil, "killed and renamed", testKilledAndRenamed)
	add(h.LockForeign != nil, "foreign lock", testForeignLock)
	add(h.LockDead != nil, "dead lock", testDeadLock)
	add(h.Missing != nil, "missing program", testMissingProgram)
	add(h.TooOld != nil, "old program", testOldProgram)
	add(h.Adopt != nil, "adopt", testAdopt)
	add(h.Adopt != nil, "adopt over a state", testAdoptOver)
	add(h.Adopt != nil, "adopt nonsense", testAdoptNonsense)
	add(h.Adopt != nil, "forget", testForget)
	return all
}

// Paths inside a test's directory.
func worldOf(dir string) string { return filepath.Join(dir, "world") }

// Ledger is the path of the thing's ledger.
func Ledger(dir string) string { return filepath.Join(worldOf(dir), "ledger") }
