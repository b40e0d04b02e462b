// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/store"
	"github.com/HatiCode/nestor/store/blob"
)

// maxGraph bounds a stored graph: 10,000 nodes with full inputs fit many times.
const maxGraph = 256 << 20

// PutGraph stores a graph under its digest; storing it again is no change.
func (r *Registry) PutGraph(ctx context.Context, g composer.Graph) error {
	data, err := json.Marshal(g)
	if err != nil {
		return fmt.Errorf("encode graph %s: %w", g.Digest, err)
	}
	if err := blob.PutBytes(ctx, r.blobs, graphKey(g.Digest), data); err != nil {
		return fmt.Errorf("store graph %s: %w", g.Digest, err)
	}
	return nil
}

// GetGraph returns a stored graph; store.ErrNotFound when there is none.
func (r *Registry) GetGraph(ctx context.Context, digest string) (composer.Graph, error) {
	g, _, err := r.GraphSized(ctx, digest)
	return g, err
}

// GraphSized is GetGraph that tells how many bytes the graph has as it is
// stored.
func (r *Registry) GraphSized(ctx context.Context, digest string) (g composer.Graph, size int, err error) {
	data, err := blob.GetBytes(ctx, r.blobs, graphKey(digest), maxGraph)
	if errors.Is(err, blob.ErrNotFound) {
		return g, 0, store.Missing("graph " + digest)
	}
	if err != nil {
		return g, 0, fmt.Errorf("graph %s: %w", digest, err)
	}
	if err := json.Unmarshal(data, &g); err != nil {
		return g, 0, fmt.Errorf("decode graph %s: %w", digest, err)
	}
	return g, len(data), nil
}
