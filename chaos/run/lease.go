// SPDX-License-Identifier: Apache-2.0

package run

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/HatiCode/nestor/activities"
	"github.com/HatiCode/nestor/orchestrator"
)

// lostLeases counts the steps of a deployment that were stopped because they
// lost their lease: what shows that leases are lost at all.
func (r *runner) lostLeases(w *watch) error {
	n, err := lost(w.all())
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leases += n
	return nil
}

func lost(events []orchestrator.Event) (n int, err error) {
	for _, event := range events {
		if event.Node == "" || len(event.Data) == 0 {
			continue
		}
		var said struct {
			Error *orchestrator.NodeError `json:"error"`
		}
		if err := json.Unmarshal(event.Data, &said); err != nil {
			return n, fmt.Errorf("event %d of %s: %w", event.Sequence, event.Deployment, err)
		}
		if said.Error != nil && strings.HasPrefix(said.Error.Message, activities.LostNode) {
			n++
		}
	}
	return n, nil
}
