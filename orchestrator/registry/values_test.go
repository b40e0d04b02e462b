// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

// canary is a secret; no file may hold it.
const canary = "canary-9f3b1c77e0"

func sample() []registry.OutputValue {
	return []registry.OutputValue{
		{Name: "endpoint", Type: "string", Value: "db.example"},
		{Name: "password", Type: "string", Value: canary, Sensitive: true},
		{Name: "users", Type: "map", Value: map[string]any{"root": canary, "n": float64(2)}, Sensitive: true},
	}
}

func TestSensitiveValuesAreSealed(t *testing.T) {
	t.Parallel()
	f := open(t)
	id := f.accept("one").ID
	commit := ready(sample()...)
	commit.Inputs = sample()
	f.must(f.Commit(t.Context(), f.begin(id, orchestrator.StepApply), commit))
	head, err := f.Head(t.Context(), scope(), node)
	f.must(err)
	if head.InputsRef == "" || head.OutputsRef == "" || head.OutputsDigest == "" {
		t.Errorf("the head does not refer to its values: %+v", head)
	}

	masked := sample()
	masked[1].Value, masked[2].Value = nil, nil
	for what, tc := range map[string]struct {
		read func() ([]registry.OutputValue, error)
		want []registry.OutputValue
	}{
		"outputs":          {read: func() ([]registry.OutputValue, error) { return f.Outputs(t.Context(), head) }, want: masked},
		"inputs":           {read: func() ([]registry.OutputValue, error) { return f.Inputs(t.Context(), head) }, want: masked},
		"revealed outputs": {read: func() ([]registry.OutputValue, error) { return f.RevealOutputs(t.Context(), head) }, want: sample()},
		"revealed inputs":  {read: func() ([]registry.OutputValue, error) { return f.RevealInputs(t.Context(), head, head.GraphDigest) }, want: sample()},
	} {
		got, err := tc.read()
		f.must(err)
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	f.searchFor(canary)
}

// searchFor fails if a file of the data directory holds the text. It first
// proves that it would find one.
func (f *fixture) searchFor(text string) {
	f.tb.Helper()
	const proof = "db.example"
	files, proven := 0, false
	err := filepath.WalkDir(f.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		proven = proven || bytes.Contains(data, []byte(proof))
		if bytes.Contains(data, []byte(text)) {
			f.tb.Errorf("%s holds a secret in clear", filepath.Base(path))
		}
		return nil
	})
	f.must(err)
	if !proven {
		f.tb.Errorf("the search over %d files does not even find %q", files, proof)
	}
}

func TestASealedValueIsBoundToItsPlace(t *testing.T) {
	t.Parallel()
	f := open(t)
	id := f.accept("one").ID
	f.must(f.Commit(t.Context(), f.begin(id, orchestrator.StepApply), ready(sample()...)))
	key := store.Key{Partition: "values/" + scope().String(), Sort: node + "/outputs"}
	doc, err := f.store.Get(t.Context(), key)
	f.must(err)
	// Another team puts the sealed value where it may read it.
	thief := orchestrator.Scope{Team: "beta", Application: "spy", Environment: "staging"}
	stolen := store.Key{Partition: "values/" + thief.String(), Sort: key.Sort}
	_, err = f.store.Write(t.Context(), store.Batch{Principal: "user:eve", Ops: []store.Op{store.Put(stolen, doc.Data)}})
	f.must(err)
	_, err = f.RevealOutputs(t.Context(), orchestrator.NodeHead{Scope: thief, Node: node})
	if err == nil || !strings.Contains(err.Error(), "decrypt password of "+node) || strings.Contains(err.Error(), canary) {
		t.Errorf("a value sealed for another place: %v", err)
	}
}

func TestOutputsDigest(t *testing.T) {
	t.Parallel()
	digest := func(change func([]registry.OutputValue)) string {
		f := open(t)
		values := sample()
		change(values)
		f.must(f.Commit(t.Context(), f.begin(f.accept("one").ID, orchestrator.StepApply), ready(values...)))
		head, err := f.Head(t.Context(), scope(), node)
		f.must(err)
		return head.OutputsDigest
	}
	same := digest(func([]registry.OutputValue) {})
	if other := digest(func(v []registry.OutputValue) { v[1].Value = "another secret" }); other != same {
		t.Error("the digest tells that a secret changed")
	}
	if other := digest(func(v []registry.OutputValue) { v[0].Value = "elsewhere" }); other == same {
		t.Error("the digest does not tell that a value changed")
	}
}

func TestFailureKeepsTheValues(t *testing.T) {
	t.Parallel()
	f := open(t)
	f.must(f.Commit(t.Context(), f.begin(f.accept("one").ID, orchestrator.StepApply), ready(sample()...)))
	a := f.begin(f.accept("two").ID, orchestrator.StepApply)
	head := *a.Head
	head.Status = orchestrator.NodeFailed
	f.must(f.Commit(t.Context(), a, registry.Commit{Head: &head, Status: orchestrator.NodeFailed}))
	after, err := f.Head(t.Context(), scope(), node)
	f.must(err)
	values, err := f.RevealOutputs(t.Context(), after)
	f.must(err)
	if diff := cmp.Diff(sample(), values); diff != "" || after.OutputsDigest != a.Head.OutputsDigest {
		t.Errorf("a failed step lost the outputs (-want +got):\n%s", diff)
	}
}
