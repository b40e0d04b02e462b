// SPDX-License-Identifier: Apache-2.0

// Package bench measures the budgets of the design as ratios: what Nestor takes
// over a floor that is measured in the same run, so that the numbers mean the
// same on every machine. Each budget has a package of its own below this one,
// with a function Run that returns measurements; bench/cmd/bench runs them all.
package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"
)

// Nanoseconds is the unit of measurements of time.
const Nanoseconds = "ns"

// Measurement is one value beside its floor.
type Measurement struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Floor float64 `json:"floor"` // 0 where it could not be measured, or where there is none; see Note
	// Unit of Value and Floor: Nanoseconds, or what is counted.
	Unit  string  `json:"unit"`
	Ratio float64 `json:"ratio"`
	// Budget is the largest Ratio that is accepted; 0 means that the
	// measurement is for information, or has a Limit.
	Budget float64 `json:"budget,omitempty"`
	// Limit is the largest Value that is accepted, for what needs no floor.
	Limit float64 `json:"limit,omitempty"`
	// None is accepted.
	None bool   `json:"none,omitempty"`
	Note string `json:"note,omitempty"`
}

// Compare makes the measurement of a value over a floor.
func Compare(name string, value, floor time.Duration, budget float64, note string) Measurement {
	m := Measurement{
		Name: name, Value: float64(value), Floor: float64(floor), Unit: Nanoseconds, Budget: budget, Note: note,
	}
	if floor > 0 {
		m.Ratio = m.Value / m.Floor
	}
	return m
}

// AtMost makes the measurement of a time with a limit of its own.
func AtMost(name string, value, limit time.Duration, note string) Measurement {
	return Measurement{Name: name, Value: float64(value), Unit: Nanoseconds, Limit: float64(limit), Note: note}
}

// Count makes the measurement of a number of things with a limit.
func Count(name string, value float64, unit string, limit float64, note string) Measurement {
	return Measurement{Name: name, Value: value, Unit: unit, Limit: limit, Note: note}
}

// None makes the measurement of a number of things of which there must be none.
func None(name string, value float64, unit, note string) Measurement {
	return Measurement{Name: name, Value: value, Unit: unit, None: true, Note: note}
}

// Over says that the budget or the limit is exceeded.
func (m Measurement) Over() bool {
	return m.Budget > 0 && m.Ratio > m.Budget || m.Limit > 0 && m.Value > m.Limit || m.None && m.Value > 0
}

// Median is the middle of the durations, which it sorts; 0 if there are none.
func Median(durations []time.Duration) time.Duration { return Quantile(durations, 0.5) }

// Quantile is the smallest duration that a share q of them does not exceed; it
// sorts them. 0 if there are none.
func Quantile(durations []time.Duration, q float64) time.Duration {
	if len(durations) == 0 {
		return 0
	}
	slices.Sort(durations)
	return durations[min(int(q*float64(len(durations))), len(durations)-1)]
}

// Print writes measurements as a table.
func Print(w io.Writer, measurements []Measurement) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	// A tabwriter keeps the first error for Flush.
	_, _ = fmt.Fprintln(table, "WHAT\tVALUE\tFLOOR\tRATIO\tBUDGET\t\tNOTE")
	for _, m := range measurements {
		budget, floor, ratio := "-", "-", "-"
		if m.Floor > 0 {
			floor, ratio = m.amount(m.Floor), fmt.Sprintf("%.2f", m.Ratio)
		}
		switch {
		case m.Budget > 0:
			budget = fmt.Sprintf("%.2f", m.Budget)
		case m.Limit > 0:
			budget = m.amount(m.Limit)
		case m.None:
			budget = m.amount(0)
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", m.Name, m.amount(m.Value), floor, ratio, budget, m.verdict(), m.Note)
	}
	return table.Flush()
}

// PrintJSON writes the budgets with their verdicts, and all measurements.
func PrintJSON(w io.Writer, measurements []Measurement) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	document := struct {
		Budgets      []Row         `json:"budgets"`
		Measurements []Measurement `json:"measurements"`
	}{Rows(Budgets(), measurements), measurements}
	if err := encoder.Encode(document); err != nil {
		return fmt.Errorf("write measurements: %w", err)
	}
	return nil
}

// notMeasured is the verdict on a ratio without a floor.
const notMeasured = "not measured"

func (m Measurement) verdict() string {
	switch {
	case !m.bounded():
		return ""
	case m.Budget > 0 && m.Floor == 0:
		return notMeasured
	case m.Over():
		return "OVER"
	default:
		return "ok"
	}
}

// amount shows a value in the measurement's unit.
func (m Measurement) amount(value float64) string {
	if m.Unit == Nanoseconds {
		return round(time.Duration(value))
	}
	return strconv.FormatFloat(value, 'f', 2, 64) + " " + m.Unit
}

// round keeps three digits or so.
func round(d time.Duration) string {
	switch size := max(d, -d); {
	case size > time.Second:
		return d.Round(10 * time.Millisecond).String()
	case size > time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	default:
		return d.String()
	}
}
