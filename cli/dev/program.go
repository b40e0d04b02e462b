// SPDX-License-Identifier: Apache-2.0

package dev

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Search says where programs are looked for: in each of Dirs, then on PATH.
type Search struct {
	Dirs []string
	// LookPath finds a program on PATH, as exec.LookPath.
	LookPath func(name string) (string, error)
}

// NewSearch looks beside the given executable, then in ./bin, then on PATH.
func NewSearch(executable string) (Search, error) {
	here, err := filepath.Abs("bin")
	if err != nil {
		return Search{}, fmt.Errorf("find ./bin: %w", err)
	}
	beside := filepath.Dir(executable)
	if target, err := filepath.EvalSymlinks(executable); err == nil {
		beside = filepath.Dir(target)
	}
	dirs := []string{beside}
	if here != beside {
		dirs = append(dirs, here)
	}
	return Search{Dirs: dirs, LookPath: exec.LookPath}, nil
}

// MissingProgramError says that a program was found nowhere, and the cure.
type MissingProgramError struct {
	Name  string
	Dirs  []string
	Cures []string
}

func (e *MissingProgramError) Error() string {
	return fmt.Sprintf("the program %s is missing: looked in %s and on PATH; %s",
		e.Name, strings.Join(e.Dirs, ", "), strings.Join(e.Cures, ", or "))
}

// programs of a platform, by their paths.
type programs struct{ temporal, api, worker string }

func (s Search) all() (programs, error) {
	var (
		p    programs
		errs []error
	)
	for _, want := range []struct {
		path *string
		name string
		cure []string
	}{
		{&p.temporal, "temporal", []string{"build it with `make tools`", "install the Temporal CLI"}},
		{&p.api, "nestor-api", []string{"build it with `make build`"}},
		{&p.worker, "nestor-worker", []string{"build it with `make build`"}},
	} {
		path, err := s.find(want.name, want.cure)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		*want.path = path
	}
	return p, errors.Join(errs...)
}

func (s Search) find(name string, cures []string) (string, error) {
	for _, dir := range s.Dirs {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 {
			return path, nil
		}
	}
	if path, err := s.LookPath(name); err == nil {
		return filepath.Abs(path)
	}
	return "", &MissingProgramError{Name: name, Dirs: s.Dirs, Cures: cures}
}

// mirror is the directory with the providers that were built from tools/, or
// empty when there is none.
func (s Search) mirror() (string, error) {
	for _, dir := range s.Dirs {
		path := filepath.Join(dir, "mirror")
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return "", fmt.Errorf("look for a provider mirror: %w", err)
		case info.IsDir():
			return path, nil
		}
	}
	return "", nil
}
