// SPDX-License-Identifier: Apache-2.0

package run

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/HatiCode/nestor/bench"
	"github.com/HatiCode/nestor/chaos/check"
	"github.com/HatiCode/nestor/chaos/site"
)

// Limit is the budget of the stall of control work and the fake engine.
const Limit = 3 * time.Second

// Result of a run.
type Result struct {
	Seed     uint64
	Points   int
	Findings check.Findings
	// Stall is the 99th percentile over the points at which only control work and
	// the fake engine were under way, but for those that killed Temporal: what
	// Temporal needs to be itself again is RestartStall.
	Stall, RestartStall time.Duration
	// Took is the time of the whole run.
	Took time.Duration

	runs   []outcome
	stalls []stall
	kinds  map[site.Kind]int
}

// result sums a run up.
func (r *runner) result(took time.Duration) *Result {
	result := &Result{
		Seed: r.Seed, Findings: r.findings, Took: took, runs: r.runs, stalls: r.stalls, kinds: map[site.Kind]int{},
	}
	for _, p := range r.points.done() {
		result.Points++
		result.kinds[p.Kind]++
	}
	result.Stall = bench.Quantile(result.times(func(s stall) bool { return !s.real && !s.kind.Restarts() }), 0.99)
	result.RestartStall = bench.Quantile(result.times(func(s stall) bool { return !s.real && s.kind.Restarts() }), 0.99)
	return result
}

// Passed says that nothing was found and that the stall is within its budget.
func (r *Result) Passed() bool { return r.Findings.None() && r.Stall < Limit }

// Deployments that were awaited and checked.
func (r *Result) Deployments() int { return len(r.runs) }

// times are the longest stalls of the points that are chosen.
func (r *Result) times(chosen func(stall) bool) []time.Duration {
	worst := map[int]time.Duration{}
	for _, s := range r.stalls {
		if chosen(s) {
			worst[s.point] = max(worst[s.point], s.time)
		}
	}
	return slices.Collect(maps.Values(worst))
}

// Print writes the figures.
func (r *Result) Print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	// A tabwriter keeps the first error for Flush.
	_, _ = fmt.Fprintln(table, "DISTURBANCE\tPOINTS\tSTALL, MEDIAN\tLONGEST\tWITH OPENTOFU, LONGEST")
	for _, kind := range slices.Sorted(maps.Keys(r.kinds)) {
		fake := r.times(func(s stall) bool { return s.kind == kind && !s.real })
		mixed := r.times(func(s stall) bool { return s.kind == kind && s.real })
		_, _ = fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\n", kind, r.kinds[kind],
			seconds(fake, 0.5), seconds(fake, 1), seconds(mixed, 1))
	}
	_, _ = fmt.Fprintln(table)
	asWanted, listed := 0, 0
	for _, run := range r.runs {
		if run.asWanted {
			asWanted++
		}
		if run.listed {
			listed++
		}
	}
	_, _ = fmt.Fprintf(table, "deployments\t%d: %d ended as undisturbed ones, %d uncertain and listed, in %s\n",
		len(r.runs), asWanted, listed, r.Took.Round(time.Second))
	_, _ = fmt.Fprintf(table, "p99 stall, Temporal killed\t%.2f s\n", r.RestartStall.Seconds())
	for _, line := range []struct {
		name  string
		value any
	}{
		{"seed", r.Seed},
		{"points", r.Points},
		{"duplicates", len(r.Findings.Duplicates)},
		{"lost", len(r.Findings.Lost)},
		{"orphans", len(r.Findings.Orphans)},
		{"locks", len(r.Findings.Locks)},
		{"leaks", len(r.Findings.Leaks)},
		{"p99 stall", fmt.Sprintf("%.2f s", r.Stall.Seconds())},
	} {
		_, _ = fmt.Fprintf(table, "%s\t%v\n", line.name, line.value)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, text := range r.Findings.All() {
		if _, err := fmt.Fprintln(w, text); err != nil {
			return err
		}
	}
	return nil
}

func seconds(times []time.Duration, q float64) string {
	if len(times) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f s", bench.Quantile(times, q).Seconds())
}
