// SPDX-License-Identifier: Apache-2.0

package fake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// outside is where resources are, apart from what the engine knows of them. A
// mutation with a line appends it to the ledger.
type outside interface {
	// find looks a resource up; nil means that there is none.
	find(ctx context.Context, key, identity string) (*resource, error)
	// identities of everything that a node has.
	identities(ctx context.Context, key string) ([]string, error)
	// create gives the resource an id that begins with the prefix, and puts it in
	// the place of "{id}" in the content.
	create(ctx context.Context, key, identity, prefix string, r resource, line string) (*resource, error)
	update(ctx context.Context, key, identity string, r resource, line string) error
	destroy(ctx context.Context, key, identity, line string) error
	// move gives what one node has to another.
	move(ctx context.Context, from, to string) error
}

// directory is an outside of files, one a resource.
type directory struct{ path string }

var _ outside = directory{}

func (d directory) of(key string) string { return filepath.Join(d.path, "resources", key) }

func (d directory) file(key, identity string) string {
	return filepath.Join(d.of(key), identity+".json")
}

func (d directory) find(_ context.Context, key, identity string) (*resource, error) {
	var r resource
	err := readJSON(d.file(key, identity), &r)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // absence is an answer
	}
	return &r, err
}

func (d directory) identities(_ context.Context, key string) ([]string, error) {
	entries, err := os.ReadDir(d.of(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var out []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".json"); ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out, err
}

func (d directory) create(_ context.Context, key, identity, prefix string, r resource, line string) (*resource, error) {
	if err := os.MkdirAll(d.of(key), 0o700); err != nil {
		return nil, err
	}
	number, err := count(filepath.Join(d.path, "locks", key, "creations"))
	if err != nil {
		return nil, err
	}
	r.ID = fmt.Sprintf("%s-%d", prefix, number)
	r.Content = strings.ReplaceAll(r.Content, "{id}", r.ID)
	if err := writeJSON(d.file(key, identity), r); err != nil {
		return nil, err
	}
	return &r, d.append(line)
}

func (d directory) update(_ context.Context, key, identity string, r resource, line string) error {
	if err := writeJSON(d.file(key, identity), r); err != nil {
		return err
	}
	return d.append(line)
}

func (d directory) destroy(_ context.Context, key, identity, line string) error {
	if err := os.Remove(d.file(key, identity)); err != nil {
		return err
	}
	return d.append(line)
}

func (d directory) move(_ context.Context, from, to string) error {
	return rename(d.of(from), d.of(to))
}

// append adds a line to the ledger, in one write.
func (d directory) append(line string) error {
	if line == "" {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(d.path, "ledger"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Close())
}

// rename moves what is there.
func rename(from, to string) error {
	if err := os.Rename(from, to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Ledger reads every side effect in a world, in order.
func Ledger(dir string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(dir, "ledger")) //nolint:gosec // a test's world
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n"), nil
}

// Resources counts what exists in a world.
func Resources(dir string) (int, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "resources", "*", "*.json"))
	return len(paths), err
}

// Tamper changes an attribute of each resource of a node behind the engine's
// back.
func Tamper(dir, address, attribute string, value any) error {
	paths, err := filepath.Glob(filepath.Join(dir, "resources", key(address), "*.json"))
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		return fmt.Errorf("node %s has no resource in the world", address)
	}
	for _, path := range paths {
		var r resource
		if err := readJSON(path, &r); err != nil {
			return err
		}
		r.Attributes[attribute] = value
		if err := writeJSON(path, r); err != nil {
			return err
		}
	}
	return nil
}
