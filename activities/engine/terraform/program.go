// SPDX-License-Identifier: Apache-2.0

package terraform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/Masterminds/semver/v3"

	"github.com/HatiCode/nestor/activities/engine"
)

// wanted says in messages what would do.
const wanted = "OpenTofu 1.6 or newer, or Terraform 1.5 or newer"

// versionPatience bounds the question for a version.
const versionPatience = 30 * time.Second

// program is tofu or terraform at a path.
type program struct {
	path    string
	product string // "opentofu" or "terraform"
	version string
}

func (p program) String() string { return p.product + " " + p.version }

// command is how a person calls it.
func (p program) command() string { return filepath.Base(p.path) }

// check returns what is wrong with the version, if anything.
func (p program) check() error {
	v, err := semver.NewVersion(p.version)
	if err != nil {
		return fmt.Errorf("%s is %q, which is no version", p.path, p.String())
	}
	least := semver.New(1, 6, 0, "", "")
	if p.product == "terraform" {
		least = semver.New(1, 5, 0, "", "")
	}
	// A development build of a release counts as that release.
	if core := semver.New(v.Major(), v.Minor(), v.Patch(), "", ""); core.LessThan(least) {
		return fmt.Errorf("%s is %s, too old", p.path, p)
	}
	return nil
}

// programs finds the program and remembers its version by path, size and time
// of change.
type programs struct {
	explicit string
	search   []string

	mu    sync.Mutex
	known map[string]probed
}

type probed struct {
	size    int64
	changed time.Time
	program program
}

func newPrograms(explicit string, search []string) *programs {
	return &programs{explicit: explicit, search: search, known: map[string]probed{}}
}

// find returns the first program that is new enough.
func (s *programs) find(ctx context.Context) (program, error) {
	var refused []string
	for _, path := range s.candidates() {
		p, err := s.probe(ctx, path)
		if err == nil {
			err = p.check()
		}
		if err == nil {
			return p, nil
		}
		if ctx.Err() != nil {
			return program{}, canceled(ctx)
		}
		if !errors.Is(err, os.ErrNotExist) {
			refused = append(refused, err.Error())
		}
	}
	found := "found none"
	if len(refused) > 0 {
		found = "found " + strings.Join(refused, "; ")
	}
	return program{}, &engine.Error{
		Class: engine.Unavailable, Engine: Name,
		Message: fmt.Sprintf("%s is needed; %s; looked in %s", wanted, found, s.places()),
	}
}

func (s *programs) candidates() []string {
	if s.explicit != "" {
		return []string{s.explicit}
	}
	dirs := append(append([]string{}, s.search...), filepath.SplitList(os.Getenv("PATH"))...)
	var paths []string
	for _, name := range []string{"tofu", "terraform"} {
		for _, dir := range dirs {
			if dir != "" {
				paths = append(paths, filepath.Join(dir, name))
			}
		}
	}
	return paths
}

func (s *programs) places() string {
	if s.explicit != "" {
		return s.explicit
	}
	return strings.Join(append(append([]string{}, s.search...), "PATH"), ", ")
}

func (s *programs) probe(ctx context.Context, path string) (program, error) {
	info, err := os.Stat(path)
	if err != nil {
		return program{}, err
	}
	if info.IsDir() || info.Mode()&0o111 == 0 {
		return program{}, fmt.Errorf("%s, which cannot be executed", path)
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return program{}, err
	}
	s.mu.Lock()
	k, ok := s.known[path]
	s.mu.Unlock()
	if ok && k.size == info.Size() && k.changed.Equal(info.ModTime()) {
		return k.program, nil
	}
	p, err := askVersion(ctx, path)
	if err != nil {
		return program{}, err
	}
	s.mu.Lock()
	s.known[path] = probed{size: info.Size(), changed: info.ModTime(), program: p}
	s.mu.Unlock()
	return p, nil
}

// askVersion runs "version". terraform-exec tells the number but not which of
// the two programs it is.
func askVersion(ctx context.Context, path string) (program, error) {
	ctx, cancel := context.WithTimeout(ctx, versionPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "version")
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1", "TF_CLI_CONFIG_FILE=" + os.DevNull,
	}
	cmd.Dir = os.TempDir()
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return program{}, fmt.Errorf("%s, whose version cannot be asked: %w", path, err)
	}
	m := regexp.MustCompile(`(?m)^(OpenTofu|Terraform) v(\S+)`).FindSubmatch(out)
	if m == nil {
		return program{}, fmt.Errorf("%s, which is neither OpenTofu nor Terraform", path)
	}
	return program{path: path, product: strings.ToLower(string(m[1])), version: string(m[2])}, nil
}
