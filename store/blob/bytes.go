// SPDX-License-Identifier: Apache-2.0

package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// PutBytes puts data under key.
func PutBytes(ctx context.Context, s Store, key string, data []byte) error {
	return s.Put(ctx, key, bytes.NewReader(data))
}

// GetBytes reads a blob of at most limit bytes into memory; a larger one is
// ErrTooLarge.
func GetBytes(ctx context.Context, s Store, key string, limit int64) (_ []byte, err error) {
	r, err := s.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	defer func() {
		if closeErr := r.Close(); closeErr != nil {
			err = errors.Join(err, fmt.Errorf("close blob %s: %w", key, closeErr))
		}
	}()
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read blob %s: %w", key, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("read blob %s: %w: more than %d bytes", key, ErrTooLarge, limit)
	}
	return data, nil
}
