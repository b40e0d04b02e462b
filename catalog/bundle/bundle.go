// SPDX-License-Identifier: Apache-2.0

// Package bundle carries the files of a definition's implementations: it
// collects them from a directory, names them by digest, packs them into an
// archive and unpacks that archive safely.
//
// A bundle is small and lives in memory. Its digest covers paths, the
// executable bit and content, not the archive's bytes, so that another version
// of the compressor gives the same digest.
//
// It does not know definitions, and it does not store anything.
package bundle

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/HatiCode/nestor/internal/canonical"
)

// Limits of a bundle.
const (
	MaxFiles   = 500
	MaxBytes   = 4 << 20 // content of all files
	maxPath    = 255     // what file systems take
	maxSegment = 200
)

// LimitError says that a bundle is too large.
type LimitError struct {
	What  string // "files" or "bytes"
	Limit int
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("a bundle has at most %d %s; keep only what the module needs", e.Limit, e.What)
}

// File is one file of a bundle.
type File struct {
	Path       string // slash-separated, relative, in its shortest form
	Executable bool
	Data       []byte
}

// Bundle is a set of files, ordered by path. It is immutable; its zero value is
// empty.
type Bundle struct {
	files  []File
	digest string
}

// New makes a bundle of files in any order. It refuses unsafe or duplicate
// paths, a path that is both file and directory, and what is over the limits.
// The files' data must not be changed afterwards.
func New(files []File) (Bundle, error) {
	sorted := slices.SortedFunc(slices.Values(files), func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	if len(sorted) > MaxFiles {
		return Bundle{}, &LimitError{What: "files", Limit: MaxFiles}
	}
	size := 0
	known := map[string]bool{}
	for _, f := range sorted {
		if err := checkPath(f.Path); err != nil {
			return Bundle{}, err
		}
		if size += len(f.Data); size > MaxBytes {
			return Bundle{}, &LimitError{What: "bytes", Limit: MaxBytes}
		}
		if known[f.Path] {
			return Bundle{}, fmt.Errorf("file %q is in the bundle twice", f.Path)
		}
		known[f.Path] = true
	}
	for _, f := range sorted {
		for dir := path.Dir(f.Path); dir != "."; dir = path.Dir(dir) {
			if known[dir] {
				return Bundle{}, fmt.Errorf("%q is both a file and the directory of %q", dir, f.Path)
			}
		}
	}
	digest, err := digestOf(sorted)
	if err != nil {
		return Bundle{}, err
	}
	return Bundle{files: sorted, digest: digest}, nil
}

// digestOf is the digest over the canonical JSON of a list of path, executable
// and content digest; empty without files.
func digestOf(files []File) (string, error) {
	if len(files) == 0 {
		return "", nil
	}
	type entry struct {
		Path       string `json:"path"`
		Executable bool   `json:"executable"`
		SHA256     string `json:"sha256"`
	}
	entries := make([]entry, len(files))
	for i, f := range files {
		sum := sha256.Sum256(f.Data)
		entries[i] = entry{Path: f.Path, Executable: f.Executable, SHA256: hex.EncodeToString(sum[:])}
	}
	digest, err := canonical.Digest(entries)
	if err != nil {
		return "", fmt.Errorf("digest of the bundle: %w", err)
	}
	return digest, nil
}

// checkPath accepts only what names the same file on every system and stays
// where it belongs.
func checkPath(p string) error {
	if !fs.ValidPath(p) || p == "." || len(p) > maxPath || !utf8.ValidString(p) {
		return fmt.Errorf("file name %q is not a relative path in its shortest form of at most %d bytes", p, maxPath)
	}
	if i := strings.IndexFunc(p, func(r rune) bool { return unicode.IsControl(r) || strings.ContainsRune(`\:`, r) }); i >= 0 {
		return fmt.Errorf("file name %q has a character that not every system allows, at byte %d", p, i)
	}
	for segment := range strings.SplitSeq(p, "/") {
		if len(segment) > maxSegment {
			return fmt.Errorf("file name %q has a part of more than %d bytes", p, maxSegment)
		}
	}
	return nil
}

// Digest is "sha256:<hex>", or empty for a bundle without files.
func (b Bundle) Digest() string { return b.digest }

// Empty says whether there are no files.
func (b Bundle) Empty() bool { return len(b.files) == 0 }

// Files lists the files by path. Their data is shared and must not be changed.
func (b Bundle) Files() []File { return slices.Clone(b.files) }

// HasDir says whether any file is below the directory.
func (b Bundle) HasDir(dir string) bool {
	return slices.ContainsFunc(b.files, func(f File) bool { return strings.HasPrefix(f.Path, dir+"/") })
}

// Equal says whether two bundles hold the same files.
func (b Bundle) Equal(other Bundle) bool {
	return slices.EqualFunc(b.files, other.files, func(x, y File) bool {
		return x.Path == y.Path && x.Executable == y.Executable && bytes.Equal(x.Data, y.Data)
	})
}
