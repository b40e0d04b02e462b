// SPDX-License-Identifier: Apache-2.0

package serve_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/HatiCode/nestor/store/seal"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys.json")
	env := map[string]string{"NESTOR_KEYSET": path}
	if code, _, errs := run(t, env, "keys", "rotate"); code != 1 || !strings.Contains(errs, path) {
		t.Errorf("rotate of no keyset: exit code %d, %q; want 1 and the path", code, errs)
	}
	if code, _, errs := run(t, nil, "keys", "list"); code != 1 || !strings.Contains(errs, "NESTOR_KEYSET") {
		t.Errorf("without a path: exit code %d, %q", code, errs)
	}
	k, err := seal.LoadOrCreateKeyset(path)
	if err != nil {
		t.Fatal(err)
	}
	before, err := k.Seal(t.Context(), []byte("x"), "place")
	if err != nil {
		t.Fatal(err)
	}
	_, listed, _ := run(t, env, "keys", "list")
	code, rotated, errs := run(t, env, "keys", "rotate")
	old, _, _ := strings.Cut(listed, " ")
	lines := strings.Split(strings.TrimSpace(rotated), "\n")
	if code != 0 || len(lines) != 2 || lines[0] != old+"  decrypts" || !strings.HasSuffix(lines[1], "encrypts and decrypts") {
		t.Errorf("rotate: exit code %d, %q, %q; before it there was %q", code, rotated, errs, listed)
	}
	if value, err := k.Open(t.Context(), before, "place"); err != nil || string(value) != "x" {
		t.Errorf("what the old key sealed: %q, %v", value, err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := run(t, env, "keys", "list"); code != 1 || !strings.Contains(errs, "chmod 600") {
		t.Errorf("a file that others can read: exit code %d, %q", code, errs)
	}
}
