// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
	"github.com/HatiCode/nestor/store/blob"
	"github.com/HatiCode/nestor/store/seal"
	"github.com/HatiCode/nestor/store/sqlite"
)

const ada = "user:ada"

func scope() orchestrator.Scope {
	return orchestrator.Scope{Team: "alpha", Application: "shop", Environment: "staging"}
}

// clock moves on by a second with each reading.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Second)
	return c.now
}

// fixture is a registry on real stores.
type fixture struct {
	*registry.Registry
	tb    testing.TB
	dir   string
	store *sqlite.Store
	clock *clock
}

func open(tb testing.TB) *fixture {
	tb.Helper()
	f := &fixture{tb: tb, dir: tb.TempDir(), clock: &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}}
	keys, err := seal.LoadOrCreateKeyset(filepath.Join(f.dir, "keyset.json"))
	if err != nil {
		tb.Fatal(err)
	}
	f.store, err = sqlite.Open(tb.Context(), filepath.Join(f.dir, "nestor.db"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := f.store.Close(); err != nil {
			tb.Errorf("close the store: %v", err)
		}
	})
	blobs, err := blob.OpenDirectory(filepath.Join(f.dir, "blobs"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := blobs.Close(); err != nil {
			tb.Errorf("close the blobs: %v", err)
		}
	})
	f.Registry = registry.New(f.store, blobs, keys, f.clock.read)
	return f
}

func (f *fixture) must(err error) {
	f.tb.Helper()
	if err != nil {
		f.tb.Fatal(err)
	}
}

func request(id string) contract.DeployRequest {
	return contract.DeployRequest{
		RequestID: id, Scope: scope(), Kind: orchestrator.KindApply, Release: "sha256:release",
		AutoApprove: true, OnFailure: orchestrator.OnFailureRollback, Principal: ada,
	}
}

func (f *fixture) accept(id string) orchestrator.Deployment {
	f.tb.Helper()
	d, err := f.Accept(f.tb.Context(), request(id), "")
	f.must(err)
	return d
}

// events of a deployment, by type and node, after a check of their sequence.
func (f *fixture) events(deployment string) []string {
	f.tb.Helper()
	var told []string
	q := store.Query{Partition: registry.EventStream(deployment)}
	for doc, err := range store.All(f.tb.Context(), f.store, q) {
		f.must(err)
		var e orchestrator.Event
		f.must(doc.Decode(&e))
		if n, _ := store.EntrySequence(doc.Key); n != int64(len(told)+1) {
			f.tb.Errorf("event %d of %s has sequence %d", len(told)+1, deployment, n)
		}
		if e.Deployment != deployment || e.Principal == "" || e.Time.IsZero() || !json.Valid(e.Data) {
			f.tb.Errorf("event %d of %s is incomplete: %+v", len(told)+1, deployment, e)
		}
		text := string(e.Type)
		if e.Node != "" {
			text += " " + e.Node
		}
		told = append(told, text)
	}
	return told
}

const node = "web.database"

func newHead() orchestrator.NodeHead {
	return orchestrator.NodeHead{
		Engine: "tiny", EngineVersion: "tiny 1", Address: "alpha/shop/staging/" + node,
		Definition: "db", Version: "1.0.0", DefinitionDigest: "sha256:db", GraphDigest: "sha256:new",
	}
}

func (f *fixture) begin(deployment string, action orchestrator.StepAction) registry.Attempt {
	f.tb.Helper()
	a, err := f.tryBegin(f.tb.Context(), deployment, action)
	f.must(err)
	return a
}

func (f *fixture) tryBegin(ctx context.Context, deployment string, action orchestrator.StepAction) (registry.Attempt, error) {
	run := orchestrator.NodeRun{Deployment: deployment, Node: node, Action: action, Attempt: 1}
	return f.Begin(ctx, "worker:tiny", scope(), run, newHead())
}

// ready is the end of a step that went well.
func ready(outputs ...registry.OutputValue) registry.Commit {
	head := newHead()
	head.Scope, head.Node, head.Status = scope(), node, orchestrator.NodeReady
	return registry.Commit{
		Head: &head, Outputs: outputs, Status: orchestrator.NodeReady, Changed: true,
		Counts: orchestrator.Counts{Create: 1},
	}
}

// putGraph stores a graph with a definition digest for each node.
func (f *fixture) putGraph(digests ...string) string {
	f.tb.Helper()
	g := composer.Graph{Team: "alpha", Application: "shop", Environment: "staging"}
	for i, digest := range digests {
		g.Nodes = append(g.Nodes, composer.Node{ID: fmt.Sprintf("web.n%d", i), DefinitionDigest: digest})
	}
	digest, err := composer.GraphDigest(g)
	f.must(err)
	g.Digest = digest
	f.must(f.PutGraph(f.tb.Context(), g))
	return digest
}
