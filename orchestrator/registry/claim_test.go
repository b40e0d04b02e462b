// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

// claimed are the keys of the claims on record.
func (f *fixture) claimed() []string {
	f.tb.Helper()
	var keys []string
	for doc, err := range store.All(f.tb.Context(), f.store, store.Query{Partition: "claims/tiny"}) {
		f.must(err)
		keys = append(keys, doc.Key.Sort)
	}
	return keys
}

// TestClaimsOfAStepThatChangesNothing: a new credential or a new definition gives
// a node other claims, and its engine finds nothing to change.
func TestClaimsOfAStepThatChangesNothing(t *testing.T) {
	t.Parallel()
	f := open(t)
	deployments := 0
	whole := func(name, key string, intend bool) error {
		t.Helper()
		deployments++
		id := f.accept(strconv.Itoa(deployments)).ID
		run := orchestrator.NodeRun{Deployment: id, Node: name, Action: orchestrator.StepApply, Attempt: 1}
		a, err := f.Begin(t.Context(), "worker:tiny", scope(), run, newHead())
		f.must(err)
		c := ready()
		c.Inputs, c.Claims = []registry.OutputValue{}, []orchestrator.Claim{{Engine: "tiny", Key: key}}
		if intend {
			f.must(f.Intend(t.Context(), &a, registry.Intent{Graph: "sha256:new", Claims: c.Claims}))
		}
		return f.Commit(t.Context(), a, c)
	}
	f.must(whole(node, "old", true))
	f.must(whole(node, "new", false))
	f.finish("alpha/shop/staging/2", orchestrator.StatusFailed)
	f.must(whole(node, "new", false))
	if diff := cmp.Diff([]string{"new"}, f.claimed()); diff != "" {
		t.Errorf("claims on record (-want +got):\n%s", diff)
	}
	var taken *registry.ClaimedError
	if err := whole("web.copy", "new", false); !errors.As(err, &taken) || taken.Node != node {
		t.Errorf("a second owner: %v", err)
	}
	head, err := f.Head(t.Context(), scope(), node)
	f.must(err)
	if diff := cmp.Diff([]orchestrator.Claim{{Engine: "tiny", Key: "new"}}, head.Claims); diff != "" {
		t.Errorf("claims of the head (-want +got):\n%s", diff)
	}
}

// TestClaimsAreKeptForARollback: what a node has let go of is its own until the
// deployment is over, since it may have to be taken back.
func TestClaimsAreKeptForARollback(t *testing.T) {
	t.Parallel()
	f := open(t)
	claim := func(key string) []orchestrator.Claim { return []orchestrator.Claim{{Engine: "tiny", Key: key}} }
	begin := func(id, name string, action orchestrator.StepAction) registry.Attempt {
		t.Helper()
		run := orchestrator.NodeRun{Deployment: id, Node: name, Action: action, Attempt: 1}
		a, err := f.Begin(t.Context(), "worker:tiny", scope(), run, newHead())
		f.must(err)
		return a
	}
	step := func(id, name string, action orchestrator.StepAction, key string) error {
		t.Helper()
		a := begin(id, name, action)
		if err := f.Intend(t.Context(), &a, registry.Intent{Graph: "sha256:new", Claims: claim(key)}); err != nil {
			return err
		}
		c := ready()
		c.Inputs, c.Claims, c.Changed = []registry.OutputValue{}, claim(key), true
		return f.Commit(t.Context(), a, c)
	}
	first := f.accept("one").ID
	f.must(step(first, node, orchestrator.StepApply, "old"))
	f.finish(first, orchestrator.StatusFailed)
	second := f.accept("two").ID
	f.must(step(second, node, orchestrator.StepApply, "new"))
	var taken *registry.ClaimedError
	split := "split it into two deployments: first one in which web.database lets go of it, then one in which web.copy takes it"
	err := f.Claimed(t.Context(), scope(), "web.copy", claim("new"))
	if !errors.As(err, &taken) || !strings.Contains(err.Error(), split) {
		t.Errorf("a plan of another node that takes it: %v", err)
	}
	f.must(f.Claimed(t.Context(), scope(), node, claim("new")))
	f.must(f.Claimed(t.Context(), scope(), "web.copy", claim("old"))) // this deployment is over by then
	if err := step(second, "web.copy", orchestrator.StepApply, "old"); !errors.As(err, &taken) ||
		!strings.Contains(err.Error(), "until this deployment has ended") || !strings.Contains(err.Error(), split) {
		t.Errorf("another node has taken it: %v", err)
	}
	f.must(step(second, node, orchestrator.StepApply, "new")) // once more, it is kept still
	f.must(step(second, node, orchestrator.StepRestore, "old"))
	if diff := cmp.Diff([]string{"old"}, f.claimed()); diff != "" {
		t.Errorf("claims after the restoration (-want +got):\n%s", diff)
	}
	f.finish(second, orchestrator.StatusFailed)

	third := f.accept("three").ID
	f.must(step(third, node, orchestrator.StepApply, "new"))
	f.finish(third, orchestrator.StatusFailed)
	fourth := f.accept("four").ID
	f.must(step(fourth, "web.copy", orchestrator.StepApply, "old")) // nobody needs it any more
	if err := step(fourth, node, orchestrator.StepApply, "old"); !errors.As(err, &taken) || taken.Node != "web.copy" {
		t.Errorf("two nodes own one thing: %v", err)
	}
	f.must(step(fourth, node, orchestrator.StepApply, "new"))
	head, err := f.Head(t.Context(), scope(), node)
	f.must(err)
	if diff := cmp.Diff(claim("new"), head.Claims); diff != "" {
		t.Errorf("claims of the head (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"new", "old"}, f.claimed()); diff != "" {
		t.Errorf("claims on record (-want +got):\n%s", diff)
	}
}

// TestAClaimOfAnotherNodeStays whatever a head says.
func TestAClaimOfAnotherNodeStays(t *testing.T) {
	t.Parallel()
	f := open(t)
	a := f.begin(f.accept("one").ID, orchestrator.StepApply)
	f.must(f.Intend(t.Context(), &a, registry.Intent{Graph: "sha256:new", Claims: []orchestrator.Claim{{Engine: "tiny", Key: "k"}}}))
	other, err := json.Marshal(map[string]string{"team": "beta", "application": "data", "environment": "staging", "node": "etl.bucket"})
	f.must(err)
	_, err = f.store.Write(t.Context(), store.Batch{
		Principal: ada, Ops: []store.Op{store.Put(store.Key{Partition: "claims/tiny", Sort: "k"}, other)},
	})
	f.must(err)
	f.must(f.Commit(t.Context(), a, registry.Commit{DeleteHead: true, Status: orchestrator.NodeDestroyed}))
	if diff := cmp.Diff([]string{"k"}, f.claimed()); diff != "" {
		t.Errorf("claims on record (-want +got):\n%s", diff)
	}
}

// TestForgettingNamesSnapshots: they are still there, and nothing else knows.
func TestForgettingNamesSnapshots(t *testing.T) {
	t.Parallel()
	f := open(t)
	id := f.accept("one").ID
	a := f.begin(id, orchestrator.StepApply)
	f.must(f.Commit(t.Context(), a, ready()))
	a = f.begin(id, orchestrator.StepApply)
	snapshot := orchestrator.Snapshot{Deployment: id, Address: newHead().Address + ".snapshot-1", Taken: true}
	values := []registry.OutputValue{{Name: "id", Type: "string", Value: "snap-1", Sensitive: true}}
	f.must(f.RecordSnapshot(t.Context(), &a, snapshot, values, values))
	done := ready()
	done.Head.Snapshots = []orchestrator.Snapshot{snapshot}
	f.must(f.Commit(t.Context(), a, done))
	head, err := f.Forget(t.Context(), statement())
	f.must(err)
	kept, err := f.Head(t.Context(), scope(), node)
	f.must(err)
	if diff := cmp.Diff(head.Snapshots, kept.Snapshots); diff != "" {
		t.Errorf("snapshots of the head (-before +after):\n%s", diff)
	}
	if _, outputs, err := f.RevealSnapshot(t.Context(), kept, snapshot); err != nil || len(outputs) != 1 {
		t.Errorf("what the snapshot holds: %v, %v", outputs, err)
	}
	gone := statement()
	gone.Gone = true
	head, err = f.Forget(t.Context(), gone)
	f.must(err)
	if diff := cmp.Diff([]string{snapshot.Address}, head.SnapshotAddresses()); diff != "" {
		t.Errorf("snapshots in the answer (-want +got):\n%s", diff)
	}
	var last string
	for key, data := range f.all(id) {
		if strings.HasPrefix(key, "values/") {
			t.Errorf("%s is left", key)
		}
		if strings.HasPrefix(key, "events/") && strings.Contains(data, "node.forgotten") {
			last = data
		}
	}
	if !slices.Contains(f.events(id), "node.forgotten "+node) || !strings.Contains(last, snapshot.Address) {
		t.Errorf("the event does not name it: %s", last)
	}
}
