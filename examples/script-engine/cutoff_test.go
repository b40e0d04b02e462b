// SPDX-License-Identifier: Apache-2.0

package script_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/catalog"
)

// TestLookUpFails: while it cannot be found out whether an interrupted create
// has made something, nothing is created, however often it is tried.
func TestLookUpFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	world := filepath.Join(dir, "world")
	files(t, dir, map[string]string{
		"world/down": "",
		"bundle/create": `echo create >>"$INPUT_world/ledger"
echo id=it`,
		"bundle/update": "",
		"bundle/delete": "",
		"bundle/read": `if [ -e "$INPUT_world/down" ]; then
  echo "the store is down" >&2
  exit 1
fi
[ -e "$INPUT_world/ledger" ] || echo absent`,
		// What a worker leaves that was killed before its script said anything.
		"work/journal.json": `{"verb": "create", "id": "it", "inputs": {"world": "` + world + `"}}`,
	})
	e, err := open(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	req := engine.Request{
		Address: "alpha/shop/staging/web.thing", Node: "web.thing", Workspace: filepath.Join(dir, "work"), Bundle: dir,
		Implementation: catalog.Implementation{Module: "bundle", Identity: map[string]string{"resource": "it"}},
		Inputs:         map[string]any{"world": world}, Log: t.Output(),
	}
	for range 3 {
		if _, err := e.Preview(t.Context(), req); engine.ClassOf(err) != engine.Rejected {
			t.Fatalf("a preview while the store is down: %v, want what the script said", err)
		}
	}
	if err := os.Remove(filepath.Join(world, "down")); err != nil {
		t.Fatal(err)
	}
	p, err := e.Preview(t.Context(), req)
	if err != nil || len(p.Changes) != 1 {
		t.Fatalf("a preview afterwards: %+v, %v", p, err)
	}
	if _, err := e.Apply(t.Context(), req, p); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(world, "ledger"))
	if diff := cmp.Diff("create\n", string(text)); diff != "" || err != nil {
		t.Errorf("%v, side effects (-want +got):\n%s", err, diff)
	}
}

// files writes files below a directory.
func files(t *testing.T, dir string, texts map[string]string) {
	t.Helper()
	for path, text := range texts {
		path = filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSettledIsOfWhatWasBefore: a person's word is about what was cut off before
// the request, and says nothing of what the request itself leaves.
func TestSettledIsOfWhatWasBefore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files(t, filepath.Join(dir, "bundle"), map[string]string{
		"create": "echo create >>\"$INPUT_world\"\nkill -KILL $$",
		"update": "", "delete": "", "read": "",
	})
	e, err := open(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	ledger := filepath.Join(dir, "ledger")
	req := engine.Request{
		Address: "alpha/shop/staging/web.thing", Node: "web.thing", Workspace: filepath.Join(dir, "work"), Bundle: dir,
		Implementation: catalog.Implementation{Module: "bundle"}, Inputs: map[string]any{"world": ledger}, Settled: true, Log: t.Output(),
	}
	for range 2 {
		p, err := e.Preview(t.Context(), req)
		if err == nil {
			_, err = e.Apply(t.Context(), req, p)
		}
		if engine.ClassOf(err) != engine.Uncertain {
			t.Errorf("got %v; want class uncertain", err)
		}
		req.Settled = false // the next attempt's: there is an intent since
	}
	text, err := os.ReadFile(ledger)
	if diff := cmp.Diff("create\n", string(text)); diff != "" || err != nil {
		t.Errorf("%v, side effects (-want +got):\n%s", err, diff)
	}
}
