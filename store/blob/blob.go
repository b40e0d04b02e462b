// SPDX-License-Identifier: Apache-2.0

// Package blob keeps what is too large for a document: graphs, bundles of
// definitions, logs. A blob is a run of bytes under a key, written whole and
// read whole; there are no conditions and no transactions. A record that names
// a blob is written to the store after the blob is, so that no record ever
// names one that is missing.
//
// What blob is not for: records (see package store), appending, and secrets in
// clear (see store/seal).
package blob

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

// Errors that callers test for with errors.Is.
var (
	// ErrNotFound: no blob under that key.
	ErrNotFound = errors.New("blob not found")
	// ErrKey: a key or prefix that no store accepts; see ValidateKey.
	ErrKey = errors.New("not acceptable as a blob's key")
	// ErrTooLarge: a blob above the size that the caller allows.
	ErrTooLarge = errors.New("blob is too large")
)

// Info describes a blob without its content.
type Info struct {
	Key  string
	Size int64
	// Modified is when the blob was last put, UTC.
	Modified time.Time
}

// Store is implemented by Directory and, later, S3. All methods are safe for
// concurrent use, also from several processes.
type Store interface {
	// Put stores all of r under key, replacing what was there. It is atomic:
	// a reader sees the old blob or the new one, and an error, of r or of
	// ctx too, leaves the old one. When it returns without an error the blob
	// is durable. Putting the same again is harmless.
	Put(ctx context.Context, key string, r io.Reader) error
	// Get opens a blob, or fails with ErrNotFound. What was opened stays
	// readable although the blob is replaced or deleted meanwhile. The
	// caller closes it.
	Get(ctx context.Context, key string) (io.ReadCloser, error)
	// Exists tells whether there is a blob under key.
	Exists(ctx context.Context, key string) (bool, error)
	// Delete removes a blob; deleting what is not there is no error.
	Delete(ctx context.Context, key string) error
	// List yields the blobs whose key begins with prefix, in bytewise order
	// of their keys; an empty prefix selects all. The prefix need not end at
	// a slash. An error ends the iteration after it was yielded.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]
	// DeletePrefix removes the blobs whose key begins with prefix, which
	// must end in a slash so that "runs/1" cannot take "runs/10" along. It
	// is not atomic; after an error it can be called again.
	DeletePrefix(ctx context.Context, prefix string) error
}
