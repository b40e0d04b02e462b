// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"time"
	"unicode/utf8"

	"github.com/HatiCode/nestor/store"
)

const (
	selectOne = `SELECT revision, principal, time, data FROM documents WHERE partition = ? AND sort = ?`

	selectRange      = `SELECT sort, revision, principal, time, data FROM documents WHERE partition = ? AND `
	selectFrom       = selectRange + `sort >= ? AND sort < ? ORDER BY sort LIMIT ?`
	selectAfter      = selectRange + `sort > ? AND sort < ? ORDER BY sort LIMIT ?`
	selectDescending = selectRange + `sort >= ? AND sort < ? ORDER BY sort DESC LIMIT ?`
)

// reader serves reads from a pool of connections.
type reader struct {
	db                           *sql.DB
	schema                       int // that this program knows
	one, from, after, descending *sql.Stmt
}

func newReader(ctx context.Context, db *sql.DB, schema int) (*reader, error) {
	r := &reader{db: db, schema: schema}
	for _, s := range []struct {
		statement **sql.Stmt
		text      string
	}{{&r.one, selectOne}, {&r.from, selectFrom}, {&r.after, selectAfter}, {&r.descending, selectDescending}} {
		err := whileBusy(ctx, func() (err error) {
			*s.statement, err = db.PrepareContext(ctx, s.text)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return r, nil
}

// close closes the pool; its statements go with their connections.
func (r *reader) close() error { return r.db.Close() }

func (r *reader) ping(ctx context.Context) error {
	var oldest int
	err := whileBusy(ctx, func() error {
		return r.db.QueryRowContext(ctx, selectOldest).Scan(&oldest)
	})
	if err == nil && oldest > r.schema {
		err = outdated(oldest, r.schema)
	}
	return err
}

func (r *reader) get(ctx context.Context, key store.Key) (store.Document, error) {
	d := store.Document{Key: key}
	var nanos int64
	err := whileBusy(ctx, func() error {
		row := r.one.QueryRowContext(ctx, key.Partition, key.Sort)
		return row.Scan(&d.Revision, (*string)(&d.Principal), &nanos, (*[]byte)(&d.Data))
	})
	if errors.Is(err, sql.ErrNoRows) {
		return store.Document{}, store.ErrNotFound
	}
	if err != nil {
		return store.Document{}, err
	}
	d.Time = time.Unix(0, nanos).UTC()
	return d, nil
}

func (r *reader) query(ctx context.Context, q store.Query) (page store.Page, err error) {
	err = whileBusy(ctx, func() error {
		page, err = r.page(ctx, q)
		return err
	})
	return page, err
}

func (r *reader) page(ctx context.Context, q store.Query) (page store.Page, err error) {
	statement, low, high := r.bounds(q)
	// One more than asked for tells whether there is a next page.
	rows, err := statement.QueryContext(ctx, q.Partition, low, high, q.Limit+1)
	if err != nil {
		return store.Page{}, err
	}
	defer func() {
		if closeErr := rows.Close(); err == nil && closeErr != nil {
			page, err = store.Page{}, closeErr
		}
	}()
	size := 0
	page.Documents = make([]store.Document, 0, min(q.Limit, store.DefaultPage))
	for rows.Next() {
		d := store.Document{Key: store.Key{Partition: q.Partition}}
		var nanos int64
		if err := rows.Scan(&d.Key.Sort, &d.Revision, (*string)(&d.Principal), &nanos, (*[]byte)(&d.Data)); err != nil {
			return store.Page{}, err
		}
		size += len(d.Data)
		if n := len(page.Documents); n == q.Limit || n > 0 && size > store.MaxPageBytes {
			page.Next = page.Documents[n-1].Key.Sort
			break
		}
		d.Time = time.Unix(0, nanos).UTC()
		page.Documents = append(page.Documents, d)
	}
	return page, rows.Err()
}

// bounds chooses the statement for q and its limits: low is inclusive, but
// exclusive for the statement "after"; high is exclusive, and where there is no
// end it is a blob, which sorts behind all text.
func (r *reader) bounds(q store.Query) (statement *sql.Stmt, low string, high any) {
	low, high = q.Prefix, []byte{math.MaxUint8}
	end, bounded := prefixEnd(q.Prefix)
	if bounded {
		high = end
	}
	if q.Reverse {
		if q.After != "" && (!bounded || q.After < end) {
			high = q.After
		}
		return r.descending, low, high
	}
	if q.After != "" && q.After >= q.Prefix {
		return r.after, q.After, high
	}
	return r.from, low, high
}

// prefixEnd returns the first string behind all those that begin with prefix,
// bytewise; it is false where there is none. It counts in runes, not bytes, so
// that the result is UTF-8 as well; the order of the two is the same.
func prefixEnd(prefix string) (end string, ok bool) {
	for prefix != "" {
		last, size := utf8.DecodeLastRuneInString(prefix)
		prefix = prefix[:len(prefix)-size]
		if last == utf8.MaxRune {
			continue
		}
		next := last + 1
		if !utf8.ValidRune(next) { // the surrogates
			next = 0xE000
		}
		return prefix + string(next), true
	}
	return "", false
}
