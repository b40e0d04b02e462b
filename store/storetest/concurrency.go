// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/HatiCode/nestor/store"
)

// concurrentReplaces: many writers race for each revision of one document, and
// exactly one wins it.
func concurrentReplaces(t *testing.T, open Open) {
	t.Helper()
	const writers, revisions = 8, 40
	handles := []store.Store{start(t, open), start(t, open)}
	k := key("p", "a")
	write(t, handles[0], store.Create(k, number(0)))
	wins := make([]atomic.Int64, revisions+1)
	g, ctx := errgroup.WithContext(bounded(t))
	for w := range writers {
		s := handles[w%len(handles)]
		g.Go(func() error {
			for revision := int64(1); revision < revisions; {
				result, err := s.Write(ctx, store.Batch{Principal: writerName, Ops: []store.Op{
					store.Replace(k, revision, number(w)), store.Append("log", number(w)),
				}})
				switch {
				case err == nil:
					wins[result.Numbers[0]].Add(1)
				case !errors.Is(err, store.ErrConflict):
					return err
				}
				d, err := s.Get(ctx, k)
				if err != nil {
					return err
				}
				revision = d.Revision
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	for revision := 2; revision <= revisions; revision++ {
		equal(t, fmt.Sprintf("winners of revision %d", revision), wins[revision].Load(), int64(1))
	}
	gapless(t, handles[0], "log", revisions-1)
}

func concurrentCreates(t *testing.T, open Open) {
	t.Helper()
	const writers = 16
	handles := []store.Store{start(t, open), start(t, open)}
	var wins atomic.Int64
	g, ctx := errgroup.WithContext(bounded(t))
	for w := range writers {
		g.Go(func() error {
			b := store.Batch{Principal: writerName, Ops: []store.Op{store.Create(key("p", "a"), number(w))}}
			_, err := handles[w%len(handles)].Write(ctx, b)
			if err == nil {
				wins.Add(1)
			}
			if errors.Is(err, store.ErrConflict) {
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	equal(t, "winners", wins.Load(), int64(1))
}

// wholeBatches: a page never shows half a batch, and what a handle wrote, it
// reads.
func wholeBatches(t *testing.T, open Open) {
	t.Helper()
	const rounds, width = 100, 5
	s, other := start(t, open), start(t, open)
	batch := func(i int) store.Batch {
		return store.Batch{Principal: writerName, Ops: puts(width, number(i))}
	}
	ctx, cancel := context.WithCancel(bounded(t))
	defer cancel()
	write(t, s, batch(0).Ops...)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer cancel()
		for i := 1; i <= rounds; i++ {
			if _, err := s.Write(ctx, batch(i)); err != nil {
				return err
			}
			d, err := s.Get(ctx, key("p", "0000"))
			if err != nil {
				return err
			}
			if string(d.Data) != strconv.Itoa(i) {
				return fmt.Errorf("read %s after writing %d", d.Data, i)
			}
		}
		return nil
	})
	for _, reader := range []store.Store{s, other} {
		g.Go(func() error { return readWhole(ctx, reader, width) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// readWhole reads pages until ctx ends and fails when the documents of one
// differ.
func readWhole(ctx context.Context, s store.Store, width int) error {
	for {
		page, err := s.Query(ctx, store.Query{Partition: "p"})
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the writer is done
		}
		if err != nil {
			return err
		}
		mixed := slices.ContainsFunc(page.Documents, func(d store.Document) bool {
			return string(d.Data) != string(page.Documents[0].Data)
		})
		if mixed || len(page.Documents) != width {
			return fmt.Errorf("page shows half a batch: %v", page.Documents)
		}
	}
}

func twoHandles(t *testing.T, open Open) {
	t.Helper()
	a, b := start(t, open), start(t, open)
	k := key("p", "a")
	write(t, a, store.Create(k, number(1)))
	equal(t, "read through the other", get(t, b, k), get(t, a, k))
	equal(t, "replaced through the other", write(t, b, store.Replace(k, 1, number(2))), []int64{2})
	conflict(t, writeError(t, a, store.Replace(k, 1, number(3))), k, 0)
	write(t, a, store.Append("s", number(1)))
	equal(t, "appended through the other", write(t, b, store.Append("s", number(2))), []int64{2})
}

func reopen(t *testing.T, open Open) {
	t.Helper()
	s := open(t)
	write(t, s, store.Put(key("p", "a"), number(1)), store.Put(key("p", "b"), number(1)), store.Append("s", number(1)))
	write(t, s, store.Put(key("p", "a"), number(2)), store.Delete(key("p", "b")))
	before := append(content(t, s, "p"), content(t, s, "s")...)
	if err := s.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	s = start(t, open)
	after := append(content(t, s, "p"), content(t, s, "s")...)
	equal(t, "content", after, before)
	for i := range min(len(before), len(after)) {
		if !before[i].Time.Equal(after[i].Time) {
			t.Errorf("time of %s was %s, is %s", before[i].Key, before[i].Time, after[i].Time)
		}
	}
	equal(t, "revision and sequence go on",
		write(t, s, store.Put(key("p", "a"), number(3)), store.Append("s", number(2))), []int64{3, 2})
}

func canceled(t *testing.T, open Open) {
	t.Helper()
	s := start(t, open)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, getErr := s.Get(ctx, key("p", "a"))
	_, queryErr := s.Query(ctx, store.Query{Partition: "p"})
	_, writeErr := s.Write(ctx, store.Batch{Principal: writerName, Ops: puts(1, number(1))})
	for name, err := range map[string]error{"get": getErr, "query": queryErr, "write": writeErr, "ping": s.Ping(ctx)} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", name, err)
		}
	}
	for _, err := range store.Tail(ctx, s, "a", 0, time.Millisecond) {
		t.Errorf("tail yields an error when its context has ended: %v", err)
	}
	equal(t, "written", content(t, s, "p"), []store.Document(nil))
	write(t, s, puts(1, number(1))...)
}

func closing(t *testing.T, open Open) {
	t.Helper()
	s := open(t)
	write(t, s, puts(1, number(1))...)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	_, getErr := s.Get(t.Context(), key("p", "0000"))
	_, queryErr := s.Query(t.Context(), store.Query{Partition: "p"})
	_, writeErr := s.Write(t.Context(), store.Batch{Principal: writerName, Ops: puts(1, number(2))})
	for name, err := range map[string]error{"get": getErr, "query": queryErr, "write": writeErr, "ping": s.Ping(t.Context())} {
		if err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s after close: %v, want another error", name, err)
		}
	}
	equal(t, "revision", get(t, start(t, open), key("p", "0000")).Revision, int64(1))
}
