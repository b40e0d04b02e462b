// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"strconv"
	"time"

	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"
)

// commonSettings are those of every connection. The data source name is made
// of constants and an escaped path, never of caller's text.
func commonSettings(o options) url.Values {
	return url.Values{
		"mode":          {"rw"}, // never conjure up a file that was moved away
		"_busy_timeout": {strconv.FormatInt(o.busyTimeout.Milliseconds(), 10)},
		"_defensive":    {"1"},
		"_dqs":          {"0"},
		"_error_rc":     {"1"},
		"_pragma": {
			"cache_size(-8192)",
			"temp_store(MEMORY)",
		},
	}
}

// writeSettings are those of the one connection that writes.
//
// synchronous=FULL is a decision. In WAL mode NORMAL does not sync the log when
// it commits, so a power loss can take back a write that was acknowledged: a
// deployment would have touched infrastructure without the intent on record,
// which DESIGN.md forbids (intent is recorded before the engine acts). FULL
// syncs the log at each commit, and group commit shares that sync among the
// writes that wait for it. BenchmarkWrite measures both.
func writeSettings(file string, o options) string {
	v := commonSettings(o)
	v.Set("_txlock", "immediate")
	v.Set("_journal_mode", "WAL")
	v.Set("_synchronous", "FULL")
	v["_pragma"] = append(v["_pragma"],
		"journal_size_limit(67108864)", // a log that once grew gives its space back
		"fullfsync(1)",                 // macOS: a sync that reaches the medium; elsewhere nothing
	)
	return source(file, v)
}

func readSettings(file string, o options) string {
	v := commonSettings(o)
	v.Set("_query_only", "1")
	return source(file, v)
}

// source builds the URI; in it, characters such as ? and # of the path are
// escaped and so stay part of the path.
func source(file string, v url.Values) string {
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(file), RawQuery: v.Encode()}
	return u.String()
}

func connect(dsn string) (*sql.DB, error) {
	connector, err := driver.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// isBusy reports that another connection held a lock for longer than the busy
// timeout, or that SQLite refused to wait at all, as it does while another
// process recovers the log.
func isBusy(err error) bool {
	var e *driver.Error
	return errors.As(err, &e) && e.Code()&0xff == codes.SQLITE_BUSY
}

// whileBusy runs f until it ends otherwise than busy, or ctx ends. The pauses
// only matter where SQLite refused to wait; they are random, so that processes
// that met once do not go on meeting.
func whileBusy(ctx context.Context, f func() error) error {
	const least, most = 2 * time.Millisecond, 100 * time.Millisecond
	for pause := least; ; pause = min(2*pause, most) {
		err := f()
		if !isBusy(err) {
			return err
		}
		timer := time.NewTimer(pause/2 + rand.N(pause/2)) //nolint:gosec // spreads retries, protects nothing
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w while waiting for a lock: %w", ctx.Err(), err)
		case <-timer.C:
		}
	}
}
