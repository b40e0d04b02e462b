// SPDX-License-Identifier: Apache-2.0

package follow_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/HatiCode/nestor/cli/clitest"
	"github.com/HatiCode/nestor/cli/follow"
	"github.com/HatiCode/nestor/cli/text"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
)

func began() time.Time { return time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC) }

func deployment(status orchestrator.Status) orchestrator.Deployment {
	return orchestrator.Deployment{
		Scope: orchestrator.Scope{Team: "alpha", Application: "shop", Environment: "staging"},
		N:     3, Status: status, QueuedAt: began(),
	}
}

func event(after time.Duration, kind orchestrator.EventType, node string, data map[string]any) orchestrator.Event {
	raw, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	return orchestrator.Event{Time: began().Add(after), Type: kind, Node: node, Data: raw}
}

func started(after time.Duration, node string, action orchestrator.StepAction) orchestrator.Event {
	return event(after, orchestrator.EventNodeStart, node, map[string]any{"action": action, "attempt": 1})
}

func finished(after time.Duration, node string, status orchestrator.NodeStatus, more map[string]any) orchestrator.Event {
	data := map[string]any{"action": orchestrator.StepApply, "status": status}
	for k, v := range more {
		data[k] = v
	}
	return event(after, orchestrator.EventNodeDone, node, data)
}

func small() composer.Graph {
	return composer.Graph{Nodes: []composer.Node{
		{ID: "web-app.cache"},
		{ID: "web-app.database"},
		{ID: "web-app.deployment", Dependencies: []string{"web-app.cache", "web-app.database"}},
		{ID: "worker.queue"},
		{ID: "worker.runner", Dependencies: []string{"web-app.database", "worker.queue"}},
	}}
}

func TestTree(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason  string
		graph   composer.Graph
		status  orchestrator.Status
		events  []orchestrator.Event
		message string
		height  int
	}{
		"waiting": {
			reason: "before it begins, all nodes wait and say what for",
			graph:  small(), status: orchestrator.StatusQueued, height: 24,
		},
		"running": {
			reason: "each node shows its own state, its changes and its time",
			graph:  small(), status: orchestrator.StatusRunning, height: 24,
			events: []orchestrator.Event{
				started(0, "web-app.database", orchestrator.StepApply),
				started(0, "web-app.cache", orchestrator.StepApply),
				finished(1500*time.Millisecond, "web-app.cache", orchestrator.NodeReady, map[string]any{"changed": true, "counts": orchestrator.Counts{Create: 2}}),
				started(0, "worker.queue", orchestrator.StepApply),
				finished(time.Second, "worker.queue", orchestrator.NodeReady, nil),
				event(2*time.Second, orchestrator.EventNodeRetry, "web-app.database", map[string]any{"error": map[string]any{"class": "transient", "retryable": true, "message": "connection reset"}}),
				event(3*time.Second, orchestrator.EventNodeStart, "web-app.database", map[string]any{"action": "apply", "attempt": 2}),
			},
			message: "The connection to the API is lost; the deployment goes on. Trying again: cannot reach it",
		},
		"rolling back": {
			reason: "a failure stays visible, with as much of its error as fits",
			graph:  small(), status: orchestrator.StatusRunning, height: 24,
			events: []orchestrator.Event{
				started(0, "web-app.database", orchestrator.StepApply),
				finished(2*time.Second, "web-app.database", orchestrator.NodeFailed, map[string]any{
					"counts": orchestrator.Counts{Create: 5}, // planned, not done
					"error":  map[string]any{"class": "rejected", "retryable": false, "resource": "aws_db_instance.main", "message": "InsufficientDBInstanceCapacity: there is no capacity for db.r5.24xlarge in us-west-2a right now"},
				}),
				finished(2*time.Second, "web-app.deployment", orchestrator.NodeSkipped, nil),
				event(2*time.Second, orchestrator.EventStatus, "", map[string]any{"status": "rolling_back", "reason": "web-app.database failed"}),
				started(3*time.Second, "web-app.cache", orchestrator.StepDestroy),
				event(3*time.Second, orchestrator.EventNodePause, "worker.queue", map[string]any{"reason": "the plan is no subset of the approved one"}),
			},
		},
		"paused": {
			reason: "where somebody has to decide it says what to run",
			graph:  small(), status: orchestrator.StatusRunning, height: 24,
			events: []orchestrator.Event{
				started(0, "web-app.database", orchestrator.StepApply),
				event(2*time.Second, orchestrator.EventNodePause, "web-app.database", map[string]any{"reason": "it would go beyond its plan"}),
				event(2*time.Second, orchestrator.EventStatus, "", map[string]any{"status": "paused", "reason": "web-app.database would go beyond its plan"}),
			},
		},
		"wide": {
			reason: "wide characters and hostile names stay inside the columns",
			graph: composer.Graph{Nodes: []composer.Node{
				{ID: "网站应用.数据库"}, {ID: "网站应用.\x1b[31m缓存🚀"}, {ID: strings.Repeat("x", 70) + "." + strings.Repeat("y", 90)},
			}},
			status: orchestrator.StatusRunning, height: 24,
		},
		"tall": {
			reason: "what does not fit is counted; what failed or runs is never hidden",
			graph:  many(100), status: orchestrator.StatusRunning, height: 12,
			events: []orchestrator.Event{
				finished(time.Second, "app.node-90", orchestrator.NodeFailed, map[string]any{"error": map[string]any{"class": "rejected", "message": "no"}}),
				started(time.Second, "app.node-95", orchestrator.StepApply),
				finished(time.Second, "app.node-03", orchestrator.NodeReady, nil),
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lines, err := follow.Draw(deployment(tt.status), tt.graph, tt.events, tt.message, 80, tt.height, began().Add(12400*time.Millisecond))
			if err != nil {
				t.Fatal(err)
			}
			if len(lines) > tt.height {
				t.Errorf("%s: %d lines on a screen of %d", tt.reason, len(lines), tt.height)
			}
			for _, line := range lines {
				if text.Width(line) > 80 {
					t.Errorf("%s: %d columns: %q", tt.reason, text.Width(line), line)
				}
			}
			clitest.Golden(t, "tree-"+strings.ReplaceAll(name, " ", "-")+".golden", strings.Join(lines, "\n")+"\n")
		})
	}
}

// TestTreeOfAnAdoption: the nodes that it does not touch wait for nothing.
func TestTreeOfAnAdoption(t *testing.T) {
	t.Parallel()
	d := deployment(orchestrator.StatusRunning)
	d.Kind, d.Adoption = orchestrator.KindAdopt, &orchestrator.Adoption{Node: "web-app.deployment", Reference: "shop/web"}
	events := []orchestrator.Event{started(0, "web-app.deployment", orchestrator.StepAdopt)}
	lines, err := follow.Draw(d, small(), events, "", 80, 24, began().Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(lines, "\n")
	if !strings.Contains(got, "adopting") || strings.Contains(got, "database") || strings.Contains(got, "worker") {
		t.Errorf("it draws\n%s", got)
	}
}

func many(n int) composer.Graph {
	var g composer.Graph
	for i := range n {
		g.Nodes = append(g.Nodes, composer.Node{ID: fmt.Sprintf("app.node-%02d", i)})
	}
	return g
}

// Whatever happens, a drawing stays inside the screen, since lines that wrap or
// scroll away cannot be redrawn.
func TestTreeStaysInsideTheScreen(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		nodes := rapid.IntRange(0, 60).Draw(t, "nodes")
		width, height := rapid.IntRange(20, 120).Draw(t, "width"), rapid.IntRange(5, 40).Draw(t, "height")
		var graph composer.Graph
		var events []orchestrator.Event
		for i := range nodes {
			id := fmt.Sprintf("%s.%d", rapid.StringN(1, 5, -1).Draw(t, "instance"), i)
			graph.Nodes = append(graph.Nodes, composer.Node{ID: id})
			status := rapid.SampledFrom([]orchestrator.NodeStatus{
				orchestrator.NodePending, orchestrator.NodeReady, orchestrator.NodeFailed, orchestrator.NodeRetained,
			}).Draw(t, "status")
			events = append(events, finished(time.Second, id, status, map[string]any{
				"error": map[string]any{"message": rapid.String().Draw(t, "message")},
			}))
		}
		lines, err := follow.Draw(deployment(orchestrator.StatusRunning), graph, events, rapid.String().Draw(t, "note"), width, height-1, began())
		if err != nil {
			t.Fatal(err)
		}
		if len(lines) > height-1 {
			t.Fatalf("%d lines on a screen of %d", len(lines), height)
		}
		for _, line := range lines {
			if text.Width(line) > width || strings.ContainsAny(line, "\n\r\x1b") {
				t.Fatalf("line %q leaves the %d columns", line, width)
			}
		}
	})
}
