// SPDX-License-Identifier: Apache-2.0

// Package bench measures the budgets of the design as ratios: what Nestor takes
// over a floor that is measured in the same run, so that the numbers mean the
// same on every machine. Each budget has a package of its own below this one,
// with a function Run that returns measurements.
package bench

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// Measurement is one value beside its floor.
type Measurement struct {
	Name  string        `json:"name"`
	Value time.Duration `json:"value"` // nanoseconds
	Floor time.Duration `json:"floor"` // nanoseconds; 0 where the floor could not be measured, see Note
	Ratio float64       `json:"ratio"`
	// Budget is the largest Ratio that is accepted; 0 means that the
	// measurement is for information.
	Budget float64 `json:"budget,omitempty"`
	Note   string  `json:"note,omitempty"`
}

// Compare makes the measurement of a value over a floor.
func Compare(name string, value, floor time.Duration, budget float64, note string) Measurement {
	m := Measurement{Name: name, Value: value, Floor: floor, Budget: budget, Note: note}
	if floor > 0 {
		m.Ratio = float64(value) / float64(floor)
	}
	return m
}

// Over says that the budget is exceeded.
func (m Measurement) Over() bool { return m.Budget > 0 && m.Ratio > m.Budget }

// Median is the middle of the durations, which it sorts; 0 if there are none.
func Median(durations []time.Duration) time.Duration {
	if len(durations) == 0 {
		return 0
	}
	slices.Sort(durations)
	return durations[len(durations)/2]
}

// Print writes measurements as a table.
func Print(w io.Writer, measurements []Measurement) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	// A tabwriter keeps the first error for Flush.
	_, _ = fmt.Fprintln(table, "WHAT\tVALUE\tFLOOR\tRATIO\tBUDGET\t\tNOTE")
	for _, m := range measurements {
		budget, verdict, floor, ratio := "-", "", "-", "-"
		if m.Floor > 0 {
			floor, ratio = round(m.Floor), fmt.Sprintf("%.2f", m.Ratio)
		}
		if m.Budget > 0 {
			budget, verdict = fmt.Sprintf("%.2f", m.Budget), "ok"
			switch {
			case m.Floor == 0:
				verdict = "not measured"
			case m.Over():
				verdict = "OVER"
			}
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", m.Name, round(m.Value), floor, ratio, budget, verdict, m.Note)
	}
	return table.Flush()
}

// round keeps three digits or so.
func round(d time.Duration) string {
	switch {
	case d > time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d > time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	default:
		return d.String()
	}
}
