// SPDX-License-Identifier: Apache-2.0

package change

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/follow"
	"github.com/HatiCode/nestor/cli/render"
	"github.com/HatiCode/nestor/cli/target"
	"github.com/HatiCode/nestor/cli/text"
	"github.com/HatiCode/nestor/orchestrator"
)

// conclude reports how a deployment ended: a sentence for success, and for
// anything else what failed, what was left behind, and an error.
func (c *Change) conclude(id target.ID, outcome follow.Outcome) error {
	d := outcome.Deployment
	if c.F.Flags.Output.Structured() {
		if err := c.F.Flags.Output.Write(c.F.IO.Out, d); err != nil {
			return err
		}
	}
	if d.Status == orchestrator.StatusSucceeded {
		_, canvas := c.talk()
		c.Say("%s %s", canvas.Style.Green("✓"), success(d))
		return c.residue(d, &render.Trouble{}) // what nothing needs any more, and is still there
	}
	trouble := c.failures(outcome)
	if err := c.residue(d, trouble); err != nil {
		return err
	}
	return cli.Errorf(advice(id, d), "%s", failure(d, trouble))
}

// failures shows the errors of the steps that failed, each once, unless whoever
// reads this has read them as they came.
func (c *Change) failures(outcome follow.Outcome) *render.Trouble {
	canvas := render.Err(c.F.IO)
	trouble := &render.Trouble{}
	shown := map[string]bool{}
	for _, f := range outcome.Failures {
		line := text.Clean(f.String())
		if !outcome.Told && !shown[line] {
			c.F.IO.Notef("%s", canvas.Hanging("✗ ", line, canvas.Style.Red))
		}
		shown[line] = true
		trouble.Say(text.CleanLine(f.Text()))
	}
	return trouble
}

// residue lists what a deployment left behind, and what to do about it.
func (c *Change) residue(d orchestrator.Deployment, t *render.Trouble) error {
	return render.Err(c.F.IO).Residue(c.F.IO.ErrOut, d.Residue, t)
}

func success(d orchestrator.Deployment) string {
	took := fmt.Sprintf("(deployment %d, %s)", d.N, render.Elapsed(duration(d)))
	switch {
	case d.Kind == orchestrator.KindDestroy:
		return fmt.Sprintf("%s/%s is gone from %s %s", d.Team, d.Application, d.Environment, took)
	case d.Adoption != nil && d.Adoption.AllowChanges:
		return fmt.Sprintf("%s of %s/%s is adopted in %s; `nestor plan --env %s` shows what the next apply changes %s",
			d.Adoption.Node, d.Team, d.Application, d.Environment, d.Environment, took)
	case d.Adoption != nil:
		return fmt.Sprintf("%s of %s/%s is adopted in %s, and nothing was changed %s",
			d.Adoption.Node, d.Team, d.Application, d.Environment, took)
	}
	return fmt.Sprintf("%s/%s is at release %s in %s %s", d.Team, d.Application, render.Digest(d.Release), d.Environment, took)
}

func duration(d orchestrator.Deployment) time.Duration {
	began := d.StartedAt
	if began.IsZero() {
		began = d.QueuedAt
	}
	return d.FinishedAt.Sub(began)
}

func failure(d orchestrator.Deployment, trouble *render.Trouble) string {
	name := fmt.Sprintf("deployment %d in %s", d.N, d.Environment)
	why := ""
	if reason := cmp.Or(d.Error, d.Reason); reason != "" {
		why = ": " + strings.TrimSuffix(trouble.Brief(text.CleanLine(reason)), ".")
	}
	switch d.Status {
	case orchestrator.StatusRolledBack:
		if d.Kind == orchestrator.KindAdopt {
			return name + " failed and left nothing behind" + why
		}
		return name + " failed and was rolled back" + why
	case orchestrator.StatusCanceled:
		if d.Reason != "" { // who did, and why; what that did to the nodes was said
			return name + " was " + d.Reason
		}
		return name + " was canceled" + why
	case orchestrator.StatusFailed:
		return name + " failed" + why
	default:
		return fmt.Sprintf("%s is still %s, but its events have ended%s", name, render.Words(string(d.Status)), why)
	}
}

func advice(id target.ID, d orchestrator.Deployment) string {
	logs := fmt.Sprintf("`nestor logs %d --env %s` has what the engines said", id.N, id.Environment)
	switch {
	case len(d.Residue) > 0:
		return "settle what was left behind first; " + logs
	case d.Status == orchestrator.StatusCanceled:
		return ""
	default:
		return logs
	}
}

// Link is the address of a deployment in the Temporal Web UI, known when
// NESTOR_TEMPORAL_UI or the context names that; empty otherwise.
func Link(f *cli.Factory, id target.ID) string {
	settings, err := f.Settings()
	base := strings.TrimSuffix(settings.TemporalUI, "/")
	if err != nil || base == "" { // what is wrong with the settings, the client has said
		return ""
	}
	namespace := cmp.Or(f.Getenv("NESTOR_TEMPORAL_NAMESPACE"), "default")
	return fmt.Sprintf("%s/namespaces/%s/workflows/%s", base, url.PathEscape(namespace), url.PathEscape(id.String()))
}
