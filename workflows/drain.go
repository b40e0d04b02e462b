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
	// shortStep is how long the oldest step may have been running for a drain
	// to be worth waiting for.
	shortStep = 30 * time.Second
)

// drain says whether to start nothing more, so that the workflow can continue
// as new: when the server suggests it and no step in flight is long, or when
// the history must not grow any more. running holds the steps in flight and
// when they began.
func drain(ctx workflow.Context, running map[walk.Step]time.Time) bool {
	info := workflow.GetInfo(ctx)
	if info.GetCurrentHistoryLength() >= forcedDrainEvents || info.GetCurrentHistorySize() >= forcedDrainBytes {
		return true
	}
	if !info.GetContinueAsNewSuggested() {
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
