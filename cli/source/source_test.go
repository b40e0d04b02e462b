// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/cli/source"
	"github.com/HatiCode/nestor/internal/manifest"
)

func TestLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"d/a.yaml":               "# two in one file\nkind: Wanted\n---\nkind: Other\n---\n\nkind: Wanted\nname: second\n",
		"d/sub/b.yml":            "kind: Wanted\n",
		"d/sub/c.txt":            "kind: Wanted\n",
		"d/sub/.hidden/x.yaml":   "kind: Wanted\n",
		"d/sub/modules/bad.yaml": "{{ no yaml }}",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	loader := source.Loader{
		Kind: "Wanted", Dir: dir, Stdin: strings.NewReader("kind: Typed\n"),
		Modules: func(source.Document) []string { return []string{"modules/x"} },
	}
	documents, err := loader.Load([]string{"d", "-"})
	if err != nil {
		t.Fatal(err)
	}
	type found struct{ File, Kind, Text string }
	got := make([]found, 0, len(documents))
	for _, d := range documents {
		got = append(got, found{filepath.ToSlash(d.File), d.Kind, d.Text})
	}
	// A document stands on the lines that it has in its file, so that a mistake
	// in it is reported where it is.
	want := []found{
		{"d/a.yaml", "Wanted", "# two in one file\nkind: Wanted\n"},
		{"d/a.yaml", "Wanted", "\n\n\n\n---\n\nkind: Wanted\nname: second\n"},
		{"d/sub/b.yml", "Wanted", "kind: Wanted\n"},
		{"stdin", "Typed", "kind: Typed\n"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLoadReportsAllFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"a.yaml", "b.yaml"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("a: 1\na: 2\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, err := source.Loader{Kind: "Wanted", Dir: dir}.Load([]string{"."})
	var problems manifest.Problems
	if !errors.As(err, &problems) || len(problems) != 2 {
		t.Errorf("got %v, want a problem in each of the files", err)
	}
}

func TestLoadRefusesAnEmptyFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "empty.yaml"), []byte("# later\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	loader := source.Loader{Kind: "Wanted", APIVersion: "x.nestor.io/v1", Dir: dir, Stdin: strings.NewReader("")}
	_, err := loader.Load([]string{"empty.yaml", "-"})
	want := `empty.yaml:1:1: there is no Wanted in it (begin with "apiVersion: x.nestor.io/v1" and "kind: Wanted")
stdin:1:1: there is no Wanted in it (begin with "apiVersion: x.nestor.io/v1" and "kind: Wanted")`
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
	if documents, err := loader.Load([]string{"."}); err != nil || len(documents) != 0 {
		t.Errorf("below a directory an empty file is nothing: got %v, %v", documents, err)
	}
}
