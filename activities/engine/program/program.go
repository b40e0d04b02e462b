// SPDX-License-Identifier: Apache-2.0

// Package program finds the program that an engine drives, asks it for its
// version, and refuses one that does not fit.
package program

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/Masterminds/semver/v3"

	"github.com/HatiCode/nestor/activities/engine"
)

// versionPatience bounds the question for a version.
const versionPatience = 30 * time.Second

// Kind is what an engine looks for.
type Kind struct {
	Engine string // for errors
	Wanted string // what would do, for messages
	Names  []string
	// Env is added to the environment of "<program> version".
	Env []string
	// Parse reads what that printed; an error says what the program is instead.
	Parse func(printed string) (product, version string, err error)
	// Fits says what is wrong with a version, such as "too old"; empty: nothing.
	Fits func(product string, v *semver.Version) string
}

// Program is one at a path.
type Program struct {
	Path    string
	Product string // "opentofu", "terraform", "pulumi"
	Version string
}

func (p Program) String() string { return p.Product + " " + p.Version }

// Command is how a person calls it.
func (p Program) Command() string { return filepath.Base(p.Path) }

// check returns what is wrong with the version, if anything.
func (k Kind) check(p Program) error {
	v, err := semver.NewVersion(p.Version)
	if err != nil {
		return fmt.Errorf("%s is %q, which is no version", p.Path, p.String())
	}
	// A development build of a release counts as that release.
	if wrong := k.Fits(p.Product, semver.New(v.Major(), v.Minor(), v.Patch(), "", "")); wrong != "" {
		return fmt.Errorf("%s is %s, %s", p.Path, p, wrong)
	}
	return nil
}

// Finder finds the program and remembers its version by path, size and time of
// change. It is safe for concurrent use.
type Finder struct {
	kind     Kind
	explicit string
	search   []string

	mu    sync.Mutex
	known map[string]probed
}

type probed struct {
	size    int64
	changed time.Time
	program Program
}

// NewFinder looks at explicit alone, if it is not empty, and otherwise for each
// name in the directories of search and then of PATH.
func NewFinder(kind Kind, explicit string, search []string) *Finder {
	return &Finder{kind: kind, explicit: explicit, search: search, known: map[string]probed{}}
}

// Find returns the first program that fits, or fails with class Unavailable.
func (s *Finder) Find(ctx context.Context) (Program, error) {
	var refused []string
	for _, path := range s.candidates() {
		p, err := s.probe(ctx, path)
		if err == nil {
			err = s.kind.check(p)
		}
		if err == nil {
			return p, nil
		}
		if ctx.Err() != nil {
			return Program{}, &engine.Error{
				Class: engine.Canceled, Engine: s.kind.Engine, Message: "stopped as asked", Err: context.Cause(ctx),
			}
		}
		if !errors.Is(err, os.ErrNotExist) {
			refused = append(refused, err.Error())
		}
	}
	found := "found none"
	if len(refused) > 0 {
		found = "found " + strings.Join(refused, "; ")
	}
	return Program{}, &engine.Error{
		Class: engine.Unavailable, Engine: s.kind.Engine,
		Message: fmt.Sprintf("%s is needed; %s; looked in %s", s.kind.Wanted, found, s.places()),
	}
}

func (s *Finder) candidates() []string {
	if s.explicit != "" {
		return []string{s.explicit}
	}
	dirs := append(append([]string{}, s.search...), filepath.SplitList(os.Getenv("PATH"))...)
	var paths []string
	for _, name := range s.kind.Names {
		for _, dir := range dirs {
			if dir != "" {
				paths = append(paths, filepath.Join(dir, name))
			}
		}
	}
	return paths
}

func (s *Finder) places() string {
	if s.explicit != "" {
		return s.explicit
	}
	return strings.Join(append(append([]string{}, s.search...), "PATH"), ", ")
}

func (s *Finder) probe(ctx context.Context, path string) (Program, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Program{}, err
	}
	if info.IsDir() || info.Mode()&0o111 == 0 {
		return Program{}, fmt.Errorf("%s, which cannot be executed", path)
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return Program{}, err
	}
	s.mu.Lock()
	k, ok := s.known[path]
	s.mu.Unlock()
	if ok && k.size == info.Size() && k.changed.Equal(info.ModTime()) {
		return k.program, nil
	}
	p, err := s.kind.ask(ctx, path)
	if err != nil {
		return Program{}, err
	}
	s.mu.Lock()
	s.known[path] = probed{size: info.Size(), changed: info.ModTime(), program: p}
	s.mu.Unlock()
	return p, nil
}

// ask runs "version".
func (k Kind) ask(ctx context.Context, path string) (Program, error) {
	ctx, cancel := context.WithTimeout(ctx, versionPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "version")
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, k.Env...)
	cmd.Dir = os.TempDir()
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return Program{}, fmt.Errorf("%s, whose version cannot be asked: %w", path, err)
	}
	product, version, err := k.Parse(string(out))
	if err != nil {
		return Program{}, fmt.Errorf("%s, %w", path, err)
	}
	return Program{Path: path, Product: product, Version: version}, nil
}
