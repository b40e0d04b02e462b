// SPDX-License-Identifier: Apache-2.0

package blob_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/store/blob"
	"github.com/HatiCode/nestor/store/blob/blobtest"
)

func open(t *testing.T, path string) *blob.Directory {
	t.Helper()
	d, err := blob.OpenDirectory(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return d
}

func TestDirectoryConformance(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, func(t *testing.T) blobtest.Open {
		t.Helper()
		path := filepath.Join(t.TempDir(), "deep", "blobs")
		return func(t *testing.T) blob.Store {
			t.Helper()
			return open(t, path)
		}
	})
}

// TestDirectoryStaysInside: not even a symbolic link leads out.
func TestDirectoryStaysInside(t *testing.T) {
	t.Parallel()
	outside, inside := t.TempDir(), t.TempDir()
	secret := filepath.Join(outside, "secret.blob")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"link": outside, "file.blob": secret} {
		if err := os.Symlink(target, filepath.Join(inside, name)); err != nil {
			t.Fatal(err)
		}
	}
	d := open(t, inside)
	for _, key := range []string{"link/secret", "file"} {
		if _, err := blob.GetBytes(t.Context(), d, key, 100); err == nil {
			t.Errorf("get %s read what lies outside", key)
		}
	}
	if err := blob.PutBytes(t.Context(), d, "link/secret", []byte("changed")); err == nil {
		t.Error("put wrote outside")
	}
	for info, err := range d.List(t.Context(), "") {
		t.Errorf("list shows %v, %v", info, err)
	}
	if err := errors.Join(d.Delete(t.Context(), "file"), blob.PutBytes(t.Context(), d, "file", []byte("mine"))); err != nil {
		t.Error(err)
	}
	if data, err := os.ReadFile(secret); err != nil || string(data) != "secret" {
		t.Errorf("the file outside is %q, %v", data, err)
	}
}

// TestDirectoryLeavesNothingBehind: no incomplete file, no empty directory,
// and nothing that others could read.
func TestDirectoryLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "blobs")
	old := filepath.Join(path, ".incomplete", "old")
	young := filepath.Join(path, ".incomplete", "young")
	if err := os.MkdirAll(filepath.Dir(old), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{old, young} {
		if err := os.WriteFile(name, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	twoDaysAgo := time.Now().Add(-48 * time.Hour)
	if err := os.Chtimes(old, twoDaysAgo, twoDaysAgo); err != nil {
		t.Fatal(err)
	}
	d := open(t, path)
	for _, key := range []string{"a/b/c", "a/d", "e"} {
		if err := blob.PutBytes(t.Context(), d, key, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.DeletePrefix(t.Context(), "a/b/"); err != nil {
		t.Fatal(err)
	}
	var found []string
	err := filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(path, name)
		found = append(found, relative+" "+info.Mode().String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		". drwx------", ".incomplete drwx------", ".incomplete/young -rw-------",
		"a drwx------", "a/d.blob -rw-------", "e.blob -rw-------",
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("directory (-want +got):\n%s", diff)
	}
}

func TestOpenDirectoryRefuses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"empty path": "", "a file": file, "below a file": filepath.Join(file, "x")} {
		if d, err := blob.OpenDirectory(path); err == nil {
			t.Errorf("%s: opened: %v", name, d.Close())
		}
	}
}

func TestJoin(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		parts  []string
		want   string
		reason string
	}{
		"parts":       {[]string{"graphs", "sha256:0f"}, "graphs/sha256:0f", "each part is a segment"},
		"slash":       {[]string{"graphs", "a/b"}, "", "a part must not become two segments"},
		"parent":      {[]string{"graphs", ".."}, "", "a part must not climb"},
		"empty":       {[]string{"graphs", ""}, "", "a part must not vanish"},
		"no parts":    {nil, "", "there is no empty key"},
		"not allowed": {[]string{"graphs", "ä"}, "", "what is no segment is no part"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key, err := blob.Join(c.parts...)
			switch {
			case c.want == "" && !errors.Is(err, blob.ErrKey):
				t.Errorf("%q, %v, want ErrKey: %s", key, err, c.reason)
			case c.want != "" && (err != nil || key != c.want):
				t.Errorf("%q, %v, want %q: %s", key, err, c.want, c.reason)
			}
		})
	}
}
