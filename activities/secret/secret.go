// SPDX-License-Identifier: Apache-2.0

// Package secret resolves references to secrets ("secret://<source>/<path>")
// at the moment an activity needs the value. References travel through
// releases, graphs and plans; values never leave the activity.
//
// Sources here are the worker's own environment ("secret://env/NAME", names
// with the prefix NESTOR_SECRET_ only, so that a composition cannot read the
// worker's other settings) and files below a directory that the worker was
// given ("secret://file/path").
package secret

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

const (
	// scheme begins every reference.
	scheme = "secret://"
	// envPrefix is what an environment variable's name must begin with.
	envPrefix = "NESTOR_SECRET_"
	// maxSecret bounds a secret's size in bytes.
	maxSecret = 64 << 10
)

// ErrReference is wrapped by complaints about a reference as such.
var ErrReference = errors.New(`a secret reference is "secret://env/NESTOR_SECRET_NAME" or "secret://file/path"`)

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

// Resolve returns the value behind a reference. Errors name the reference,
// never a value.
func (r *Resolver) Resolve(_ context.Context, ref string) (string, error) {
	rest, ok := strings.CutPrefix(ref, scheme)
	source, path, found := strings.Cut(rest, "/")
	if !ok || !found || path == "" {
		return "", fmt.Errorf("%q: %w", ref, ErrReference)
	}
	switch source {
	case "env":
		return r.fromEnv(ref, path)
	case "file":
		return r.fromFile(ref, path)
	default:
		return "", fmt.Errorf("%q: source %q is unknown: %w", ref, source, ErrReference)
	}
}

func (r *Resolver) fromEnv(ref, name string) (string, error) {
	if !strings.HasPrefix(name, envPrefix) {
		return "", fmt.Errorf("%q: only variables that begin with %s are secrets: %w", ref, envPrefix, ErrReference)
	}
	value, set := r.lookup(name)
	if !set {
		return "", fmt.Errorf("%q: the worker's environment has no %s: %w", ref, name, ErrMissing)
	}
	return value, nil
}

func (r *Resolver) fromFile(ref, path string) (_ string, err error) {
	if r.dir == "" {
		return "", fmt.Errorf("%q: this worker was given no directory of secrets (NESTOR_SECRETS_DIR): %w", ref, ErrMissing)
	}
	root, err := os.OpenRoot(r.dir)
	if err != nil {
		return "", fmt.Errorf("open the directory of secrets: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	file, err := root.Open(path)
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
