// SPDX-License-Identifier: Apache-2.0

// Package records opens the stores of a data directory together, the way API and
// workers share them.
package records

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/HatiCode/nestor/catalog"
	compositions "github.com/HatiCode/nestor/composer/registry"
	"github.com/HatiCode/nestor/orchestrator/compile"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store/blob"
	"github.com/HatiCode/nestor/store/seal"
	"github.com/HatiCode/nestor/store/sqlite"
)

// Records are the stores of a data directory, opened together. API and workers
// open the same ones.
type Records struct {
	Store        *sqlite.Store
	Blobs        *blob.Directory
	Catalog      *catalog.Service
	Compositions *compositions.Registry
	Registry     *registry.Registry
	Compiler     *compile.Compiler
	// Keys seal what is sensitive in the stores, and payloads.
	Keys *seal.Keyset
}

// Options of the stores.
type Options struct {
	// DataDir holds the records and blobs.
	DataDir string
	// Keyset is the file of the keys; empty means KeysetFile in DataDir.
	Keyset string
}

// KeysetFile is what the file of the keys is called in a data directory.
const KeysetFile = "keyset.json"

// KeysetPath is the file of the keys.
func (o Options) KeysetPath() string {
	return cmp.Or(o.Keyset, filepath.Join(o.DataDir, KeysetFile))
}

// Open opens the stores of a data directory and creates what is missing.
func Open(ctx context.Context, dataDir string) (*Records, error) {
	return OpenWith(ctx, Options{DataDir: dataDir})
}

// OpenWith opens the stores and creates what is missing.
func OpenWith(ctx context.Context, o Options) (*Records, error) {
	dataDir := o.DataDir
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	keys, err := seal.LoadOrCreateKeyset(o.KeysetPath())
	if err != nil {
		return nil, fmt.Errorf("encryption keys: %w", err)
	}
	documents, err := sqlite.Open(ctx, filepath.Join(dataDir, "nestor.db"))
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	blobs, err := blob.OpenDirectory(filepath.Join(dataDir, "blobs"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the blob store: %w", err), documents.Close())
	}
	now := func() time.Time { return time.Now().UTC() }
	r := &Records{Store: documents, Blobs: blobs, Keys: keys}
	r.Catalog = catalog.NewService(documents, blobs)
	r.Compositions = compositions.New(documents, blobs)
	r.Registry = registry.New(documents, blobs, keys, now)
	r.Compiler = compile.New(r.Catalog, r.Compositions, r.Registry, now, func() string { return ulid.Make().String() })
	return r, nil
}

// Close closes the stores.
func (r *Records) Close() error {
	return errors.Join(r.Blobs.Close(), r.Store.Close())
}
