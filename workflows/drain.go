// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/HatiCode/nestor/orchestrator/walk"
)

const (
	// forcedDrainEvents is the history length at which a walk hands out no more
	// steps whatever is in flight; the server's limit is 51,200.
	forcedDrainEvents = 35_000
	// forcedDrainBytes is the same for the history's size; the limit is 50 MB.
	forcedDrainBytes = 35 << 20
	// suggestedEvents is the history length at which the server suggests to
	// continue as new; before that it is the size that makes it do so.
	suggestedEvents = 4096
	// shortStep is how long the oldest step may have been running for a drain
	// to be worth waiting for.
	shortStep = 30 * time.Second
	// worthwhile is how many steps a run must have seen before it gives way to
	// the next because that is suggested: each run reads its graphs first, and
	// those of a large deployment alone may be long enough for the suggestion.
	worthwhile = 200
)

// drain says whether to start nothing more, so that the workflow can continue
// as new: when the server suggests it and no step in flight is long, or when
// the history must not grow any more. running holds the steps in flight and
// when they began, done counts those that ended in this run.
func drain(ctx workflow.Context, running map[walk.Step]time.Time, done int) bool {
	info := workflow.GetInfo(ctx)
	if done > 0 && (info.GetCurrentHistoryLength() >= forcedDrainEvents || info.GetCurrentHistorySize() >= forcedDrainBytes) {
		return true
	}
	// What made the history long is the graph, as long as it is short in events.
	graphs := done < worthwhile && info.GetCurrentHistoryLength() < suggestedEvents
	if !info.GetContinueAsNewSuggested() || graphs {
		return false
	}
	now := workflow.Now(ctx)
	//workflowcheck:ignore any long step gives the same answer
	for step := range running {
		if now.Sub(running[step]) > shortStep {
			return false
		}
	}
	return true
}
