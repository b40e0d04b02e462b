// SPDX-License-Identifier: Apache-2.0

// Package sqlite keeps Nestor's records in one SQLite file, the default store:
// nothing to install, nothing to operate, and several processes of one host
// (nestor-api, nestor-worker) may open it at once.
//
// Reads run on a pool of connections and never wait for a write (WAL). Writes
// of one process pass through one connection; those that arrive while a commit
// is under way share the next one, so that the cost of reaching the disk is
// paid once for all of them. Each stays atomic by itself.
//
// What the package is not for: files on network storage, where the shared
// memory that WAL needs does not exist, and several hosts; that is the
// business of another store.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HatiCode/nestor/store"
)

// ErrClosed is returned by every method after Close.
var ErrClosed = errors.New("store is closed")

var _ store.Store = (*Store)(nil)

// Store is a store.Store in one SQLite file. Make one with Open.
type Store struct {
	path    string
	reads   *reader
	writes  *writer
	closing sync.Once
	ended   atomic.Bool // set when closing begins
	closed  error       // what closing came to
}

type options struct {
	clock       func() time.Time
	readers     int
	busyTimeout time.Duration
	migrations  fs.FS
}

// Option changes how Open works.
type Option func(*options)

// WithClock replaces the clock that dates documents. It must be safe for
// concurrent use.
func WithClock(now func() time.Time) Option {
	return func(o *options) { o.clock = now }
}

// WithReaders sets the number of connections that serve reads, at least 1. The
// default is twice the usable processors, and never less than 4.
func WithReaders(n int) Option {
	return func(o *options) { o.readers = max(n, 1) }
}

// WithBusyTimeout sets how long SQLite itself waits for a lock before Nestor
// looks at the context and tries again. It is no limit on a call; the context
// is. The default is 5 s.
func WithBusyTimeout(d time.Duration) Option {
	return func(o *options) { o.busyTimeout = d }
}

// Open opens the store in the file at path, making the file (mode 0600), its
// directory (mode 0700) and its tables where they are missing, and bringing an
// older schema up to date, while other processes go on using the file. It refuses
// a file that some other program made and, with ErrOutdated, one that a newer
// Nestor has changed so that this one cannot work beside it; a newer schema
// alone is none. The context bounds Open alone.
func Open(ctx context.Context, path string, opts ...Option) (*Store, error) {
	o := options{
		clock:       time.Now,
		readers:     max(4, 2*runtime.GOMAXPROCS(0)),
		busyTimeout: 5 * time.Second,
		migrations:  migrationFiles,
	}
	for _, opt := range opts {
		opt(&o)
	}
	s, err := open(ctx, path, o)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	return s, nil
}

func open(ctx context.Context, path string, o options) (_ *Store, err error) {
	if path == "" {
		return nil, errors.New("empty path; name a file")
	}
	file, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := createFile(file); err != nil {
		return nil, err
	}
	steps, err := readSteps(o.migrations)
	if err != nil {
		return nil, err
	}
	writeDB, err := connect(writeSettings(file, o))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, writeDB.Close())
		}
	}()
	writeDB.SetMaxOpenConns(1)
	if err := prepareFile(ctx, writeDB, steps, o.clock); err != nil {
		return nil, err
	}
	writes, err := newWriter(ctx, writeDB, len(steps), o.clock)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			writes.stop()
		}
	}()
	readDB, err := connect(readSettings(file, o))
	if err != nil {
		return nil, err
	}
	readDB.SetMaxOpenConns(o.readers)
	readDB.SetMaxIdleConns(o.readers)
	reads, err := newReader(ctx, readDB, len(steps))
	if err != nil {
		return nil, errors.Join(err, readDB.Close())
	}
	return &Store{path: path, reads: reads, writes: writes}, nil
}

// createFile makes an empty database that only its owner can read. It never
// opens a file that exists: closing it would drop the locks that another Store
// of this process holds on it (POSIX locks belong to process and file).
func createFile(path string) error {
	if _, err := os.Stat(path); err == nil || !errors.Is(err, os.ErrNotExist) {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(dir, ".nestor-new-*") // mode 0600
	if err != nil {
		return err
	}
	err = temp.Close()
	if err == nil {
		// A link appears complete or not at all and never replaces.
		if err = os.Link(temp.Name(), path); errors.Is(err, os.ErrExist) {
			err = nil
		}
	}
	return errors.Join(err, os.Remove(temp.Name()))
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, key store.Key) (store.Document, error) {
	if err := store.ValidateKey(key); err != nil {
		return store.Document{}, fmt.Errorf("get document: %w", err)
	}
	d, err := s.reads.get(ctx, key)
	if err != nil {
		return store.Document{}, fmt.Errorf("get document %s: %w", key, s.explain(err))
	}
	return d, nil
}

// Query implements store.Store. A page is one consistent snapshot.
func (s *Store) Query(ctx context.Context, q store.Query) (store.Page, error) {
	q, err := store.ValidateQuery(q)
	if err != nil {
		return store.Page{}, fmt.Errorf("query partition: %w", err)
	}
	page, err := s.reads.query(ctx, q)
	if err != nil {
		return store.Page{}, fmt.Errorf("query partition %s, prefix %q: %w", q.Partition, q.Prefix, s.explain(err))
	}
	return page, nil
}

// Write implements store.Store. When it returns without an error, the batch is
// on disk. When the context ends before the batch had its turn, nothing was
// written and the context's error is returned; once it has its turn, Write
// finishes it, which takes no longer than a commit. It is ErrOutdated when the
// schema has gone on without this program since it was opened.
func (s *Store) Write(ctx context.Context, b store.Batch) (store.Result, error) {
	if err := store.ValidateBatch(b); err != nil {
		return store.Result{}, fmt.Errorf("write: %w", err)
	}
	result, err := s.writes.write(ctx, b)
	if err != nil {
		return store.Result{}, fmt.Errorf("write: %w", err)
	}
	return result, nil
}

// Ping implements store.Store: it reads through the pool and fails when the
// file is gone, replaced or unreadable, or this program has become ErrOutdated.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.reads.ping(ctx); err != nil {
		return fmt.Errorf("store %s does not answer: %w", s.path, s.explain(err))
	}
	return nil
}

// Close waits for the write under way, refuses those that wait for their turn,
// and closes the file. Closing again returns what the first call returned.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.ended.Store(true)
		if err := errors.Join(s.reads.close(), s.writes.close()); err != nil {
			s.closed = fmt.Errorf("close store %s: %w", s.path, err)
		}
	})
	return s.closed
}

// explain replaces what database/sql says of a pool that Close has closed.
func (s *Store) explain(err error) error {
	if s.ended.Load() && !errors.Is(err, store.ErrNotFound) {
		return ErrClosed
	}
	return err
}

// rollback undoes tx after err and returns err, joined with what else failed.
func rollback(tx *sql.Tx, err error) error {
	if undo := tx.Rollback(); undo != nil && !errors.Is(undo, sql.ErrTxDone) {
		return errors.Join(err, fmt.Errorf("roll back: %w", undo))
	}
	return err
}
