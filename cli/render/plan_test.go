// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/HatiCode/nestor/cli/clitest"
	"github.com/HatiCode/nestor/cli/render"
	"github.com/HatiCode/nestor/cli/text"
	"github.com/HatiCode/nestor/orchestrator"
)

func plan() orchestrator.Plan {
	return orchestrator.Plan{
		Scope: orchestrator.Scope{Team: "alpha", Application: "shop", Environment: "staging"},
		Kind:  orchestrator.KindApply, Release: "sha256:3f2a91c4d0e1aaaa", Status: orchestrator.PlanReady,
		Summary: orchestrator.Counts{Create: 1, Update: 1, Replace: 1, Delete: 1},
		Nodes: []orchestrator.NodePlan{
			{Node: "web-app.cache", Engine: "terraform", Definition: "redis-cluster", Version: "1.0.0"},
			{Node: "web-app.config", Engine: "terraform", Definition: "k8s-config", Version: "2.0.0", Changes: []orchestrator.Change{{
				Address: "kubernetes_config_map.main", Action: orchestrator.ActionUpdate, Attributes: []orchestrator.AttributeChange{
					{Path: "data.file", Before: "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\n", After: "one\ntwo\nthree\nfour\n5\nsix\nseven\neight\n"},
					{Path: "data.long", Before: strings.Repeat("abc ", 30), After: strings.Repeat("abd ", 30)},
					{Path: "labels", Before: map[string]any{"a": "b"}, After: map[string]any{"a": "c", "d": []any{1.0, true, nil}}},
					{Path: "data.gone", Before: "x"},
					{Path: "data.new", After: ""},
					{Path: "password", Sensitive: true},
				},
			}}},
			{Node: "web-app.database", Engine: "terraform", Definition: "aws-rds-mysql", Version: "1.2.0", Changes: []orchestrator.Change{
				{Address: "aws_db_instance.main", Action: orchestrator.ActionReplace, Reason: "the engine's version cannot be changed", Attributes: []orchestrator.AttributeChange{
					{Path: "endpoint", Before: "db.internal:3306", Unknown: "known after apply"},
					{Path: "engine_version", Before: "5.7", After: "8.0", Replaces: true},
				}},
				{Address: "aws_subnet." + strings.Repeat("long_", 14), Action: orchestrator.ActionCreate, Attributes: []orchestrator.AttributeChange{
					{Path: "name", After: "数据库\x1b[31m"}, {Path: "vpc", Unknown: "known after web-app.database"},
				}},
			}},
			{Node: "web-app.old", Engine: "terraform", Definition: "queue", Version: "1.0.0", Remove: true, Changes: []orchestrator.Change{
				{Address: "aws_sqs_queue.main", Action: orchestrator.ActionDelete, Attributes: []orchestrator.AttributeChange{{Path: "name", Before: "old"}}},
			}},
			{Node: "web-app.older", Engine: "terraform", Definition: "bucket", Version: "1.0.0", Remove: true, Retain: true},
		},
	}
}

// goingBack is a plan to go back to an earlier release.
func goingBack() orchestrator.Plan {
	p := plan()
	p.Kind = orchestrator.KindRollback
	replaced := []orchestrator.Change{{Address: "aws_db_instance.main", Action: orchestrator.ActionReplace}}
	made := []orchestrator.Change{{Address: "aws_db_instance.main", Action: orchestrator.ActionCreate}}
	about := func(node, class string, changes []orchestrator.Change) orchestrator.NodePlan {
		return orchestrator.NodePlan{Node: "web-app." + node, Engine: "terraform", Definition: "aws-rds-mysql", Version: "2.0.0", Rollback: class, Changes: changes}
	}
	restored, empty := about("a-restored", "snapshot-first", replaced), about("b-empty", "snapshot-first", replaced)
	restored.Restore = &orchestrator.Restoration{
		Snapshot: "alpha/shop/staging/web-app.a-restored.snapshot-3", Deployment: "alpha/shop/staging/3",
		Release: "sha256:9edd7559aa1caaaa", Time: time.Date(2026, 11, 23, 2, 58, 35, 0, time.UTC),
	}
	empty.Empty = true
	p.Nodes = []orchestrator.NodePlan{
		restored, empty, about("c-made", "snapshot-first", made), about("d-one-way", "forward-only", replaced), about("e-plain", "", replaced),
	}
	return p
}

func TestPlan(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		plan  orchestrator.Plan
		width int
	}{
		"plan-80": {plan(), 80}, "plan-without-end": {plan(), 0}, "plan-back": {goingBack(), 80},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			if err := (render.Canvas{Width: tc.width}).Plan(&b, tc.plan); err != nil {
				t.Fatal(err)
			}
			clitest.Golden(t, name+".golden", b.String())
			for line := range strings.Lines(b.String()) {
				if strings.Contains(line, "aws_subnet") {
					continue // an address is never cut
				}
				if w := text.Width(strings.TrimSuffix(line, "\n")); tc.width > 0 && w > tc.width {
					t.Errorf("a line of %d columns: %s", w, line)
				}
			}
		})
	}
}

// TestPlanSaysWhenNothingIsSaved: whoever applies it with --on-failure knows.
func TestPlanSaysWhenNothingIsSaved(t *testing.T) {
	t.Parallel()
	const unless = ", unless --on-failure says stop or continue"
	for kind, want := range map[orchestrator.Kind]bool{orchestrator.KindApply: true, orchestrator.KindRollback: false} {
		p := goingBack()
		p.Kind = kind
		var b strings.Builder
		if err := (render.Canvas{}).Plan(&b, p); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), "is saved before this change") || strings.Contains(b.String(), unless) != want {
			t.Errorf("%s:\n%s", kind, b.String())
		}
	}
}

func TestPlanOfRemovals(t *testing.T) {
	t.Parallel()
	const gone = "nothing of it is left to delete"
	tests := map[string]struct {
		reason string
		node   orchestrator.NodePlan
		want   bool // gone is said
	}{
		"gone":    {"the preview found nothing", orchestrator.NodePlan{Node: "a", Remove: true}, true},
		"unknown": {"without a preview nobody knows", orchestrator.NodePlan{Node: "a", Remove: true, Error: "no credentials"}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b strings.Builder
			if err := (render.Canvas{}).Plan(&b, orchestrator.Plan{Kind: orchestrator.KindDestroy, Nodes: []orchestrator.NodePlan{tt.node}}); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(b.String(), gone) != tt.want || !strings.Contains(b.String(), tt.node.Error) {
				t.Errorf("%s:\n%s", tt.reason, b.String())
			}
		})
	}
}

func TestHasChanges(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		plan   orchestrator.Plan
		want   bool
	}{
		"nothing": {"nodes without changes", orchestrator.Plan{Nodes: []orchestrator.NodePlan{{Node: "a"}}}, false},
		"counts":  {"a resource changes", orchestrator.Plan{Summary: orchestrator.Counts{Update: 1}}, true},
		"removed": {"a node leaves, its resources stay", orchestrator.Plan{Nodes: []orchestrator.NodePlan{{Node: "a", Remove: true, Retain: true}}}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := render.HasChanges(tt.plan); got != tt.want {
				t.Errorf("%s: got %t", tt.reason, got)
			}
		})
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second: "0.0s", 400 * time.Millisecond: "0.4s", 12 * time.Second: "12s",
		184 * time.Second: "3m04s", 62 * time.Minute: "1h02m",
	} {
		if got := render.Elapsed(d); got != want {
			t.Errorf("Elapsed(%v) = %q, want %q", d, got, want)
		}
	}
	now := time.Date(2026, 1, 2, 15, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		time.Second: "just now", 3 * time.Minute: "3m ago", 30 * time.Hour: "30h ago", 72 * time.Hour: "3d ago",
	} {
		if got := render.Ago(now.Add(-d), now); got != want {
			t.Errorf("Ago(%v) = %q, want %q", d, got, want)
		}
	}
}
