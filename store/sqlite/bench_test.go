// SPDX-License-Identifier: Apache-2.0

package sqlite_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/HatiCode/nestor/store"
	"github.com/HatiCode/nestor/store/sqlite"
)

// Every benchmark of the store has its floor beside it: the same work in bare
// SQL with prepared statements, on the same file with the same settings.

const (
	benchDocuments = 2000
	benchPage      = 50
)

// benchData is a document of about 1 KB, as a catalog entry or a node head is.
func benchData() json.RawMessage {
	return json.RawMessage(`{"spec":"` + strings.Repeat("x", 1000) + `"}`)
}

func benchKey(i int) store.Key {
	return store.Key{Partition: "bench", Sort: fmt.Sprintf("document/%06d", i%benchDocuments)}
}

func benchStore(b *testing.B) (s *sqlite.Store, path string) {
	b.Helper()
	path = filepath.Join(b.TempDir(), "nestor.db")
	s = open(b, path)
	data := benchData()
	for i := 0; i < benchDocuments; i += store.MaxTransactionOps {
		var ops []store.Op
		for j := range store.MaxTransactionOps {
			ops = append(ops, store.Put(benchKey(i+j), data))
		}
		if _, err := s.Write(b.Context(), store.Batch{Principal: tester, Ops: ops}); err != nil {
			b.Fatal(err)
		}
	}
	return s, path
}

// floor opens the file with the settings that the store uses.
func floor(b *testing.B, path, synchronous string) *sql.DB {
	b.Helper()
	v := url.Values{
		"_busy_timeout": {"5000"}, "_journal_mode": {"WAL"}, "_synchronous": {synchronous}, "_txlock": {"immediate"},
		"_pragma": {"cache_size(-8192)", "temp_store(MEMORY)"},
	}
	return raw(b, "file:"+path+"?"+v.Encode())
}

func prepare(b *testing.B, db *sql.DB, query string) *sql.Stmt {
	b.Helper()
	statement, err := db.PrepareContext(b.Context(), query)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := statement.Close(); err != nil {
			b.Errorf("close statement: %v", err)
		}
	})
	return statement
}

func BenchmarkGet(b *testing.B) {
	s, path := benchStore(b)
	statement := prepare(b, floor(b, path, "FULL"),
		"SELECT revision, principal, time, data FROM documents WHERE partition = ? AND sort = ?")
	getOne := func(i int) error {
		_, err := s.Get(b.Context(), benchKey(i))
		return err
	}
	getRaw := func(i int) error {
		var revision, nanos int64
		var principal string
		var data []byte
		k := benchKey(i)
		return statement.QueryRowContext(b.Context(), k.Partition, k.Sort).Scan(&revision, &principal, &nanos, &data)
	}
	b.Run("store", func(b *testing.B) { one(b, getOne) })
	b.Run("floor", func(b *testing.B) { one(b, getRaw) })
	b.Run("store/parallel", func(b *testing.B) { many(b, getOne) })
	b.Run("floor/parallel", func(b *testing.B) { many(b, getRaw) })
}

func BenchmarkQuery(b *testing.B) {
	s, path := benchStore(b)
	statement := prepare(b, floor(b, path, "FULL"), `SELECT sort, revision, principal, time, data FROM documents
		WHERE partition = ? AND sort > ? AND sort < ? ORDER BY sort LIMIT ?`)
	b.Run("store", func(b *testing.B) {
		one(b, func(i int) error {
			page, err := s.Query(b.Context(), store.Query{
				Partition: "bench", Prefix: "document/", After: benchKey(i % (benchDocuments / 2)).Sort, Limit: benchPage,
			})
			if err == nil && len(page.Documents) != benchPage {
				return fmt.Errorf("page of %d documents", len(page.Documents))
			}
			return err
		})
	})
	b.Run("floor", func(b *testing.B) {
		one(b, func(i int) error {
			rows, err := statement.QueryContext(b.Context(), "bench", benchKey(i%(benchDocuments/2)).Sort, "document0", benchPage)
			if err != nil {
				return err
			}
			defer rows.Close() //nolint:errcheck // rows.Err tells
			for rows.Next() {
				var sort, principal string
				var revision, nanos int64
				var data []byte
				if err := rows.Scan(&sort, &revision, &principal, &nanos, &data); err != nil {
					return err
				}
			}
			return rows.Err()
		})
	})
}

func BenchmarkWrite(b *testing.B) {
	s, path := benchStore(b)
	data := benchData()
	putOne := func(i int) error {
		_, err := s.Write(b.Context(), store.Batch{Principal: tester, Ops: []store.Op{store.Put(benchKey(i), data)}})
		return err
	}
	b.Run("store", func(b *testing.B) { one(b, putOne) })
	b.Run("store/parallel", func(b *testing.B) { many(b, putOne) })
	for _, synchronous := range []string{"FULL", "NORMAL"} {
		db := floor(b, path, synchronous)
		db.SetMaxOpenConns(1)
		put := prepare(b, db, `INSERT INTO documents (partition, sort, revision, principal, time, data) VALUES (?, ?, 1, ?, 0, ?)
			ON CONFLICT (partition, sort) DO UPDATE SET revision = revision + 1, data = excluded.data`)
		putRaw := func(i int) error {
			tx, err := db.BeginTx(b.Context(), nil)
			if err != nil {
				return err
			}
			k := benchKey(i)
			if _, err := tx.StmtContext(b.Context(), put).ExecContext(b.Context(), k.Partition, k.Sort, "user:floor", []byte(data)); err != nil {
				return err
			}
			return tx.Commit()
		}
		name := "floor-" + strings.ToLower(synchronous)
		b.Run(name, func(b *testing.B) { one(b, putRaw) })
		b.Run(name+"/parallel", func(b *testing.B) { many(b, putRaw) })
	}
}

// one measures f on one goroutine.
func one(b *testing.B, f func(i int) error) {
	b.Helper()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := f(i); err != nil {
			b.Fatal(err)
		}
	}
}

// many measures f on 16 goroutines for each processor, as a busy API has them.
func many(b *testing.B, f func(i int) error) {
	b.Helper()
	b.ReportAllocs()
	b.SetParallelism(16)
	var next atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := f(int(next.Add(1))); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
