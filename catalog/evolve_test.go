// SPDX-License-Identifier: Apache-2.0

package catalog_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/store"
)

// TestDeprecateKeepsTheRest: a definition of a newer program keeps members that
// this one does not know, also inside lists: its digest covers them.
func TestDeprecateKeepsTheRest(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	b := newBackend(t)
	s := catalog.NewService(b.store, b.blobs)
	publish(t, s, definition("db", "1.0.0", "aws"))
	key := store.Key{Partition: "catalog/definition/db", Sort: "1.0.0"}
	before, err := b.store.Get(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	newer := strings.Replace(string(before.Data), `"name":"size"`, `"future":true,"name":"size"`, 1)
	if newer == string(before.Data) {
		t.Fatalf("the document has changed its form: %s", before.Data)
	}
	if _, err := b.store.Write(ctx, store.Batch{
		Principal: ada, Ops: []store.Op{store.Replace(key, before.Revision, json.RawMessage(newer))},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Deprecate(ctx, ada, "db", "1.0.0", "use 2.0.0"); err != nil {
		t.Fatal(err)
	}
	after, err := b.store.Get(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"future":true,"name":"size"`, `"deprecated":"use 2.0.0"`} {
		if !strings.Contains(string(after.Data), want) {
			t.Errorf("the document lacks %s: %s", want, after.Data)
		}
	}
}
