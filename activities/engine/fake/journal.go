// SPDX-License-Identifier: Apache-2.0

package fake

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/internal/expand"
)

// anyResource is the address under which a definition of many nodes declares
// their identity.
const anyResource = "fake_resource"

// journal is the intent of a create, of a node that is forgetful. It is there
// from before the side effect until the state is recorded.
type journal struct {
	// Identity of the resource in the world.
	Identity string `json:"identity"`
	// ID that the implementation's identity gives it; empty without one.
	ID string `json:"id"`
}

func (n *node) journalFile() string {
	return filepath.Join(n.engine.dir, "locks", n.key, "begun.json")
}

// begin records the intent to create.
func (n *node) begin(identity string) error {
	if !n.behaviour.Forgetful {
		return nil
	}
	j := journal{Identity: identity}
	template, ok := n.req.Implementation.Identity[n.address()]
	if !ok {
		template, ok = n.req.Implementation.Identity[anyResource]
	}
	if ok {
		id, err := expand.String(template, n.input)
		if err != nil && !errors.Is(err, expand.ErrAbsent) {
			return err
		}
		j.ID = id
	}
	return writeJSON(n.journalFile(), j)
}

// input is the value of a reference such as "inputs.name".
func (n *node) input(reference string) (any, error) {
	name, ok := strings.CutPrefix(reference, "inputs.")
	value, given := n.req.Inputs[name]
	if !ok || !given {
		return nil, expand.ErrAbsent
	}
	return value, nil
}

// settled drops the intent: the state has what came of it.
func (n *node) settled() error {
	if err := os.Remove(n.journalFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// cutOff is the intent of a create that the state knows nothing of.
func (n *node) cutOff(s record) (*journal, error) {
	var j journal
	err := readJSON(n.journalFile(), &j)
	if errors.Is(err, fs.ErrNotExist) || err == nil && s.Resource != nil && s.Identity == j.Identity {
		return nil, nil //nolint:nilnil // nothing was cut off
	}
	if err != nil {
		return nil, n.broken(err)
	}
	if j.ID == "" && n.req.Settled {
		if err := n.settled(); err != nil {
			return nil, n.broken(err)
		}
		return nil, nil //nolint:nilnil // a person has looked
	}
	return &j, nil
}

// uncertain lists what a create that was cut off may have made.
func (n *node) uncertain(s record) ([]string, error) {
	j, err := n.cutOff(s)
	if err != nil || j == nil {
		return nil, err
	}
	return []string{n.address()}, nil
}

// recovered is the state with what a create that was cut off has made, where it
// can be looked up; where it cannot, nothing goes on.
func (n *node) recovered(ctx context.Context) (record, error) {
	s, err := n.state()
	if err != nil {
		return s, err
	}
	j, err := n.cutOff(s)
	if err != nil || j == nil {
		return s, err
	}
	if j.ID == "" {
		return s, engine.InDoubt(n.req, n.engine.name, []string{n.address()}, nil)
	}
	found, err := n.engine.outside.find(ctx, n.key, j.Identity)
	if err != nil {
		return s, n.broken(err)
	}
	if found != nil {
		s.Identity, s.Resource, s.Outputs = j.Identity, found, n.outputs(found)
		s.Serial++
		if s.Lineage == "" {
			s.Lineage = lineageOf(found)
		}
		if err := writeJSON(n.stateFile(), s); err != nil {
			return s, n.broken(err)
		}
	}
	if err := n.settled(); err != nil {
		return s, n.broken(err)
	}
	return n.state()
}

func lineageOf(r *resource) string { return "lineage-of-" + r.ID }
