// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/store"
)

// Programs of two releases write the same records during an upgrade, and for as
// long as a deployment stays with the older one. The older must not drop what
// the newer has added to a record. So a record that is written anew keeps the
// members that this program does not know.
//
// That asks one thing of a member which is added: it must stay true, or be
// recognised as overtaken, when an older program changes the rest of the record.
// One for which that does not hold belongs into a record of its own.

// recordOf returns a value of the type of the records under a key, nil for
// those that are never written twice, or are replaced as a whole by whoever
// knows all of them: environments are their author's, values are an engine's.
func recordOf(key store.Key) any {
	area, _, _ := strings.Cut(key.Partition, "/")
	switch area {
	case "plans":
		if strings.HasPrefix(key.Sort, planNodePrefix) {
			return nodePlanRecord{}
		}
		return orchestrator.Plan{}
	case "promotions":
		return orchestrator.Promotion{}
	case "scopes":
		return ScopeState{}
	case "deployments":
		return orchestrator.Deployment{}
	case "runs":
		return orchestrator.NodeRun{}
	case "fences":
		return fenceRecord{}
	case "heads":
		return orchestrator.NodeHead{}
	case "leases":
		return orchestrator.Tenure{}
	case "claims":
		return claimRecord{}
	case "drifts":
		return orchestrator.Drift{}
	case "drift-heads":
		return driftHead{}
	default:
		return nil
	}
}

// keepUnknown puts into each record that is written anew what a newer program
// has left in it. An operation on a revision that has passed is left as it is:
// the store refuses it.
func (r *Registry) keepUnknown(ctx context.Context, ops []store.Op) ([]store.Op, error) {
	var kept []store.Op
	for i, op := range ops {
		record := recordOf(op.Key)
		if op.Kind != store.OpPut || op.If == store.IfAbsent || record == nil {
			continue
		}
		before, err := r.store.Get(ctx, op.Key)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read what is to be replaced: %w", err)
		}
		data, err := store.KeepUnknown(before.Data, op.Data, record)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", op.Key, err)
		}
		if bytes.Equal(data, op.Data) {
			continue
		}
		if kept == nil {
			kept = append(kept, ops...)
		}
		kept[i].Data = data
	}
	if kept == nil {
		return ops, nil
	}
	return kept, nil
}
