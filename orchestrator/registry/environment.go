// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/store"
)

// PutEnvironment writes an environment and returns its new revision.
// ifRevision -1 writes over whatever is there, 0 only where nothing is, and
// any other number only over that revision (store.ErrConflict otherwise).
func (r *Registry) PutEnvironment(
	ctx context.Context, p store.Principal, e orchestrator.Environment, ifRevision int64,
) (int64, error) {
	key := environmentKey(e.Metadata.Name)
	op, err := put(key, e)
	if err != nil {
		return 0, err
	}
	if ifRevision >= 0 {
		if op, err = replace(key, ifRevision, e); err != nil {
			return 0, err
		}
	}
	for range maxAttempts {
		pipeline, pipelineErr := r.checkPipeline(ctx, e)
		if pipelineErr != nil {
			return 0, pipelineErr
		}
		var res store.Result
		res, err = r.write(ctx, p, append([]store.Op{op}, pipeline...)...)
		if err == nil {
			return res.Numbers[0], nil
		}
		// An environment before this one that was changed meanwhile is worth
		// another look; the caller's own condition is not.
		var conflict *store.ConflictError
		if !errors.As(err, &conflict) || conflict.Key == key {
			break
		}
	}
	return 0, fmt.Errorf("environment %s: %w", e.Metadata.Name, err)
}

// GetEnvironment returns an environment and its revision.
func (r *Registry) GetEnvironment(ctx context.Context, name string) (orchestrator.Environment, int64, error) {
	var e orchestrator.Environment
	revision, err := r.read(ctx, environmentKey(name), "environment "+name, &e)
	return e, revision, err
}

// ListEnvironments returns all environments in the order of the pipeline:
// those without a predecessor first, by name, each followed by what comes
// after it.
func (r *Registry) ListEnvironments(ctx context.Context) ([]orchestrator.Environment, error) {
	all, err := collect[orchestrator.Environment](ctx, r.store, "environments", "")
	if err != nil {
		return nil, fmt.Errorf("list environments: %w", err)
	}
	byPredecessor := map[string][]orchestrator.Environment{}
	for _, e := range all {
		byPredecessor[e.Spec.After] = append(byPredecessor[e.Spec.After], e)
	}
	ordered := make([]orchestrator.Environment, 0, len(all))
	for queue := byPredecessor[""]; len(queue) > 0; queue = queue[1:] {
		ordered = append(ordered, queue[0])
		queue = append(queue, byPredecessor[queue[0].Metadata.Name]...)
	}
	return ordered, nil
}

// ErrPipeline is wrapped by every complaint about an environment's place in
// the pipeline.
var ErrPipeline = errors.New("environment does not fit into the pipeline")

// maxPipeline bounds the environments before another.
const maxPipeline = store.MaxTransactionOps - 1

// checkPipeline makes sure that the environment's predecessor exists and that
// the pipeline has no cycle. It returns the conditions under which that stays
// so: two environments that are put after each other at once would otherwise
// both be let through.
func (r *Registry) checkPipeline(ctx context.Context, e orchestrator.Environment) ([]store.Op, error) {
	seen := []string{e.Metadata.Name}
	var unchanged []store.Op
	for after := e.Spec.After; after != ""; {
		seen = append(seen, after)
		if after == e.Metadata.Name {
			return nil, fmt.Errorf("%w: it would come after itself: %s", ErrPipeline, strings.Join(seen, " after "))
		}
		if len(unchanged) == maxPipeline {
			return nil, fmt.Errorf("%w: more than %d environments come before it", ErrPipeline, maxPipeline)
		}
		before, revision, err := r.GetEnvironment(ctx, after)
		if errors.Is(err, store.ErrNotFound) {
			return nil, fmt.Errorf("%w: spec.after names %q, which does not exist; push that environment first", ErrPipeline, after)
		}
		if err != nil {
			return nil, err
		}
		unchanged = append(unchanged, store.Check(environmentKey(after), revision))
		after = before.Spec.After
	}
	return unchanged, nil
}
