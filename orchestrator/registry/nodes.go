// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"fmt"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/store"
)

// NodeStates returns the latest run of each node of a deployment, by node.
func (r *Registry) NodeStates(ctx context.Context, deployment string) ([]orchestrator.NodeRun, error) {
	runs, err := collect[orchestrator.NodeRun](ctx, r.store, "runs/"+deployment, "")
	if err != nil {
		return nil, fmt.Errorf("runs of deployment %s: %w", deployment, err)
	}
	return runs, nil
}

// Run returns the latest run of one node in a deployment.
func (r *Registry) Run(ctx context.Context, deployment, node string) (orchestrator.NodeRun, error) {
	var run orchestrator.NodeRun
	_, err := r.read(ctx, runKey(deployment, node), "run of "+node+" in deployment "+deployment, &run)
	return run, err
}

// Heads returns what is true of each node of a scope, by node.
func (r *Registry) Heads(ctx context.Context, s orchestrator.Scope) ([]orchestrator.NodeHead, error) {
	var heads []orchestrator.NodeHead
	q := store.Query{Partition: "heads/" + s.String(), Limit: store.MaxPage}
	for doc, err := range store.All(ctx, r.store, q) {
		if err != nil {
			return nil, fmt.Errorf("heads of %s: %w", s, err)
		}
		var head orchestrator.NodeHead
		if err := doc.Decode(&head); err != nil {
			return nil, err
		}
		head.Revision = doc.Revision
		heads = append(heads, head)
	}
	return heads, nil
}

// Head returns what is true of one node; store.ErrNotFound when it is not there.
func (r *Registry) Head(ctx context.Context, s orchestrator.Scope, node string) (orchestrator.NodeHead, error) {
	var head orchestrator.NodeHead
	revision, err := r.read(ctx, headKey(s, node), fmt.Sprintf("node %s of %s", node, s), &head)
	head.Revision = revision
	return head, err
}
