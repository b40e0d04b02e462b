// SPDX-License-Identifier: Apache-2.0

// Package secret resolves references to secrets ("secret://<source>/<path>")
// at the moment an activity needs the value. References travel through
// releases, graphs and plans; values never leave the activity.
//
// Sources here are the worker's own environment and files below a directory
// that the worker was given. A worker serves all teams, so each resolution says
// for whom it is: internal/secretref has the rule of what belongs to whom, and
// nothing else of the worker's settings or files can be named.
package secret

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/HatiCode/nestor/internal/secretref"
)

// maxSecret bounds a secret's size in bytes.
const maxSecret = 64 << 10

// ErrReference is wrapped by complaints about a reference as such.
var ErrReference = errors.New("the reference cannot be used")

// ErrMissing is wrapped when the reference is right and nothing is there.
var ErrMissing = errors.New("there is no such secret")

// Resolver resolves references.
type Resolver struct {
	lookup func(name string) (string, bool)
	dir    string
}

// New returns a resolver over an environment and a directory of files; an
// empty directory offers no files.
func New(lookup func(name string) (string, bool), dir string) *Resolver {
	return &Resolver{lookup: lookup, dir: dir}
}

// Resolve returns the value behind a reference of owner: a team, or
// secretref.Platform for the credentials of environments. What belongs to
// somebody else is refused with ErrReference. Errors name the reference, never
// a value.
func (r *Resolver) Resolve(_ context.Context, owner, ref string) (string, error) {
	parsed, err := secretref.Parse(owner, ref)
	if err != nil {
		return "", fmt.Errorf("%q: %w: %w", ref, ErrReference, err)
	}
	if parsed.Source == secretref.Env {
		return r.fromEnv(ref, parsed.Path)
	}
	return r.fromFile(ref, parsed)
}

func (r *Resolver) fromEnv(ref, name string) (string, error) {
	value, set := r.lookup(name)
	if !set {
		return "", fmt.Errorf("%q: the worker's environment has no %s: %w", ref, name, ErrMissing)
	}
	return value, nil
}

// fromFile opens the owner's directory before the file, so that a link in it
// cannot lead to somebody else's.
func (r *Resolver) fromFile(ref string, parsed secretref.Reference) (_ string, err error) {
	if r.dir == "" {
		return "", fmt.Errorf("%q: this worker was given no directory of secrets (NESTOR_SECRETS_DIR): %w", ref, ErrMissing)
	}
	root, err := os.OpenRoot(r.dir)
	if err != nil {
		return "", fmt.Errorf("open the directory of secrets: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	own, err := root.OpenRoot(parsed.Owner)
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("%q: the directory of secrets has no %s: %w", ref, parsed.Owner, ErrMissing)
	}
	if err != nil {
		return "", fmt.Errorf("%q: %w", ref, err)
	}
	defer func() { err = errors.Join(err, own.Close()) }()
	file, err := own.Open(parsed.Path)
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("%q: no such file in the directory of secrets: %w", ref, ErrMissing)
	}
	if err != nil {
		return "", fmt.Errorf("%q: %w", ref, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	data, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("%q: %w", ref, err)
	}
	if len(data) > maxSecret {
		return "", fmt.Errorf("%q is larger than %d bytes: %w", ref, maxSecret, ErrReference)
	}
	return strings.TrimSuffix(string(data), "\n"), nil
}
