// SPDX-License-Identifier: Apache-2.0

package sqlite_test

import (
	"bufio"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/HatiCode/nestor/store"
	"github.com/HatiCode/nestor/store/sqlite"
)

// The made-up next releases: a column with what older programs cannot know of,
// filled in for what they write and, in batches, for what was there.
const (
	addSize = `ALTER TABLE documents ADD COLUMN size INTEGER;
		CREATE TRIGGER documents_size_insert AFTER INSERT ON documents
		BEGIN UPDATE documents SET size = length(new.data) WHERE rowid = new.rowid; END;
		CREATE TRIGGER documents_size_update AFTER UPDATE OF data ON documents
		BEGIN UPDATE documents SET size = length(new.data) WHERE rowid = new.rowid; END;`
	fillSize = `-- nestor: batched
		UPDATE documents SET size = length(data) WHERE rowid IN (SELECT rowid FROM documents WHERE size IS NULL LIMIT %d)`
	contract = `-- nestor: oldest 2
		CREATE TABLE later (a INTEGER) STRICT`
)

// first is the released schema's first step.
func first(t *testing.T) string {
	t.Helper()
	text, err := fs.ReadFile(sqlite.Migrations(), "migrations/0001_documents.sql")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// release is a schema of these steps.
func release(steps ...string) fs.FS {
	files := fstest.MapFS{}
	for i, text := range steps {
		files[fmt.Sprintf("migrations/%04d_step.sql", i+1)] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}

// releaseDir is the same for another process.
func releaseDir(t *testing.T, steps ...string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, release(steps...)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// filled makes a file of the first schema with so many documents.
func filled(t *testing.T, documents int) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "nestor.db")
	s := open(t, path, sqlite.WithMigrations(release(first(t))))
	for i := 0; i < documents; i += store.MaxTransactionOps {
		var ops []store.Op
		for j := range store.MaxTransactionOps {
			key := store.Key{Partition: "old", Sort: fmt.Sprintf("%06d", i+j)}
			ops = append(ops, store.Put(key, json.RawMessage(`"`+strings.Repeat("x", (i+j)%500)+`"`)))
		}
		if _, err := s.Write(t.Context(), store.Batch{Principal: tester, Ops: ops}); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// released starts a process of a release that writes.
func released(t *testing.T, dir, path, name string, writes int) *exec.Cmd {
	t.Helper()
	cmd := command(t.Context(), path, name, writes)
	cmd.Env = append(cmd.Env, migrationsEnv+"="+dir)
	return cmd
}

// TestMigrateWhileInUse: a process of the old release writes and reads without
// a pause, and two of the new one migrate at once and write as well. No write
// fails and none is lost, and the old program works on the new schema.
func TestMigrateWhileInUse(t *testing.T) {
	t.Parallel()
	path := filled(t, 4000)
	now, next := releaseDir(t, first(t)), releaseDir(t, first(t), addSize, fmt.Sprintf(fillSize, 200))

	old := released(t, now, path, "old", 0)
	var stderr strings.Builder
	old.Stderr = &stderr
	stdout, err := old.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := old.Start(); err != nil {
		t.Fatal(err)
	}
	var acknowledged, writes atomic.Int64
	ended := make(chan error, 1)
	go func() {
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			n, err := strconv.ParseInt(lines.Text(), 10, 64)
			if err != nil {
				t.Errorf("the old process printed %q", lines.Text())
			}
			acknowledged.Store(n)
			writes.Add(1)
		}
		ended <- old.Wait()
	}()
	await := func(more int64) {
		t.Helper()
		from := writes.Load()
		eventually(t, "the old process to write", func() bool {
			select {
			case err := <-ended:
				t.Fatalf("the old process ended: %v: %s", err, stderr.String())
			default:
			}
			return writes.Load() >= from+more
		})
	}
	await(20)
	const each = 100
	g := errgroup.Group{}
	for _, name := range []string{"one", "two"} {
		cmd := released(t, next, path, name, each)
		g.Go(func() error {
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("process %s: %w: %s", name, err, out)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	await(20)
	if err := old.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-ended
	if entries := int64(verify(t, path)); entries < acknowledged.Load() || entries < writes.Load()+2*each {
		t.Errorf("%d entries; the old process alone was told of number %d, and wrote %d beside %d", entries, acknowledged.Load(), writes.Load(), 2*each)
	}
	wantSizes(t, path)
	between := number(t, raw(t, path), `SELECT count(*) FROM documents WHERE partition = 'p' AND principal = 'worker:old'
		AND time > (SELECT time FROM schema_version WHERE version = 2) AND time < (SELECT time FROM schema_version WHERE version = 3)`)
	t.Logf("%d writes of the old process during the long step", between)
	if between < 100 {
		t.Error("the old process was kept out of the file during the long step")
	}
}

// wantSizes: each step was done once, and every document has its size.
func wantSizes(t *testing.T, path string) {
	t.Helper()
	db := raw(t, path)
	if v := number(t, db, "SELECT count(*) * 10 + max(version) FROM schema_version"); v != 33 {
		t.Errorf("steps and version of the schema: %d, want three steps and version 3", v)
	}
	if n := number(t, db, "SELECT count(*) FROM documents WHERE size IS NOT length(data)"); n != 0 {
		t.Errorf("%d documents lack their size", n)
	}
}

func number(t *testing.T, db *sql.DB, query string) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestMigrationKilled kills a migrating process in the middle of a step, again
// and again; the next goes on where it was.
func TestMigrationKilled(t *testing.T) {
	t.Parallel()
	const documents, rounds = 600, 5
	path := filled(t, documents)
	next := releaseDir(t, first(t), addSize, fmt.Sprintf(fillSize, 1))
	watch := raw(t, path)
	for round := 1; round <= rounds; round++ {
		cmd := released(t, next, path, "victim", 1)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the migration to be in its middle", func() bool {
			return number(t, watch, "SELECT max(version) FROM schema_version") >= 2 &&
				number(t, watch, "SELECT count(size) FROM documents") >= round*documents/(rounds+2)
		})
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.Exited() {
			t.Fatalf("round %d: the process ended by itself: %v", round, err)
		}
		var sound string
		if err := watch.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&sound); err != nil || sound != "ok" {
			t.Errorf("round %d: integrity check: %s, %v", round, sound, err)
		}
	}
	if v := number(t, watch, "SELECT max(version) FROM schema_version"); v != 2 {
		t.Errorf("the schema is %d after half a step, want 2", v)
	}
	if out, err := released(t, next, path, "last", 1).CombinedOutput(); err != nil {
		t.Fatalf("the last process: %v: %s", err, out)
	}
	wantSizes(t, path)
}

// TestOlderProgram works beside a newer one until a step says that it cannot.
func TestOlderProgram(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "nestor.db")
	now := sqlite.WithMigrations(release(first(t)))
	old := open(t, path, now)
	newer := open(t, path, sqlite.WithMigrations(release(first(t), addSize)))
	if _, err := newer.Write(ctx, put("by the new")); err != nil {
		t.Fatal(err)
	}
	again := open(t, path, now) // a restart of the old one
	for name, s := range map[string]*sqlite.Store{"running": old, "restarted": again} {
		if _, err := s.Write(ctx, put(name)); err != nil {
			t.Errorf("the %s old program cannot write beside the new one: %v", name, err)
		}
		if err := s.Ping(ctx); err != nil {
			t.Errorf("the %s old program: %v", name, err)
		}
	}
	open(t, path, sqlite.WithMigrations(release(first(t), addSize, contract)))
	if _, err := newer.Write(ctx, put("still")); err != nil {
		t.Errorf("the program that the contraction leaves cannot write: %v", err)
	}
	if _, err := old.Write(ctx, put("harm")); !errors.Is(err, sqlite.ErrOutdated) {
		t.Errorf("an outdated program wrote: %v", err)
	}
	if err := old.Ping(ctx); !errors.Is(err, sqlite.ErrOutdated) {
		t.Errorf("an outdated program is ready: %v", err)
	}
	if s, err := sqlite.Open(ctx, path, now); !errors.Is(err, sqlite.ErrOutdated) {
		t.Errorf("an outdated program opened %v: %v", s, err)
	}
	if _, err := newer.Get(ctx, store.Key{Partition: "p", Sort: "harm"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("what an outdated program wrote is there: %v", err)
	}
}

// TestMigrationHeads: what a step's head says is understood or refused.
func TestMigrationHeads(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		step, want, reason string
	}{
		"unknown":   {"-- nestor: fast\nSELECT 1", "is unknown", "a word with a mistake must not be dropped"},
		"no number": {"-- nestor: oldest one\nSELECT 1", "want the number of a schema", "it would protect nobody"},
		"newer":     {"-- nestor: oldest 3\nSELECT 1", "oldest 3 is newer than the step itself, 2", "this program would shut itself out"},
		"broken":    {"CREATE TABL", "migrations/0002_step.sql", "the step is named"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filled(t, 0)
			_, err := sqlite.Open(t.Context(), path, sqlite.WithMigrations(release(first(t), test.step)))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %v, want %q", test.reason, err, test.want)
			}
			open(t, path) // as it was
		})
	}
}

// eventually asks again until it is so, or fails the test.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	again := time.NewTicker(2 * time.Millisecond)
	defer again.Stop()
	for !so() {
		select {
		case <-deadline.C:
			t.Fatalf("waited a minute for %s", what)
		case <-again.C:
		}
	}
}
