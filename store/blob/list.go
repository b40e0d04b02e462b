// SPDX-License-Identifier: Apache-2.0

package blob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"
)

// List implements Store. It reads one directory at a time; what is put or
// deleted meanwhile may or may not be yielded.
func (d *Directory) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		if err := validatePrefix(prefix); err != nil {
			yield(Info{}, fmt.Errorf("list blobs: %w", err))
			return
		}
		w := walk{ctx: ctx, files: d.root.FS(), prefix: prefix, yield: yield}
		// Only one directory can hold what begins with the prefix.
		dir := ""
		if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
			dir = prefix[:i+1]
		}
		if _, err := w.directory(dir); err != nil {
			yield(Info{}, fmt.Errorf("list blobs %s: %w", prefix, err))
		}
	}
}

// DeletePrefix implements Store.
func (d *Directory) DeletePrefix(ctx context.Context, prefix string) error {
	if !strings.HasSuffix(prefix, "/") {
		return fmt.Errorf("delete blobs: %w: prefix %q does not end in a slash", ErrKey, prefix)
	}
	for info, err := range d.List(ctx, prefix) {
		if err == nil {
			err = d.remove(info.Key + fileSuffix)
		}
		if err != nil {
			return fmt.Errorf("delete blobs %s: %w", prefix, err)
		}
	}
	return nil
}

// walk yields the blobs of a tree in order of their keys.
type walk struct {
	ctx    context.Context //nolint:containedctx // lives as long as the iteration, which has it as a parameter
	files  fs.FS
	prefix string
	yield  func(Info, error) bool
}

// directory walks dir, which is empty or ends in a slash. It is false when the
// consumer wants no more.
func (w *walk) directory(dir string) (more bool, err error) {
	if err := w.ctx.Err(); err != nil {
		return false, err
	}
	entries, err := fs.ReadDir(w.files, path.Clean(dir))
	if missing(err) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	// A directory's keys all begin with its name and a slash, and a file's key
	// has no suffix: sorted like that, the walk is in order of the keys.
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(part(a), part(b)) })
	for _, entry := range entries {
		key := dir + part(entry)
		if !strings.HasPrefix(key, w.prefix) || key == tempDir+"/" {
			continue
		}
		if entry.IsDir() {
			more, err = w.directory(key)
		} else {
			more, err = w.file(entry, key)
		}
		if err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

// part is what an entry adds to a key.
func part(entry fs.DirEntry) string {
	if entry.IsDir() {
		return entry.Name() + "/"
	}
	return strings.TrimSuffix(entry.Name(), fileSuffix)
}

// file yields a blob, unless the file holds none or has just been deleted.
func (w *walk) file(entry fs.DirEntry, key string) (more bool, err error) {
	if !strings.HasSuffix(entry.Name(), fileSuffix) || !entry.Type().IsRegular() {
		return true, nil
	}
	info, err := entry.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return w.yield(Info{Key: key, Size: info.Size(), Modified: info.ModTime().UTC()}, nil), nil
}
