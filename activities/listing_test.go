// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/HatiCode/nestor/activities"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

// counted counts the documents that are read one by one.
type counted struct {
	store.Store
	reads atomic.Int64
}

func (c *counted) Get(ctx context.Context, key store.Key) (store.Document, error) {
	c.reads.Add(1)
	return c.Store.Get(ctx, key)
}

// heads writes what a wide deployment leaves: nodes that are whole, and not as the
// release has them.
func (f *fixture) heads(n int, deployment, graph string) {
	f.t.Helper()
	var ops []store.Op
	for i := range n {
		head := orchestrator.NodeHead{
			Scope: scope(), Node: fmt.Sprintf("wide.n%05d", i), Engine: "tiny", Address: "a", InputsRef: "i",
			GraphDigest: graph, LastDeployment: deployment, Status: orchestrator.NodeReady,
		}
		data, err := json.Marshal(head)
		f.must(err)
		key := store.Key{Partition: "heads/" + scope().String(), Sort: head.Node}
		ops = append(ops, store.Op{Kind: store.OpPut, Key: key, Data: data})
	}
	for batch := range slices.Chunk(ops, store.MaxTransactionOps) {
		_, err := f.Store.Write(f.t.Context(), store.Batch{Principal: ada, Ops: batch})
		f.must(err)
	}
}

// TestManyThatAreLeft: the end of a deployment asks the store for a bounded number
// of documents, however many nodes are left; it names its own first, and counts
// what it does not list.
func TestManyThatAreLeft(t *testing.T) {
	t.Parallel()
	const wide = 2000
	f := setup(t)
	_, large := f.left()
	f.heads(wide, "alpha/shop/staging/2", large)
	third := f.running(large)
	f.must(f.Registry.Finish(t.Context(), contract.FinishInput{
		Deployment: third, Status: orchestrator.StatusFailed, Principal: ada, MoreResidue: wide,
	}))
	fourth := f.running(large)

	counting := &counted{Store: f.Store}
	records := registry.New(counting, f.Blobs, f.Keys, time.Now)
	control := &activities.Control{Registry: records, Graphs: activities.NewGraphs(records, 1<<20)}
	own := orchestrator.Residue{Node: "zoo.lion", Reason: "it broke", Action: "look"}
	f.must(control.FinishDeployment(t.Context(), contract.FinishInput{
		Deployment: fourth, Status: orchestrator.StatusFailed, Principal: ada, Residue: []orchestrator.Residue{own},
	}))
	if n := counting.reads.Load(); n > 20 {
		t.Errorf("%d documents were read one by one", n)
	}
	d, err := f.Registry.GetDeployment(t.Context(), fourth)
	f.must(err)
	listed, last := len(d.Residue)-1, d.Residue[len(d.Residue)-1]
	if d.Residue[0].Node != own.Node || listed < 100 || last.Node != orchestrator.MoreNodes {
		t.Fatalf("the list begins with %+v and ends, after %d, with %+v", d.Residue[0], listed, last)
	}
	// The database is left as well.
	if want := fmt.Sprintf("and %d more nodes", wide+2-listed); last.Reason != want {
		t.Errorf("%q are not listed, want %q", last.Reason, want)
	}
}
