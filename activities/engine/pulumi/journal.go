// SPDX-License-Identifier: Apache-2.0

package pulumi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/HatiCode/nestor/activities/engine/supervise"
	"github.com/HatiCode/nestor/internal/atomicfile"
)

// The journal of a run that changes the stack: the intent, written before, and
// how it ended, written by the supervisor.
const (
	journalFile = "run.json"
	exitFile    = "run.exit"
)

// journal is the intent of a run, and who did it when it died.
type journal struct {
	Address string    `json:"address"`
	Stack   string    `json:"stack"`
	Started time.Time `json:"started"`
	// Identity is the import ID of each resource that has one, by address, as
	// the inputs of this run make it.
	Identity map[string]string `json:"identity,omitempty"`
	// Died are programs that did not end by themselves and may have held the
	// stack's lock.
	Died []supervise.Holder `json:"died,omitempty"`
}

// begin records the intent of a run.
func (n *node) begin() error {
	if err := n.drop(exitFile); err != nil {
		return failed("record intent", err)
	}
	j := &journal{Address: n.req.Address, Stack: n.stack.ref(), Started: time.Now().UTC(), Identity: n.identity}
	if n.journal != nil && n.journal.Stack == j.Stack {
		j.Died = n.journal.Died
	}
	n.journal, n.ended = j, false
	return n.saveJournal()
}

// end forgets the dead: a run that had the stack's lock has proved that theirs
// are gone.
func (n *node) end() error {
	if n.journal == nil || len(n.journal.Died) == 0 {
		return nil
	}
	n.journal.Died = nil
	return n.saveJournal()
}

func (n *node) saveJournal() error {
	text, err := json.Marshal(n.journal)
	if err == nil {
		err = atomicfile.Write(n.path(journalFile), text)
	}
	if err != nil {
		return failed("record intent", err)
	}
	return nil
}

// recall reads the journal. It is called before the first program of a turn is
// started: the lease still names the program of the last run then, and the turn
// proves that it is dead.
func (n *node) recall() error {
	text, err := os.ReadFile(n.path(journalFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return failed("read the journal of the last run", err)
	}
	var j journal
	if err := json.Unmarshal(text, &j); err != nil {
		return failed("read the journal of the last run", fmt.Errorf("%s: %w", n.path(journalFile), err))
	}
	n.journal = &j
	return n.bury()
}

// bury records who died, if somebody did, once all of them are dead.
func (n *node) bury() error {
	exit, err := supervise.ReadExit(n.path(exitFile))
	if err == nil && exit.Signal == "" {
		n.ended = true
		return nil // it ended by itself, and has given its lock back
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return failed("read the journal of the last run", err)
	}
	holder, err := supervise.ReadHolder(n.req.Workspace)
	if err != nil {
		return failed("read the journal of the last run", err)
	}
	// An older holder is that of a run before: this one never started.
	if holder.Engine == 0 || holder.Since.Before(n.journal.Started) || slices.Contains(n.journal.Died, holder) {
		return nil
	}
	n.journal.Died = append(n.journal.Died, holder)
	return n.saveJournal()
}

func (n *node) drop(names ...string) error {
	for _, name := range names {
		if err := os.RemoveAll(n.path(name)); err != nil {
			return err
		}
	}
	return nil
}
