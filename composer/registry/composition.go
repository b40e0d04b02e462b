// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/store"
)

// AnyRevision as ifRevision writes whatever was there; 0 asks that nothing was.
const AnyRevision = -1

// attempts bounds how often a write without a condition is tried again after
// somebody else's.
const attempts = 10

// StoredComposition is a composition as it is kept. Revision starts at 1 and
// grows with each change of content.
type StoredComposition struct {
	Composition composer.Composition `json:"composition"`
	Digest      string               `json:"digest"`
	Revision    int64                `json:"revision"`
	UpdatedAt   time.Time            `json:"updatedAt"`
	UpdatedBy   string               `json:"updatedBy"`
}

// CompositionPage is a part of a list. Next is empty at the end, otherwise the
// cursor of the following page.
type CompositionPage struct {
	Compositions []StoredComposition `json:"compositions"`
	Next         string              `json:"next,omitempty"`
}

// compositionRecord is what the store holds of a composition.
type compositionRecord struct {
	Composition composer.Composition `json:"composition"`
	Digest      string               `json:"digest"`
}

const compositionPrefix = "composition/"

func compositionKey(team, name string) (store.Key, error) {
	partition, err := teamPartition(team)
	if err != nil {
		return store.Key{}, err
	}
	if err := catalog.CheckName("composition", name); err != nil {
		return store.Key{}, fmt.Errorf("composer registry: %w", err)
	}
	return store.Key{Partition: partition, Sort: compositionPrefix + name}, nil
}

// PutComposition stores a composition under its team and name, after checking
// it (manifest.Problems). The same content again changes nothing: changed is
// false, and the revision stays. ifRevision is AnyRevision, 0 for "only if it
// does not exist", or the revision that shall be replaced; otherwise the error
// is *store.ConflictError.
func (r *Registry) PutComposition(ctx context.Context, principal store.Principal, c composer.Composition, ifRevision int64) (stored StoredComposition, changed bool, err error) {
	if err := c.Validate(); err != nil {
		return StoredComposition{}, false, err
	}
	if ifRevision < AnyRevision {
		return StoredComposition{}, false, fmt.Errorf("composition %s: revision %d: %w", c.Metadata.Name, ifRevision, store.ErrInvalid)
	}
	for range attempts {
		stored, changed, err = r.putComposition(ctx, principal, c, ifRevision)
		if ifRevision != AnyRevision || !errors.Is(err, store.ErrConflict) {
			break
		}
	}
	return stored, changed, err
}

func (r *Registry) putComposition(ctx context.Context, principal store.Principal, c composer.Composition, ifRevision int64) (StoredComposition, bool, error) {
	none := StoredComposition{}
	key, err := compositionKey(c.Metadata.Team, c.Metadata.Name)
	if err != nil {
		return none, false, err
	}
	digest, err := composer.CompositionDigest(c)
	if err != nil {
		return none, false, fmt.Errorf("put composition: %w", err)
	}
	current, exists, err := r.find(ctx, key)
	if err != nil {
		return none, false, err
	}
	if ifRevision != AnyRevision && ifRevision != current.Revision {
		return none, false, fmt.Errorf("composition %s has revision %d, not %d: %w", c.Metadata.Name, current.Revision, ifRevision, &store.ConflictError{Key: key})
	}
	if exists {
		before, err := r.openComposition(ctx, current)
		if err != nil {
			return none, false, err
		}
		if before.Digest == digest {
			return before, false, nil
		}
	}
	ops, err := r.compositionOps(ctx, key, current, c, digest)
	if err != nil {
		return none, false, err
	}
	if _, err := r.store.Write(ctx, store.Batch{Principal: principal, Ops: ops}); err != nil {
		return none, false, fmt.Errorf("put composition %s: %w", c.Metadata.Name, err)
	}
	stored, err := r.GetComposition(ctx, c.Metadata.Team, c.Metadata.Name)
	return stored, true, err
}

// compositionOps writes the composition and, where it is new, its content under
// its digest.
func (r *Registry) compositionOps(ctx context.Context, key store.Key, current store.Document, c composer.Composition, digest string) ([]store.Op, error) {
	data, err := r.seal(ctx, compositionRecord{Composition: c, Digest: digest})
	if err != nil {
		return nil, fmt.Errorf("composition %s: %w", c.Metadata.Name, err)
	}
	head := store.Create(key, data)
	if current.Revision > 0 {
		head = store.Replace(key, current.Revision, data)
	}
	content, err := contentKey(digest)
	if err != nil {
		return nil, err
	}
	if _, known, err := r.find(ctx, content); err != nil || known {
		return []store.Op{head}, err
	}
	// Whoever writes the same content at the same time writes the same bytes.
	return []store.Op{head, store.Put(content, data)}, nil
}

func (r *Registry) openComposition(ctx context.Context, d store.Document) (StoredComposition, error) {
	var record compositionRecord
	if err := r.open(ctx, d, &record); err != nil {
		return StoredComposition{}, err
	}
	c := record.Composition
	c.Spec.Params = catalog.NormalizeFields(c.Spec.Params)
	return StoredComposition{
		Composition: c, Digest: record.Digest, Revision: d.Revision,
		UpdatedAt: d.Time, UpdatedBy: string(d.Principal),
	}, nil
}

// GetComposition returns a team's composition, or store.ErrNotFound.
func (r *Registry) GetComposition(ctx context.Context, team, name string) (StoredComposition, error) {
	key, err := compositionKey(team, name)
	if err != nil {
		return StoredComposition{}, err
	}
	d, err := r.get(ctx, key, fmt.Sprintf("composition %s of team %s", name, team))
	if err != nil {
		return StoredComposition{}, err
	}
	return r.openComposition(ctx, d)
}

// ListCompositions lists a team's compositions by name. cursor is empty at the
// beginning, then the Next of the page before; limit 0 means the store's
// default.
func (r *Registry) ListCompositions(ctx context.Context, team, cursor string, limit int) (CompositionPage, error) {
	partition, err := teamPartition(team)
	if err != nil {
		return CompositionPage{}, err
	}
	after, err := cursorIn(compositionPrefix, cursor)
	if err != nil {
		return CompositionPage{}, err
	}
	page, err := r.store.Query(ctx, store.Query{Partition: partition, Prefix: compositionPrefix, After: after, Limit: limit})
	if err != nil {
		return CompositionPage{}, fmt.Errorf("list compositions of team %s: %w", team, err)
	}
	out := CompositionPage{Compositions: make([]StoredComposition, 0, len(page.Documents)), Next: strings.TrimPrefix(page.Next, compositionPrefix)}
	for _, d := range page.Documents {
		c, err := r.openComposition(ctx, d)
		if err != nil {
			return CompositionPage{}, err
		}
		out.Compositions = append(out.Compositions, c)
	}
	return out, nil
}

// cursorIn makes a query's After of a cursor, which is the rest of a key after
// the prefix and cannot lead out of it.
func cursorIn(prefix, cursor string) (string, error) {
	if cursor == "" {
		return "", nil
	}
	for _, c := range []byte(cursor) {
		if c <= ' ' || c > '~' {
			return "", fmt.Errorf("cursor %q: %w: not one that a page gave", clip(cursor), store.ErrInvalid)
		}
	}
	return prefix + cursor, nil
}

// DeleteComposition removes a team's composition; its contents stay readable by
// digest for the releases that pin them. ifRevision is as in PutComposition,
// but 0 makes no sense. Deleting what is not there is store.ErrNotFound.
func (r *Registry) DeleteComposition(ctx context.Context, principal store.Principal, team, name string, ifRevision int64) error {
	key, err := compositionKey(team, name)
	if err != nil {
		return err
	}
	op := store.Delete(key)
	op.If = store.IfExists
	if ifRevision != AnyRevision {
		op.If, op.IfRev = store.IfRevision, ifRevision
	}
	if _, exists, err := r.find(ctx, key); err != nil || !exists {
		return errors.Join(err, notFoundUnless(exists || err != nil, "composition %s of team %s", name, team))
	}
	if _, err := r.store.Write(ctx, store.Batch{Principal: principal, Ops: []store.Op{op}}); err != nil {
		return fmt.Errorf("delete composition %s of team %s: %w", name, team, err)
	}
	return nil
}

func notFoundUnless(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return store.Missing(fmt.Sprintf(format, args...))
}

// CompositionByDigest returns the content that a digest names, of any team, or
// store.ErrNotFound. The caller compares Metadata.Team if a team asked.
func (r *Registry) CompositionByDigest(ctx context.Context, digest string) (composer.Composition, error) {
	key, err := contentKey(digest)
	if err != nil {
		return composer.Composition{}, err
	}
	d, err := r.get(ctx, key, "composition with digest "+digest)
	if err != nil {
		return composer.Composition{}, err
	}
	stored, err := r.openComposition(ctx, d)
	return stored.Composition, err
}
