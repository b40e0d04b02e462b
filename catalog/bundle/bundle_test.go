// SPDX-License-Identifier: Apache-2.0

package bundle_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/catalog/bundle"
)

func paths(b bundle.Bundle) []string {
	var out []string
	for _, f := range b.Files() {
		name := f.Path
		if f.Executable {
			name += "*"
		}
		out = append(out, name)
	}
	return out
}

func file(data string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(data), Mode: 0o644} }

func TestPack(t *testing.T) {
	t.Parallel()
	tree := fstest.MapFS{
		"m/main.tf":                      file("main"),
		"m/.terraform.lock.hcl":          file("lock"),
		"m/scripts/run.sh":               {Data: []byte("run"), Mode: 0o755, ModTime: time.Now()},
		"m/link.tf":                      {Data: []byte("main.tf"), Mode: fs.ModeSymlink | 0o777},
		"m/.terraform/providers/x":       file("cache"),
		"m/.git/config":                  file("git"),
		"m/terraform.tfstate":            file("state"),
		"m/terraform.tfstate.backup":     file("state"),
		"m/a.tfstate.1700000000.backup":  file("state"),
		"m/.terraform.tfstate.lock.info": file("lock"),
		"m/crash.log":                    file("crash"),
		"n/chart.yaml":                   file("chart"),
		"other/x":                        file("not asked for"),
	}
	b, err := bundle.Pack(tree, []string{"n", "m", "n"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"m/.terraform.lock.hcl", "m/link.tf", "m/main.tf", "m/scripts/run.sh*", "n/chart.yaml"}
	if diff := cmp.Diff(want, paths(b)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if got := string(b.Files()[1].Data); got != "main" {
		t.Errorf("the link was packed as %q", got)
	}
	if !b.HasDir("m") || !b.HasDir("m/scripts") || b.HasDir("m/main.tf") || b.HasDir("other") {
		t.Error("HasDir is wrong")
	}
	tree["m/main.tf"].ModTime, tree["m/main.tf"].Mode = time.Now(), 0o600
	again, err := bundle.Pack(tree, []string{"m", "n"})
	if err != nil || again.Digest() != b.Digest() {
		t.Errorf("times, modes or order make a difference: %s, %s, %v", b.Digest(), again.Digest(), err)
	}
	tree["m/main.tf"].Mode = 0o700
	changed, err := bundle.Pack(tree, []string{"m", "n"})
	if err != nil || changed.Digest() == b.Digest() {
		t.Errorf("the executable bit makes none: %v", err)
	}
	nothing, err := bundle.Pack(tree, nil)
	if err != nil || nothing.Digest() != "" || !nothing.Empty() {
		t.Errorf("no directories: digest %q, %v", nothing.Digest(), err)
	}
}

func TestPackRefuses(t *testing.T) {
	t.Parallel()
	link := func(target string) fstest.MapFS {
		return fstest.MapFS{
			"m/a":      {Data: []byte(target), Mode: fs.ModeSymlink | 0o777},
			"m/b":      file("b"),
			"m/d/x":    file("x"),
			"m/.git/x": file("x"),
			"secret":   file("secret"),
			"m/again":  {Data: []byte("a"), Mode: fs.ModeSymlink | 0o777},
		}
	}
	many := fstest.MapFS{}
	for i := range bundle.MaxFiles + 1 {
		many[fmt.Sprintf("m/%d", i)] = file("")
	}
	tests := map[string]struct {
		reason string
		tree   fstest.MapFS
		dir    string
		want   string
	}{
		"missing":         {"named", fstest.MapFS{}, "m", `pack "m": the module directory does not exist beside the definition`},
		"a file":          {"a module is a directory", fstest.MapFS{"m": file("")}, "m", "the module must be a directory"},
		"empty":           {"nothing to run", fstest.MapFS{"m/.git/x": file("")}, "m", "the module directory holds no files"},
		"above":           {"outside", fstest.MapFS{}, "../m", "not a directory below the definition's"},
		"all":             {"not everything", fstest.MapFS{"m/x": file("")}, ".", "not a directory below the definition's"},
		"link out":        {"outside", link("../secret"), "m", `the link "m/a" leaves the module's directory; put a copy in its place`},
		"absolute link":   {"outside", link("/etc/passwd"), "m", "leaves the module's directory"},
		"link to sibling": {"a longer name is another directory", link("../m2/x"), "m", "leaves the module's directory"},
		"link to dir":     {"a directory could go in circles", link("d"), "m", "neither a regular file nor a link"},
		"link to link":    {"one step alone", link("again"), "m", "neither a regular file nor a link"},
		"link to nothing": {"nothing there", link("nothing"), "m", "not exist"},
		"link excluded":   {"not through the back door", link(".git/x"), "m", "which is not packed"},
		"pipe":            {"only files", fstest.MapFS{"m/p": {Mode: fs.ModeNamedPipe}}, "m", "neither a regular file nor a link"},
		"too many":        {"a limit", many, "m", "at most 500 files"},
		"too large":       {"a limit", fstest.MapFS{"m/a": file(strings.Repeat("x", bundle.MaxBytes)), "m/b": file("x")}, "m", "at most 4194304 bytes"},
		"colon":           {"a name that not every system has", fstest.MapFS{"m/a:b": file("")}, "m", "a character that not every system allows"},
		"backslash":       {"a separator elsewhere", fstest.MapFS{`m/a\b`: file("")}, "m", "a character that not every system allows"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := bundle.Pack(tc.tree, []string{tc.dir})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s:\n got %v\nwant %s", tc.reason, err, tc.want)
			}
		})
	}
}

func TestPackFromDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	outside := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "m"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "m", "x"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Pack(os.DirFS(dir), []string{"m"}); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "m", "out")); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Pack(os.DirFS(dir), []string{"m"}); err == nil {
		t.Error("a link to another directory was packed")
	}
	if err := os.Symlink(filepath.Join(dir, "m"), filepath.Join(dir, "linked")); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Pack(os.DirFS(dir), []string{"linked"}); err == nil {
		t.Error("a module that is a link was packed")
	}
}

func sample(t *testing.T) bundle.Bundle {
	t.Helper()
	b, err := bundle.New([]bundle.File{
		{Path: "m/run.sh", Executable: true, Data: []byte("run")},
		{Path: "m/" + strings.Repeat("long", 40), Data: nil},
		{Path: "m/é.tf", Data: []byte("é")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestArchive(t *testing.T) {
	t.Parallel()
	b := sample(t)
	archive, err := b.Archive()
	if err != nil {
		t.Fatal(err)
	}
	again, err := b.Archive()
	if err != nil || !bytes.Equal(archive, again) {
		t.Errorf("two archives of one bundle differ: %v", err)
	}
	read, err := bundle.Read(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	if !read.Equal(b) || read.Digest() != b.Digest() {
		t.Errorf("read %v, want %v", paths(read), paths(b))
	}
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := bundle.Extract(bytes.NewReader(archive), dir); err != nil {
		t.Fatal(err)
	}
	back, err := bundle.Pack(os.DirFS(dir), []string{"m"})
	if err != nil || back.Digest() != b.Digest() {
		t.Errorf("extracted and packed again: %v, %v", paths(back), err)
	}
	if err := bundle.Extract(bytes.NewReader(archive), dir); !errors.Is(err, fs.ErrExist) {
		t.Errorf("extracting over files: %v", err)
	}
}

func TestDigestIsStable(t *testing.T) {
	t.Parallel()
	const want = "sha256:5eed44fd38c0c11357f022a14e73ee04e8a04b7bd5fd90c4e3844e19208d8abb"
	if got := sample(t).Digest(); got != want {
		t.Errorf("the digest of a fixed bundle is %s, was %s: every published bundle would change its digest", got, want)
	}
}

func archiveOf(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	compressed := gzip.NewWriter(&out)
	archive := tar.NewWriter(compressed)
	for _, h := range headers {
		if err := archive.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write(bytes.Repeat([]byte("x"), int(h.Size))); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), compressed.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	regular := func(name string, size int64) tar.Header {
		return tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644}
	}
	var many, dirs []tar.Header
	for i := range bundle.MaxFiles + 1 {
		many = append(many, regular(fmt.Sprintf("m/%d", i), 0))
	}
	for i := range 13_000 {
		dirs = append(dirs, tar.Header{Typeflag: tar.TypeDir, Name: fmt.Sprintf("m/%d/", i), Mode: 0o755})
	}
	whole := archiveOf(t, regular("m/x", 10_000))
	tests := map[string]struct {
		reason  string
		archive []byte
		want    string
	}{
		"traversal":    {"outside", archiveOf(t, regular("../x", 1)), `file name "../x" is not a relative path`},
		"inner":        {"outside by a detour", archiveOf(t, regular("m/../../x", 1)), "is not a relative path"},
		"absolute":     {"outside", archiveOf(t, regular("/etc/x", 1)), "is not a relative path"},
		"backslash":    {"outside on another system", archiveOf(t, regular(`m\..\x`, 1)), "a character that not every system allows"},
		"link":         {"a way out", archiveOf(t, tar.Header{Typeflag: tar.TypeSymlink, Name: "m/x", Linkname: "/etc"}), `"m/x" is no regular file`},
		"hard link":    {"a way out", archiveOf(t, tar.Header{Typeflag: tar.TypeLink, Name: "m/x", Linkname: "/etc/passwd"}), "is no regular file"},
		"device":       {"not a file", archiveOf(t, tar.Header{Typeflag: tar.TypeChar, Name: "m/x"}), "is no regular file"},
		"twice":        {"which one?", archiveOf(t, regular("m/x", 1), regular("m/x", 2)), `file "m/x" is in the bundle twice`},
		"file and dir": {"both at once", archiveOf(t, regular("m", 1), regular("m/x", 2)), `"m" is both a file and the directory of "m/x"`},
		"too many":     {"a limit", archiveOf(t, many...), "at most 500 files"},
		"directories":  {"a limit for what is not counted", archiveOf(t, dirs...), "at most 4194304 bytes"},
		"bomb":         {"small outside, large inside", archiveOf(t, regular("m/x", 8<<20)), "at most 4194304 bytes"},
		"no gzip":      {"something else", []byte("hello"), "not a gzip archive"},
		"cut off":      {"an interrupted upload", whole[:len(whole)-20], "the archive is damaged"},
		"long name":    {"no file system takes it", archiveOf(t, regular("m/"+strings.Repeat("x", 300), 1)), "at most 255 bytes"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "target")
			err := bundle.Extract(bytes.NewReader(tc.archive), dir)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s:\n got %v\nwant %s", tc.reason, err, tc.want)
			}
			if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: something was written: %v", tc.reason, err)
			}
		})
	}
}

func TestExtractStaysInside(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "m")); err != nil {
		t.Fatal(err)
	}
	if err := sample(t).WriteDir(dir); err == nil {
		t.Error("a link that was there led out")
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		t.Errorf("written outside: %v, %v", entries, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("hello"))
	b, err := bundle.New([]bundle.File{{Path: "m/x", Data: []byte("x")}})
	if err != nil {
		f.Fatal(err)
	}
	archive, err := b.Archive()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(archive)
	f.Fuzz(func(t *testing.T, data []byte) {
		read, err := bundle.Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		for _, file := range read.Files() {
			if !fs.ValidPath(file.Path) {
				t.Errorf("unsafe path %q", file.Path)
			}
		}
	})
}
