// SPDX-License-Identifier: Apache-2.0

package render

import (
	"fmt"
	"io"
	"strings"

	"github.com/HatiCode/nestor/cli/text"
	"github.com/HatiCode/nestor/orchestrator"
)

// Drift writes the report of a drift check, node by node, and a summary. Each
// change goes from what is there to what was deployed.
func (c Canvas) Drift(w io.Writer, r orchestrator.Drift) error {
	d := &differ{canvas: c, drift: true}
	release := ""
	if r.Release != "" {
		release = ": release " + Digest(r.Release)
	}
	d.line(c.Style.Bold(fmt.Sprintf("Drift of %s/%s in %s%s", r.Team, r.Application, r.Environment, release)))
	d.unsettled(r)
	d.line("")
	for _, n := range r.Nodes {
		d.driftNode(n)
	}
	if r.Tally.InSync > 0 && r.Tally.InSync < r.Tally.Nodes {
		d.line(c.Style.Dim(Plural(r.Tally.InSync, "node") + " as deployed."))
	}
	d.driftSummary(r)
	_, err := w.Write(d.text)
	return err
}

// unsettled says that the last deployment did not succeed, and how far the nodes
// are from the release.
func (d *differ) unsettled(r orchestrator.Drift) {
	if r.Unsettled == "" {
		return
	}
	away := 0
	for _, n := range r.Nodes {
		if n.Release != "" || n.State == orchestrator.NodeElsewhere || n.State == orchestrator.NodeMissing || n.State == orchestrator.NodePartial {
			away++
		}
	}
	where := "every node that could be read is at this release"
	switch {
	case away == 1:
		where = "1 node is not at this release"
	case away > 1:
		where = Plural(away, "node") + " are not at this release"
	}
	about := fmt.Sprintf("The last deployment, %s, ended %s: %s.", text.CleanLine(r.Unsettled), Words(string(r.UnsettledStatus)), where)
	for _, l := range d.wrap(about, 0) {
		d.line(d.canvas.Style.Yellow(l))
	}
}

// driftSymbol is what stands before a difference: its sign, its colour and its
// words.
func (d *differ) driftSymbol(a orchestrator.Action) (sign string, colour func(string) string, words string) {
	style := d.canvas.Style
	switch a {
	case orchestrator.ActionCreate:
		return "-", style.Red, "is gone"
	case orchestrator.ActionUpdate:
		return "~", style.Yellow, "differs"
	case orchestrator.ActionReplace:
		return "~", style.Magenta, "differs, and can only be replaced"
	case orchestrator.ActionDelete:
		return "+", style.Yellow, "is there, and should not be"
	default:
		return "?", style.Yellow, string(a)
	}
}

func (d *differ) driftNode(n orchestrator.NodeDrift) {
	style := d.canvas.Style
	about := fmt.Sprintf("%s %s, %s", n.Definition, n.Version, n.Engine)
	d.line(style.Bold(text.CleanLine(n.Node)) + "  " + style.Dim(text.CleanLine(about)))
	said, colour := "", style.Yellow
	switch n.State {
	case orchestrator.NodeGone:
		said = "nothing of it is left"
	case orchestrator.NodeFollows:
		said, colour = "as deployed; changes when what it depends on is repaired", style.Dim
	case orchestrator.NodePartial:
		said = "was never whole: its deployment did not succeed"
	case orchestrator.NodeNotKnown:
		said = "was forgotten: nobody knows what is there"
	case orchestrator.NodeElsewhere:
		said = "not as this release has it"
	case orchestrator.NodeMissing:
		said = "this release has it, and nothing is recorded of it: it was destroyed, or stated to be gone"
	case orchestrator.NodeUnreadable:
		said, colour = "cannot be read: "+text.Clean(n.Error), style.Red
	case orchestrator.NodeUnchecked:
		said, colour = "not checked: "+text.Clean(n.Error), style.Red
	default:
	}
	if n.Release != "" {
		said = strings.TrimPrefix(said+", at release "+Digest(n.Release), ", ")
	}
	if said != "" {
		for _, l := range d.wrap(said, 2) {
			d.line("  " + colour(l))
		}
	}
	for _, change := range n.Changes {
		d.change(change)
	}
	d.line("")
}

func (d *differ) driftSummary(r orchestrator.Drift) {
	style := d.canvas.Style
	switch r.Status {
	case orchestrator.DriftInSync:
		d.line(style.Green(style.Bold("No drift.")) + " " + r.Environment + " is as it was deployed (" + Plural(r.Tally.Nodes, "node") + ").")
	case orchestrator.DriftDrifted:
		d.line(style.Yellow(style.Bold("Drift:")) + " " + Differences(r) + ".")
	case orchestrator.DriftOvertaken:
		d.prose(style.Yellow(style.Bold("Overtaken:")), "Overtaken:", text.CleanLine(r.Error))
	case orchestrator.DriftFailed:
		d.line(style.Red(style.Bold("Not known.")) + " " + Differences(r) + ".")
	default:
		d.line("The check is " + Words(string(r.Status)) + ".")
	}
	switch {
	case r.Repaired != "":
		d.line("Repaired by deployment " + r.Repaired + ".")
	case r.Unrepaired != "":
		d.prose(style.Yellow("Not repaired:"), "Not repaired:", text.CleanLine(r.Unrepaired)+".")
	}
}

// prose writes a sentence behind its label, broken to the canvas's width.
func (d *differ) prose(styled, label, sentence string) {
	indent := len(label) + 1
	for i, l := range d.wrap(sentence, indent) {
		if i == 0 {
			d.line(styled + " " + l)
			continue
		}
		d.line(strings.Repeat(" ", indent) + l)
	}
}

// Differences is "2 resources differ in 1 node, 1 node is not known".
func Differences(r orchestrator.Drift) string {
	var parts []string
	drifted := r.Tally.Differs - r.Tally.Elsewhere
	if n := r.Summary.Total(); n > 0 {
		verb := " differ"
		if n == 1 {
			verb = " differs"
		}
		parts = append(parts, Plural(n, "resource")+verb+" in "+Plural(drifted, "node"))
	} else if drifted > 0 {
		parts = append(parts, Plural(drifted, "node")+" not as deployed")
	}
	if n := r.Tally.Elsewhere; n > 0 {
		parts = append(parts, Plural(n, "node")+" not at this release")
	}
	if n := r.Tally.Unknown; n == 1 {
		parts = append(parts, "1 node is not known")
	} else if n > 1 {
		parts = append(parts, Plural(n, "node")+" are not known")
	}
	if len(parts) == 0 {
		return "no difference was found"
	}
	return strings.Join(parts, ", ")
}
