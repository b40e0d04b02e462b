// SPDX-License-Identifier: Apache-2.0

package script

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/supervise"
	"github.com/HatiCode/nestor/orchestrator"
)

// journal is the intent of a change, written before its script is run.
type journal struct {
	Verb   verb           `json:"verb"`
	ID     string         `json:"id"` // declared or known before
	Inputs map[string]any `json:"inputs"`
}

// settle reads the state and takes into it what the last script did, if the
// worker died before it could. The caller holds the turn: the script is dead.
func (n *node) settle(ctx context.Context) (state, error) {
	s, err := n.readState()
	if err != nil {
		return s, err
	}
	var j journal
	switch err := readJSON(n.file(journalFile), &j); {
	case errors.Is(err, fs.ErrNotExist):
		return s, nil
	case err != nil:
		return s, fail(engine.Unreadable, "the journal of the last change cannot be read: %v", err)
	}
	text, err := os.ReadFile(n.file(outputFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s, fail(engine.Unreadable, "what the last script wrote cannot be read: %v", err)
	}
	done := false
	if exit, err := supervise.ReadExit(n.file(exitFile)); err == nil {
		done = exit.Code == 0 && exit.Signal == ""
		if exit.Signal == "" && !done && j.Verb == create && parse(text).id == "" {
			return s, n.forget() // it ended by itself and made nothing
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return s, fail(engine.Unreadable, "how the last script ended cannot be read: %v", err)
	}
	return s, n.record(ctx, &s, j, parse(text), done)
}

// record takes into the state what a script did.
func (n *node) record(ctx context.Context, s *state, j journal, r result, done bool) error {
	switch {
	case j.Verb == create && r.id != "":
		s.Resource = &resource{ID: r.id, Inputs: j.Inputs, Outputs: r.outputs, Partial: !done}
	case j.Verb == create:
		made, err := n.find(ctx, j)
		if err != nil {
			return err
		}
		s.Resource = made
	case j.Verb == remove && done:
		s.Resource = nil
	case s.Resource != nil:
		s.Resource.Partial = true
		if j.Verb == update && done {
			*s.Resource = resource{ID: s.Resource.ID, Inputs: j.Inputs, Outputs: r.outputs}
		}
	}
	if err := n.writeState(s); err != nil {
		return err
	}
	return n.forget()
}

// find looks for what an interrupted create may have made, by its identity.
func (n *node) find(ctx context.Context, j journal) (*resource, error) {
	if j.ID == "" && n.req.Settled {
		return nil, nil //nolint:nilnil // a person has looked, and says so
	}
	if j.ID == "" {
		return nil, engine.InDoubt(n.req, Name, []string{resourceAddress}, nil)
	}
	seen, err := n.run(ctx, read, j.ID, j.Inputs)
	if err != nil {
		return nil, err // the journal stays: until the answer is known nothing is created
	}
	if seen.absent {
		return nil, nil //nolint:nilnil // proven: it made nothing
	}
	return &resource{ID: j.ID, Inputs: j.Inputs, Outputs: seen.outputs, Partial: true}, nil
}

func (n *node) forget() error {
	if err := os.Remove(n.file(journalFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fail(engine.Transient, "forget the journal: %v", err)
	}
	return nil
}

func (n *node) observe(ctx context.Context) (engine.Observation, error) {
	s, err := n.settle(ctx)
	if engine.ClassOf(err) == engine.Uncertain {
		return engine.Observation{Exists: true, Uncertain: []string{resourceAddress}, State: engine.State{Lineage: s.Lineage, Serial: s.Serial}}, nil
	}
	if err != nil || s.Resource == nil {
		return engine.Observation{}, err
	}
	seen := engine.Observation{Exists: true, State: engine.State{Lineage: s.Lineage, Serial: s.Serial}}
	if !s.Resource.Partial {
		seen.Outputs, err = n.outputs(s.Resource)
	}
	return seen, err
}

func (n *node) preview(ctx context.Context) (engine.Preview, error) {
	s, err := n.look(ctx)
	if err != nil {
		return engine.Preview{}, err
	}
	p := engine.Preview{Changes: s.changes, OutputsKept: n.kept(s), Token: s.token}
	if s.state.Serial > 0 { // it was written before
		p.State = engine.State{Lineage: s.state.Lineage, Serial: s.state.Serial}
	}
	if len(n.req.Unknown) > 0 {
		p.Token = "" // never to be applied
	}
	return p, nil
}

func (n *node) apply(ctx context.Context, p engine.Preview) (engine.Result, error) {
	if len(n.req.Unknown) > 0 || p.Token == "" {
		return engine.Result{}, fail(engine.Invalid, "a preview with unknown inputs cannot be applied; preview again once they are known")
	}
	unlock, err := n.takeLock()
	if err != nil {
		return engine.Result{}, err
	}
	r, err := n.carryOut(ctx, p)
	return r, errors.Join(err, unlock())
}

// carryOut makes the previewed change, if it is still the one to make.
func (n *node) carryOut(ctx context.Context, p engine.Preview) (engine.Result, error) {
	s, err := n.look(ctx)
	if err != nil {
		return engine.Result{}, err
	}
	if s.token != p.Token {
		return engine.Result{}, fail(engine.Transient, "what is there has changed since the preview; preview again")
	}
	for _, v := range steps(s.changes) {
		id, err := n.identity()
		if v != create {
			id = s.state.Resource.ID
		}
		if err == nil {
			err = n.step(ctx, &s.state, v, id)
		}
		if err != nil {
			return engine.Result{}, err
		}
	}
	if s.state.Resource == nil {
		return engine.Result{}, fail(engine.Invalid, "the script create ended well and wrote no id")
	}
	outputs, err := n.outputs(s.state.Resource)
	return engine.Result{Outputs: outputs, Serial: s.state.Serial, Lineage: s.state.Lineage}, err
}

// steps of a change.
func steps(changes []orchestrator.Change) []verb {
	if len(changes) == 0 {
		return nil
	}
	return map[orchestrator.Action][]verb{
		orchestrator.ActionCreate: {create}, orchestrator.ActionUpdate: {update},
		orchestrator.ActionReplace: {remove, create}, orchestrator.ActionDelete: {remove},
	}[changes[0].Action]
}

// step runs one script between its intent and its record.
func (n *node) step(ctx context.Context, s *state, v verb, id string) error {
	inputs := n.req.Inputs
	if v == remove {
		inputs = s.Resource.Inputs
	}
	// What is left of the change before must not pass for this one's.
	for _, name := range []string{outputFile, exitFile} {
		if err := os.RemoveAll(n.file(name)); err != nil {
			return fail(engine.Transient, "clear workspace: %v", err)
		}
	}
	if err := writeJSON(n.file(journalFile), journal{Verb: v, ID: id, Inputs: inputs}); err != nil {
		return err
	}
	n.req.Settled = false // a person's word is about what was there before
	_, err := n.run(ctx, v, id, inputs)
	settled, settleErr := n.settle(context.WithoutCancel(ctx))
	if settleErr != nil {
		return settleErr
	}
	*s = settled
	return err
}

func (n *node) destroy(ctx context.Context) error {
	unlock, err := n.takeLock()
	if err != nil {
		return err
	}
	return errors.Join(n.removeAll(ctx), unlock())
}

// removeAll destroys what there is and proves it by reading back.
func (n *node) removeAll(ctx context.Context) error {
	s, err := n.settle(ctx)
	if err != nil || s.Resource == nil {
		return err
	}
	gone := *s.Resource
	actual, err := n.actual(ctx, &gone)
	if err != nil {
		return err
	}
	if actual != nil {
		if err := n.step(ctx, &s, remove, gone.ID); err != nil {
			return err
		}
		if actual, err = n.actual(ctx, &gone); err != nil {
			return err
		}
	}
	if actual != nil {
		return fail(engine.Rejected, "%s is still there after its destruction", gone.ID)
	}
	s.Resource = nil
	return n.writeState(&s)
}
