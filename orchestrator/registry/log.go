// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/HatiCode/nestor/store"
)

// MaxLogChunk bounds the text of one chunk, in bytes.
const MaxLogChunk = 32 << 10

// LogChunk is some lines of what an engine said. Sequence is the deployment's,
// from 1, set on reading.
type LogChunk struct {
	Sequence int64     `json:"sequence"`
	Node     string    `json:"node"`
	Attempt  int32     `json:"attempt"`
	Time     time.Time `json:"time"`
	Text     string    `json:"text"`
}

// AppendLog adds a chunk to a deployment's log.
func (r *Registry) AppendLog(ctx context.Context, p store.Principal, deployment string, chunk LogChunk) error {
	chunk.Time = r.now()
	data, err := json.Marshal(chunk)
	if err != nil {
		return fmt.Errorf("encode log of %s: %w", chunk.Node, err)
	}
	if _, err := r.write(ctx, p, store.Append(LogStream(deployment), data)); err != nil {
		return fmt.Errorf("append to the log of %s: %w", deployment, err)
	}
	return nil
}

// Logs returns the chunks after a sequence number, oldest first; node "" means
// all nodes. A page holds at most store.DefaultPage chunks of the deployment:
// go on from the last sequence until no chunk comes.
func (r *Registry) Logs(ctx context.Context, deployment, node string, after int64) ([]LogChunk, error) {
	for {
		page, err := r.store.Query(ctx, store.Query{
			Partition: LogStream(deployment), After: store.EntryKey("", after).Sort,
		})
		if err != nil {
			return nil, fmt.Errorf("log of deployment %s: %w", deployment, err)
		}
		var chunks []LogChunk
		for _, doc := range page.Documents {
			var chunk LogChunk
			if err := doc.Decode(&chunk); err != nil {
				return nil, err
			}
			chunk.Sequence, _ = store.EntrySequence(doc.Key)
			after = chunk.Sequence
			if node == "" || chunk.Node == node {
				chunks = append(chunks, chunk)
			}
		}
		if len(chunks) > 0 || page.Next == "" {
			return chunks, nil
		}
	}
}

// PruneLogs deletes the logs of deployments that ended before the given time
// and says how many it deleted. Records, events and graphs stay.
func (r *Registry) PruneLogs(ctx context.Context, p store.Principal, before time.Time) (int, error) {
	pruned := 0
	for doc, err := range store.All(ctx, r.store, store.Query{Partition: retentionPartition}) {
		if err != nil {
			return pruned, fmt.Errorf("list logs to prune: %w", err)
		}
		if doc.Key.Sort >= sortable(before.UnixNano()) {
			return pruned, nil
		}
		var entry indexRecord
		if err := doc.Decode(&entry); err != nil {
			return pruned, err
		}
		if err := r.deleteStream(ctx, p, LogStream(entry.Deployment)); err != nil {
			return pruned, fmt.Errorf("prune the log of %s: %w", entry.Deployment, err)
		}
		if _, err := r.write(ctx, p, store.Delete(doc.Key)); err != nil {
			return pruned, err
		}
		pruned++
	}
	return pruned, nil
}

func (r *Registry) deleteStream(ctx context.Context, p store.Principal, stream string) error {
	for {
		page, err := r.store.Query(ctx, store.Query{Partition: stream, Limit: store.MaxTransactionOps})
		if err != nil || len(page.Documents) == 0 {
			return err
		}
		ops := make([]store.Op, 0, len(page.Documents))
		for _, doc := range page.Documents {
			ops = append(ops, store.Delete(doc.Key))
		}
		if _, err := r.write(ctx, p, ops...); err != nil {
			return err
		}
	}
}
