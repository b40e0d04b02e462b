// SPDX-License-Identifier: Apache-2.0

// Package registry keeps the orchestrator's records: environments, plans,
// promotions, deployments, node heads, node runs, events and logs. It is the
// only writer of them.
//
// Each change that belongs together is one transaction: a step commits its
// head, its run, its outputs and its event at once, or not at all. Writes of a
// step carry a fence, and the write of an older fence is refused.
//
// What it is not for: deciding anything. The walk decides, activities act, and
// this package remembers.
package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/HatiCode/nestor/store"
	"github.com/HatiCode/nestor/store/blob"
	"github.com/HatiCode/nestor/store/seal"
)

// maxAttempts bounds how often a write is tried again because somebody else
// wrote in between. Each round another writer has made progress.
const maxAttempts = 20

// maxPause between two of them.
const maxPause = 50 * time.Millisecond

// Registry reads and writes the records. It is safe for concurrent use.
type Registry struct {
	store  store.Store
	blobs  blob.Store
	sealer seal.Sealer
	now    func() time.Time
}

// New returns a registry over a store, a blob store for graphs and for states
// that are to be adopted, and a sealer for these and for sensitive values.
func New(s store.Store, b blob.Store, sealer seal.Sealer, now func() time.Time) *Registry {
	return &Registry{store: s, blobs: b, sealer: sealer, now: now}
}

// read decodes the document under key into v and returns its revision. A
// missing document is *store.MissingError, which says what was looked for.
func (r *Registry) read(ctx context.Context, key store.Key, what string, v any) (int64, error) {
	doc, err := r.store.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return 0, store.Missing(what)
	}
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", what, err)
	}
	return doc.Revision, doc.Decode(v)
}

// readOrZero is read, but a missing document leaves v as it is, with revision 0.
func (r *Registry) readOrZero(ctx context.Context, key store.Key, what string, v any) (int64, error) {
	revision, err := r.read(ctx, key, what, v)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	return revision, err
}

// write writes the operations in one transaction. Every record is written by it,
// and keeps what a newer program has added to it.
func (r *Registry) write(ctx context.Context, p store.Principal, ops ...store.Op) (store.Result, error) {
	ops, err := r.keepUnknown(ctx, ops)
	if err != nil {
		return store.Result{}, err
	}
	return r.store.Write(ctx, store.Batch{Principal: p, Ops: ops})
}

// retry runs f again while it fails because of a concurrent write.
func retry(ctx context.Context, f func() error) error {
	err := again(ctx, func(err error) bool { return errors.Is(err, store.ErrConflict) }, f)
	if errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("given up after %d tries: %w", maxAttempts, err)
	}
	return err
}

// again runs f again while worth says that another try is, after a pause that
// grows and that is no two callers' same.
func again(ctx context.Context, worth func(error) bool, f func() error) error {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = time.Millisecond, maxPause
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := f()
		if err != nil && !worth(err) {
			return struct{}{}, backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(pause), backoff.WithMaxTries(maxAttempts))
	var permanent *backoff.PermanentError
	if errors.As(err, &permanent) { // the last try's
		return permanent.Unwrap()
	}
	return err
}

// replace is an op that writes v over the given revision; 0 asks that nothing
// was there.
func replace(key store.Key, revision int64, v any) (store.Op, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return store.Op{}, fmt.Errorf("encode %s: %w", key, err)
	}
	if revision == 0 {
		return store.Create(key, data), nil
	}
	return store.Replace(key, revision, data), nil
}

func put(key store.Key, v any) (store.Op, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return store.Op{}, fmt.Errorf("encode %s: %w", key, err)
	}
	return store.Put(key, data), nil
}
