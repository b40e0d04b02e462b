// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
)

// maxSnapshot bounds what a packed snapshot may come to, in bytes: far above
// that of any walk.
const maxSnapshot = 64 << 20

// pack makes a walk's snapshot small enough to be handed to the next run: the
// journal of 10,000 nodes that were applied and taken back has some 150 KB, most
// of it alike.
func pack(snapshot []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		return nil, fmt.Errorf("pack the walk: %w", err)
	}
	if _, err := w.Write(snapshot); err != nil {
		return nil, fmt.Errorf("pack the walk: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("pack the walk: %w", err)
	}
	return b.Bytes(), nil
}

// unpack gives back what pack was given.
func unpack(packed []byte) ([]byte, error) {
	snapshot, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), maxSnapshot))
	if err != nil {
		return nil, fmt.Errorf("unpack the walk: %w", err)
	}
	return snapshot, nil
}
