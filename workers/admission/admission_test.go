// SPDX-License-Identifier: Apache-2.0

package admission_test

import (
	"errors"
	"testing"

	"github.com/HatiCode/nestor/workers/admission"
)

const (
	mib = 1 << 20
	gib = 1 << 30
)

func TestSteps(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		budget admission.Budget
		weight admission.Weight
		want   int // 0: refused
	}{
		"slots":       {"they bound what weighs nothing", admission.Budget{Slots: 7, Memory: 1, CPU: 0.1}, admission.Weight{}, 7},
		"memory":      {"the tightest counts", admission.Budget{Slots: 20, Memory: gib, CPU: 8}, admission.Weight{Memory: 100 * mib, CPU: 0.25}, 10},
		"cores":       {"the tightest counts", admission.Budget{Slots: 20, Memory: 8 * gib, CPU: 2}, admission.Weight{Memory: 100 * mib, CPU: 0.25}, 8},
		"few slots":   {"the tightest counts", admission.Budget{Slots: 3, Memory: 8 * gib, CPU: 2}, admission.Weight{Memory: 100 * mib, CPU: 0.25}, 3},
		"one":         {"a budget of one step holds one", admission.Budget{Memory: 256 * mib}, admission.Weight{Memory: 256 * mib}, 1},
		"tenths":      {"three tenths are three", admission.Budget{CPU: 0.3}, admission.Weight{CPU: 0.1}, 3},
		"no memory":   {"not even one fits", admission.Budget{Memory: 255 * mib}, admission.Weight{Memory: 256 * mib}, 0},
		"no core":     {"not even one fits", admission.Budget{CPU: 0.2}, admission.Weight{CPU: 0.25}, 0},
		"no division": {"a weight without a budget bounds nothing", admission.Budget{Slots: 4}, admission.Weight{Memory: gib, CPU: 1}, 4},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := test.budget.Steps(test.weight)
			if got != test.want || errors.Is(err, admission.ErrBudget) != (test.want == 0) {
				t.Errorf("%s: %d steps, %v; want %d", test.reason, got, err, test.want)
			}
		})
	}
}

func TestParseBytes(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		want   uint64 // 0: refused
	}{
		"2GiB":       {"powers of two", 2 * gib},
		"2Gi":        {"as Kubernetes writes them", 2 * gib},
		"1500 MB":    {"powers of ten", 1_500_000_000},
		"2147483648": {"bytes", 2 * gib},
		"0":          {"nothing could run", 0},
		"-1GiB":      {"less than nothing", 0},
		"much":       {"no number", 0},
		"2GB/s":      {"no amount", 0},
	}
	for text, test := range tests {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			got, err := admission.ParseBytes(text)
			if got != test.want || (err != nil) != (test.want == 0) {
				t.Errorf("%s: %d, %v; want %d", test.reason, got, err, test.want)
			}
		})
	}
}
