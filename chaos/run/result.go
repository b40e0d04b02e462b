// SPDX-License-Identifier: Apache-2.0

package run

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
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
	// the fake engine were under way, but for those during which Temporal was
	// killed: what Temporal needs to be itself again is RestartStall.
	Stall, RestartStall time.Duration
	// LostLeases are steps that were stopped because they lost their lease.
	LostLeases int
	// Took is the time of the whole run.
	Took time.Duration

	runs   []outcome
	stalls []stall
	kinds  map[site.Kind]int
}

// result sums a run up.
func (r *runner) result(took time.Duration) *Result {
	result := &Result{
		Seed: r.Seed, Findings: r.findings, Took: took, runs: r.runs, LostLeases: r.leases, kinds: map[site.Kind]int{},
	}
	points := r.points.done()
	for _, p := range points {
		result.Points++
		result.kinds[p.Kind]++
	}
	for _, c := range r.courses {
		result.stalls = append(result.stalls, stalls(points, c)...)
	}
	result.Stall = bench.Quantile(figures(result.stalls, own, judged), 0.99)
	result.RestartStall = bench.Quantile(figures(result.stalls, own, restarted), 0.99)
	return result
}

// provenBy so many points that are to cost leases, one must have been lost.
const provenBy = 3

// Passed says that nothing was found, that the stall is within its budget, and
// that leases were lost where they were to be.
func (r *Result) Passed() bool { return r.Findings.None() && r.Stall < Limit && !r.vain() }

// vain says that no lease was lost, so that nothing is known of what follows.
func (r *Result) vain() bool { return r.LostLeases == 0 && r.kinds[site.LoseLease] >= provenBy }

// Deployments that were awaited and checked.
func (r *Result) Deployments() int { return len(r.runs) }

// Print writes the figures.
func (r *Result) Print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	// A tabwriter keeps the first error for Flush.
	r.printStalls(table)
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
	_, _ = fmt.Fprintf(table, "leases lost\t%d\n", r.LostLeases)
	_, _ = fmt.Fprintf(table, "p99 with Temporal killed\t%.2f s, not judged: its start, and heartbeats that run out\n", r.RestartStall.Seconds())
	_, _ = fmt.Fprintf(table, "p99 uncut\t%.2f s, not judged: with what later disturbances lasted\n",
		bench.Quantile(figures(r.stalls, whole, judged), 0.99).Seconds())
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
		{"p99 stall", fmt.Sprintf("%.2f s, but for Temporal killed", r.Stall.Seconds())},
	} {
		_, _ = fmt.Fprintf(table, "%s\t%v\n", line.name, line.value)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if err := r.printLongest(w); err != nil {
		return err
	}
	if r.vain() {
		if _, err := fmt.Fprintf(w, "no lease was lost at %d points that were to cost one\n", r.kinds[site.LoseLease]); err != nil {
			return err
		}
	}
	for _, text := range r.Findings.All() {
		if _, err := fmt.Fprintln(w, text); err != nil {
			return err
		}
	}
	return nil
}

// printStalls writes the stall by disturbance, and the longest ones.
func (r *Result) printStalls(table *tabwriter.Writer) {
	_, _ = fmt.Fprintln(table, "DISTURBANCE\tPOINTS\tSTALL, MEDIAN\tLONGEST\tUNCUT\tWITH OPENTOFU, LONGEST")
	for _, kind := range slices.Sorted(maps.Keys(r.kinds)) {
		fake := figures(r.stalls, own, kindOf(kind, false))
		_, _ = fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\t%s\n", kind, r.kinds[kind],
			seconds(fake, 0.5), seconds(fake, 1), seconds(figures(r.stalls, whole, kindOf(kind, false)), 1),
			seconds(figures(r.stalls, own, kindOf(kind, true)), 1))
	}
}

// printLongest names the longest stalls that are judged, and what came meanwhile.
func (r *Result) printLongest(w io.Writer) error {
	const most = 5
	longest := slices.DeleteFunc(slices.Clone(r.stalls), func(s stall) bool { return !judged(s) })
	slices.SortFunc(longest, func(a, b stall) int { return cmp.Compare(b.own(), a.own()) })
	for _, s := range longest[:min(len(longest), most)] {
		var meanwhile strings.Builder
		for _, p := range s.inside {
			_, _ = fmt.Fprintf(&meanwhile, "; meanwhile %d %s (%.2f s)", p.N, p.Kind, p.Over.Sub(p.Began).Seconds())
		}
		if _, err := fmt.Fprintf(w, "%.2f s in %s after %d %s%s\n", s.own().Seconds(), s.course, s.point.N, s.point.Kind, meanwhile.String()); err != nil {
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
