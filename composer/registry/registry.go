// SPDX-License-Identifier: Apache-2.0

// Package registry keeps compositions and releases, each team's in a partition
// of its own, so that no query of one team can return another's.
//
// A composition has a name and a revision that grows; every content it ever had
// stays readable by its digest, since releases pin digests. A release is
// immutable and known by its digest. What is too large for a document of the
// store lies in the blob store, written before the document that names it.
//
// It is not for making releases or graphs, which is pure work of package
// composer, and it decides nothing about who may read or write: callers do.
package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/store"
	"github.com/HatiCode/nestor/store/blob"
)

const (
	// maxInline is the size up to which a record is a document by itself. The
	// rest of MaxDocumentBytes is for the envelope around it.
	maxInline = store.MaxDocumentBytes - 16<<10
	// maxRecord bounds what is read back from the blob store.
	maxRecord = 64 << 20
	// blobArea begins the keys of this package's blobs.
	blobArea = "composer"
)

// Registry is safe for concurrent use, also by several processes.
type Registry struct {
	store store.Store
	blobs blob.Store
}

// New keeps records in s, and in b those that are too large for a document.
func New(s store.Store, b blob.Store) *Registry { return &Registry{store: s, blobs: b} }

// teamPartition holds everything of a team.
func teamPartition(team string) (string, error) {
	if err := catalog.CheckName("team", team); err != nil {
		return "", fmt.Errorf("composer registry: %w", err)
	}
	return "composer/team/" + team, nil
}

// contentKey addresses a composition's content by digest, whatever its team.
func contentKey(digest string) (store.Key, error) {
	if !catalog.IsDigest(digest) {
		return store.Key{}, store.Missing(fmt.Sprintf("composition with digest %q; a digest is sha256: and 64 hexadecimal digits", clip(digest)))
	}
	return store.Key{Partition: "composer/composition/" + digest, Sort: "content"}, nil
}

// envelope is the stored form of a record: the record itself, or the blob it is
// in.
type envelope struct {
	Record json.RawMessage `json:"record,omitempty"`
	Blob   string          `json:"blob,omitempty"`
}

// seal makes an envelope's data, writing a blob first if the record is large.
// Blobs are named by content, so that a write that is repeated changes nothing.
func (r *Registry) seal(ctx context.Context, record any) (json.RawMessage, error) {
	data, err := json.Marshal(record)
	if err != nil {
		return nil, fmt.Errorf("write record: %w", err)
	}
	e := envelope{Record: data}
	if len(data) > maxInline {
		if len(data) > maxRecord {
			return nil, fmt.Errorf("record of %d bytes, at most %d: %w", len(data), maxRecord, store.ErrLimit)
		}
		sum := sha256.Sum256(data)
		key, err := blob.Join(blobArea, hex.EncodeToString(sum[:]))
		if err != nil {
			return nil, fmt.Errorf("write record: %w", err)
		}
		if err := blob.PutBytes(ctx, r.blobs, key, data); err != nil {
			return nil, fmt.Errorf("write record: %w", err)
		}
		e = envelope{Blob: key}
	}
	out, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("write record: %w", err)
	}
	return out, nil
}

// open reads what seal wrote.
func (r *Registry) open(ctx context.Context, d store.Document, into any) error {
	var e envelope
	if err := d.Decode(&e); err != nil {
		return fmt.Errorf("read record: %w", err)
	}
	data := []byte(e.Record)
	if e.Blob != "" {
		var err error
		if data, err = blob.GetBytes(ctx, r.blobs, e.Blob, maxRecord); err != nil {
			return fmt.Errorf("read record %s: %w", d.Key, err)
		}
	}
	if err := json.NewDecoder(bytes.NewReader(data)).Decode(into); err != nil {
		return fmt.Errorf("read record %s: %w", d.Key, err)
	}
	return nil
}

// get is Get that says what was looked for.
func (r *Registry) get(ctx context.Context, key store.Key, what string) (store.Document, error) {
	d, err := r.store.Get(ctx, key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return store.Document{}, store.Missing(what)
	case err != nil:
		return store.Document{}, fmt.Errorf("read %s: %w", what, err)
	default:
		return d, nil
	}
}

// find is Get with "not there" as a value.
func (r *Registry) find(ctx context.Context, key store.Key) (store.Document, bool, error) {
	d, err := r.store.Get(ctx, key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return store.Document{}, false, nil
	case err != nil:
		return store.Document{}, false, fmt.Errorf("read %s: %w", key, err)
	default:
		return d, true, nil
	}
}

// clip keeps what a caller asked for from filling a message.
func clip(s string) string {
	const limit = 80
	return strings.ToValidUTF8(s[:min(len(s), limit)], "?")
}
