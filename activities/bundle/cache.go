// SPDX-License-Identifier: Apache-2.0

// Package bundle unpacks definition bundles into directories of a worker, once
// per digest. What is unpacked is read-only and shared by all steps.
package bundle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/catalog/bundle"
)

// ErrDigest is wrapped when a digest is none, or when an archive holds other
// files than its digest says: what nobody published is never run.
var ErrDigest = errors.New("not the digest of this bundle")

const (
	// unpacking begins the names of directories that are not whole yet.
	unpacking = ".unpacking-"
	// abandoned is the age at which nobody unpacks into such a directory any
	// more: the process that did has died.
	abandoned = time.Hour
)

// Source gives a bundle's archive by its digest.
type Source interface {
	Bundle(ctx context.Context, digest string) (io.ReadCloser, error)
}

// Cache of unpacked bundles below one directory.
type Cache struct {
	source Source
	dir    string
	flight singleflight.Group
}

// NewCache keeps unpacked bundles below dir.
func NewCache(source Source, dir string) *Cache { return &Cache{source: source, dir: dir} }

// Directory returns the directory with the bundle's files. It appears whole or
// not at all, also when several processes unpack at once.
func (c *Cache) Directory(ctx context.Context, digest string) (string, error) {
	if !catalog.IsDigest(digest) {
		return "", fmt.Errorf("%q: %w", digest, ErrDigest)
	}
	final := filepath.Join(c.dir, strings.ReplaceAll(digest, ":", "-"))
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	// One caller unpacks for all that wait, so it does not stop when its own
	// step is canceled.
	work := c.flight.DoChan(digest, func() (any, error) {
		return nil, c.unpack(context.WithoutCancel(ctx), digest, final)
	})
	select {
	case <-ctx.Done():
		return "", fmt.Errorf("unpack bundle %s: %w", digest, ctx.Err())
	case done := <-work:
		if done.Err != nil {
			return "", fmt.Errorf("unpack bundle %s: %w", digest, done.Err)
		}
		return final, nil
	}
}

func (c *Cache) unpack(ctx context.Context, digest, final string) (err error) {
	if _, err := os.Stat(final); err == nil {
		return nil // unpacked since the caller looked
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	// What cannot be removed does no harm by itself and is tried again next
	// time. It is told when the unpacking fails, of which a full disk may be
	// the cause.
	left := c.removeAbandoned()
	defer func() {
		if err != nil {
			err = errors.Join(err, left)
		}
	}()
	archive, err := c.source.Bundle(ctx, digest)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, archive.Close()) }()
	temporary, err := os.MkdirTemp(c.dir, unpacking)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temporary)) }()
	files, err := bundle.Read(archive)
	if err != nil {
		return err
	}
	if files.Digest() != digest {
		return fmt.Errorf("%w: the archive's files have digest %s", ErrDigest, files.Digest())
	}
	if err := files.WriteDir(temporary); err != nil {
		return err
	}
	if err := os.Rename(temporary, final); err != nil && !errors.Is(err, os.ErrExist) {
		if _, statErr := os.Stat(final); statErr == nil {
			return nil // another process was faster
		}
		return err
	}
	return nil
}

// removeAbandoned clears away what processes left that died while they
// unpacked.
func (c *Cache) removeAbandoned() error {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return fmt.Errorf("look for abandoned bundles: %w", err)
	}
	var errs []error
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), unpacking) {
			continue
		}
		info, err := entry.Info()
		if errors.Is(err, os.ErrNotExist) {
			continue // whole now, or removed by another process
		}
		if err == nil && time.Since(info.ModTime()) > abandoned {
			err = os.RemoveAll(filepath.Join(c.dir, entry.Name()))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("remove an abandoned bundle: %w", err))
		}
	}
	return errors.Join(errs...)
}
