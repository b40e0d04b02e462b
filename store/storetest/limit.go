// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/HatiCode/nestor/store"
)

// sized is a JSON string of n bytes, quotes included.
func sized(n int) json.RawMessage {
	return json.RawMessage(`"` + strings.Repeat("x", n-2) + `"`)
}

func puts(n int, data json.RawMessage) []store.Op {
	ops := make([]store.Op, n)
	for i := range ops {
		ops[i] = store.Put(key("p", fmt.Sprintf("%04d", i)), data)
	}
	return ops
}

func appends(stream string, n int) []store.Op {
	ops := make([]store.Op, n)
	for i := range ops {
		ops[i] = store.Append(stream, number(i))
	}
	return ops
}

func emptyBatch(t *testing.T, open Open) {
	t.Helper()
	equal(t, "numbers", write(t, start(t, open)), []int64{})
}

func principal(t *testing.T, open Open) {
	t.Helper()
	s := start(t, open)
	for _, p := range []store.Principal{"", " \t"} {
		_, err := s.Write(t.Context(), store.Batch{Principal: p, Ops: puts(1, number(1))})
		if !errors.Is(err, store.ErrNoPrincipal) {
			t.Errorf("principal %q: %v, want ErrNoPrincipal", p, err)
		}
	}
	equal(t, "written", content(t, s, "p"), []store.Document(nil))
}

func limits(t *testing.T, open Open) {
	t.Helper()
	s := start(t, open)
	long := strings.Repeat("k", store.MaxKeyBytes+1)
	for name, ops := range map[string][]store.Op{
		"document":            puts(1, sized(store.MaxDocumentBytes+1)),
		"entry":               {store.Append("stream", sized(store.MaxDocumentBytes+1))},
		"partition":           {store.Put(key(long, "a"), number(1))},
		"sort":                {store.Put(key("p", long), number(1))},
		"key to delete":       {store.Delete(key("p", long))},
		"key to check":        {store.Check(key("p", long), 0)},
		"stream":              {store.Append(long, number(1))},
		"operations":          puts(store.MaxTransactionOps+1, number(1)),
		"operations, streams": append(puts(store.MaxTransactionOps-1, number(1)), store.Append("stream", number(1))),
		"appends":             appends("stream", store.MaxTransactionOps),
		"transaction":         puts(store.MaxTransactionBytes/store.MaxDocumentBytes+1, sized(store.MaxDocumentBytes)),
	} {
		if err := writeError(t, s, ops...); !errors.Is(err, store.ErrLimit) {
			t.Errorf("%s: %v, want ErrLimit", name, err)
		}
	}
	_, err := s.Write(t.Context(), store.Batch{Principal: store.Principal(long), Ops: puts(1, number(1))})
	if !errors.Is(err, store.ErrLimit) {
		t.Errorf("principal: %v, want ErrLimit", err)
	}
	for _, partition := range []string{"p", "stream"} {
		equal(t, "written to "+partition, content(t, s, partition), []store.Document(nil))
	}
}

// exactLimits: what is allowed to the byte must work to the byte.
func exactLimits(t *testing.T, open Open) {
	t.Helper()
	s := start(t, open)
	k := key(strings.Repeat("p", store.MaxKeyBytes), strings.Repeat("s", store.MaxKeyBytes))
	data := sized(store.MaxDocumentBytes)
	write(t, s, store.Put(k, data))
	equal(t, "largest document", string(get(t, s, k).Data), string(data))

	write(t, s, puts(store.MaxTransactionOps, number(1))...)
	equal(t, "largest transaction", len(content(t, s, "p")), store.MaxTransactionOps)

	n := store.MaxTransactionOps - 1
	equal(t, "most appends", write(t, s, appends("stream", n)...)[n-1], int64(n))

	heavy := puts(10, sized(store.MaxDocumentBytes))
	write(t, s, heavy...)
	equal(t, "heavy transaction", len(get(t, s, heavy[9].Key).Data), store.MaxDocumentBytes)
}

func invalidBatches(t *testing.T, open Open) {
	t.Helper()
	s := start(t, open)
	put := store.Put(key("p", "a"), number(1))
	conditional := store.Append("stream", number(1))
	conditional.If = store.IfAbsent
	sorted := store.Append("stream", number(1))
	sorted.Key.Sort = "a"
	check := store.Check(key("p", "a"), 1)
	check.Data = number(1)
	for name, ops := range map[string][]store.Op{
		"no kind":                 {{Key: key("p", "a"), Data: number(1)}},
		"unknown kind":            {{Kind: 99, Key: key("p", "a"), Data: number(1)}},
		"unknown condition":       {{Kind: store.OpPut, Key: key("p", "a"), Data: number(1), If: 99}},
		"no data":                 {store.Put(key("p", "a"), nil)},
		"data is not JSON":        {store.Put(key("p", "a"), json.RawMessage(`{"a":`))},
		"entry is not JSON":       {store.Append("stream", json.RawMessage(`a`))},
		"data on a check":         {check},
		"empty partition":         {store.Put(key("", "a"), number(1))},
		"empty sort":              {store.Put(key("p", ""), number(1))},
		"empty stream":            {store.Append("", number(1))},
		"NUL in a key":            {store.Put(key("p", "a\x00b"), number(1))},
		"key is not UTF-8":        {store.Put(key("p", "\xff"), number(1))},
		"key twice":               {put, store.Put(key("p", "b"), number(1)), store.Delete(key("p", "a"))},
		"check of a key put":      {store.Check(key("p", "a"), 0), put},
		"append with a condition": {conditional},
		"append with a sort":      {sorted},
		"check and append":        {store.Check(store.EntryKey("stream", 1), 0), store.Append("stream", number(1))},
		"append and delete":       {store.Append("stream", number(1)), store.Delete(store.EntryKey("stream", 1))},
	} {
		if err := writeError(t, s, ops...); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
		for _, partition := range []string{"p", "stream"} {
			equal(t, name, content(t, s, partition), []store.Document(nil))
		}
	}
}

func invalidQueries(t *testing.T, open Open) {
	t.Helper()
	s := start(t, open)
	long := strings.Repeat("k", store.MaxKeyBytes+1)
	for name, c := range map[string]struct {
		key  store.Key
		want error
	}{
		"empty partition": {key("", "a"), store.ErrInvalid},
		"empty sort":      {key("p", ""), store.ErrInvalid},
		"NUL":             {key("p", "\x00"), store.ErrInvalid},
		"not UTF-8":       {key("\xff", "a"), store.ErrInvalid},
		"long partition":  {key(long, "a"), store.ErrLimit},
		"long sort":       {key("p", long), store.ErrLimit},
	} {
		if _, err := s.Get(t.Context(), c.key); !errors.Is(err, c.want) {
			t.Errorf("get, %s: %v, want %v", name, err, c.want)
		}
	}
	for name, c := range map[string]struct {
		query store.Query
		want  error
	}{
		"no partition":     {store.Query{}, store.ErrInvalid},
		"negative limit":   {store.Query{Partition: "p", Limit: -1}, store.ErrInvalid},
		"limit":            {store.Query{Partition: "p", Limit: store.MaxPage + 1}, store.ErrLimit},
		"long prefix":      {store.Query{Partition: "p", Prefix: long}, store.ErrLimit},
		"long after":       {store.Query{Partition: "p", After: long}, store.ErrLimit},
		"prefix not UTF-8": {store.Query{Partition: "p", Prefix: "\xff"}, store.ErrInvalid},
	} {
		if _, err := s.Query(t.Context(), c.query); !errors.Is(err, c.want) {
			t.Errorf("query, %s: %v, want %v", name, err, c.want)
		}
	}
}
