// SPDX-License-Identifier: Apache-2.0

package annotation_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/HatiCode/nestor/cli/annotation"
	"github.com/HatiCode/nestor/internal/manifest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// want is the name of the file in an archive that holds the expected findings.
const want = "want"

// TestLanguages scans one tree per language. In these, every annotation claims
// a composition "yes-…" and every look-alike a composition "no-…", so that a
// wrong golden file cannot make a wrong scan pass.
func TestLanguages(t *testing.T) {
	t.Parallel()
	archives, err := filepath.Glob("testdata/languages/*.txtar")
	if err != nil || len(archives) < 15 {
		t.Fatalf("expected the archives of at least 15 languages, found %d (%v)", len(archives), err)
	}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			root := t.TempDir()
			annotations := 0
			for _, f := range archive.Files {
				if f.Name != want {
					put(t, root, f.Name, string(f.Data))
					annotations += bytes.Count(f.Data, []byte("nestor:yes"))
				}
			}
			result, err := annotation.Scan(t.Context(), root, annotation.Options{})
			got := describe(t, result, err)
			for _, c := range result.Claims {
				if !strings.HasPrefix(c.Composition, "yes-") {
					t.Errorf("%s:%d: a look-alike was taken for an annotation: %s", c.File, c.Line, c.Composition)
				}
			}
			if len(result.Claims) != annotations {
				t.Errorf("found %d of %d annotations", len(result.Claims), annotations)
			}
			golden(t, name, archive, got)
		})
	}
}

// golden compares with, or with -update rewrites, the findings in an archive.
func golden(t *testing.T, name string, archive *txtar.Archive, got string) {
	t.Helper()
	i := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == want })
	if *update {
		if i < 0 {
			archive.Files = append(archive.Files, txtar.File{Name: want})
			i = len(archive.Files) - 1
		}
		archive.Files[i].Data = []byte(got)
		if err := os.WriteFile(name, txtar.Format(archive), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if i < 0 {
		t.Fatalf("%s holds no file %q; run with -update", name, want)
	}
	if diff := cmp.Diff(string(archive.Files[i].Data), got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// describe writes a result as text.
func describe(t *testing.T, result annotation.Result, err error) string {
	t.Helper()
	var b strings.Builder
	for i, c := range result.Claims {
		columns := result.Columns[i]
		fmt.Fprintf(&b, "%s:%d:%d: %s", c.File, c.Line, columns.Composition, c.Composition)
		if c.Instance != c.Composition {
			fmt.Fprintf(&b, " name=%s", c.Instance)
		}
		for _, k := range slices.Sorted(maps.Keys(c.Parameters)) {
			fmt.Fprintf(&b, " %s=%q@%d", k, c.Parameters[k], columns.Keys[k])
		}
		for _, e := range slices.Sorted(maps.Keys(c.Environments)) {
			for _, k := range slices.Sorted(maps.Keys(c.Environments[e])) {
				fmt.Fprintf(&b, " %s.%s=%q@%d", e, k, c.Environments[e][k], columns.Keys[e+"."+k])
			}
		}
		b.WriteByte('\n')
	}
	for _, n := range result.Notes {
		fmt.Fprintf(&b, "note %s:%d: %s\n", n.File, n.Line, n.Message)
	}
	if err != nil {
		var problems manifest.Problems
		if !errors.As(err, &problems) {
			t.Fatal(err)
		}
		b.WriteString(err.Error() + "\n")
	}
	return b.String()
}

func put(t *testing.T, root, name, text string) {
	t.Helper()
	path := filepath.Join(root, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
