// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

// future is a member that a newer program writes.
const future = `"future":{"since":"next"}`

// newer adds the member to every document of a partition, as a newer program
// that wrote them would, and returns their keys.
func (f *fixture) newer(partition string) []store.Key {
	f.tb.Helper()
	var keys []store.Key
	for doc, err := range store.All(f.tb.Context(), f.store, store.Query{Partition: partition}) {
		f.must(err)
		var members map[string]json.RawMessage
		f.must(doc.Decode(&members))
		members["future"] = json.RawMessage(`{"since":"next"}`)
		data, err := json.Marshal(members)
		f.must(err)
		_, err = f.store.Write(f.tb.Context(), store.Batch{
			Principal: "worker:newer", Ops: []store.Op{store.Replace(doc.Key, doc.Revision, data)},
		})
		f.must(err)
		keys = append(keys, doc.Key)
	}
	if len(keys) == 0 {
		f.tb.Fatalf("there is nothing in %s", partition)
	}
	return keys
}

// wantFuture: this program has written the documents since, and the member is
// still there.
func (f *fixture) wantFuture(keys []store.Key) {
	f.tb.Helper()
	for _, key := range keys {
		doc, err := f.store.Get(f.tb.Context(), key)
		f.must(err)
		if doc.Principal == "worker:newer" {
			f.tb.Errorf("%s was not written anew, so this test says nothing about it", key)
		}
		if !strings.Contains(string(doc.Data), future) {
			f.tb.Errorf("%s has lost what a newer program wrote: %s", key, doc.Data)
		}
	}
}

// TestKeepsWhatANewerProgramWrote: while programs of two releases work side by
// side, the older one drops nothing of the newer one's.
func TestKeepsWhatANewerProgramWrote(t *testing.T) {
	t.Parallel()
	f := open(t)
	ctx := t.Context()
	id := f.accept("one").ID
	keys := f.newer("deployments/" + scope().String())
	f.must(f.SetStatus(ctx, contract.StatusInput{Deployment: id, Status: orchestrator.StatusRunning, Principal: ada}))
	f.wantFuture(keys)

	a := f.begin(id, orchestrator.StepApply)
	for _, partition := range []string{"heads/" + scope().String(), "runs/" + id} {
		keys = append(keys, f.newer(partition)...)
	}
	f.intend(&a, registry.Intent{Created: true, Counts: orchestrator.Counts{Create: 1}})
	f.wantFuture(keys)
	fences := f.newer("fences/" + scope().String())
	keys = append(keys, fences...)
	a = f.begin(id, orchestrator.StepApply)
	f.must(f.Commit(ctx, a, ready()))
	f.wantFuture(keys)

	scopes := f.newer("scopes/" + scope().Team)
	f.must(f.Finish(ctx, contract.FinishInput{Deployment: id, Status: orchestrator.StatusFailed, Principal: ada}))
	f.wantFuture(append(keys, scopes...))

	head, err := f.Head(ctx, scope(), node)
	f.must(err)
	if head.Status != orchestrator.NodeReady {
		t.Errorf("the head is %s, want what this program wrote", head.Status)
	}
}
