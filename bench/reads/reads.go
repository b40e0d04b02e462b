// SPDX-License-Identifier: Apache-2.0

// Package reads measures the budget of the catalog's reads: how many definition
// versions a second it gives, over how many documents a second the store gives.
package reads

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/HatiCode/nestor/bench"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/catalog/bundle"
	"github.com/HatiCode/nestor/store"
	"github.com/HatiCode/nestor/store/blob"
	"github.com/HatiCode/nestor/store/sqlite"
)

const (
	definitions = 200
	// rounds of both contestants in turn; the medians count.
	rounds = 9
	// budget is the design's 0.6 of the store's rate, as a ratio of times.
	budget = 1 / 0.6
)

// Run publishes definitions into a store of its own and reads them.
func Run(ctx context.Context) (measurements []bench.Measurement, err error) {
	dir, err := os.MkdirTemp("", "nestor-bench-reads-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	documents, err := sqlite.Open(ctx, filepath.Join(dir, "nestor.db"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, documents.Close()) }()
	blobs, err := blob.OpenDirectory(filepath.Join(dir, "blobs"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, blobs.Close()) }()
	service := catalog.NewService(documents, blobs)
	keys, err := fill(ctx, service, documents)
	if err != nil {
		return nil, err
	}

	var ours, floor []time.Duration
	for range rounds {
		start := time.Now()
		for i := range definitions {
			if _, err := service.Get(ctx, name(i), "1.0.0"); err != nil {
				return nil, err
			}
		}
		ours = append(ours, time.Since(start)/definitions)
		start = time.Now()
		for _, key := range keys {
			if _, err := documents.Get(ctx, key); err != nil {
				return nil, err
			}
		}
		floor = append(floor, time.Since(start)/definitions)
	}
	return []bench.Measurement{bench.Compare("catalog read / raw store read", bench.Median(ours), bench.Median(floor), budget,
		"one version by name, decoded; SQLite; the inverse of 0.6 of the rate")}, nil
}

func name(i int) string { return fmt.Sprintf("database-%03d", i) }

// fill publishes the definitions and puts documents of the same size beside
// them, for the floor.
func fill(ctx context.Context, service *catalog.Service, documents store.Store) ([]store.Key, error) {
	var keys []store.Key
	for i := range definitions {
		definition := catalog.Definition{
			APIVersion: catalog.APIVersion, Kind: catalog.Kind,
			Metadata: catalog.Metadata{Name: name(i), Version: "1.0.0"},
			Spec: catalog.Spec{
				Provider: "aws", Category: "database", ResourceType: "mysql", Description: "A database to be read.",
				Engines: []string{"terraform"},
				Inputs: []catalog.Field{
					{Name: "instanceClass", Type: catalog.TypeString, Required: true, Enum: []any{"small", "medium", "large"}},
					{Name: "allocatedStorage", Type: catalog.TypeInteger, Default: int64(20)},
				},
				Outputs: []catalog.Field{{Name: "endpoint", Type: catalog.TypeString}},
			},
		}
		published, _, err := service.Publish(ctx, "user:bench", definition, bundle.Bundle{})
		if err != nil {
			return nil, err
		}
		stored, err := json.Marshal(published)
		if err != nil {
			return nil, err
		}
		key := store.Key{Partition: "bench/" + name(i), Sort: "1.0.0"}
		if _, err := documents.Write(ctx, store.Batch{Principal: "user:bench", Ops: []store.Op{store.Put(key, stored)}}); err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}
