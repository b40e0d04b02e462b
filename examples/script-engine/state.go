// SPDX-License-Identifier: Apache-2.0

package script

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/supervise"
	"github.com/HatiCode/nestor/internal/atomicfile"
	"github.com/HatiCode/nestor/orchestrator"
)

// state is what the engine knows of a node. It is a file beside no other truth.
type state struct {
	Lineage  string    `json:"lineage"`
	Serial   int64     `json:"serial"`
	Resource *resource `json:"resource,omitempty"`
}

// resource as its scripts left it.
type resource struct {
	ID      string         `json:"id"`
	Inputs  map[string]any `json:"inputs"`
	Outputs map[string]any `json:"outputs"`
	// Partial says that the last change did not come to its end.
	Partial bool `json:"partial,omitempty"`
}

func (n *node) statePath(suffix string) string {
	return filepath.Join(n.engine.config.DataDir, "script-state", filepath.FromSlash(n.req.Address)+suffix)
}

// readState fails with class Unreadable on anything but a whole state or none.
func (n *node) readState() (state, error) {
	var s state
	err := readJSON(n.statePath(".json"), &s)
	if errors.Is(err, fs.ErrNotExist) {
		return state{Lineage: uuid.NewString()}, nil
	}
	if err != nil || s.Lineage == "" {
		return s, fail(engine.Unreadable, "the state %s cannot be read: %v", n.statePath(".json"), err)
	}
	return s, nil
}

func (n *node) writeState(s *state) error {
	s.Serial++
	return writeJSON(n.statePath(".json"), s)
}

// lock is a file beside the state. It tells workers with different workspaces
// apart; those that share one have their turn (package supervise).
type lock struct {
	Holder orchestrator.Lease `json:"holder"`
	Since  time.Time          `json:"since"`
}

// takeLock breaks a lock only when its holder is provably dead.
func (n *node) takeLock() (unlock func() error, err error) {
	self, err := supervise.Self()
	if err != nil {
		return nil, fail(engine.Transient, "find out who this process is: %v", err)
	}
	path := n.statePath(".lock")
	var held lock
	switch err := readJSON(path, &held); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fail(engine.Locked, "the lock %s cannot be read: %v; remove it if nobody is at work", path, err)
	default:
		if alive, known := supervise.Alive(held.Holder); alive || !known {
			return nil, fail(engine.Locked, "the state is locked by process %d of %s since %s; if nobody is at work there, remove %s",
				held.Holder.PID, held.Holder.Host, held.Since.Format(time.RFC3339), path)
		}
		n.say("breaking the lock of process %d: it is dead", held.Holder.PID)
		if err := breakLock(path, held.Holder); err != nil {
			return nil, fail(engine.Transient, "break lock: %v", err)
		}
	}
	text, err := json.Marshal(lock{Holder: self, Since: time.Now()})
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err != nil {
		return nil, fail(engine.Transient, "lock: %v", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // inside the data directory, see check
	if err != nil {
		return nil, fail(engine.Transient, "somebody else took the lock: %v", err)
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, errors.Join(fail(engine.Transient, "lock: %v", err), os.Remove(path))
	}
	return func() error { return os.Remove(path) }, nil
}

// breakLock removes the lock of a dead holder and no other: somebody may have
// broken it just now, and hold one of their own.
func breakLock(path string, dead orchestrator.Lease) error {
	aside := path + "." + uuid.NewString()
	if err := os.Rename(path, aside); err != nil {
		return err
	}
	var taken lock
	if err := readJSON(aside, &taken); err != nil || taken.Holder != dead {
		return errors.Join(errors.New("somebody else holds it now"), err, os.Link(aside, path), os.Remove(aside))
	}
	return os.Remove(aside)
}

func readJSON(path string, into any) error {
	text, err := os.ReadFile(path) //nolint:gosec // inside the data directory or the workspace, see check
	if err != nil {
		return err
	}
	return decode(text, into)
}

// decode keeps numbers as they were written; see typed.
func decode(text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if decoder.More() {
		return errors.New("something is behind the JSON")
	}
	return nil
}

func writeJSON(path string, v any) error {
	text, err := json.Marshal(v)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = atomicfile.Write(path, text)
	}
	if err != nil {
		return fail(engine.Transient, "write %s: %v", filepath.Base(path), err)
	}
	return nil
}
