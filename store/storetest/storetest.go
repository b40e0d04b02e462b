// SPDX-License-Identifier: Apache-2.0

// Package storetest is the suite that every implementation of store.Store
// passes: the contract of package store, as tests. An implementation calls Run
// from a test of its own.
//
// It knows nothing of any implementation and offers no fake; code that needs a
// store in its tests opens a real one in t.TempDir().
package storetest

import (
	"context"
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/HatiCode/nestor/store"
)

// Open opens one more handle on the same data. The suite closes the handles.
type Open func(t *testing.T) store.Store

// Run runs the suite. It calls place once for each case, for a place that
// holds nothing yet, and opens one or several handles on it.
func Run(t *testing.T, place func(t *testing.T) Open) {
	t.Helper()
	for name, c := range cases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c(t, place(t))
		})
	}
}

func cases() map[string]func(*testing.T, Open) {
	return map[string]func(*testing.T, Open){
		"get of nothing":              getNothing,
		"put and get":                 putAndGet,
		"revisions":                   revisions,
		"delete":                      deleteDocuments,
		"data byte for byte":          dataUnchanged,
		"keys of every script":        unicodeKeys,
		"partition and sort apart":    partitionAndSort,
		"conditions":                  conditions,
		"check":                       check,
		"atomicity":                   atomicity,
		"first conflict is named":     firstConflict,
		"empty batch":                 emptyBatch,
		"principal":                   principal,
		"limits":                      limits,
		"limits hold exactly":         exactLimits,
		"invalid batches":             invalidBatches,
		"invalid keys and queries":    invalidQueries,
		"order":                       order,
		"prefix":                      prefix,
		"prefix at the edge":          prefixEdges,
		"paging":                      paging,
		"paging over nested keys":     nestedKeys,
		"page limits":                 pageLimits,
		"page bytes":                  pageBytes,
		"streams":                     streams,
		"stream survives deletion":    streamAfterDeletion,
		"append only":                 appendOnly,
		"failed append leaves no gap": failedAppend,
		"concurrent appends":          concurrentAppends,
		"concurrent replaces":         concurrentReplaces,
		"concurrent creates":          concurrentCreates,
		"readers see whole batches":   wholeBatches,
		"tail":                        tail,
		"two handles":                 twoHandles,
		"reopen":                      reopen,
		"canceled context":            canceled,
		"close":                       closing,
	}
}

// writerName is the principal of the suite's writes.
const writerName store.Principal = "user:storetest"

// deadline bounds what the suite waits for.
const deadline = 60 * time.Second

// start opens a handle that is closed with the test.
func start(t *testing.T, open Open) store.Store {
	t.Helper()
	s := open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func write(t *testing.T, s store.Store, ops ...store.Op) []int64 {
	t.Helper()
	result, err := s.Write(t.Context(), store.Batch{Principal: writerName, Ops: ops})
	if err != nil {
		t.Fatalf("write: %v", err)
	}
	return result.Numbers
}

func writeError(t *testing.T, s store.Store, ops ...store.Op) error {
	t.Helper()
	_, err := s.Write(t.Context(), store.Batch{Principal: writerName, Ops: ops})
	if err == nil {
		t.Fatal("write succeeded, want an error")
	}
	return err
}

func get(t *testing.T, s store.Store, key store.Key) store.Document {
	t.Helper()
	d, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatalf("get %s: %v", key, err)
	}
	return d
}

// content is every document of a partition, in order, without its time.
func content(t *testing.T, s store.Store, partition string) []store.Document {
	t.Helper()
	var all []store.Document
	for d, err := range store.All(t.Context(), s, store.Query{Partition: partition, Limit: store.MaxPage}) {
		if err != nil {
			t.Fatalf("read partition %s: %v", partition, err)
		}
		all = append(all, d)
	}
	return all
}

func sorts(documents []store.Document) []string {
	var s []string
	for _, d := range documents {
		s = append(s, d.Key.Sort)
	}
	return s
}

// text is a JSON document holding s.
func text(t *testing.T, s string) json.RawMessage {
	t.Helper()
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatalf("encode %q: %v", s, err)
	}
	return data
}

// number is a JSON document holding n.
func number(n int) json.RawMessage { return json.RawMessage(strconv.Itoa(n)) }

func key(partition, sort string) store.Key { return store.Key{Partition: partition, Sort: sort} }

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(store.Document{}, "Time"), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	t.Cleanup(cancel)
	return ctx
}
