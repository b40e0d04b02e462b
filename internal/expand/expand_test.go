// SPDX-License-Identifier: Apache-2.0

package expand_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/internal/expand"
)

// lookup knows a few inputs.
func lookup(reference string) (any, error) {
	values := map[string]any{
		"inputs.name": "shop", "inputs.size": int64(3), "inputs.ratio": 0.25, "inputs.on": true,
		"inputs.zones": []any{"a"}, "inputs.tricky": "${inputs.name}",
	}
	if v, known := values[reference]; known {
		return v, nil
	}
	if reference == "inputs.optional" {
		return nil, fmt.Errorf("input optional %w", expand.ErrAbsent)
	}
	return nil, errors.New("is not known")
}

func TestValue(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason   string
		template any
		want     any
	}{
		"lone integer":     {"a lone reference keeps its type", "${inputs.size}", int64(3)},
		"lone list":        {"a lone reference keeps its type", "${ inputs.zones }", []any{"a"}},
		"inside text":      {"inside text a value is written", "db-${inputs.name}-${inputs.size}/${inputs.ratio}/${inputs.on}", "db-shop-3/0.25/true"},
		"two side by side": {"two references are no lone one", "${inputs.name}${inputs.size}", "shop3"},
		"escape":           {"$${ is a literal", "$${inputs.name} and ${inputs.name}", "${inputs.name} and shop"},
		"not twice":        {"what a lookup gave is not expanded again", "${inputs.tricky}", "${inputs.name}"},
		"nested": {
			"maps and lists are walked, the template stays",
			map[string]any{"a": []any{"${inputs.size}", int64(1), nil}, "b": map[string]any{"c": "${inputs.name}"}},
			map[string]any{"a": []any{int64(3), int64(1), nil}, "b": map[string]any{"c": "shop"}},
		},
		"absent": {
			"an entry or element that was not given is left out",
			map[string]any{"gone": "${inputs.optional}", "list": []any{"x", "${inputs.optional}"}},
			map[string]any{"list": []any{"x"}},
		},
		"numbers": {
			"numbers of JSON are integers where they can be",
			[]any{json.Number("9007199254740993"), json.Number("1.5")},
			[]any{int64(9007199254740993), 1.5},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := expand.Value(c.template, lookup)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
		})
	}
}

func TestValueFails(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason   string
		template any
		says     string
	}{
		"unknown":        {"the place and the reference are named", map[string]any{"a": []any{"${inputs.nope}"}}, "a: [0]: ${inputs.nope}: is not known"},
		"not closed":     {"the cure is named", "x ${inputs.name", "write $${"},
		"empty":          {"an empty reference is a slip", "${}", "names nothing"},
		"list in text":   {"a list has no text", "x${inputs.zones}", "cannot stand inside text"},
		"absent in text": {"half a text is worse than none", map[string]any{"a": "x${inputs.optional}"}, "has no value"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := expand.Value(c.template, lookup)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: error is %v, want one with %q", c.reason, err, c.says)
			}
		})
	}
}

func TestString(t *testing.T) {
	t.Parallel()
	got, err := expand.String("${inputs.size}", lookup)
	if err != nil || got != "3" {
		t.Errorf("got %q, %v; want the number as text", got, err)
	}
	if _, err := expand.String("${inputs.optional}", lookup); !errors.Is(err, expand.ErrAbsent) {
		t.Errorf("error is %v, want ErrAbsent for the caller to see", err)
	}
}

func TestReferences(t *testing.T) {
	t.Parallel()
	got, err := expand.References(map[string]any{"a": "${inputs.b} ${inputs.a}", "c": []any{"${inputs.b}", "$${no}"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"inputs.a", "inputs.b"}, got); diff != "" {
		t.Errorf("references (-want +got):\n%s", diff)
	}
}
