// SPDX-License-Identifier: Apache-2.0

package fake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/orchestrator"
)

// state reads what the engine knows; nothing yet comes back as the zero record.
func (n *node) state() (record, error) {
	var r record
	err := readJSON(n.stateFile(), &r)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil || r.Lineage == "" {
		return r, n.fail(engine.Unreadable, "the state cannot be read: %v", err)
	}
	return r, nil
}

func (n *node) observe(ctx context.Context) (engine.Observation, error) {
	if err := n.act(ctx, VerbObserve); err != nil {
		return engine.Observation{}, err
	}
	s, err := n.state()
	if err != nil {
		return engine.Observation{}, err
	}
	uncertain, err := n.uncertain(s)
	if err != nil {
		return engine.Observation{}, err
	}
	unrecorded, err := n.engine.outside.identities(ctx, n.key)
	if err != nil {
		return engine.Observation{}, n.broken(err)
	}
	o := engine.Observation{
		State: engine.State{Lineage: s.Lineage, Serial: s.Serial}, Exists: s.Resource != nil || len(unrecorded) > 0 || len(uncertain) > 0,
		Uncertain: uncertain,
	}
	if s.Resource != nil {
		o.Outputs, err = n.typedOutputs(s.Outputs, false)
	}
	return o, err
}

// attributes that the inputs ask for.
func (n *node) attributes() map[string]any {
	out := map[string]any{}
	for name, value := range n.req.Inputs {
		if name != BehaviourInput && name != n.behaviour.Content && !slices.Contains(n.behaviour.Ignore, name) {
			out[name] = value
		}
	}
	return out
}

func (n *node) preview(ctx context.Context) (engine.Preview, error) {
	if err := n.act(ctx, VerbPreview); err != nil {
		return engine.Preview{}, err
	}
	s, err := n.look(ctx)
	if err != nil {
		return engine.Preview{}, err
	}
	p := engine.Preview{
		Changes: s.changes, OutputsKept: n.kept(s), Token: s.token,
		State: engine.State{Lineage: s.state.Lineage, Serial: s.state.Serial},
	}
	if len(n.req.Unknown) > 0 {
		p.Token = ""
	}
	return p, nil
}

func (n *node) apply(ctx context.Context, p engine.Preview) (engine.Result, error) {
	if len(n.req.Unknown) > 0 || p.Token == "" {
		return engine.Result{}, n.fail(engine.Invalid, "a preview with unknown inputs cannot be applied")
	}
	s, err := n.look(ctx)
	if err != nil {
		return engine.Result{}, err
	}
	if s.token != p.Token {
		return engine.Result{}, n.fail(engine.Transient, "the preview is stale; preview again")
	}
	if len(s.changes) > 0 {
		if err := n.carryOut(ctx, &s); err != nil {
			return engine.Result{}, err
		}
	}
	return n.commit(&s)
}

// carryOut makes the world as it is wanted. Every step can be repeated.
func (n *node) carryOut(ctx context.Context, s *situation) error {
	verb := VerbCreate
	if s.changes[0].Action == orchestrator.ActionUpdate {
		verb = VerbUpdate
	}
	if err := n.act(ctx, verb); err != nil {
		return err
	}
	if err := n.removeOthers(ctx, s.identity); err != nil {
		return n.broken(err)
	}
	if err := n.bring(ctx, s); err != nil {
		return err
	}
	if err := n.strike(ctx, n.fault, true); err != nil {
		return n.stop(s, err)
	}
	return nil
}

// bring makes the wanted resource, or brings it to what is wanted.
func (n *node) bring(ctx context.Context, s *situation) error {
	announce := n.behaviour.Announce
	if s.actual == nil {
		first := map[string]any{}
		for name, value := range s.wanted {
			if name != announce {
				first[name] = value
			}
		}
		if err := n.begin(s.identity); err != nil {
			return n.broken(err)
		}
		if err := n.heldBefore(ctx); err != nil {
			return errors.Join(err, n.settled())
		}
		made, err := n.make(ctx, s.identity, first)
		if err != nil {
			return n.broken(err)
		}
		s.actual = made
		if err := n.held(ctx, n.behaviour.Hold); err != nil {
			return n.stop(s, err)
		}
		return n.set(ctx, s, announce)
	}
	if err := n.set(ctx, s, announce); err != nil {
		return err
	}
	if err := n.held(ctx, n.behaviour.HoldUpdate); err != nil {
		return n.stop(s, err)
	}
	return nil
}

// stop is a clean one: what was made is recorded.
func (n *node) stop(s *situation, why error) error {
	_, err := n.record(s)
	return errors.Join(why, err)
}

// removeOthers removes what the node has beside one resource: that which is
// replaced, and what an interrupted attempt with other inputs made.
func (n *node) removeOthers(ctx context.Context, identity string) error {
	ids, err := n.engine.outside.identities(ctx, n.key)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if id == identity {
			continue
		}
		if err := n.remove(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// set brings the attributes of an existing resource to what is wanted.
func (n *node) set(ctx context.Context, s *situation, announce string) error {
	was := s.actual.Attributes
	if same(was, s.wanted) {
		return nil
	}
	s.actual.Attributes = s.wanted
	line := ""
	if announce == "" {
		line = "update " + s.actual.Name
	} else if !same(was[announce], s.wanted[announce]) {
		line = fmt.Sprintf("set %s %v", s.actual.Name, s.wanted[announce])
	}
	if err := n.engine.outside.update(ctx, n.key, s.identity, *s.actual, line); err != nil {
		return n.broken(err)
	}
	if line != "" {
		n.say(line)
	}
	return nil
}

// commit records the state and returns the outputs.
func (n *node) commit(s *situation) (engine.Result, error) {
	r, err := n.record(s)
	if err != nil {
		return engine.Result{}, err
	}
	outputs, err := n.typedOutputs(r.Outputs, true)
	if err != nil {
		return engine.Result{}, err
	}
	return engine.Result{Outputs: outputs, Serial: r.Serial, Lineage: r.Lineage}, nil
}

// record writes the state if it differs.
func (n *node) record(s *situation) (record, error) {
	r := s.state
	r.Identity, r.Resource = s.identity, s.actual
	r.Outputs = n.outputs(s.actual)
	if s.state.Lineage != "" && len(s.changes) == 0 && same(s.state.Outputs, r.Outputs) {
		return s.state, nil
	}
	r.Serial++
	if r.Lineage == "" {
		r.Lineage = lineageOf(s.actual)
	}
	if err := writeJSON(n.stateFile(), r); err != nil {
		return r, n.broken(err)
	}
	if err := n.settled(); err != nil {
		return r, n.broken(err)
	}
	// As a later reader will find it.
	r = record{}
	if err := readJSON(n.stateFile(), &r); err != nil {
		return r, n.broken(err)
	}
	return r, nil
}

func (n *node) destroy(ctx context.Context) error {
	if _, err := n.recovered(ctx); err != nil {
		return err
	}
	ids, err := n.engine.outside.identities(ctx, n.key)
	if err != nil {
		return n.broken(err)
	}
	if len(ids) > 0 {
		if err := n.act(ctx, VerbDestroy); err != nil {
			return err
		}
	}
	for _, id := range ids {
		if err := n.remove(ctx, id); err != nil {
			return n.broken(err)
		}
		if err := n.held(ctx, n.behaviour.HoldDestroy); err != nil {
			return err
		}
	}
	if err := n.strike(ctx, n.fault, true); err != nil {
		return err
	}
	if err := os.Remove(n.stateFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return n.broken(err)
	}
	left, err := n.engine.outside.identities(ctx, n.key)
	if err != nil {
		return n.broken(err)
	}
	if len(left) > 0 {
		return n.fail(engine.Rejected, "still there after the destruction: %s", strings.Join(left, ", "))
	}
	return nil
}
