// SPDX-License-Identifier: Apache-2.0

package approve

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/cli/render"
	"github.com/HatiCode/nestor/cli/text"
	"github.com/HatiCode/nestor/orchestrator"
)

// look shows what a deployment waits with, and returns a decision about exactly
// that.
func look(ctx context.Context, opts *Options, api *remote.Client, d orchestrator.Deployment) (client.Decision, error) {
	body := client.Decision{Comment: opts.Comment}
	if d.Status == orchestrator.StatusPaused {
		paused, err := meant(opts.Nodes, d)
		if err != nil {
			return body, err
		}
		for _, p := range paused {
			body.Changes = append(body.Changes, p.Change())
		}
		showPaused(opts.Factory, paused)
		return body, nil
	}
	if len(opts.Nodes) > 0 {
		return body, cli.Errorf("leave --node out to decide on the whole of it",
			"deployment %d in %s is %s; no node of it is paused", d.N, d.Environment, render.Words(string(d.Status)))
	}
	body.ChangeDigest = d.ChangeDigest
	return body, showPlan(ctx, opts, api, d)
}

// meant are the paused nodes that a command is about.
func meant(names []string, d orchestrator.Deployment) ([]orchestrator.PausedNode, error) {
	if len(names) == 0 {
		return d.Paused, nil
	}
	var found []orchestrator.PausedNode
	for _, name := range names {
		at := slices.IndexFunc(d.Paused, func(p orchestrator.PausedNode) bool { return p.Node == name })
		if at < 0 {
			all := make([]string, 0, len(d.Paused))
			for _, p := range d.Paused {
				all = append(all, p.Node)
			}
			return nil, cli.Errorf("", "%s is not paused in deployment %d in %s; those that are: %s",
				name, d.N, d.Environment, strings.Join(all, ", "))
		}
		found = append(found, d.Paused[at])
	}
	return found, nil
}

func showPaused(f *cli.Factory, paused []orchestrator.PausedNode) {
	style := f.IO.ErrStyle()
	for _, p := range paused {
		f.IO.Notef("%s %s %s\n", style.Yellow("paused"), style.Bold(text.CleanLine(p.Node)), style.Dim(render.Digest(p.ChangeDigest)))
		f.IO.Notef("  %s\n", text.CleanLine(p.Message))
	}
}

// showPlan shows the plan of a deployment that has not begun, and why it waits.
func showPlan(ctx context.Context, opts *Options, api *remote.Client, d orchestrator.Deployment) error {
	f := opts.Factory
	if d.PlanID != "" {
		plan, err := remote.Decode[orchestrator.Plan](api.GetPlan(ctx, d.PlanID))
		if err != nil {
			return err
		}
		switch {
		case plan.Status == orchestrator.PlanReady:
			err = render.Err(f.IO).Plan(f.IO.ErrOut, plan)
		case opts.Approve:
			err = cli.Errorf("try again in a moment", "plan %s of deployment %d in %s is %s, so there is nothing to approve yet",
				plan.ID, d.N, d.Environment, plan.Status)
		}
		if err != nil {
			return err
		}
	}
	if d.Adoption != nil {
		f.IO.Notef("%s\n", text.CleanLine(adopts(*d.Adoption)))
	}
	if d.Reason != "" {
		f.IO.Notef("%s\n", text.CleanLine(d.Reason))
	}
	return nil
}

// adopts says what an adoption does, which has no plan.
func adopts(a orchestrator.Adoption) string {
	what, changes := "a state that was handed in", "nothing may change by that"
	if !a.State {
		what = a.Reference
	}
	if a.AllowChanges {
		changes = "the next apply may change it"
	}
	return fmt.Sprintf("Adopts %s into %s; %s.", what, a.Node, changes)
}
