// SPDX-License-Identifier: Apache-2.0

package sqlite_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/HatiCode/nestor/store"
	"github.com/HatiCode/nestor/store/sqlite"
	"github.com/HatiCode/nestor/store/storetest"
)

const tester store.Principal = "user:test"

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Open {
		t.Helper()
		path := filepath.Join(t.TempDir(), "nestor.db")
		return func(t *testing.T) store.Store {
			t.Helper()
			s, err := sqlite.Open(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
	})
}

func open(tb testing.TB, path string, opts ...sqlite.Option) *sqlite.Store {
	tb.Helper()
	s, err := sqlite.Open(tb.Context(), path, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("close: %v", err)
		}
	})
	return s
}

func put(sort string) store.Batch {
	k := store.Key{Partition: "p", Sort: sort}
	return store.Batch{Principal: tester, Ops: []store.Op{store.Put(k, json.RawMessage(`{}`))}}
}

// raw opens the file beside the store, as another program would.
func raw(tb testing.TB, path string) *sql.DB {
	tb.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Errorf("close: %v", err)
		}
	})
	return db
}

func run(tb testing.TB, db *sql.DB, statement string) {
	tb.Helper()
	if _, err := db.ExecContext(tb.Context(), statement); err != nil {
		tb.Fatalf("%s: %v", statement, err)
	}
}

func TestOpenMakesWhatIsMissing(t *testing.T) {
	t.Parallel()
	// The characters mean something in a URI and must not in a path.
	path := filepath.Join(t.TempDir(), "a b?mode=memory&x#y%41", "deep", "nestor.db")
	s := open(t, path)
	if _, err := s.Write(t.Context(), put("a")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %o, want 600", filepath.Base(name), mode)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 3 {
		t.Errorf("directory holds %v, want the file, its log and its index", entries)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(t *testing.T, path string)
		want    string
		reason  string
	}{
		"another program's database": {
			prepare: func(t *testing.T, path string) {
				t.Helper()
				run(t, raw(t, path), "CREATE TABLE theirs (a)")
			},
			want: "another program", reason: "its tables are not ours to change",
		},
		"another program's empty database": {
			prepare: func(t *testing.T, path string) {
				t.Helper()
				run(t, raw(t, path), "PRAGMA application_id = 1; VACUUM")
			},
			want: "another program", reason: "it is marked as another's",
		},
		"a schema that is too new": {
			prepare: func(t *testing.T, path string) {
				t.Helper()
				s, err := sqlite.Open(t.Context(), path)
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				run(t, raw(t, path), "PRAGMA user_version = 1000")
			},
			want: "a newer nestor that this one cannot work beside", reason: "an older program would break it",
		},
		"no database": {
			prepare: func(t *testing.T, path string) {
				t.Helper()
				if err := os.WriteFile(path, []byte(strings.Repeat("text ", 1000)), 0o600); err != nil {
					t.Fatal(err)
				}
			},
			want: "not a database", reason: "some other file was named by mistake",
		},
		"a directory": {
			prepare: func(t *testing.T, path string) {
				t.Helper()
				if err := os.Mkdir(path, 0o700); err != nil {
					t.Fatal(err)
				}
			},
			want: "unable to open", reason: "there is nothing to write to",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "file")
			c.prepare(t, path)
			s, err := sqlite.Open(t.Context(), path)
			if err == nil {
				t.Fatalf("opened, although %s: %v", c.reason, s.Close())
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %q, want it to say %q and the path", err, c.want)
			}
		})
	}
	if s, err := sqlite.Open(t.Context(), ""); err == nil {
		t.Errorf("opened an empty path: %v", s.Close())
	}
}

// TestOpenAtOnce: whoever comes first makes the tables; nobody fails.
func TestOpenAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "nestor.db")
	g, ctx := errgroup.WithContext(t.Context())
	for range 8 {
		g.Go(func() error {
			s, err := sqlite.Open(ctx, path)
			if err != nil {
				return err
			}
			_, err = s.Write(ctx, put("a"))
			return errors.Join(err, s.Close())
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	d, err := open(t, path).Get(t.Context(), store.Key{Partition: "p", Sort: "a"})
	if err != nil || d.Revision != 8 {
		t.Errorf("revision %d, %v, want 8", d.Revision, err)
	}
}

func TestClock(t *testing.T) {
	t.Parallel()
	want := time.Date(2001, 2, 3, 4, 5, 6, 789, time.FixedZone("east", 3600))
	s := open(t, filepath.Join(t.TempDir(), "nestor.db"), sqlite.WithClock(func() time.Time { return want }))
	if _, err := s.Write(t.Context(), put("a")); err != nil {
		t.Fatal(err)
	}
	d, err := s.Get(t.Context(), store.Key{Partition: "p", Sort: "a"})
	if err != nil || !d.Time.Equal(want) || d.Time.Location() != time.UTC {
		t.Errorf("time %s, %v, want %s in UTC", d.Time, err, want)
	}
}

// TestWriteWaitsForTheLock: another process holds the file's lock; a write
// waits for longer than the busy timeout, gives up with its context having
// changed nothing, and goes through once the lock is free.
func TestWriteWaitsForTheLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "nestor.db")
	s := open(t, path, sqlite.WithBusyTimeout(time.Millisecond))
	other := raw(t, path)
	conn, err := other.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // nothing is left in it
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Write(ctx, put("a")); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("write against a lock: %v, want the deadline", err)
	}
	var g errgroup.Group
	g.Go(func() error {
		_, err := s.Write(t.Context(), put("b"))
		return err
	})
	if _, err := s.Get(t.Context(), store.Key{Partition: "p", Sort: "a"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("get beside the lock: %v, want ErrNotFound at once", err)
	}
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := g.Wait(); err != nil {
		t.Errorf("write after the lock: %v", err)
	}
	if _, err := s.Get(t.Context(), store.Key{Partition: "p", Sort: "a"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the write that was given up: %v, want ErrNotFound", err)
	}
}

// TestCloseEndsTheWait: a write that waits for the lock does not keep Close.
func TestCloseEndsTheWait(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "nestor.db")
	s := open(t, path)
	conn, err := raw(t, path).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // nothing is left in it
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 3)
	watched := &watchedContext{Context: t.Context(), asked: make(chan struct{}, 8)}
	for range cap(failed) {
		go func() {
			_, err := s.Write(watched, put("a"))
			failed <- err
		}()
	}
	// Each asks while it queues, and the first again when it has its turn.
	for range cap(failed) + 1 {
		<-watched.asked
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	for range cap(failed) {
		if err := <-failed; !errors.Is(err, sqlite.ErrClosed) {
			t.Errorf("write during close: %v, want ErrClosed", err)
		}
	}
}

// watchedContext tells each time that somebody begins to wait for its end.
type watchedContext struct {
	context.Context

	asked chan struct{}
}

func (c *watchedContext) Done() <-chan struct{} {
	select {
	case c.asked <- struct{}{}:
	default:
	}
	return c.Context.Done()
}

// TestGroupKeepsApart: batches that share a commit do not share their fate.
func TestGroupKeepsApart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "nestor.db")
	s := open(t, path)
	if _, err := s.Write(t.Context(), put("taken")); err != nil {
		t.Fatal(err)
	}
	conn, err := raw(t, path).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // nothing is left in it
	// The lock makes them wait for each other and so come in few groups.
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	const writers = 60
	var g errgroup.Group
	for w := range writers {
		g.Go(func() error {
			b := store.Batch{Principal: tester, Ops: []store.Op{store.Append("s", json.RawMessage(`1`))}}
			if w%2 == 0 {
				b.Ops = append(b.Ops, store.Create(store.Key{Partition: "p", Sort: "taken"}, json.RawMessage(`1`)))
			}
			_, err := s.Write(t.Context(), b)
			if w%2 == 0 && errors.Is(err, store.ErrConflict) {
				return nil
			}
			return err
		})
	}
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	page, err := s.Query(t.Context(), store.Query{Partition: "s"})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(page.Documents); n != writers/2 || page.Documents[n-1].Key != store.EntryKey("s", writers/2) {
		t.Errorf("%d entries, last %v, want %d without a gap", n, page.Documents[n-1].Key, writers/2)
	}
}
