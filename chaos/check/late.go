// SPDX-License-Identifier: Apache-2.0

package check

import (
	"encoding/json"

	"github.com/HatiCode/nestor/orchestrator"
)

// begun is what the event of a step that begins says.
type begun struct {
	Action  orchestrator.StepAction `json:"action"`
	Attempt int32                   `json:"attempt"`
}

// late finds attempts that begin when a later one has ended, or when the node is
// at another step already: a worker that was paused or cut off has come back and
// was let in.
func (r Run) late(f *Findings, events []orchestrator.Event) {
	last := map[string]begun{}
	seen := map[string]map[orchestrator.StepAction]bool{}
	for _, event := range events {
		if event.Type != orchestrator.EventNodeStart {
			continue
		}
		var b begun
		if err := json.Unmarshal(event.Data, &b); err != nil {
			f.lost("event %d of %s says nothing: %v", event.Sequence, event.Deployment, err)
			continue
		}
		if b.Action == orchestrator.StepObserve {
			continue // it changes nothing, and proves what a rollback did, again and again
		}
		before, again := last[event.Node]
		switch {
		case !again:
		case before.Action == b.Action && b.Attempt <= before.Attempt:
			f.duplicate("%s: attempt %d of %s of %s began after attempt %d of the same (event %d)",
				r.Deployment.ID, b.Attempt, b.Action, event.Node, before.Attempt, event.Sequence)
		case before.Action != b.Action && seen[event.Node][b.Action]:
			f.duplicate("%s: attempt %d of %s of %s began after its %s (event %d)",
				r.Deployment.ID, b.Attempt, b.Action, event.Node, before.Action, event.Sequence)
		}
		last[event.Node] = b
		if seen[event.Node] == nil {
			seen[event.Node] = map[orchestrator.StepAction]bool{}
		}
		seen[event.Node][b.Action] = true
	}
}
