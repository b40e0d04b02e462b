// SPDX-License-Identifier: Apache-2.0

package follow_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/cli/follow"
	"github.com/HatiCode/nestor/orchestrator"
)

// Why a node waits, who decided on it, and whether that counted, is told.
func TestDecisionsAreTold(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 15, 4, 5, 0, time.Local)
	told := func(kind orchestrator.EventType, node string, data map[string]any) orchestrator.Event {
		raw, err := json.Marshal(data)
		if err != nil {
			t.Fatal(err)
		}
		return orchestrator.Event{Time: at, Type: kind, Node: node, Principal: "user:eve", Data: raw}
	}
	got, err := follow.Lines([]orchestrator.Event{
		told(orchestrator.EventApproval, "", map[string]any{"approved": true, "comment": "fine"}),
		told(orchestrator.EventNodePause, "web.db", map[string]any{"error": map[string]any{"class": "not-approved", "message": "beyond the plan"}}),
		told(orchestrator.EventApproval, "web.db", map[string]any{"approved": true, "void": "the change set of web.db is another by now"}),
		told(orchestrator.EventApproval, "web.db", map[string]any{"approved": false, "comment": "no"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"15:04:05  deployment: approved by user:eve: fine",
		"15:04:05  web.db: paused: beyond the plan",
		"15:04:05  web.db: approved by user:eve (does not count: the change set of web.db is another by now)",
		"15:04:05  web.db: rejected by user:eve: no",
	}
	if diff := cmp.Diff(want, strings.Split(strings.TrimSpace(got), "\n")); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}
