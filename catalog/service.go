// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/Masterminds/semver/v3"

	"github.com/HatiCode/nestor/catalog/bundle"
	"github.com/HatiCode/nestor/store"
)

// Blobs keeps archives by key. store/blob implements it.
type Blobs interface {
	Put(ctx context.Context, key string, r io.Reader) error
	Get(ctx context.Context, key string) (io.ReadCloser, error)
}

// Service is the catalog over a store. It is safe for concurrent use, also by
// several processes on one store.
type Service struct {
	store   store.Store
	blobs   Blobs
	cache   *cache
	decoded sync.Map // store.Key → decoded
}

// NewService needs a store for the versions and blobs for their files.
func NewService(st store.Store, blobs Blobs) *Service {
	return &Service{store: st, blobs: blobs, cache: newCache()}
}

// Get returns one version of a definition. What is not there is
// *UnknownDefinitionError or *NoVersionError, both ErrNotFound.
func (s *Service) Get(ctx context.Context, name, version string) (Published, error) {
	if err := CheckName("definition", name); err != nil {
		return Published{}, err
	}
	if _, err := semver.StrictNewVersion(version); err != nil || len(version) > maxVersion {
		return Published{}, s.missing(ctx, name, version)
	}
	p, _, err := s.read(ctx, versionKey(name, version))
	if errors.Is(err, store.ErrNotFound) {
		return Published{}, s.missing(ctx, name, version)
	}
	return p, err
}

// Resolve returns the version that "name" or "name@range" means now.
func (s *Service) Resolve(ctx context.Context, ref string) (Published, error) {
	snapshot, err := s.Snapshot(ctx)
	if err != nil {
		return Published{}, err
	}
	return snapshot.Resolve(ref)
}

// GetByDigest returns the version with that digest, or ErrNotFound.
func (s *Service) GetByDigest(ctx context.Context, digest string) (Published, error) {
	if !IsDigest(digest) {
		return Published{}, fmt.Errorf("%s is not a digest such as sha256:…: %w", quote(digest), ErrNotFound)
	}
	document, err := s.store.Get(ctx, digestKey(digest))
	if errors.Is(err, store.ErrNotFound) {
		return Published{}, fmt.Errorf("definition %s: %w", digest, ErrNotFound)
	}
	if err != nil {
		return Published{}, fmt.Errorf("read the catalog: %w", err)
	}
	var p pointer
	if err := document.Decode(&p); err != nil {
		return Published{}, err
	}
	return s.Get(ctx, p.Name, p.Version)
}

// Versions lists all versions of a definition, oldest first, or fails with
// *UnknownDefinitionError.
func (s *Service) Versions(ctx context.Context, name string) ([]Published, error) {
	if err := CheckName("definition", name); err != nil {
		return nil, err
	}
	versions, err := s.load(ctx, name)
	if err != nil {
		return nil, err
	}
	if len(versions) == 0 {
		return nil, s.missing(ctx, name, "")
	}
	return SortVersions(versions), nil
}

// FindByType lists all versions of all definitions of that provider and
// resource type, by name and then oldest first.
func (s *Service) FindByType(ctx context.Context, provider, resourceType string) ([]Published, error) {
	snapshot, err := s.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return snapshot.FindByType(provider, resourceType), nil
}

// Bundle returns the archive of that digest, checked against it, or
// ErrNotFound. The caller closes it.
func (s *Service) Bundle(ctx context.Context, digest string) (io.ReadCloser, error) {
	if !IsDigest(digest) {
		return nil, fmt.Errorf("%s is not a digest such as sha256:…: %w", quote(digest), ErrNotFound)
	}
	if _, err := s.store.Get(ctx, bundleKey(digest)); errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("bundle %s: %w", digest, ErrNotFound)
	} else if err != nil {
		return nil, fmt.Errorf("read the catalog: %w", err)
	}
	archive, err := s.readBundle(ctx, digest)
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %w", digest, err)
	}
	return io.NopCloser(bytes.NewReader(archive)), nil
}

func (s *Service) readBundle(ctx context.Context, digest string) (archive []byte, err error) {
	blob, err := s.blobs.Get(ctx, bundleBlob(digest))
	if err != nil {
		return nil, fmt.Errorf("its files are not in the blob store: %w", err)
	}
	defer func() { err = errors.Join(err, blob.Close()) }()
	var buffer bytes.Buffer
	b, err := bundle.Read(io.TeeReader(blob, &buffer))
	if err != nil {
		return nil, err
	}
	if b.Digest() != digest {
		return nil, fmt.Errorf("the blob store holds other files, of digest %q; publish the definition again from its source", b.Digest())
	}
	return buffer.Bytes(), nil
}

// pointer leads from a digest to a version.
type pointer struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// read returns a version and the revision of its document.
func (s *Service) read(ctx context.Context, key store.Key) (Published, int64, error) {
	document, err := s.store.Get(ctx, key)
	if err != nil {
		return Published{}, 0, fmt.Errorf("read the catalog: %w", err)
	}
	if known, ok := s.decoded.Load(key); ok {
		if d, ok := known.(decoded); ok && d.revision == document.Revision {
			return d.published, document.Revision, nil
		}
	}
	p, err := decodePublished(document)
	if err == nil {
		s.decoded.Store(key, decoded{revision: document.Revision, published: p})
	}
	return p, document.Revision, err
}

// decoded is a version as it was read at a revision of its document. Decoding
// takes longer than reading, and a version changes only when it is deprecated.
type decoded struct {
	revision  int64
	published Published
}

func decodePublished(document store.Document) (Published, error) {
	var p Published
	if err := document.Decode(&p); err != nil {
		return Published{}, err
	}
	p.Definition = p.Definition.Normalize()
	return p, nil
}

// load reads all versions of a name, in the store's order.
func (s *Service) load(ctx context.Context, name string) ([]Published, error) {
	var versions []Published
	for document, err := range store.All(ctx, s.store, store.Query{Partition: versionsPartition(name)}) {
		if err != nil {
			return nil, fmt.Errorf("read the catalog: %w", err)
		}
		p, err := decodePublished(document)
		if err != nil {
			return nil, err
		}
		versions = append(versions, p)
	}
	return versions, nil
}

// missing explains why a version is not there.
func (s *Service) missing(ctx context.Context, name, version string) error {
	snapshot, err := s.Snapshot(ctx)
	if err != nil {
		return err
	}
	versions := snapshot.Versions(name)
	if len(versions) == 0 {
		return snapshot.unknown(name)
	}
	missing := &NoVersionError{Name: name, Range: version}
	for i := len(versions) - 1; i >= 0; i-- {
		missing.Available = append(missing.Available, versions[i].Definition.Metadata.Version)
	}
	return missing
}

// now is when something was published; the store's own times move with every
// write.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
