// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/HatiCode/nestor/store"
)

func getNothing(t *testing.T, open Open) {
	t.Helper()
	s := start(t, open)
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("ping: %v", err)
	}
	if _, err := s.Get(t.Context(), key("p", "none")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("get: %v, want ErrNotFound", err)
	}
	page, err := s.Query(t.Context(), store.Query{Partition: "p"})
	if err != nil {
		t.Fatalf("query: %v", err)
	}
	equal(t, "page of an empty partition", page, store.Page{})
}

func putAndGet(t *testing.T, open Open) {
	t.Helper()
	s := start(t, open)
	k := key("p", "a")
	begin := time.Now()
	equal(t, "numbers", write(t, s, store.Put(k, text(t, "one"))), []int64{1})

	d := get(t, s, k)
	equal(t, "document", d, store.Document{Key: k, Revision: 1, Principal: writerName, Data: text(t, "one")})
	if d.Time.Location() != time.UTC {
		t.Errorf("time in %s, want UTC", d.Time.Location())
	}
	if age := d.Time.Sub(begin); age < -time.Minute || age > time.Minute {
		t.Errorf("time %s, want about %s", d.Time, begin)
	}
	var decoded string
	if err := d.Decode(&decoded); err != nil || decoded != "one" {
		t.Errorf("decode: %q, %v", decoded, err)
	}
	if page := content(t, s, "p"); len(page) != 1 || !page[0].Time.Equal(d.Time) {
		t.Errorf("query answers %v, get answered %v", page, d)
	}

	other := store.Batch{Principal: "user:other", Ops: []store.Op{store.Put(k, text(t, "two"))}}
	if _, err := s.Write(t.Context(), other); err != nil {
		t.Fatalf("write: %v", err)
	}
	equal(t, "overwritten", get(t, s, k),
		store.Document{Key: k, Revision: 2, Principal: "user:other", Data: text(t, "two")})
}

func revisions(t *testing.T, open Open) {
	t.Helper()
	s := start(t, open)
	a, b := key("p", "a"), key("p", "b")
	equal(t, "two creates", write(t, s, store.Create(a, number(0)), store.Create(b, number(0))), []int64{1, 1})
	for want := int64(2); want <= 5; want++ {
		equal(t, "replace", write(t, s, store.Replace(a, want-1, number(0))), []int64{want})
	}
	c := key("p", "c")
	equal(t, "mixed batch", write(t, s, store.Check(c, 0), store.Put(b, number(1)), store.Delete(a)), []int64{0, 2, 0})
	equal(t, "created again", write(t, s, store.Create(a, number(0))), []int64{1})
}

func deleteDocuments(t *testing.T, open Open) {
	t.Helper()
	s := start(t, open)
	k := key("p", "a")
	equal(t, "delete of nothing", write(t, s, store.Delete(k)), []int64{0})
	write(t, s, store.Put(k, number(1)), store.Put(key("p", "b"), number(1)))
	write(t, s, store.Delete(k))
	if _, err := s.Get(t.Context(), k); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("get after delete: %v, want ErrNotFound", err)
	}
	equal(t, "left", sorts(content(t, s, "p")), []string{"b"})
}

// dataUnchanged: digests are taken of documents, so no store may reformat one.
func dataUnchanged(t *testing.T, open Open) {
	t.Helper()
	s := start(t, open)
	for name, data := range map[string]string{
		"object":         `{"b":1, "a" : [1.0, 1e3,null,true]}`,
		"white space":    " {\n} ",
		"big number":     `12345678901234567890.123456789`,
		"escapes":        `"\u0000 \ud83d\ude00 é"`,
		"scripts":        `"日本語 🚀"`,
		"null":           `null`,
		"empty string":   `""`,
		"twice the same": `{"a":1,"a":2}`,
	} {
		k := key("p", name)
		write(t, s, store.Put(k, json.RawMessage(data)))
		equal(t, name, string(get(t, s, k).Data), data)
	}
}

func unicodeKeys(t *testing.T, open Open) {
	t.Helper()
	s := start(t, open)
	for _, name := range []string{
		"日本語", "🚀/🚀", "é", "e\u0301", "ß", " ", "a b", "#", "a#b", "%", "_", "'", `"`, `\`, "\n", "--", ";",
		"\u007f", "\U0010ffff", "*", "?", "[a-z]", "../..", "${x}", "A", "a",
	} {
		k := key("p/"+name, "s/"+name)
		write(t, s, store.Create(k, text(t, name)))
		equal(t, "document", get(t, s, k), store.Document{Key: k, Revision: 1, Principal: writerName, Data: text(t, name)})
		equal(t, "partition", sorts(content(t, s, k.Partition)), []string{k.Sort})
	}
}

// partitionAndSort: no joining of the two halves may make two keys one.
func partitionAndSort(t *testing.T, open Open) {
	t.Helper()
	s := start(t, open)
	keys := []store.Key{key("a", "b#c"), key("a#b", "c"), key("a", "b"), key("ab", "c"), key("a", "bc")}
	for _, k := range keys {
		write(t, s, store.Create(k, text(t, k.Partition)))
	}
	for _, k := range keys {
		equal(t, "data", string(get(t, s, k).Data), string(text(t, k.Partition)))
	}
}
