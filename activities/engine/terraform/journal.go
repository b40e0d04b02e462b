// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	tfjson "github.com/hashicorp/terraform-json"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/redact"
	"github.com/HatiCode/nestor/activities/engine/supervise"
	"github.com/HatiCode/nestor/internal/atomicfile"
)

// The journal of an apply: the intent, written before; what the program said,
// written by itself; and how it ended, written by the supervisor.
const (
	journalFile = "apply.json"
	outputFile  = "apply.jsonl"
	exitFile    = "apply.exit"
	diedFile    = "died.json" // the journal of a dead apply that left no doubt
	attemptFile = "attempt"   // the last attempt that worked in this workspace
)

// journal is the intent of an apply.
type journal struct {
	Address string    `json:"address"`
	Started time.Time `json:"started"`
	// Existed says that there was a state before.
	Existed bool `json:"existed"`
	// Before digests each resource instance that the state held.
	Before map[string]string `json:"before"`
	// Identities by the address inside the module: the ID by which what this
	// apply creates can be looked up. They are of this apply's inputs, which the
	// next attempt's may not be.
	Identities map[string]string `json:"identities,omitempty"`
	// Lost are creations that an attempt in another workspace may have begun: all
	// that were to be made then. Nothing else is known of it.
	Lost []string `json:"lost,omitempty"`
	// Absent lists creations that had begun and of which a later look proved
	// that they made nothing.
	Absent []string `json:"absent,omitempty"`
	// Acted is when the dead program began to act; it held the state's lock
	// then. Set when the journal becomes that of a dead apply.
	Acted time.Time `json:"acted,omitzero"`
}

// begin records the intent. A journal of an earlier apply must have been
// settled.
func (n *node) begin(j journal) error {
	j.Address = n.req.Address
	j.Started = time.Now().UTC()
	for _, name := range []string{exitFile, outputFile} {
		if err := os.RemoveAll(n.path(name)); err != nil {
			return err
		}
	}
	return n.writeJournal(journalFile, j)
}

// lastAttempt is the last one that worked in this workspace, 0 for none.
func (n *node) lastAttempt() (int64, error) {
	text, err := os.ReadFile(n.path(attemptFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(text), 10, 64)
}

// inherit takes over the doubt that an attempt in another workspace has left, and
// notes that this attempt works here: before it is announced what it makes, so
// that no journal of it here is the proof that it had not begun.
func (n *node) inherit(ctx context.Context, s state) error {
	if n.req.Plan {
		return nil
	}
	last, err := n.lastAttempt()
	if err != nil {
		return err
	}
	if last < n.req.CutOff && !n.req.Settled {
		if err := n.doubt(ctx, s); err != nil {
			return err
		}
	}
	now := max(n.req.Attempt, n.req.CutOff)
	if last >= now {
		return nil
	}
	return atomicfile.Write(n.path(attemptFile), strconv.AppendInt(nil, now, 10))
}

// doubt writes the journal of an attempt of which nothing is known but what it was
// asked for: what would be created by that now may have been then. What it did come
// to record is in the state.
func (n *node) doubt(ctx context.Context, s state) error {
	was, err := n.announced()
	if err != nil {
		return err
	}
	creations, err := was.creations(ctx)
	if err != nil {
		return n.unplanned(err)
	}
	if len(creations) == 0 {
		return nil
	}
	ids, err := identities(was.req, was.impl)
	if err != nil {
		return err
	}
	n.say("an attempt that was cut off elsewhere may have created %s", strings.Join(creations, ", "))
	if err := n.forget(outputFile, exitFile); err != nil {
		return err
	}
	return n.writeJournal(journalFile, journal{
		Address: n.req.Address, Started: time.Now().UTC(),
		Existed: s.Lineage != "", Before: s.current(), Identities: ids, Lost: creations,
	})
}

// announced is the node as the attempt had it that was cut off, for a look at what
// that may have made. It shares the workspace and its turn.
func (n *node) announced() (*node, error) {
	if n.req.Announced == nil {
		return n, nil
	}
	was := *n
	was.req = n.req.AsAnnounced()
	was.impl, was.redact = was.req.Implementation, redact.New(was.req)
	if err := checkRequest(was.req, was.impl); err != nil {
		return nil, err
	}
	var err error
	was.args, err = arguments(was.req, was.impl)
	return &was, err
}

// unplanned says of a plan that failed whose it was, since nobody asks for that now.
func (n *node) unplanned(err error) error {
	e, ok := engine.AsError(err)
	if !ok || n.req.Announced == nil || e.Class != engine.Rejected && e.Class != engine.Invalid {
		return err
	}
	told := *e
	told.Message = "what an attempt that was cut off elsewhere may have created cannot be told, since it cannot be planned again: " +
		e.Message + ". " + engine.HowToSettle(n.req)
	return &told
}

// creations are the addresses of what a plan of the request would make, and may
// have made before.
func (n *node) creations(ctx context.Context) ([]string, error) {
	shown, err := n.planned(ctx)
	if err != nil || shown == nil {
		return nil, err
	}
	var made []string
	for _, r := range shown.ResourceChanges {
		if r.Change == nil || r.Mode != tfjson.ManagedResourceMode {
			continue
		}
		// Where the old one goes first and was found, the new one had not begun.
		if a := r.Change.Actions; a.Create() || a.CreateBeforeDestroy() {
			made = append(made, r.Address)
		}
	}
	return made, nil
}

// planned is a plan of the request to read, which is not kept; nil where there is
// nothing to do.
func (n *node) planned(ctx context.Context) (*tfjson.Plan, error) {
	path, changed, err := n.plan(ctx, false)
	if err != nil {
		return nil, err
	}
	if !changed {
		return nil, n.dropPlan(path)
	}
	shown, err := n.runShow(ctx, path)
	return shown, errors.Join(err, n.dropPlan(path))
}

func (n *node) writeJournal(name string, j journal) error {
	text, err := json.Marshal(j)
	if err != nil {
		return err
	}
	return atomicfile.Write(n.path(name), text)
}

func (n *node) readJournal() (*journal, error) { return n.readJournalFile(journalFile) }

func (n *node) readJournalFile(name string) (*journal, error) {
	text, err := os.ReadFile(n.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // no journal is the usual case
	}
	if err != nil {
		return nil, err
	}
	var j journal
	if err := json.Unmarshal(text, &j); err != nil {
		return nil, fmt.Errorf("%s: %w", n.path(name), err)
	}
	return &j, nil
}

// settle looks at what an earlier apply left. It returns the resources whose
// creation had begun and of which the state knows nothing: they may or may not
// exist. The caller holds the turn, so the program is dead.
//
// A resource is known when the state holds it other than before the apply. A
// program that ended by itself has recorded everything, and what a person has
// forgotten is in doubt no more.
func (n *node) settle(s state) ([]string, error) {
	j, err := n.readJournal()
	if err != nil || j == nil {
		return nil, err
	}
	exit, err := supervise.ReadExit(n.path(exitFile))
	switch {
	case err == nil && exit.Signal == "":
		done := []string{journalFile, outputFile, exitFile}
		if exit.Code == 0 {
			done = append(done, diedFile)
		}
		if err := n.dropEmptyState(*j); err != nil {
			return nil, err
		}
		return nil, n.forget(done...)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	began, acted, err := n.begun()
	if err != nil {
		return nil, err
	}
	began = append(began, j.Lost...)
	now := s.current()
	var uncertain []string
	for _, address := range began {
		unrecorded := now[address] == "" || now[address] == j.Before[address]
		if unrecorded && !slices.Contains(j.Absent, address) {
			uncertain = append(uncertain, address)
		}
	}
	if len(uncertain) > 0 && !n.req.Settled {
		return uncertain, n.dropEmptyState(*j)
	}
	// Nothing is in doubt, but the dead program may have left its lock, and the
	// empty file that it makes before it acts.
	if err := n.dropEmptyState(*j); err != nil {
		return nil, err
	}
	j.Acted = acted
	if err := n.writeJournal(diedFile, *j); err != nil {
		return nil, err
	}
	return nil, n.forget(journalFile, outputFile, exitFile)
}

// dropEmptyState removes the empty file that a first apply leaves when it was
// killed before it wrote a state. The journal alone then keeps anything from
// being created again.
func (n *node) dropEmptyState(j journal) error {
	if j.Existed || n.stateFile == "" {
		return nil
	}
	info, err := os.Stat(n.stateFile)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() > 0 {
		return nil
	}
	if err != nil {
		return err
	}
	return os.Remove(n.stateFile)
}

// begun reads from the kept output which creations began, and when the program
// began to act, which it does only under the state's lock.
func (n *node) begun() (creates []string, acted time.Time, err error) {
	text, err := os.ReadFile(n.path(outputFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, acted, nil // killed before the program was started
	}
	if err != nil {
		return nil, acted, err
	}
	for line := range bytes.SplitSeq(text, []byte{'\n'}) {
		var m message
		if json.Unmarshal(line, &m) != nil || m.Type != typeApplyStart || m.Hook == nil {
			continue
		}
		if acted.IsZero() {
			acted = m.Time
		}
		if m.Hook.Action == actionCreate && !slices.Contains(creates, m.Hook.Resource.Addr) {
			creates = append(creates, m.Hook.Resource.Addr)
		}
	}
	return creates, acted, nil
}

func (n *node) forget(names ...string) error {
	for _, name := range names {
		if err := os.RemoveAll(n.path(name)); err != nil {
			return err
		}
	}
	return nil
}

// uncertainError says what is in doubt, and what came of looking it up.
func (n *node) uncertainError(addresses []string) error {
	e := engine.InDoubt(n.req, Name, addresses, n.looked)
	if len(n.succeeded) > 0 {
		e.Message += fmt.Sprintf(". It is about what takes the place of an older one: the %s that the state holds is not the one to remove",
			strings.Join(n.succeeded, ", "))
	}
	return e
}
