// SPDX-License-Identifier: Apache-2.0

package blob

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"time"
)

const (
	// fileSuffix ends the name of each file that holds a blob and of no
	// directory, so that "a" and "a/b" can both be keys.
	fileSuffix = ".blob"
	// tempDir holds blobs that are being put. No key begins with a dot.
	tempDir = ".incomplete"
	// tempAge is when an incomplete blob is taken for one whose process died.
	tempAge = 24 * time.Hour
	// placeAttempts bounds how often a put makes a directory that others
	// remove; each time, somebody else got on.
	placeAttempts = 1000
)

var _ Store = (*Directory)(nil)

// Directory is a Store in a directory of the local file system. Make one with
// OpenDirectory.
type Directory struct {
	root *os.Root
}

// OpenDirectory opens the store in the directory at path, making it (mode
// 0700) where it is missing, and clears away what processes that died a day
// ago left incomplete. Several processes may open the same directory. Nothing
// outside of it is ever touched, whatever the keys and whatever symbolic links
// it contains.
func OpenDirectory(path string) (*Directory, error) {
	d, err := openDirectory(path)
	if err != nil {
		return nil, fmt.Errorf("open blob directory %q: %w", path, err)
	}
	return d, nil
}

func openDirectory(path string) (*Directory, error) {
	if path == "" {
		return nil, errors.New("empty path; name a directory")
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	d := &Directory{root: root}
	if err := d.clear(time.Now().Add(-tempAge)); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return d, nil
}

// clear makes tempDir and removes the files in it last written before the time.
func (d *Directory) clear(before time.Time) error {
	if err := d.root.MkdirAll(tempDir, 0o700); err != nil {
		return err
	}
	entries, err := fs.ReadDir(d.root.FS(), tempDir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err == nil && info.ModTime().Before(before) {
			err = d.root.Remove(path.Join(tempDir, entry.Name()))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Close releases the directory. Blobs that were opened stay readable.
func (d *Directory) Close() error { return d.root.Close() }

// Put implements Store.
func (d *Directory) Put(ctx context.Context, key string, r io.Reader) error {
	if err := ValidateKey(key); err != nil {
		return fmt.Errorf("put blob: %w", err)
	}
	if err := d.put(ctx, key+fileSuffix, r); err != nil {
		return fmt.Errorf("put blob %s: %w", key, err)
	}
	return nil
}

func (d *Directory) put(ctx context.Context, name string, r io.Reader) (err error) {
	temp := path.Join(tempDir, rand.Text())
	file, err := d.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.root.Remove(temp))
		}
	}()
	if err := fill(ctx, file, r); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := file.Close(); err != nil {
		return err
	}
	return d.place(ctx, temp, name)
}

// place moves a complete file to its name and makes that durable. Deletions
// remove directories that have become empty, perhaps the one just made here,
// so it is made again.
func (d *Directory) place(ctx context.Context, temp, name string) (err error) {
	for range placeAttempts {
		if err := ctx.Err(); err != nil {
			return err
		}
		err = d.root.MkdirAll(path.Dir(name), 0o700)
		if err == nil {
			err = d.root.Rename(temp, name)
		}
		if err == nil {
			return d.syncAbove(name)
		}
		// A directory that comes and goes can look like both.
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return err
}

// syncAbove makes the entries on the way to name durable: a directory holds
// the names of what is in it.
func (d *Directory) syncAbove(name string) error {
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		// Who deletes the blob at once may take the directory along.
		if err := d.sync(dir); err != nil && !missing(err) {
			return fmt.Errorf("sync directory: %w", err)
		}
		if dir == "." {
			return nil
		}
	}
}

func (d *Directory) sync(name string) error {
	dir, err := d.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// fill copies r to the disk, until ctx ends.
func fill(ctx context.Context, file *os.File, r io.Reader) error {
	if _, err := io.Copy(file, &contextReader{done: ctx.Err, r: r}); err != nil {
		return err
	}
	return file.Sync()
}

// contextReader fails once done says why.
type contextReader struct {
	done func() error
	r    io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.done(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// Get implements Store.
func (d *Directory) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	if err := check(ctx, key); err != nil {
		return nil, fmt.Errorf("get blob: %w", err)
	}
	file, err := d.root.Open(key + fileSuffix)
	switch {
	case missing(err):
		return nil, fmt.Errorf("get blob %s: %w", key, ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("get blob %s: %w", key, err)
	}
	return file, nil
}

// Exists implements Store.
func (d *Directory) Exists(ctx context.Context, key string) (bool, error) {
	if err := check(ctx, key); err != nil {
		return false, fmt.Errorf("look for blob: %w", err)
	}
	_, err := d.root.Lstat(key + fileSuffix)
	switch {
	case missing(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look for blob %s: %w", key, err)
	}
	return true, nil
}

// Delete implements Store.
func (d *Directory) Delete(ctx context.Context, key string) error {
	if err := check(ctx, key); err != nil {
		return fmt.Errorf("delete blob: %w", err)
	}
	if err := d.remove(key + fileSuffix); err != nil {
		return fmt.Errorf("delete blob %s: %w", key, err)
	}
	return nil
}

// remove removes a file and the directories that it leaves empty. A directory
// that is not empty refuses, which ends the climb.
func (d *Directory) remove(name string) error {
	if err := d.root.Remove(name); err != nil && !missing(err) {
		return err
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if d.root.Remove(dir) != nil {
			return nil //nolint:nilerr // an empty directory is no harm
		}
	}
	return nil
}

func check(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return ValidateKey(key)
}

func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
