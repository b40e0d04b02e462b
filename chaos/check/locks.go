// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/HatiCode/nestor/chaos/fault"
	"github.com/HatiCode/nestor/chaos/site"
)

// locks looks for those of one environment, in which nothing runs now.
func (r Run) locks(f *Findings, s *site.Site) error {
	scope := r.Deployment.Scope
	var dirs []string
	marks, err := filepath.Glob(filepath.Join(s.Data(), "fake", "locks", strings.ReplaceAll(scope.String(), "/", "%2F")+"%2F*"))
	if err != nil {
		return err
	}
	dirs = append(dirs, marks...)
	for _, purpose := range []string{"nodes", "plans"} {
		work, err := filepath.Glob(filepath.Join(s.Data(), "work", purpose, scope.Team, scope.Application, scope.Environment, "*"))
		if err != nil {
			return err
		}
		dirs = append(dirs, work...)
	}
	for _, dir := range dirs {
		for _, name := range []string{"turn", "lease"} {
			if err := free(f, filepath.Join(dir, name)); err != nil {
				return err
			}
		}
		if _, err := os.Stat(filepath.Join(dir, "holder.json")); err == nil {
			f.lock("%s has a holder", dir)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return states(f, filepath.Join(s.Data(), "state"), scope.String())
}

// free takes the flock of a file, if it is there, and gives it back.
func free(f *Findings, path string) (err error) {
	file, err := os.Open(path) //nolint:gosec // below the harness's own directory
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		f.lock("%s is held", path)
		return nil
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", path, err)
	}
	return nil
}

// states looks for the lock files that OpenTofu leaves beside a state.
func states(f *Findings, dir, scope string) error {
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && strings.Contains(path, scope) &&
			(strings.HasSuffix(path, ".lock.info") || strings.HasSuffix(path, ".tflock")) {
			f.lock("%s is there", path)
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Rest checks what must be free when nothing runs any more: the store can be
// written to.
func Rest(ctx context.Context, s *site.Site) (f Findings, err error) {
	source := url.URL{Scheme: "file", Path: filepath.Join(s.Data(), "nestor.db"), RawQuery: url.Values{
		"mode": {"rw"}, "_pragma": {"busy_timeout(5000)"}, "_txlock": {"immediate"},
	}.Encode()}
	db, err := sql.Open("sqlite", source.String())
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		f.lock("the store cannot be written to: %v", err)
		return f, nil
	}
	return f, tx.Rollback()
}

// Stopped checks what must be gone when the programs have been stopped: nothing
// that they started is left.
func Stopped(s *site.Site) (f Findings, err error) {
	left, err := fault.Below(s.Data())
	for _, p := range left {
		f.lock("process %d (%s) still works in %s", p.PID, p.Name, s.Data())
	}
	return f, err
}
