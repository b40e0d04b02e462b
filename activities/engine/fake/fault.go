// SPDX-License-Identifier: Apache-2.0

package fake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/HatiCode/nestor/activities/engine"
)

// Fault makes a verb of one node misbehave, whatever its definition says: see
// Inject.
type Fault struct {
	Verb Verb `json:"verb"`
	// Skip calls that work before it, and then fail Times; -1 means always.
	Skip  int `json:"skip,omitempty"`
	Times int `json:"times"`
	// Class of the failure; empty means rejected.
	Class engine.Class `json:"class,omitempty"`
	// After the side effect, and its record, instead of before it. Observe and
	// preview have none.
	After bool `json:"after,omitempty"`
	// Hang until canceled, instead of failing.
	Hang bool `json:"hang,omitempty"`
}

// Inject sets the faults of a node in a world, in place of those it had, and
// counts its calls anew. Without faults the node works again.
func Inject(dir, address string, faults ...Fault) error {
	at := filepath.Join(dir, "locks", key(address))
	if err := os.MkdirAll(at, 0o700); err != nil {
		return fmt.Errorf("inject a fault into %s: %w", address, err)
	}
	counts, err := filepath.Glob(filepath.Join(at, "calls-*"))
	if err != nil {
		return fmt.Errorf("inject a fault into %s: %w", address, err)
	}
	for _, path := range append(counts, filepath.Join(at, faultFile)) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("inject a fault into %s: %w", address, err)
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return writeJSON(filepath.Join(at, faultFile), faults)
}

const faultFile = "faults.json"

// injected counts a call of a verb and finds the fault that it runs into.
func (n *node) injected(verb Verb) (*Fault, error) {
	dir := filepath.Join(n.engine.dir, "locks", n.key)
	var faults []Fault
	err := readJSON(filepath.Join(dir, faultFile), &faults)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // nothing is injected
	}
	if err != nil {
		return nil, n.broken(err)
	}
	call, err := count(filepath.Join(dir, "calls-"+string(verb)))
	if err != nil {
		return nil, n.broken(err)
	}
	for _, f := range faults {
		if f.Verb == verb && call > f.Skip && (f.Times < 0 || call <= f.Skip+f.Times) {
			return &f, nil
		}
	}
	return nil, nil //nolint:nilnil // none for this call
}

// strike carries a fault out, at the moment that it is for.
func (n *node) strike(ctx context.Context, f *Fault, after bool) error {
	if f == nil || f.After != after {
		return nil
	}
	if f.Hang {
		<-ctx.Done()
		return n.canceled(ctx)
	}
	class := f.Class
	if class == "" {
		class = engine.Rejected
	}
	return &engine.Error{Class: class, Engine: n.engine.name, Resource: n.address(), Message: string(f.Verb) + " failed, as injected"}
}

// Thing is a resource as a test looks at it: without the id, which tells one
// creation from another.
type Thing struct {
	Name       string
	Attributes map[string]any
	Content    string
}

// Things lists what a node has in a world.
func Things(dir, address string) ([]Thing, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "resources", key(address), "*.json"))
	if err != nil {
		return nil, err
	}
	things := make([]Thing, 0, len(paths))
	for _, path := range paths {
		var r resource
		if err := readJSON(path, &r); err != nil {
			return nil, err
		}
		things = append(things, Thing{Name: r.Name, Attributes: r.Attributes, Content: r.Content})
	}
	return things, nil
}

// Called says how often a verb of a node was called since faults were injected
// into it.
func Called(dir, address string, verb Verb) (int, error) {
	text, err := os.ReadFile(filepath.Join(dir, "locks", key(address), "calls-"+string(verb))) //nolint:gosec // a file of the world
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}
