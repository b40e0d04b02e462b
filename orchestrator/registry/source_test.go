// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

const password = "hunter2-a71f"

func state() registry.Source {
	return registry.Source{
		State: json.RawMessage(`{"version":4,"outputs":{"password":"` + password + `"}}`), Moves: map[string]string{"a.b": "a.c"},
	}
}

func adoption(id string) contract.DeployRequest {
	req := request(id)
	req.Kind, req.Adoption = orchestrator.KindAdopt, &orchestrator.Adoption{Node: node, State: true}
	return req
}

// inClear fails the test if a file of the fixture holds the password.
func (f *fixture) inClear() {
	f.tb.Helper()
	f.must(filepath.WalkDir(f.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err == nil && bytes.Contains(data, []byte(password)) {
			f.tb.Errorf("%s holds a secret in clear", path)
		}
		return err
	}))
}

// files lists the blobs of adoptions.
func (f *fixture) files() (found []string) {
	f.tb.Helper()
	err := filepath.WalkDir(filepath.Join(f.dir, "blobs"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && strings.Contains(path, "adoptions") {
			found = append(found, filepath.Base(path))
		}
		return err
	})
	f.must(err)
	return found
}

// A state is sealed, found again by its deployment, and gone with that one's
// end.
func TestSource(t *testing.T) {
	t.Parallel()
	f := open(t)
	created, err := f.PutSource(t.Context(), scope(), "r1", state())
	f.must(err)
	again, err := f.PutSource(t.Context(), scope(), "r1", state())
	f.must(err)
	if !created || again {
		t.Errorf("created %v, then %v", created, again)
	}
	other := state()
	other.Moves = nil
	_, err = f.PutSource(t.Context(), scope(), "r1", other)
	var refused *orchestrator.Refusal
	if !errors.As(err, &refused) || strings.Contains(err.Error(), password) {
		t.Errorf("another state for the same request: %v", err)
	}
	d, err := f.Accept(t.Context(), adoption("r1"), "")
	f.must(err)
	if _, err := f.PutSource(t.Context(), scope(), "r1", other); !errors.As(err, &refused) {
		t.Errorf("another state for an accepted request: %v", err)
	}
	got, err := f.RevealSource(t.Context(), d)
	f.must(err)
	if diff := cmp.Diff(state(), got); diff != "" {
		t.Errorf("revealed (-want +got):\n%s", diff)
	}
	f.inClear()
	if d.ChangeDigest == "" || d.Adoption == nil || d.Adoption.Node != node {
		t.Errorf("the record: %+v", d)
	}
	for range 2 {
		f.must(f.Finish(t.Context(), contract.FinishInput{Deployment: d.ID, Status: orchestrator.StatusSucceeded, Principal: ada}))
	}
	if _, err := f.RevealSource(t.Context(), d); !errors.Is(err, store.ErrNotFound) || len(f.files()) > 0 {
		t.Errorf("after the end: %v, files %v", err, f.files())
	}
	f.must(f.DropSource(t.Context(), scope(), "r1"))
}

// What is approved is what is adopted: the digest of an adoption covers its
// state, and another one in its place is not revealed.
func TestSourceIsTheOneAccepted(t *testing.T) {
	t.Parallel()
	f := open(t)
	_, err := f.Accept(t.Context(), adoption("none"), "")
	var refused *orchestrator.Refusal
	if !errors.As(err, &refused) {
		t.Errorf("an adoption without its state: %v", err)
	}
	digests := map[string]bool{}
	var last orchestrator.Deployment
	for _, id := range []string{"r1", "r2"} {
		_, err := f.PutSource(t.Context(), scope(), id, state())
		f.must(err)
		req := adoption(id)
		req.Adoption.Source = "sha256:of the client"
		last, err = f.Accept(t.Context(), req, "")
		f.must(err)
		digests[last.ChangeDigest], digests[last.Adoption.Source] = true, true
	}
	if len(digests) != 4 || digests["sha256:of the client"] {
		t.Errorf("the same state, sealed twice, has the digests %v; want four", digests)
	}
	_, err = f.RevealSource(t.Context(), last)
	f.must(err)
	for name, moves := range map[string]map[string]string{"other moves": {"a": "b"}, "the same, sealed again": state().Moves} {
		swapped := state()
		swapped.Moves = moves
		f.must(f.DropSource(t.Context(), scope(), "r2"))
		_, err := f.PutSource(t.Context(), scope(), "r2", swapped)
		f.must(err)
		if got, err := f.RevealSource(t.Context(), last); !errors.As(err, &refused) || got.State != nil {
			t.Errorf("%s: revealed %d bytes, %v", name, len(got.State), err)
		}
	}
}

func TestSourceIsBounded(t *testing.T) {
	t.Parallel()
	f := open(t)
	large := registry.Source{State: json.RawMessage(`{"a":"` + strings.Repeat("x", orchestrator.MaxAdoptedState) + `"}`)}
	var refused *orchestrator.Refusal
	if _, err := f.PutSource(t.Context(), scope(), "r1", large); !errors.As(err, &refused) {
		t.Errorf("got %v, want a refusal", err)
	}
	whole := registry.Source{State: json.RawMessage(`{"a":"` + strings.Repeat("x", orchestrator.MaxAdoptedState-8) + `"}`)}
	if _, err := f.PutSource(t.Context(), scope(), "r1", whole); err != nil {
		t.Errorf("the largest: %v", err)
	}
	if _, err := f.PutSource(t.Context(), scope(), "r1", whole); err != nil {
		t.Errorf("the largest is found again: %v", err)
	}
}

// What an adoption leaves of its scope: what was deployed stays deployed, and
// plans that were made before are made again.
func TestAdoptionLeavesTheRelease(t *testing.T) {
	t.Parallel()
	f := open(t)
	d := f.accept("r1")
	graph := f.putGraph("sha256:one")
	f.must(f.Freeze(t.Context(), d.ID, ada, registry.Frozen{Graph: graph}))
	f.must(f.SetStatus(t.Context(), contract.StatusInput{Deployment: d.ID, Status: orchestrator.StatusRunning, Principal: ada}))
	f.must(f.Finish(t.Context(), contract.FinishInput{Deployment: d.ID, Status: orchestrator.StatusSucceeded, Principal: ada}))
	before, err := f.Scope(t.Context(), scope())
	f.must(err)

	req := adoption("r2")
	req.Release = "sha256:other"
	_, err = f.PutSource(t.Context(), scope(), "r2", state())
	f.must(err)
	adopted, err := f.Accept(t.Context(), req, "")
	f.must(err)
	f.must(f.Freeze(t.Context(), adopted.ID, ada, registry.Frozen{Graph: f.putGraph("sha256:two")}))
	f.must(f.SetStatus(t.Context(), contract.StatusInput{Deployment: adopted.ID, Status: orchestrator.StatusRunning, Principal: ada}))
	f.must(f.Finish(t.Context(), contract.FinishInput{Deployment: adopted.ID, Status: orchestrator.StatusSucceeded, Principal: ada}))
	after, err := f.Scope(t.Context(), scope())
	f.must(err)
	want := before
	want.Deployments, want.Basis = 2, before.Basis+1
	if diff := cmp.Diff(want, after); diff != "" {
		t.Errorf("the scope (-want +got):\n%s", diff)
	}
}

func TestAdoptionAnswersOneRequest(t *testing.T) {
	t.Parallel()
	f := open(t)
	_, err := f.PutSource(t.Context(), scope(), "r1", state())
	f.must(err)
	d, err := f.Accept(t.Context(), adoption("r1"), "")
	f.must(err)
	again, err := f.Accept(t.Context(), adoption("r1"), "")
	f.must(err)
	if again.ID != d.ID {
		t.Errorf("the same request became %s and %s", d.ID, again.ID)
	}
	other := adoption("r1")
	other.Adoption = &orchestrator.Adoption{Node: node, State: true, AllowChanges: true}
	var refused *orchestrator.Refusal
	if _, err := f.Accept(t.Context(), other, ""); !errors.As(err, &refused) {
		t.Errorf("another adoption under the same request id: %v", err)
	}
	if first, second := adoption("r1"), other; first.UpdateID() == second.UpdateID() {
		t.Error("two adoptions have the same update id")
	}
}

// Only what nobody adopts is pruned, and only after a while.
func TestPruneSources(t *testing.T) {
	t.Parallel()
	f := open(t)
	for _, id := range []string{"kept", "lost"} {
		_, err := f.PutSource(t.Context(), scope(), id, state())
		f.must(err)
	}
	d, err := f.Accept(t.Context(), adoption("kept"), "")
	f.must(err)
	if n, err := f.PruneSources(t.Context(), time.Now().Add(-time.Hour)); n != 0 || err != nil {
		t.Errorf("pruned %d (%v) of those that were just handed in", n, err)
	}
	if n, err := f.PruneSources(t.Context(), time.Now().Add(time.Hour)); n != 1 || err != nil {
		t.Errorf("pruned %d (%v), want the one that was never accepted", n, err)
	}
	if _, err := f.RevealSource(t.Context(), d); err != nil {
		t.Errorf("what is still to be adopted: %v", err)
	}
}
