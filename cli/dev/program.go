// SPDX-License-Identifier: Apache-2.0

package dev

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/HatiCode/nestor/cli/text"
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
type programs struct {
	temporal, api, worker string
	tools
}

// all finds every program that the platform needs. Its error names all that are
// missing.
func (s Search) all(k Kubernetes) (programs, error) {
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
	var err error
	if p.tools, err = s.tools(k.needs()); err != nil {
		errs = append(errs, err)
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

// pulumi finds the program that the worker will use for Pulumi programs.
func (s Search) pulumi() (string, error) {
	return s.find("pulumi", []string{"build it with `make tools`", "install Pulumi"})
}

// enginePatience bounds the question for an engine's version.
const enginePatience = 10 * time.Second

// Engine describes the program that the worker will use for Terraform modules:
// OpenTofu before Terraform, with its version and path. Where there is neither,
// the error is a *MissingProgramError.
func (s Search) Engine(ctx context.Context) (string, error) {
	cures := []string{"build OpenTofu with `make tools`", "install OpenTofu or Terraform"}
	path, err := s.find("tofu", cures)
	if err != nil {
		path, err = s.find("terraform", cures)
	}
	if err != nil {
		return "", &MissingProgramError{Name: "tofu or terraform", Dirs: s.Dirs, Cures: cures}
	}
	ctx, cancel := context.WithTimeout(ctx, enginePatience)
	defer cancel()
	command := exec.CommandContext(ctx, path, "version") //nolint:gosec // G204: a program that was looked for
	command.Env = append(os.Environ(), "CHECKPOINT_DISABLE=1")
	said, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", path, err)
	}
	version, _, _ := strings.Cut(string(said), "\n")
	return fmt.Sprintf("%s (%s)", text.CleanLine(strings.TrimSpace(version)), path), nil
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
