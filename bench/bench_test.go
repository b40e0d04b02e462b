// SPDX-License-Identifier: Apache-2.0

package bench_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/HatiCode/nestor/bench"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason       string
		value, floor time.Duration
		budget       float64
		ratio        float64
		over         bool
	}{
		"inside":   {"a ratio below the budget", 12, 10, 1.5, 1.2, false},
		"at":       {"the budget itself is allowed", 15, 10, 1.5, 1.5, false},
		"over":     {"more is not", 16, 10, 1.5, 1.6, true},
		"free":     {"without a budget nothing is over", 90, 10, 0, 9, false},
		"no floor": {"without a floor there is no ratio", 90, 0, 1.5, 0, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := bench.Compare(name, tc.value, tc.floor, tc.budget, "")
			if m.Ratio != tc.ratio || m.Over() != tc.over {
				t.Errorf("%s: ratio %v, over %t", tc.reason, m.Ratio, m.Over())
			}
		})
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		m      bench.Measurement
		over   bool
	}{
		"time at the limit":   {"the limit itself is allowed", bench.AtMost("x", time.Second, time.Second, ""), false},
		"time over the limit": {"more is not", bench.AtMost("x", time.Second+1, time.Second, ""), true},
		"no limit":            {"without a limit nothing is over", bench.AtMost("x", time.Hour, 0, ""), false},
		"count over":          {"a count has a limit too", bench.Count("x", 3.9, "events", 3.8, ""), true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.m.Over() != tc.over {
				t.Errorf("%s: over is %t", tc.reason, tc.m.Over())
			}
		})
	}
}

func TestQuantile(t *testing.T) {
	t.Parallel()
	var durations []time.Duration
	for i := range 100 {
		durations = append(durations, time.Duration(100-i))
	}
	if got := bench.Quantile(durations, 0.99); got != 100 {
		t.Errorf("the 99th percentile of 1 to 100 is %d", got)
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	if got := bench.Median([]time.Duration{9, 1, 5}); got != 5 {
		t.Errorf("the median of 9, 1 and 5 is %d", got)
	}
	if got := bench.Median(nil); got != 0 {
		t.Errorf("the median of nothing is %d", got)
	}
}

func TestRows(t *testing.T) {
	t.Parallel()
	budgets := []bench.Budget{
		{What: "ratio", Target: "≤ 1.5", Names: []string{"ratio"}, Cause: "the disk"},
		{What: "of engines", Target: "≤ 1 s", Names: []string{"time, *, p99"}},
		{What: "told", Target: "reported", Names: []string{"told"}},
		{What: "absent", Target: "0", Names: []string{"absent"}, Part: "other"},
	}
	rows := bench.Rows(budgets, []bench.Measurement{
		bench.Compare("ratio, one", 12, 10, 1.5, ""),
		bench.Compare("ratio, two", 16, 10, 1.5, ""),
		bench.Compare("ratio, for information", 90, 10, 0, ""),
		bench.AtMost("time, tofu, p99", time.Millisecond, time.Second, ""),
		bench.AtMost("time, tofu, median", time.Hour, time.Second, ""),
		bench.AtMost("told", time.Second, 0, ""),
		bench.Compare("absent, without a floor", 3, 0, 1, ""),
	})
	want := []string{"missed 1 of 2", "kept 0 of 1", "reported 0 of 1", "not measured 0 of 0"}
	for i, row := range rows {
		if got := fmt.Sprintf("%s %d of %d", row.Verdict, row.Missed, row.Of); got != want[i] {
			t.Errorf("%s: %s, want %s", row.What, got, want[i])
		}
	}
	var b strings.Builder
	if err := bench.PrintRows(&b, rows); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"BUDGET", "missed by 7 %", "kept", "reported", "part other", "missed: ratio: the disk."} {
		if line := strings.Split(b.String(), "\n")[i]; !strings.Contains(line, want) {
			t.Errorf("line %d does not say %q: %s", i, want, line)
		}
	}
}

// TestBudgetsAreMeasured: each line of the design's table names measurements of
// its own.
func TestBudgetsAreMeasured(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, b := range bench.Budgets() {
		if len(b.Names) == 0 || b.Part == "" || b.Target == "" {
			t.Errorf("%q is incomplete: %+v", b.What, b)
		}
		for _, name := range b.Names {
			if names[name] {
				t.Errorf("%q decides about two budgets", name)
			}
			names[name] = true
		}
	}
}

func TestPrint(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	err := bench.Print(&b, []bench.Measurement{
		bench.Compare("good", 12*time.Millisecond, 10*time.Millisecond, 1.5, "x"),
		bench.Compare("bad", 2*time.Second, time.Second, 1.5, ""),
		bench.Compare("blind", time.Microsecond, 0, 1.5, "no rg"),
		bench.AtMost("less than the floor", -63142219*time.Nanosecond, time.Second, ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"WHAT", "ok", "OVER", "not measured", "-63.14ms"} {
		if line := strings.Split(b.String(), "\n")[i]; !strings.Contains(line, want) {
			t.Errorf("line %d does not say %q: %s", i, want, line)
		}
	}
}
