// SPDX-License-Identifier: Apache-2.0

// Package secret resolves references to secrets ("secret://<source>/<path>")
// at the moment an activity needs the value. References travel through
// releases, graphs and plans; values never leave the activity, and none is kept
// from one step to the next.
//
// A worker serves all teams, so each resolution says for whom it is:
// internal/secretref has the rule of what belongs to whom, and nothing else of
// the worker's settings, files, clusters or vaults can be named. This package
// reads the worker's own environment and files; the packages below it read
// Kubernetes, AWS and Vault, where a worker is told to offer them.
package secret

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/HatiCode/nestor/internal/secretref"
)

const (
	// MaxSize bounds a secret's size in bytes.
	MaxSize = 64 << 10
	// timeout of one resolution, the client's own retries included.
	timeout = 30 * time.Second
)

// What a failed resolution wraps, beside its message. Another try can help with
// ErrUnreachable alone.
var (
	// ErrReference: the reference as such cannot be used.
	ErrReference = errors.New("the reference cannot be used")
	// ErrMissing: the reference is right and nothing is there.
	ErrMissing = errors.New("there is no such secret")
	// ErrDenied: the source does not let the worker read it.
	ErrDenied = errors.New("the worker may not read it")
	// ErrUnreachable: the source did not answer, or is too busy.
	ErrUnreachable = errors.New("the source cannot be reached")
)

// Source reads secrets of one source.
type Source interface {
	// Read returns the value behind a reference that secretref.Parse has let
	// through. Its error wraps one of this package's and holds no value.
	Read(ctx context.Context, ref secretref.Reference) (string, error)
}

// Resolver resolves references.
type Resolver struct {
	lookup  func(name string) (string, bool)
	dir     string
	sources map[secretref.Source]Source
}

// New returns a resolver over an environment and a directory of files; an
// empty directory offers no files.
func New(lookup func(name string) (string, bool), dir string) *Resolver {
	return &Resolver{lookup: lookup, dir: dir, sources: map[secretref.Source]Source{}}
}

// Offer adds a source. It is for the time before the first Resolve.
func (r *Resolver) Offer(name secretref.Source, source Source) { r.sources[name] = source }

// Resolve returns the value behind a reference of owner: a team, or
// secretref.Platform for the credentials of environments. What belongs to
// somebody else is refused with ErrReference. Errors name the reference, never
// a value.
func (r *Resolver) Resolve(ctx context.Context, owner, ref string) (string, error) {
	parsed, err := secretref.Parse(owner, ref)
	if err != nil {
		return "", fmt.Errorf("%q: %w: %w", ref, ErrReference, err)
	}
	switch parsed.Source {
	case secretref.Env:
		return r.fromEnv(ref, parsed.Path)
	case secretref.File:
		return r.fromFile(ref, parsed)
	default:
		return r.fromOffered(ctx, ref, parsed)
	}
}

// fromOffered reads what a source that was added with Offer has.
func (r *Resolver) fromOffered(ctx context.Context, ref string, parsed secretref.Reference) (string, error) {
	source, offered := r.sources[parsed.Source]
	if !offered {
		return "", fmt.Errorf("%q: this worker does not offer the source %s (NESTOR_SECRETS_SOURCES): %w", ref, parsed.Source, ErrReference)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	value, err := source.Read(ctx, parsed)
	if err != nil {
		return "", fmt.Errorf("%q: %w", ref, err)
	}
	if len(value) > MaxSize {
		return "", tooLarge(ref)
	}
	return value, nil
}

func tooLarge(ref string) error {
	return fmt.Errorf("%q is larger than %d bytes: %w", ref, MaxSize, ErrReference)
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
	data, err := io.ReadAll(io.LimitReader(file, MaxSize+1))
	if err != nil {
		return "", fmt.Errorf("%q: %w", ref, err)
	}
	if len(data) > MaxSize {
		return "", tooLarge(ref)
	}
	return strings.TrimSuffix(string(data), "\n"), nil
}
