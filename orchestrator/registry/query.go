// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"

	"github.com/HatiCode/nestor/store"
)

// collect reads all documents of a partition whose sort key has the prefix.
func collect[T any](ctx context.Context, s store.Store, partition, prefix string) ([]T, error) {
	var all []T
	q := store.Query{Partition: partition, Prefix: prefix, Limit: store.MaxPage}
	for doc, err := range store.All(ctx, s, q) {
		if err != nil {
			return nil, err
		}
		var v T
		if err := doc.Decode(&v); err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}
