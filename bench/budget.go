// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Budget is a line of the design's table.
type Budget struct {
	// What it is about, in the design's words.
	What string `json:"what"`
	// Target as the design states it.
	Target string `json:"target"`
	// Names are how the names of the measurements begin that decide about it:
	// the worst of them does.
	Names []string `json:"-"`
	// Part measures it.
	Part string `json:"part"`
	// Cause is what was found where it was missed before; docs/benchmarks.md has
	// the figures. Whether it is the cause this time, the measurements tell.
	Cause string `json:"cause,omitempty"`
}

// Causes that were found.
const (
	causeMakespan = "Temporal alone, with none of Nestor's code, exceeds it on two cores (lines \"Temporal alone / critical path\"): " +
		"a step costs its server some 8 to 10 ms of processor time. The rest is three durable records a step"
	causeOwnTime = "a real engine's plan is made and read before it is applied, since approvals bind what is in it: one more run of the program, " +
		"or more. The fake engine's step is within it. Where a p99 is seconds long, compare the bare program's own in the note"
	causeNoop = "bare Crossplane asks one request of some ms where nothing is to do; a deployment is a workflow with records. " +
		"With the other engines it is within"
)

// Budgets are those of the design, in its order.
func Budgets() []Budget {
	return []Budget{
		{"makespan / critical path, 200 ms steps", "≤ 1.05", []string{"makespan / critical path"}, "walk", causeMakespan},
		{"own time per resource, median", "≤ 15 ms", []string{"own time per resource, median", "own time per resource, *, median"}, "walk, engines", causeOwnTime},
		{"own time per resource, p99", "≤ 40 ms", []string{"own time per resource, p99", "own time per resource, *, p99"}, "walk, engines", causeOwnTime},
		{"no-op deployment / bare init + plan + apply", "≤ 1.15", []string{"no-op deployment / bare"}, "engines", causeNoop},
		{"history events per resource, wide", "≤ 3.8", []string{"history events per resource, * side by side"}, "walk", ""},
		{"history events per resource, chain", "≤ 6.5", []string{"history events per resource, chain"}, "walk", ""},
		{"resources in one deployment", "10,000", []string{"resources short of 10,000, ", "history events per node, "}, "scale", ""},
		{"stall after SIGKILL of a worker, fake engine, p99", "≤ 3 s", []string{"stall after SIGKILL of the worker, longest of "}, "stall", ""},
		{"stall after SIGKILL of a worker, real engine", "reported", []string{"stall after SIGKILL of the worker, terraform, longest of "}, "stall-terraform", ""},
		{"duplicate, lost or orphaned side effects", "0", []string{"side effects: "}, "chaos", ""},
		{"catalog reads per second / raw store", "≥ 0.6", []string{"catalog read / raw store read"}, "reads", ""},
		{"annotation scan / ripgrep", "≤ 1.5", []string{"annotation scan / "}, "scan", ""},
	}
}

// Row is a budget and what was measured for it.
type Row struct {
	Budget
	// Verdict is "kept", "missed", "reported" or "not measured".
	Verdict string `json:"verdict"`
	// Worst of its measurements, if there was any.
	Worst *Measurement `json:"worst,omitempty"`
	// Missed and Of count its measurements.
	Missed int `json:"missed"`
	Of     int `json:"of"`
}

// Rows judges budgets by measurements.
func Rows(budgets []Budget, measurements []Measurement) []Row {
	rows := make([]Row, 0, len(budgets))
	for _, b := range budgets {
		row := Row{Budget: b, Verdict: "not measured"}
		for i := range measurements {
			m := &measurements[i]
			if b.judgedBy(m.Name) && m.verdict() != notMeasured {
				row.take(m)
			}
		}
		switch {
		case row.Of == 0:
		case row.Missed > 0:
			row.Verdict = "missed"
		case !row.Worst.bounded():
			row.Verdict = "reported"
		default:
			row.Verdict = "kept"
		}
		rows = append(rows, row)
	}
	return rows
}

// take a measurement into account. What has no bound counts only where nothing
// has one.
func (r *Row) take(m *Measurement) {
	if r.Worst != nil && r.Worst.bounded() && !m.bounded() {
		return
	}
	r.Of++
	if m.Over() {
		r.Missed++
	}
	if r.Worst == nil || m.bounded() && !r.Worst.bounded() || m.share() > r.Worst.share() {
		r.Worst = m
	}
}

func (m Measurement) bounded() bool { return m.Budget > 0 || m.Limit > 0 || m.None }

// judgedBy says that a measurement's name begins as one of the budget's; a star
// stands for anything.
func (b Budget) judgedBy(name string) bool {
	for _, pattern := range b.Names {
		before, after, star := strings.Cut(pattern, "*")
		rest, begins := strings.CutPrefix(name, before)
		if begins && (!star || strings.HasSuffix(rest, after) || strings.Contains(rest, after)) {
			return true
		}
	}
	return false
}

// share of its budget that a measurement takes: 1 is all of it.
func (m Measurement) share() float64 {
	switch {
	case m.Budget > 0:
		return m.Ratio / m.Budget
	case m.Limit > 0:
		return m.Value / m.Limit
	case m.None:
		return 1 + m.Value
	default:
		return cmp.Or(m.Ratio, m.Value)
	}
}

// PrintRows writes the budgets as a table.
func PrintRows(w io.Writer, rows []Row) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	// A tabwriter keeps the first error for Flush.
	_, _ = fmt.Fprintln(table, "BUDGET\tTARGET\tMEASURED\tFLOOR\tVERDICT\tTHE WORST OF")
	for _, r := range rows {
		if r.Worst == nil {
			_, _ = fmt.Fprintf(table, "%s\t%s\t-\t-\t%s\tpart %s\n", r.What, r.Target, r.Verdict, r.Part)
			continue
		}
		measured, floor := r.Worst.amount(r.Worst.Value), "-"
		if r.Worst.Floor > 0 {
			measured, floor = fmt.Sprintf("%.2f", r.Worst.Ratio), r.Worst.amount(r.Worst.Floor)
		}
		verdict := r.Verdict
		if r.Missed > 0 {
			if verdict = "missed"; !r.Worst.None {
				verdict = fmt.Sprintf("missed by %.0f %%", 100*(r.Worst.share()-1))
			}
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%d: %s\n", r.What, r.Target, measured, floor, verdict, r.Of, r.Worst.Name)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, r := range rows {
		if r.Missed == 0 || r.Cause == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "missed: %s: %s.\n", r.What, r.Cause); err != nil {
			return err
		}
	}
	return nil
}
