// SPDX-License-Identifier: Apache-2.0

// Package render turns records into text for people: plans as one diff over the
// whole graph, statuses with their colours, durations and digests in short.
//
// It is pure but for the writer it is given, and asks nobody anything.
package render

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/HatiCode/nestor/cli/iostreams"
	"github.com/HatiCode/nestor/orchestrator"
)

// Canvas is where text goes.
type Canvas struct {
	Style iostreams.Style
	// Width is the number of columns; 0 is without end, so that no line is
	// broken.
	Width int
}

// Out is the canvas of a stream's Out: as wide as the terminal, without end
// elsewhere.
func Out(streams *iostreams.IO) Canvas {
	c := Canvas{Style: streams.OutStyle()}
	if streams.OutTerminal {
		c.Width = streams.Width()
	}
	return c
}

// Err is the canvas of a stream's ErrOut.
func Err(streams *iostreams.IO) Canvas {
	c := Canvas{Style: streams.ErrStyle()}
	if streams.ErrTerminal {
		c.Width = streams.Width()
	}
	return c
}

// Digest shortens "sha256:<hex>" to the 12 digits that a command takes back.
func Digest(digest string) string {
	return orchestrator.ShortDigest(digest)
}

// Elapsed is a duration for a person: "0.4s", "12s", "3m04s", "1h02m".
func Elapsed(d time.Duration) string {
	switch d = max(d, 0); {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	default:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
}

// Ago is how long before now a time was: "just now", "3m ago", "2h ago",
// "5d ago"; empty for the zero time.
func Ago(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	switch d := now.Sub(t); {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return fmt.Sprintf("%dm ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh ago", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd ago", int(d.Hours())/24)
	}
}

// When is a time relative to now for a person at a terminal, and exact
// elsewhere.
func When(streams *iostreams.IO, t, now time.Time) string {
	if streams.OutTerminal || t.IsZero() {
		return Ago(t, now)
	}
	return t.UTC().Format(time.RFC3339)
}

// Kind is what a deployment does, and "repair" where it only makes again what has
// drifted.
func Kind(d orchestrator.Deployment) string {
	if d.Trigger == orchestrator.TriggerDrift {
		return "repair"
	}
	return string(d.Kind)
}

// Words writes a status as words: "rolled_back" becomes "rolled back".
func Words(status string) string { return strings.ReplaceAll(status, "_", " ") }

// Status returns how a deployment's status is coloured.
func Status(style iostreams.Style, status orchestrator.Status) func(string) string {
	switch status {
	case orchestrator.StatusSucceeded:
		return style.Green
	case orchestrator.StatusFailed:
		return style.Red
	case orchestrator.StatusRolledBack, orchestrator.StatusRollingBack, orchestrator.StatusCanceled,
		orchestrator.StatusPaused, orchestrator.StatusAwaitingApproval:
		return style.Yellow
	default:
		return style.Cyan
	}
}

// NodeStatus returns how a node's status is coloured.
func NodeStatus(style iostreams.Style, status orchestrator.NodeStatus) func(string) string {
	switch status {
	case orchestrator.NodeReady, orchestrator.NodeDestroyed:
		return style.Green
	case orchestrator.NodeFailed:
		return style.Red
	case orchestrator.NodeUncertain, orchestrator.NodeReverted, orchestrator.NodeRetained, orchestrator.NodeForgotten:
		return style.Yellow
	case orchestrator.NodeRunning:
		return style.Cyan
	default:
		return style.Dim
	}
}

// Counts is "1 to create, 2 to change" without the zeros; empty when all are.
func Counts(c orchestrator.Counts) string {
	var parts []string
	for _, p := range []struct {
		n    int
		verb string
	}{{c.Create, "create"}, {c.Update, "change"}, {c.Replace, "replace"}, {c.Delete, "delete"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d to %s", p.n, p.verb))
		}
	}
	return strings.Join(parts, ", ")
}

// Done is Counts of what has happened: "+1 ~2 -/+1 -1".
func Done(c orchestrator.Counts) string {
	var parts []string
	for _, p := range []struct {
		n    int
		sign string
	}{{c.Create, "+"}, {c.Update, "~"}, {c.Replace, "-/+"}, {c.Delete, "-"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%s%d", p.sign, p.n))
		}
	}
	return strings.Join(parts, " ")
}

// Plural is "1 node" or "2 nodes".
func Plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// Several names things: all of a few, of more the first ones and how many they are:
// "a", "a and b", "a, b and 7 others".
func Several(names []string) string {
	const most = 3
	all := slices.Clone(names)
	if len(all) > most {
		all = append(all[:most-1], Plural(len(names)-most+1, "other"))
	}
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	last := len(all) - 1
	return strings.Join(all[:last], ", ") + " and " + all[last]
}

// Ended is a final status as the end of a sentence: "has succeeded".
func Ended(status orchestrator.Status) string {
	switch status {
	case orchestrator.StatusSucceeded:
		return "has succeeded"
	case orchestrator.StatusRolledBack:
		return "failed and was rolled back"
	case orchestrator.StatusCanceled:
		return "was canceled"
	case orchestrator.StatusFailed:
		return "has failed"
	default:
		return "is " + Words(string(status))
	}
}
