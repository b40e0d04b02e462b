// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/store"
)

// conditions tries every condition of every conditional kind on a document
// that is not there and on one at revision 2.
func conditions(t *testing.T, open Open) {
	t.Helper()
	s := start(t, open)
	for name, c := range map[string]struct {
		condition      store.Condition
		revision       int64
		absent, second bool // whether it holds
		reason         string
	}{
		"always":            {store.Always, 0, true, true, "no condition"},
		"absent":            {store.IfAbsent, 0, true, false, "there must be none"},
		"exists":            {store.IfExists, 0, false, true, "there must be one"},
		"this revision":     {store.IfRevision, 2, false, true, "the revision is 2"},
		"older revision":    {store.IfRevision, 1, false, false, "the revision is no longer 1"},
		"newer revision":    {store.IfRevision, 3, false, false, "the revision is not yet 3"},
		"revision zero":     {store.IfRevision, 0, false, false, "no document has revision 0"},
		"negative revision": {store.IfRevision, -1, false, false, "no document has revision -1"},
	} {
		for _, kind := range []store.OpKind{store.OpPut, store.OpDelete, store.OpCheck} {
			op := store.Op{Kind: kind, Key: key("conditions", name), If: c.condition, IfRev: c.revision}
			if kind == store.OpPut {
				op.Data = number(1)
			}
			what := fmt.Sprintf("kind %d if %s, %s", kind, name, c.reason)
			write(t, s, store.Delete(op.Key))
			tryCondition(t, s, what+", absent", op, 0, c.absent)
			write(t, s, store.Delete(op.Key))
			write(t, s, store.Put(op.Key, number(0)))
			write(t, s, store.Put(op.Key, number(0)))
			tryCondition(t, s, what+", present", op, 2, c.second)
		}
	}
}

// tryCondition writes op over a document at revision before.
func tryCondition(t *testing.T, s store.Store, what string, op store.Op, before int64, holds bool) {
	t.Helper()
	_, err := s.Write(t.Context(), store.Batch{Principal: writerName, Ops: []store.Op{op}})
	if (err == nil) != holds {
		t.Errorf("%s: %v", what, err)
	}
	if err != nil {
		conflict(t, err, op.Key, 0)
	}
	equal(t, what, revisionOf(t, s, op.Key), expected(op.Kind, holds, before))
}

// expected is the revision that an operation leaves behind.
func expected(kind store.OpKind, holds bool, before int64) int64 {
	switch {
	case holds && kind == store.OpPut:
		return before + 1
	case holds && kind == store.OpDelete:
		return 0
	}
	return before
}

// revisionOf is 0 for a document that is not there.
func revisionOf(t *testing.T, s store.Store, k store.Key) int64 {
	t.Helper()
	d, err := s.Get(t.Context(), k)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("get %s: %v", k, err)
	}
	return d.Revision
}

func check(t *testing.T, open Open) {
	t.Helper()
	s := start(t, open)
	guard, k := key("p", "guard"), key("p", "a")
	write(t, s, store.Check(guard, 0), store.Put(k, number(1)))
	write(t, s, store.Put(guard, number(1)))
	write(t, s, store.Check(guard, 1), store.Put(k, number(2)))
	conflict(t, writeError(t, s, store.Put(k, number(3)), store.Check(guard, 0)), guard, 1)
	conflict(t, writeError(t, s, store.Put(k, number(3)), store.Check(guard, 2)), guard, 1)
	equal(t, "guard", revisionOf(t, s, guard), int64(1))
	equal(t, "guarded", string(get(t, s, k).Data), "2")
}

// atomicity lets a batch of every kind fail at each place of it.
func atomicity(t *testing.T, open Open) {
	t.Helper()
	s := start(t, open)
	write(t, s, store.Put(key("p", "old"), number(1)), store.Put(key("p", "gone"), number(1)),
		store.Append("stream", number(1)))
	before := [][]store.Document{content(t, s, "p"), content(t, s, "stream")}

	good := []store.Op{
		store.Put(key("p", "old"), number(2)),
		store.Create(key("p", "new"), number(2)),
		store.Delete(key("p", "gone")),
		store.Append("stream", number(2)),
		store.Append("other", number(2)),
	}
	bad := store.Create(key("p", "taken"), number(2))
	write(t, s, store.Put(key("q", "taken"), number(1)))
	bad.Key = key("q", "taken")
	for at := range len(good) + 1 {
		ops := append(append(append([]store.Op{}, good[:at]...), bad), good[at:]...)
		conflict(t, writeError(t, s, ops...), bad.Key, at)
		after := [][]store.Document{content(t, s, "p"), content(t, s, "stream")}
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("batch that failed at %d changed the store (-before +after):\n%s", at, diff)
		}
		equal(t, "stream that was not there", content(t, s, "other"), []store.Document(nil))
	}
	equal(t, "the same batch without the failure", write(t, s, good...), []int64{2, 1, 0, 2, 1})
}

func firstConflict(t *testing.T, open Open) {
	t.Helper()
	s := start(t, open)
	write(t, s, store.Put(key("p", "a"), number(1)), store.Put(key("p", "b"), number(1)))
	err := writeError(t, s,
		store.Put(key("p", "c"), number(1)),
		store.Create(key("p", "b"), number(1)),
		store.Replace(key("p", "a"), 9, number(1)))
	conflict(t, err, key("p", "b"), 1)
}

// conflict asks for a *store.ConflictError with this key and index.
func conflict(t *testing.T, err error, k store.Key, index int) {
	t.Helper()
	var got *store.ConflictError
	if !errors.As(err, &got) || !errors.Is(err, store.ErrConflict) {
		t.Errorf("error %v, want a conflict on %s", err, k)
		return
	}
	equal(t, "conflict", *got, store.ConflictError{Key: k, Index: index})
}
