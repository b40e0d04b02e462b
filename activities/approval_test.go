// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/HatiCode/nestor/activities"
	"github.com/HatiCode/nestor/orchestrator"
)

func change(action orchestrator.Action, attributes ...orchestrator.AttributeChange) orchestrator.Change {
	return orchestrator.Change{Address: "db.main", Action: action, Attributes: attributes}
}

func attribute(path string, after any) orchestrator.AttributeChange {
	return orchestrator.AttributeChange{Path: path, After: after}
}

func unknown(path string) orchestrator.AttributeChange {
	return orchestrator.AttributeChange{Path: path, Unknown: "known after apply"}
}

func masked(path string) orchestrator.AttributeChange {
	return orchestrator.AttributeChange{Path: path, Sensitive: true}
}

func TestCovered(t *testing.T) {
	t.Parallel()
	const update = orchestrator.ActionUpdate
	other := change(update, attribute("size", "small"))
	other.Address = "db.other"
	for name, tc := range map[string]struct {
		change   orchestrator.Change
		approved []orchestrator.Change
		want     string // part of the complaint; empty: covered
		reason   string
	}{
		"the same":         {change(update, attribute("size", "small")), []orchestrator.Change{change(update, attribute("size", "small"))}, "", "exactly what was shown"},
		"less":             {change(update), []orchestrator.Change{change(update, attribute("size", "small"))}, "", "a part of what was shown"},
		"among others":     {change(update), []orchestrator.Change{other, change(update)}, "", "the plan shows it beside another"},
		"nothing approved": {change(update), nil, "db.main would be updated, the plan does not name it", "the plan showed no change"},
		"other address":    {change(update), []orchestrator.Change{other}, "the plan does not name it", "another resource"},
		"worse action":     {change(orchestrator.ActionReplace), []orchestrator.Change{change(update)}, "db.main would be replaced, the plan says update", "a replacement instead of an update"},
		"milder action":    {change(update), []orchestrator.Change{change(orchestrator.ActionReplace)}, "would be updated", "still not what was shown"},
		"deletion":         {change(orchestrator.ActionDelete), []orchestrator.Change{change(update)}, "would be deleted", "a deletion nobody saw"},
		"other value":      {change(update, attribute("size", "large")), []orchestrator.Change{change(update, attribute("size", "small"))}, "size of db.main would become another value", "the value has moved"},
		"other path":       {change(update, attribute("class", "small")), []orchestrator.Change{change(update, attribute("size", "small"))}, "class of db.main would change", "another attribute"},
		"value for nothing": {
			change(update, attribute("size", nil)),
			[]orchestrator.Change{change(update, attribute("size", ""))},
			"another value", "absent is not empty",
		},
		"text for number":   {change(update, attribute("n", "1")), []orchestrator.Change{change(update, attribute("n", 1))}, "another value", "types matter"},
		"number by any go":  {change(update, attribute("n", int64(3))), []orchestrator.Change{change(update, attribute("n", 3.0))}, "", "the plan's values went through JSON"},
		"number of decoder": {change(update, attribute("n", json.Number("3.50"))), []orchestrator.Change{change(update, attribute("n", 3.5))}, "", "the engine reads numbers exactly"},
		"same map": {
			change(update, attribute("m", map[string]any{"b": int64(1), "a": []any{true}})),
			[]orchestrator.Change{change(update, attribute("m", map[string]any{"a": []any{true}, "b": 1.0}))},
			"", "a map has no order",
		},
		"other list":         {change(update, attribute("l", []any{1, 2})), []orchestrator.Change{change(update, attribute("l", []any{2, 1}))}, "another value", "a list has one"},
		"approved unknown":   {change(update, attribute("host", "db.example")), []orchestrator.Change{change(update, unknown("host"))}, "", "any value was approved"},
		"still unknown":      {change(update, unknown("id")), []orchestrator.Change{change(update, unknown("id"))}, "", "known only after apply"},
		"unknown for known":  {change(update, unknown("size")), []orchestrator.Change{change(update, attribute("size", "small"))}, "size of db.main would become a value that cannot be shown", "it may become anything"},
		"approved secret":    {change(update, masked("password")), []orchestrator.Change{change(update, masked("password"))}, "", "secrets are not compared"},
		"no longer a secret": {change(update, attribute("password", "x")), []orchestrator.Change{change(update, masked("password"))}, "", "any value was approved"},
		"secret for known":   {change(update, masked("size")), []orchestrator.Change{change(update, attribute("size", "small"))}, "cannot be shown", "it may be anything"},
		"inside unknown":     {change(update, attribute("env.HOST", "x"), attribute("ports[0].number", 1)), []orchestrator.Change{change(update, unknown("env"), unknown("ports[0]"))}, "", "the whole was unknown"},
		"beside unknown":     {change(update, attribute("environment", "x")), []orchestrator.Change{change(update, unknown("env"))}, "environment of db.main", "a longer name is not a path below"},
		"inside known":       {change(update, attribute("env.HOST", "x")), []orchestrator.Change{change(update, attribute("env", "y"))}, "env.HOST of db.main", "the whole was shown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := activities.Covered(tc.change, tc.approved)
			if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("%s: got %q, want %q", tc.reason, got, tc.want)
			}
		})
	}
}
