// SPDX-License-Identifier: Apache-2.0

package render

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/cli/text"
	"github.com/HatiCode/nestor/orchestrator"
)

// HasChanges says whether applying the plan would change anything.
func HasChanges(p orchestrator.Plan) bool {
	return p.Summary != orchestrator.Counts{} || len(removals(p)) > 0
}

func removals(p orchestrator.Plan) []orchestrator.NodePlan {
	var nodes []orchestrator.NodePlan
	for _, n := range p.Nodes {
		if n.Remove {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// Plan writes a finished plan as one diff over the whole graph, node by node,
// and a summary.
func (c Canvas) Plan(w io.Writer, p orchestrator.Plan) error {
	d := &differ{canvas: c, kind: p.Kind}
	d.title(p)
	unchanged := 0
	for _, n := range p.Nodes {
		if n.Error == "" && !n.Remove && len(n.Changes) == 0 {
			unchanged++
			continue
		}
		d.node(n)
	}
	if unchanged > 0 {
		d.line(c.Style.Dim(Plural(unchanged, "node") + " without changes."))
	}
	d.summary(p)
	_, err := w.Write(d.text)
	return err
}

type differ struct {
	canvas Canvas
	kind   orchestrator.Kind // of the plan
	drift  bool              // changes are told from what is there, not from what will be
	text   []byte
}

func (d *differ) line(s string) { d.text = append(append(d.text, s...), '\n') }

func (d *differ) title(p orchestrator.Plan) {
	what := ""
	switch {
	case p.Kind == orchestrator.KindDestroy:
		what = ": destroy everything"
	case p.Release != "":
		what = ": release " + Digest(p.Release)
	}
	d.line(d.canvas.Style.Bold(fmt.Sprintf("Plan for %s/%s in %s%s", p.Team, p.Application, p.Environment, what)))
	d.line("")
}

func (d *differ) node(n orchestrator.NodePlan) {
	style := d.canvas.Style
	about := fmt.Sprintf("%s %s, %s", n.Definition, n.Version, n.Engine)
	d.line(style.Bold(text.CleanLine(n.Node)) + "  " + style.Dim(text.CleanLine(about)))
	switch {
	case n.Remove && n.Retain:
		d.line("  leaves the graph; its resources are kept (deletionPolicy: retain)")
	case n.Remove && len(n.Changes) == 0 && n.Error == "":
		d.line("  leaves the graph; nothing of it is left to delete")
	}
	for _, note := range notes(d.kind, n) {
		for _, l := range d.wrap(note, 2) {
			d.line("  " + style.Yellow(l))
		}
	}
	if n.Error != "" {
		for _, l := range d.wrap("no plan: "+text.Clean(n.Error), 2) {
			d.line("  " + style.Red(l))
		}
	}
	for _, change := range n.Changes {
		d.change(change)
	}
	d.line("")
}

// notes say what cannot be seen in a node's changes: what of them is taken back
// when something fails, and what a resource holds that a rollback makes anew.
func notes(kind orchestrator.Kind, n orchestrator.NodePlan) []string {
	if n.Remove || len(n.Changes) == 0 {
		return nil
	}
	var said []string
	switch class := catalog.RollbackClass(n.Rollback); {
	case class == catalog.ForwardOnly:
		said = append(said, "forward-only: this change is not taken back when something fails")
	case class == catalog.SnapshotFirst && touches(n.Changes):
		note := "snapshot-first: what it holds is saved before this change"
		if kind != orchestrator.KindRollback {
			note += ", unless --on-failure says stop or continue"
		}
		said = append(said, note)
	case class != catalog.SnapshotFirst && n.Replaces():
		said = append(said, "replaced: what it holds goes with it, and cannot be taken back if the deployment fails")
	}
	switch r := n.Restore; {
	case r != nil:
		of := ""
		if r.Release != "" {
			of = " of release " + Digest(r.Release)
		}
		said = append(said, fmt.Sprintf("restored from snapshot %s, taken%s at %s", text.CleanLine(r.Snapshot), of, r.Time.UTC().Format(time.RFC3339)))
	case n.Empty:
		said = append(said, "comes back empty: no snapshot is restored to it")
	}
	return said
}

// touches says that changes are made to what is there already.
func touches(changes []orchestrator.Change) bool {
	return slices.ContainsFunc(changes, func(c orchestrator.Change) bool { return c.Action != orchestrator.ActionCreate })
}

// wrap breaks prose to the canvas's width less an indent.
func (d *differ) wrap(s string, indent int) []string {
	if d.canvas.Width == 0 {
		return strings.Split(s, "\n")
	}
	return text.Wrap(s, d.canvas.Width-indent)
}

// symbol is what stands before a change: its sign, its colour and its words.
func (d *differ) symbol(a orchestrator.Action) (sign string, colour func(string) string, words string) {
	style := d.canvas.Style
	switch a {
	case orchestrator.ActionCreate:
		return "+", style.Green, "will be created"
	case orchestrator.ActionUpdate:
		return "~", style.Yellow, "will be changed in place"
	case orchestrator.ActionReplace:
		return "-/+", style.Magenta, "will be replaced"
	case orchestrator.ActionDelete:
		return "-", style.Red, "will be deleted"
	default:
		return "?", style.Yellow, "will see: " + string(a)
	}
}

func (d *differ) change(change orchestrator.Change) {
	sign, colour, words := d.symbol(change.Action)
	attributes := change.Attributes
	if d.drift {
		sign, colour, words = d.driftSymbol(change.Action)
		if change.Action == orchestrator.ActionCreate {
			attributes = nil // of what is not there, there is nothing to compare
		}
	}
	if change.Reason != "" {
		words += ": " + text.CleanLine(change.Reason)
	}
	address := text.CleanLine(change.Address)
	head := fmt.Sprintf("  %s %s", sign, address)
	if d.canvas.Width > 0 && text.Width(head)+1+text.Width(words) > d.canvas.Width {
		d.line("  " + colour(sign) + " " + address)
		for _, l := range d.wrap(words, 6) {
			d.line("      " + d.canvas.Style.Dim(l))
		}
	} else {
		d.line("  " + colour(sign) + " " + address + " " + d.canvas.Style.Dim(words))
	}
	widest := 0
	for _, a := range attributes {
		widest = max(widest, min(text.Width(text.CleanLine(a.Path)), maxPath))
	}
	for _, a := range attributes {
		d.attribute(change.Action, a, widest)
	}
}

func (d *differ) summary(p orchestrator.Plan) {
	style := d.canvas.Style
	left := 0
	for _, n := range removals(p) {
		if n.Retain || len(n.Changes) == 0 {
			left++
		}
	}
	counts := Counts(p.Summary)
	switch {
	case p.Status == orchestrator.PlanFailed:
		d.line(style.Red(style.Bold("Plan failed.")))
	case counts == "" && left == 0:
		d.line(style.Green(style.Bold("No changes.")) + " " + p.Environment + " is as it shall be.")
	case counts == "":
		d.line(style.Bold("Plan:") + " " + Plural(left, "node") + " to forget, nothing to change.")
	case left > 0:
		d.line(style.Bold("Plan:") + " " + counts + "; " + Plural(left, "node") + " to forget.")
	default:
		d.line(style.Bold("Plan:") + " " + counts + ".")
	}
}
