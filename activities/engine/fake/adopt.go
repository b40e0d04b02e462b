// SPDX-License-Identifier: Apache-2.0

package fake

import (
	"context"
	"path/filepath"

	"github.com/HatiCode/nestor/activities/engine"
)

// Adopt implements engine.Adopter. A source's Ref is the address of another
// node of the same world, whose resource changes hands.
func (e *Engine) Adopt(ctx context.Context, req engine.Request, source engine.Source) (engine.Observation, error) {
	n, err := e.open(ctx, req)
	if err != nil {
		return engine.Observation{}, err
	}
	defer n.close()
	if err := n.adopt(ctx, source); err != nil {
		return engine.Observation{}, err
	}
	return n.observe(ctx)
}

// Forget implements engine.Adopter. The resource is left to the node that it
// was adopted from, or to one that nobody asks for.
func (e *Engine) Forget(ctx context.Context, req engine.Request) error {
	n, err := e.open(ctx, req)
	if err != nil {
		return err
	}
	defer n.close()
	s, err := n.recovered(ctx)
	if err != nil || s.Resource == nil {
		return err
	}
	to := s.Adopted
	if to == "" {
		to = "forgotten/" + n.req.Address
	}
	return n.move(ctx, n.key, key(to))
}

func (n *node) adopt(ctx context.Context, source engine.Source) error {
	if source.State != nil || source.Ref == "" {
		return n.fail(engine.Invalid, "the fake engine adopts the resource of another address and nothing else")
	}
	mine, err := n.recovered(ctx)
	if err != nil {
		return err
	}
	if mine.Resource != nil && mine.Adopted == source.Ref {
		return nil
	}
	if mine.Resource != nil {
		return n.fail(engine.Rejected, "%s has a resource already", n.req.Node)
	}
	from := key(source.Ref)
	if filepath.Base(from) != from {
		return n.fail(engine.Invalid, "%q is no address", source.Ref)
	}
	theirs := record{}
	err = readJSON(filepath.Join(n.engine.dir, "state", from+".json"), &theirs)
	if err != nil || theirs.Resource == nil {
		return n.fail(engine.Invalid, "there is nothing at %q: %v", source.Ref, err)
	}
	if err := n.move(ctx, from, n.key); err != nil {
		return err
	}
	theirs.Adopted = source.Ref
	theirs.Outputs = n.outputs(theirs.Resource)
	if err := writeJSON(n.stateFile(), theirs); err != nil {
		return n.broken(err)
	}
	return nil
}

// move gives what a node has to another one.
func (n *node) move(ctx context.Context, from, to string) error {
	if err := n.engine.outside.move(ctx, from, to); err != nil {
		return n.broken(err)
	}
	state := func(k string) string { return filepath.Join(n.engine.dir, "state", k+".json") }
	if err := rename(state(from), state(to)); err != nil {
		return n.broken(err)
	}
	return nil
}
