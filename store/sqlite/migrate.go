// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// applicationID marks the file as Nestor's ("Nstr"); file(1) shows it.
const applicationID = 0x4e737472

// The head of the file holds the schema of the oldest program that may use it:
// SQLite leaves user_version to its user, reads it at no cost, and changes it
// with the transaction.
const selectOldest = "PRAGMA user_version"

// prepareFile checks that the file is Nestor's or empty, turns WAL on, and
// brings the schema up to date, one step in one transaction. Other processes
// may use the file meanwhile, and bring it up to date as well.
func prepareFile(ctx context.Context, db *sql.DB, steps []step, now func() time.Time) error {
	if err := whileBusy(ctx, func() error { return checkMode(ctx, db) }); err != nil {
		return err
	}
	for {
		var more bool
		begun := time.Now()
		err := whileBusy(ctx, func() (err error) {
			more, err = advance(ctx, db, steps, now)
			return err
		})
		if err != nil || !more {
			return err
		}
		// As long as the file was kept from others, it is left to them.
		rest := time.NewTimer(time.Since(begun))
		select {
		case <-ctx.Done():
			rest.Stop()
			return fmt.Errorf("%w while the schema was brought up to date; opening the store again goes on", ctx.Err())
		case <-rest.C:
		}
	}
}

// checkMode makes sure that the settings took effect: SQLite answers a pragma
// that it cannot honour with the old value, not with an error.
func checkMode(ctx context.Context, db *sql.DB) error {
	var mode string
	var synchronous int
	if err := db.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return err
	}
	if err := db.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&synchronous); err != nil {
		return err
	}
	if mode != "wal" || synchronous != 2 {
		return fmt.Errorf("journal mode %s, synchronous %d, want wal and 2: the file must lie on a local file system", mode, synchronous)
	}
	return nil
}

// advance takes the schema one step further, or a part of it, and says whether
// there is more to do. What it leaves when it is cut off is the state before.
func advance(ctx context.Context, db *sql.DB, steps []step, now func() time.Time) (more bool, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	more, err = advanceIn(ctx, tx, steps, now)
	if err != nil {
		return false, rollback(tx, err)
	}
	return more, tx.Commit()
}

func advanceIn(ctx context.Context, tx *sql.Tx, steps []step, now func() time.Time) (more bool, err error) {
	version, err := schemaVersion(ctx, tx)
	if err != nil {
		return false, err
	}
	var oldest int
	if err := tx.QueryRowContext(ctx, selectOldest).Scan(&oldest); err != nil {
		return false, err
	}
	if oldest > len(steps) {
		return false, outdated(oldest, len(steps))
	}
	if version >= len(steps) {
		return false, nil // a newer program may have gone further
	}
	s := steps[version]
	done, err := s.run(ctx, tx, oldest)
	if err != nil {
		return false, fmt.Errorf("migration %s: %w", s.name, err)
	}
	if !done {
		return true, nil
	}
	const record = "INSERT INTO schema_version (version, name, time) VALUES (?, ?, ?)"
	if _, err := tx.ExecContext(ctx, record, version+1, s.name, now().UnixNano()); err != nil {
		return false, fmt.Errorf("migration %s: %w", s.name, err)
	}
	return version+1 < len(steps), nil
}

// run does the step, or the next batch of it.
func (s step) run(ctx context.Context, tx *sql.Tx, oldest int) (done bool, err error) {
	if s.oldest > oldest {
		if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", s.oldest)); err != nil {
			return false, err
		}
	}
	result, err := tx.ExecContext(ctx, s.sql)
	if err != nil || !s.batched {
		return err == nil, err
	}
	changed, err := result.RowsAffected()
	return changed == 0, err
}

func outdated(oldest, known int) error {
	return fmt.Errorf("%w (it asks for schema %d, this program knows %d)", ErrOutdated, oldest, known)
}

// schemaVersion returns the version of the file, making an empty file Nestor's
// at version 0.
func schemaVersion(ctx context.Context, tx *sql.Tx) (version int, err error) {
	var id, tables int
	if err := tx.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return 0, err
	}
	if id == applicationID {
		err := tx.QueryRowContext(ctx, "SELECT coalesce(max(version), 0) FROM schema_version").Scan(&version)
		return version, err
	}
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return 0, err
	}
	if id != 0 || tables != 0 {
		return 0, errors.New("the file is a database of another program; name another file")
	}
	const create = `CREATE TABLE schema_version (
		version INTEGER PRIMARY KEY, name TEXT NOT NULL, time INTEGER NOT NULL) STRICT`
	if _, err := tx.ExecContext(ctx, create); err != nil {
		return 0, err
	}
	_, err = tx.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", applicationID))
	return 0, err
}
