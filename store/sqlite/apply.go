// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/HatiCode/nestor/store"
)

// statements are those that a write needs, prepared once for its connection.
type statements struct {
	oldest, savepoint, release, rollbackTo, revision, put, remove, last, sequence, entry *sql.Stmt
}

func prepareStatements(ctx context.Context, db *sql.DB) (s statements, err error) {
	for _, p := range []struct {
		statement **sql.Stmt
		text      string
	}{
		{&s.oldest, selectOldest},
		{&s.savepoint, `SAVEPOINT batch`},
		{&s.release, `RELEASE batch`},
		{&s.rollbackTo, `ROLLBACK TO batch`},
		{&s.revision, `SELECT revision FROM documents WHERE partition = ? AND sort = ?`},
		{&s.put, `INSERT INTO documents (partition, sort, revision, principal, time, data)
			VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (partition, sort) DO UPDATE SET revision = excluded.revision,
				principal = excluded.principal, time = excluded.time, data = excluded.data`},
		{&s.remove, `DELETE FROM documents WHERE partition = ? AND sort = ?`},
		{&s.last, `SELECT last FROM streams WHERE name = ?`},
		{&s.sequence, `INSERT INTO streams (name, last) VALUES (?, 1)
			ON CONFLICT (name) DO UPDATE SET last = last + 1 RETURNING last`},
		{&s.entry, `INSERT INTO documents (partition, sort, revision, principal, time, data)
			VALUES (?, ?, 1, ?, ?, ?) ON CONFLICT DO NOTHING`},
	} {
		if *p.statement, err = db.PrepareContext(ctx, p.text); err != nil {
			return statements{}, err
		}
	}
	return s, nil
}

// applier carries out batches in one transaction. It asks for no context: once
// the lock is held, a batch is finished, which is a matter of microseconds.
type applier struct {
	tx         *sql.Tx
	statements statements
	now        func() time.Time
	// broken is why the transaction as a whole cannot be saved.
	broken error
}

// allowed asks, under the lock, whether a program that knows this schema may
// still write.
func (a *applier) allowed(schema int) error {
	var oldest int
	row := a.tx.StmtContext(context.Background(), a.statements.oldest).QueryRowContext(context.Background())
	if err := row.Scan(&oldest); err != nil {
		return fmt.Errorf("read the schema that the file asks for: %w", err)
	}
	if oldest > schema {
		return outdated(oldest, schema)
	}
	return nil
}

// batch applies b or leaves no trace of it.
func (a *applier) batch(b store.Batch) (store.Result, error) {
	if err := a.exec(a.statements.savepoint); err != nil {
		a.broken = err
		return store.Result{}, err
	}
	result, err := a.ops(b)
	if err != nil {
		// A full disk and the like end the whole transaction, and then there
		// is no savepoint to go back to.
		if undo := a.exec(a.statements.rollbackTo); undo != nil {
			a.broken = errors.Join(err, undo)
			return store.Result{}, a.broken
		}
	}
	if release := a.exec(a.statements.release); release != nil {
		a.broken = errors.Join(err, release)
		return store.Result{}, a.broken
	}
	return result, err
}

// end commits, or rolls back what is broken and says why.
func (a *applier) end() error {
	if a.broken != nil {
		return rollback(a.tx, a.broken)
	}
	if err := a.tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

func (a *applier) ops(b store.Batch) (store.Result, error) {
	now := a.now().UnixNano()
	numbers := make([]int64, len(b.Ops))
	for i, op := range b.Ops {
		var err error
		if op.Kind == store.OpAppend {
			numbers[i], err = a.append(op, b.Principal, now)
		} else {
			numbers[i], err = a.change(i, op, b.Principal, now)
		}
		if err != nil {
			return store.Result{}, err
		}
	}
	return store.Result{Numbers: numbers}, nil
}

// change carries out every kind but OpAppend. The lock is held, so what was
// read stays true until the commit.
func (a *applier) change(i int, op store.Op, principal store.Principal, now int64) (int64, error) {
	current, err := a.revision(op.Key)
	if err != nil {
		return 0, fmt.Errorf("operation %d on %s: %w", i, op.Key, err)
	}
	if !holds(op, current) {
		return 0, &store.ConflictError{Key: op.Key, Index: i}
	}
	var next int64
	switch op.Kind {
	case store.OpPut:
		if err := a.keepEntry(op.Key, current); err != nil {
			return 0, fmt.Errorf("operation %d on %s: %w", i, op.Key, err)
		}
		next = current + 1
		err = a.exec(a.statements.put, op.Key.Partition, op.Key.Sort, next, string(principal), now, []byte(op.Data))
	case store.OpDelete:
		err = a.exec(a.statements.remove, op.Key.Partition, op.Key.Sort)
	case store.OpCheck, store.OpAppend: // nothing more to do; append is not for here
	}
	if err != nil {
		return 0, fmt.Errorf("operation %d on %s: %w", i, op.Key, err)
	}
	return next, nil
}

func (a *applier) append(op store.Op, principal store.Principal, now int64) (sequence int64, err error) {
	stream := op.Key.Partition
	row := a.tx.StmtContext(context.Background(), a.statements.sequence).QueryRowContext(context.Background(), stream)
	if err := row.Scan(&sequence); err != nil {
		return 0, fmt.Errorf("next sequence of stream %s: %w", stream, err)
	}
	key := store.EntryKey(stream, sequence)
	result, err := a.tx.StmtContext(context.Background(), a.statements.entry).ExecContext(context.Background(),
		key.Partition, key.Sort, string(principal), now, []byte(op.Data))
	if err != nil {
		return 0, fmt.Errorf("append to stream %s: %w", stream, err)
	}
	if rows, err := result.RowsAffected(); err != nil || rows != 1 {
		return 0, errors.Join(err, fmt.Errorf("append to stream %s: %w: a document was put under %s", stream, store.ErrInvalid, key))
	}
	return sequence, nil
}

// keepEntry refuses to overwrite an entry of a stream. A key that only looks
// like one, in a partition that is no stream, is as good as any.
func (a *applier) keepEntry(key store.Key, current int64) error {
	sequence, isEntry := store.EntrySequence(key)
	if !isEntry || current == 0 {
		return nil
	}
	var last int64
	row := a.tx.StmtContext(context.Background(), a.statements.last).QueryRowContext(context.Background(), key.Partition)
	if err := row.Scan(&last); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if sequence <= last {
		return fmt.Errorf("%w: an entry of a stream cannot be overwritten", store.ErrInvalid)
	}
	return nil
}

// revision returns 0 for a document that is not there.
func (a *applier) revision(key store.Key) (revision int64, err error) {
	row := a.tx.StmtContext(context.Background(), a.statements.revision).
		QueryRowContext(context.Background(), key.Partition, key.Sort)
	if err := row.Scan(&revision); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, err
	}
	return revision, nil
}

func (a *applier) exec(statement *sql.Stmt, args ...any) error {
	_, err := a.tx.StmtContext(context.Background(), statement).ExecContext(context.Background(), args...)
	return err
}

// holds tells whether op's condition is true of a document at this revision,
// 0 being none.
func holds(op store.Op, current int64) bool {
	switch op.If {
	case store.Always:
		return true
	case store.IfAbsent:
		return current == 0
	case store.IfExists:
		return current > 0
	case store.IfRevision:
		return current > 0 && current == op.IfRev
	}
	return false
}
