// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/HatiCode/nestor/store"
)

// fill creates a document under each sort of a partition.
func fill(t *testing.T, s store.Store, partition string, names ...string) {
	t.Helper()
	for part := range slices.Chunk(names, store.MaxTransactionOps) {
		ops := make([]store.Op, len(part))
		for i, name := range part {
			ops[i] = store.Create(key(partition, name), text(t, name))
		}
		write(t, s, ops...)
	}
}

func query(t *testing.T, s store.Store, q store.Query) store.Page {
	t.Helper()
	page, err := s.Query(t.Context(), q)
	if err != nil {
		t.Fatalf("query %+v: %v", q, err)
	}
	return page
}

// order is that of the bytes, in both directions and inside one partition.
func order(t *testing.T, open Open) {
	t.Helper()
	s := start(t, open)
	// U+FF5E is behind U+1F680 in UTF-16, but before it in bytes.
	names := []string{"b", "a", "B", "ab", "a!", "a/b", "a0", "10", "9", "é", "z", "日本", "～", "🚀", " ", "_", "~"}
	fill(t, s, "p", names...)
	fill(t, s, "o", "between", "zz")
	fill(t, s, "p2", "a", "c")
	slices.Sort(names)
	equal(t, "forward", sorts(query(t, s, store.Query{Partition: "p"}).Documents), names)
	slices.Reverse(names)
	equal(t, "reverse", sorts(query(t, s, store.Query{Partition: "p", Reverse: true}).Documents), names)
}

func prefix(t *testing.T, open Open) {
	t.Helper()
	s := start(t, open)
	fill(t, s, "p", "a", "a%", "a%b", "a_", "a_b", "axb", "a*", "a*b", "a?b", "a[x]", "ax", "b", `a\%`, "A%b", "é1", "é2", "ê")
	for _, c := range []struct {
		prefix, reason string
		want           []string
	}{
		{"a%", "a percent sign is no wildcard", []string{"a%", "a%b"}},
		{"a_", "an underscore is no wildcard", []string{"a_", "a_b"}},
		{"a*", "a star is no wildcard", []string{"a*", "a*b"}},
		{"a?", "a question mark is no wildcard", []string{"a?b"}},
		{"a[", "a bracket begins no class", []string{"a[x]"}},
		{`a\`, "a backslash escapes nothing", []string{`a\%`}},
		{"A", "case counts", []string{"A%b"}},
		{"é", "the next rune is outside", []string{"é1", "é2"}},
		{"b", "the whole key is a prefix", []string{"b"}},
		{"bb", "longer than the key", nil},
		{"zz", "behind everything", nil},
	} {
		got := sorts(query(t, s, store.Query{Partition: "p", Prefix: c.prefix}).Documents)
		equal(t, c.prefix+": "+c.reason, got, c.want)
		got = sorts(query(t, s, store.Query{Partition: "p", Prefix: c.prefix, Reverse: true}).Documents)
		slices.Reverse(got)
		equal(t, c.prefix+" reverse: "+c.reason, got, c.want)
	}
}

// prefixEdges: prefixes whose successor is not one rune further.
func prefixEdges(t *testing.T, open Open) {
	t.Helper()
	s := start(t, open)
	const last, beforeSurrogates = "\U0010ffff", "\ud7ff"
	fill(t, s, "p", "a", "a"+last, "a"+last+last, "a"+last+"b", "b", beforeSurrogates, beforeSurrogates+"x", "\ue000", last, last+"x")
	for name, want := range map[string][]string{
		"a" + last:       {"a" + last, "a" + last + "b", "a" + last + last},
		"a":              {"a", "a" + last, "a" + last + "b", "a" + last + last},
		last:             {last, last + "x"},
		last + last:      {},
		beforeSurrogates: {beforeSurrogates, beforeSurrogates + "x"},
		"\x7f":           {},
	} {
		for _, reverse := range []bool{false, true} {
			got := sorts(query(t, s, store.Query{Partition: "p", Prefix: name, Reverse: reverse}).Documents)
			if reverse {
				slices.Reverse(got)
			}
			equal(t, fmt.Sprintf("prefix %q, reverse %t", name, reverse), got, want)
		}
	}
}

// paging goes through a partition with pages of every size, both ways.
func paging(t *testing.T, open Open) {
	t.Helper()
	s := start(t, open)
	var names []string
	for i := range 25 {
		names = append(names, fmt.Sprintf("n/%02d", i))
	}
	fill(t, s, "p", append([]string{"m", "o"}, names...)...)
	for limit := 1; limit <= len(names)+1; limit++ {
		for _, reverse := range []bool{false, true} {
			want := slices.Clone(names)
			if reverse {
				slices.Reverse(want)
			}
			q := store.Query{Partition: "p", Prefix: "n/", Limit: limit, Reverse: reverse}
			equal(t, fmt.Sprintf("pages of %d, reverse %t", limit, reverse), pages(t, s, q), slices.Collect(slices.Chunk(want, limit)))
		}
	}
	for _, c := range []struct {
		q      store.Query
		want   []string
		reason string
	}{
		{store.Query{After: "n/22"}, []string{"n/23", "n/24", "o"}, "after is exclusive"},
		{store.Query{After: "n/22x"}, []string{"n/23", "n/24", "o"}, "after need not exist"},
		{store.Query{After: "n/01", Reverse: true}, []string{"n/00", "m"}, "after is exclusive in reverse"},
		{store.Query{After: "n/00x", Reverse: true}, []string{"n/00", "m"}, "after need not exist in reverse"},
		{store.Query{Prefix: "n/2", After: "a", Limit: 2}, []string{"n/20", "n/21"}, "after before the prefix is no limit"},
		{store.Query{Prefix: "n/0", After: "z", Limit: 2, Reverse: true}, []string{"n/09", "n/08"}, "nor behind it in reverse"},
		{store.Query{Prefix: "n/0", After: "n/1"}, nil, "after behind the prefix leaves nothing"},
		{store.Query{Prefix: "n/1", After: "n/0", Reverse: true}, nil, "nor before it in reverse"},
		{store.Query{Prefix: "n/1", After: "n/1", Reverse: true}, nil, "the prefix itself is the least key it has"},
		{store.Query{After: "o"}, nil, "after the last"},
		{store.Query{After: "m", Reverse: true}, nil, "after the last in reverse"},
	} {
		c.q.Partition = "p"
		equal(t, c.reason, sorts(query(t, s, c.q).Documents), c.want)
	}
}

// nestedKeys: the border of a page may fall between a key and one that
// continues it.
func nestedKeys(t *testing.T, open Open) {
	t.Helper()
	s := start(t, open)
	names := []string{"a", "a ", "a!", "a0", "a00", "a01", "aa", "b"}
	fill(t, s, "p", names...)
	var all []store.Document
	for d, err := range store.All(t.Context(), s, store.Query{Partition: "p", Limit: 1}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	equal(t, "all, one by one", sorts(all), names)
}

// pages reads all pages of a query; the last has no Next, all others have.
func pages(t *testing.T, s store.Store, q store.Query) [][]string {
	t.Helper()
	var all [][]string
	for {
		page := query(t, s, q)
		all = append(all, sorts(page.Documents))
		if page.Next == "" {
			return all
		}
		q.After = page.Next
	}
}

func pageLimits(t *testing.T, open Open) {
	t.Helper()
	s := start(t, open)
	names := make([]string, store.MaxPage+1)
	for i := range names {
		names[i] = fmt.Sprintf("%05d", i)
	}
	fill(t, s, "p", names[:store.DefaultPage]...)
	page := query(t, s, store.Query{Partition: "p"})
	equal(t, "exactly one page", page.Next, "")
	fill(t, s, "p", names[store.DefaultPage:]...)
	page = query(t, s, store.Query{Partition: "p"})
	equal(t, "default page", sorts(page.Documents), names[:store.DefaultPage])
	equal(t, "next of the default page", page.Next, names[store.DefaultPage-1])
	page = query(t, s, store.Query{Partition: "p", Limit: store.MaxPage})
	equal(t, "largest page", sorts(page.Documents), names[:store.MaxPage])
	equal(t, "all", sorts(content(t, s, "p")), names)
	for d, err := range store.All(t.Context(), s, store.Query{Partition: "p", Limit: 2, After: names[4]}) {
		if err != nil || d.Key.Sort != names[5] {
			t.Errorf("first of all after %s: %s, %v", names[4], d.Key, err)
		}
		break
	}
}

// pageBytes: a page ends before it is too large, and All does not mind.
func pageBytes(t *testing.T, open Open) {
	t.Helper()
	s := start(t, open)
	const documents = 9
	write(t, s, puts(documents, sized(store.MaxDocumentBytes))...)
	for _, reverse := range []bool{false, true} {
		page := query(t, s, store.Query{Partition: "p", Reverse: reverse})
		size := 0
		for _, d := range page.Documents {
			size += len(d.Data)
		}
		if size > store.MaxPageBytes || len(page.Documents) == 0 || page.Next == "" {
			t.Errorf("page of %d documents, %d bytes, next %q", len(page.Documents), size, page.Next)
		}
	}
	equal(t, "documents", len(content(t, s, "p")), documents)
}
