// SPDX-License-Identifier: Apache-2.0

package testkube

import (
	"context"
	"fmt"
	"testing"

	"github.com/HatiCode/nestor/internal/localkube"
	"github.com/HatiCode/nestor/internal/parts"
)

// S3 is an object store.
type S3 struct {
	// Endpoint is its address, with the scheme.
	Endpoint string
	// AccessKey and SecretKey are the administrator's.
	AccessKey, SecretKey string

	group *group
}

// MinIO returns the object store of the test binary, which it starts when there
// is none yet. Tests keep apart in buckets.
func MinIO(tb testing.TB) S3 {
	tb.Helper()
	started := shared.stores.get(func() (S3, error) { return startMinIO(tb) })
	if started.err != nil {
		tb.Fatal(started.err)
	}
	started.value.group.tellOnFailure(tb)
	return started.value
}

func startMinIO(tb testing.TB) (S3, error) {
	tb.Helper()
	program := localkube.MinIONeed().Program
	paths := map[string]string{program: parts.Program(tb, program)}
	var (
		store *localkube.MinIO
		g     *group
	)
	err := shared.start(func(ctx context.Context, dir string) (started *group, err error) {
		port := 0
		if err := pickPorts(ctx, []localkube.Port{{Number: &port, What: program}}); err != nil {
			return nil, err
		}
		if store, err = localkube.NewMinIO(dir, port); err != nil {
			return nil, err
		}
		g = newGroup(dir, paths)
		return g, g.up(ctx, store.Part())
	})
	if err != nil {
		return S3{}, fmt.Errorf("start an object store: %w", err)
	}
	return S3{Endpoint: store.Endpoint, AccessKey: store.AccessKey, SecretKey: store.SecretKey, group: g}, nil
}
