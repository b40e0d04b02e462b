// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/HatiCode/nestor/store"
)

func streams(t *testing.T, open Open) {
	t.Helper()
	s := start(t, open)
	equal(t, "first", write(t, s, store.Append("a", number(1))), []int64{1})
	equal(t, "several of two streams",
		write(t, s, store.Append("a", number(2)), store.Append("b", number(1)), store.Put(key("a", "head"), number(0)),
			store.Append("a", number(3)), store.Check(key("p", "none"), 0)), []int64{2, 1, 1, 3, 0})
	for sequence := int64(1); sequence <= 3; sequence++ {
		k := store.EntryKey("a", sequence)
		equal(t, "entry", get(t, s, k), store.Document{Key: k, Revision: 1, Principal: writerName, Data: number(int(sequence))})
	}
	equal(t, "entries from the second on",
		sorts(query(t, s, store.Query{Partition: "a", After: store.EntryKey("a", 1).Sort}).Documents),
		[]string{store.EntryKey("a", 2).Sort, store.EntryKey("a", 3).Sort, "head"})
	sequence, isEntry := store.EntrySequence(store.EntryKey("a", 3))
	equal(t, "sequence", sequence, int64(3))
	equal(t, "is an entry", isEntry, true)
	equal(t, "entries in a partition of their own", len(content(t, s, "b")), 1)
}

// streamAfterDeletion: what has been cut off for its age is never numbered again.
func streamAfterDeletion(t *testing.T, open Open) {
	t.Helper()
	s := start(t, open)
	write(t, s, appends("a", 3)...)
	write(t, s, store.Delete(store.EntryKey("a", 1)), store.Delete(store.EntryKey("a", 2)), store.Delete(store.EntryKey("a", 3)))
	equal(t, "next", write(t, s, store.Append("a", number(4))), []int64{4})
	equal(t, "entries", sorts(content(t, s, "a")), []string{store.EntryKey("a", 4).Sort})
}

// appendOnly: an entry is never overwritten, in no way that a put has, and an
// append overwrites nothing either.
func appendOnly(t *testing.T, open Open) {
	t.Helper()
	s := start(t, open)
	write(t, s, appends("a", 2)...)
	for name, op := range map[string]store.Op{
		"put":     store.Put(store.EntryKey("a", 1), number(9)),
		"replace": store.Replace(store.EntryKey("a", 2), 1, number(9)),
	} {
		if err := writeError(t, s, store.Put(key("p", "beside"), number(1)), op); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s over an entry: %v, want ErrInvalid", name, err)
		}
	}
	equal(t, "entry", string(get(t, s, store.EntryKey("a", 1)).Data), "0")
	equal(t, "beside", revisionOf(t, s, key("p", "beside")), int64(0))

	lookalike := store.EntryKey("no stream", 1)
	write(t, s, store.Create(lookalike, number(1)))
	equal(t, "a key that looks like an entry's", write(t, s, store.Put(lookalike, number(2))), []int64{2})
	if err := writeError(t, s, store.Append("no stream", number(3))); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("append where a document lies: %v, want ErrInvalid", err)
	}
	equal(t, "document", string(get(t, s, lookalike).Data), "2")
}

func failedAppend(t *testing.T, open Open) {
	t.Helper()
	s := start(t, open)
	write(t, s, store.Append("a", number(1)), store.Create(key("p", "taken"), number(1)))
	for range 3 {
		err := writeError(t, s, store.Append("a", number(2)), store.Append("new", number(2)), store.Create(key("p", "taken"), number(2)))
		conflict(t, err, key("p", "taken"), 2)
	}
	equal(t, "next", write(t, s, store.Append("a", number(2)), store.Append("new", number(1))), []int64{2, 1})
}

// concurrentAppends: many writers on two handles; some of their batches fail.
// No number is missing, none is given twice, and each writer's own order is
// kept.
func concurrentAppends(t *testing.T, open Open) {
	t.Helper()
	const writers, each = 16, 20
	handles := []store.Store{start(t, open), start(t, open)}
	write(t, handles[0], store.Create(key("p", "taken"), number(1)))
	g, ctx := errgroup.WithContext(bounded(t))
	for w := range writers {
		s := handles[w%len(handles)]
		g.Go(func() error {
			last := int64(0)
			for i := range each {
				ops := []store.Op{store.Append("a", number(w)), store.Append(fmt.Sprintf("own/%d", w), number(i))}
				failing := append([]store.Op{}, ops...)
				failing = append(failing, store.Create(key("p", "taken"), number(2)))
				if _, err := s.Write(ctx, store.Batch{Principal: writerName, Ops: failing}); !errors.Is(err, store.ErrConflict) {
					return fmt.Errorf("failing write: %w, want a conflict", err)
				}
				result, err := s.Write(ctx, store.Batch{Principal: writerName, Ops: ops})
				if err != nil {
					return err
				}
				if result.Numbers[0] <= last || result.Numbers[1] != int64(i+1) {
					return fmt.Errorf("numbers %v after %d and %d", result.Numbers, last, i)
				}
				last = result.Numbers[0]
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	gapless(t, handles[1], "a", writers*each)
}

// gapless asks for the entries 1 to n of a stream and no more.
func gapless(t *testing.T, s store.Store, stream string, n int) {
	t.Helper()
	all := content(t, s, stream)
	equal(t, "entries of "+stream, len(all), n)
	for i, d := range all {
		if d.Key != store.EntryKey(stream, int64(i+1)) {
			t.Fatalf("entry %d of %s has key %s", i+1, stream, d.Key)
		}
	}
}

// tail reads a stream while it is written through another handle.
func tail(t *testing.T, open Open) {
	t.Helper()
	s, other := start(t, open), start(t, open)
	const first, entries = 5, 150
	write(t, s, appends("a", first)...)
	write(t, s, store.Put(key("a", "head"), number(0)), store.Put(key("a", "!"), number(0)))

	ctx, cancel := context.WithCancel(bounded(t))
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		for i := first; i < entries; i++ {
			b := store.Batch{Principal: writerName, Ops: []store.Op{store.Append("a", number(i))}}
			if _, err := other.Write(ctx, b); err != nil {
				return err
			}
		}
		return nil
	})
	next := int64(3)
	for d, err := range store.Tail(ctx, s, "a", next-1, time.Millisecond) {
		if err != nil {
			t.Fatalf("tail: %v", err)
		}
		if d.Key != store.EntryKey("a", next) {
			t.Fatalf("tail yields %s, want %s", d.Key, store.EntryKey("a", next))
		}
		next++
		if next > entries {
			if err := g.Wait(); err != nil {
				t.Fatal(err)
			}
			cancel() // and then it ends by itself
		}
	}
	equal(t, "last", next, int64(entries+1))

	for _, err := range store.Tail(t.Context(), s, "", 0, time.Millisecond) {
		if !errors.Is(err, store.ErrInvalid) {
			t.Errorf("tail without a stream: %v, want ErrInvalid", err)
		}
	}
	for _, err := range store.Tail(t.Context(), s, "a", 0, 0) {
		if !errors.Is(err, store.ErrInvalid) {
			t.Errorf("tail without a pause: %v, want ErrInvalid", err)
		}
	}
}
