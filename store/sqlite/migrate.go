// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// applicationID marks the file as Nestor's ("Nstr"); file(1) shows it.
const applicationID = 0x4e737472

// migrationFiles holds the schema's steps. A released step is never edited; a
// change is a new file with the next number.
//
//go:embed migrations/*.sql
var migrationFiles embed.FS

// prepareFile checks that the file is Nestor's or empty, turns WAL on, and
// brings the schema up to date.
func prepareFile(ctx context.Context, db *sql.DB, now func() time.Time) error {
	steps, err := fs.Glob(migrationFiles, "migrations/*.sql") // in order of name
	if err != nil {
		return err
	}
	return whileBusy(ctx, func() error {
		if err := checkMode(ctx, db); err != nil {
			return err
		}
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		if err := migrate(ctx, tx, steps, now); err != nil {
			return rollback(tx, err)
		}
		return tx.Commit()
	})
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

func migrate(ctx context.Context, tx *sql.Tx, steps []string, now func() time.Time) error {
	version, err := schemaVersion(ctx, tx)
	if err != nil {
		return err
	}
	if version > len(steps) {
		return fmt.Errorf("schema version %d was written by a newer nestor, this one knows %d; use the newer one", version, len(steps))
	}
	for i, name := range steps[version:] {
		step, err := fs.ReadFile(migrationFiles, name)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, string(step)); err != nil {
			return fmt.Errorf("migration %s: %w", name, err)
		}
		const record = "INSERT INTO schema_version (version, name, time) VALUES (?, ?, ?)"
		if _, err := tx.ExecContext(ctx, record, version+i+1, name, now().UnixNano()); err != nil {
			return fmt.Errorf("migration %s: %w", name, err)
		}
	}
	return nil
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
