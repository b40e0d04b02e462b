// SPDX-License-Identifier: Apache-2.0

package pulumi

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

// wanted says in messages what would do.
const wanted = "Pulumi 3.206 or newer (below 4)"

// versionPatience bounds the question for a version.
const versionPatience = 30 * time.Second

// least version: from it on events come without a file, and update plans know
// refreshes.
func least() *semver.Version { return semver.New(3, 206, 0, "", "") }

// program is pulumi at a path.
type program struct {
	path    string
	version string
}

func (p program) String() string { return Name + " " + p.version }

// check returns what is wrong with the version, if anything.
func (p program) check() error {
	v, err := semver.NewVersion(p.version)
	if err != nil {
		return fmt.Errorf("%s is %q, which is no version", p.path, p.String())
	}
	// A development build of a release counts as that release.
	switch core := semver.New(v.Major(), v.Minor(), v.Patch(), "", ""); {
	case core.LessThan(least()):
		return fmt.Errorf("%s is %s, too old", p.path, p)
	case v.Major() > least().Major():
		return fmt.Errorf("%s is %s, too new", p.path, p)
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
	for _, dir := range dirs {
		if dir != "" {
			paths = append(paths, filepath.Join(dir, Name))
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

// askVersion runs "version".
func askVersion(ctx context.Context, path string) (program, error) {
	ctx, cancel := context.WithTimeout(ctx, versionPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "version")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.TempDir(), "PULUMI_SKIP_UPDATE_CHECK=true"}
	cmd.Dir = os.TempDir()
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return program{}, fmt.Errorf("%s, whose version cannot be asked: %w", path, err)
	}
	version, isVersion := strings.CutPrefix(strings.TrimSpace(string(out)), "v")
	if !isVersion {
		return program{}, fmt.Errorf("%s, which is no Pulumi", path)
	}
	return program{path: path, version: version}, nil
}
