// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/store"
)

// batch gathers what one transaction writes.
type batch struct {
	registry  *Registry
	principal string
	ops       []store.Op
	errs      []error
}

func (r *Registry) batch(principal string) *batch {
	return &batch{registry: r, principal: principal}
}

func (b *batch) add(op store.Op, err error) {
	b.ops = append(b.ops, op)
	if err != nil {
		b.errs = append(b.errs, err)
	}
}

// put writes v whatever was there.
func (b *batch) put(key store.Key, v any) { b.add(put(key, v)) }

// replace writes v over a revision; 0 asks that nothing was there.
func (b *batch) replace(key store.Key, revision int64, v any) { b.add(replace(key, revision, v)) }

func (b *batch) delete(key store.Key) { b.add(store.Delete(key), nil) }

func (b *batch) check(key store.Key, revision int64) { b.add(store.Check(key, revision), nil) }

// event appends to the deployment's stream; time and principal are filled in.
func (b *batch) event(e orchestrator.Event, data any) {
	raw, err := json.Marshal(data)
	if err != nil {
		b.errs = append(b.errs, fmt.Errorf("encode event %s: %w", e.Type, err))
		return
	}
	e.Time, e.Principal, e.Data = b.registry.now(), b.principal, raw
	entry, err := json.Marshal(e)
	if err != nil {
		b.errs = append(b.errs, fmt.Errorf("encode event %s: %w", e.Type, err))
		return
	}
	b.ops = append(b.ops, store.Append(EventStream(e.Deployment), entry))
}

func (b *batch) commit(ctx context.Context) error {
	if err := errors.Join(b.errs...); err != nil {
		return err
	}
	_, err := b.registry.write(ctx, store.Principal(b.principal), b.ops...)
	return err
}
