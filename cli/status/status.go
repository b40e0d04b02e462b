// SPDX-License-Identifier: Apache-2.0

// Package status is `nestor status`: what is deployed where, and how it is.
package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/change"
	"github.com/HatiCode/nestor/cli/complete"
	"github.com/HatiCode/nestor/cli/output"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/cli/render"
	"github.com/HatiCode/nestor/cli/target"
	"github.com/HatiCode/nestor/cli/text"
	"github.com/HatiCode/nestor/orchestrator"
)

// Status is the result for programs, in the order in which people read it.
type Status struct {
	Application string              `json:"application"`
	Team        string              `json:"team"`
	Environment string              `json:"environment"`
	Status      orchestrator.Status `json:"status"`
	Release     string              `json:"release"`
	Deployment  string              `json:"deployment"`
	WorkflowID  string              `json:"workflowId"`
	// Reason, Error and Residue are the deployment's.
	Reason  string                 `json:"reason,omitempty"`
	Error   string                 `json:"error,omitempty"`
	Residue []orchestrator.Residue `json:"residue,omitempty"`
	// Queued is how many other deployments wait for their turn.
	Queued int `json:"queued,omitempty"`
	// Drift is the latest report that is about what is deployed now.
	Drift     *orchestrator.Drift `json:"drift,omitempty"`
	Resources []Resource          `json:"resources"`
}

// Resource is one node of it. Sensitive outputs are masked by the API.
type Resource struct {
	Name       string                  `json:"name"`
	Engine     string                  `json:"engine"`
	Definition string                  `json:"definition"`
	Version    string                  `json:"version"`
	Status     orchestrator.NodeStatus `json:"status"`
	// StateRef is where its state is, if it was adopted under its own name.
	StateRef string `json:"stateRef,omitempty"`
	// Holder is the worker whose step is at work on it for longer than a moment.
	Holder *orchestrator.Tenure `json:"holder,omitempty"`
	// Snapshots are the addresses of those that were taken of it.
	Snapshots []string `json:"snapshots,omitempty"`
	// UnfinishedSnapshots are those of which the taking failed or goes on: they
	// hold nothing to go back to.
	UnfinishedSnapshots []string       `json:"unfinishedSnapshots,omitempty"`
	Outputs             map[string]any `json:"outputs"`
}

// Options of the command.
type Options struct {
	Factory *cli.Factory
	Target  target.Flags
}

// NewCmdStatus returns the command; runF replaces its work in tests.
func NewCmdStatus(f *cli.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{Factory: f}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what is deployed and how it is",
		Long: `Show what is deployed and how it is.

With an environment: its resources, their status and their outputs. Without one:
all environments that the application was ever deployed to. Sensitive outputs
are masked.`,
		Example: `  nestor status
  nestor status --env staging
  nestor status --env staging -o json | jq -r '.resources[].outputs'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runStatus(cmd.Context(), opts)
		},
	}
	opts.Target.AddEnvironment(cmd, "all of them")
	opts.Target.AddApplication(cmd)
	complete.Flag(cmd, "env", complete.Environments(f))
	return cmd
}

func runStatus(ctx context.Context, opts *Options) error {
	f := opts.Factory
	name, err := opts.Target.Resolve(ctx, f)
	if err != nil {
		return err
	}
	environment, err := opts.Target.ResolveEnvironment(f)
	if err != nil {
		return err
	}
	api, err := f.Client()
	if err != nil {
		return err
	}
	if environment == "" {
		return all(ctx, f, api, name)
	}
	status, err := fetch(ctx, api, name, environment)
	if err != nil {
		return err
	}
	if f.Flags.Output.Structured() {
		return f.Flags.Output.Write(f.IO.Out, status)
	}
	return show(ctx, f, api, status)
}

func fetch(ctx context.Context, api *remote.Client, name target.Name, environment string) (Status, error) {
	status, err := remote.Decode[Status](api.GetApplicationStatus(ctx, name.Team, name.Application, environment))
	if !remote.NotFound(err) {
		return status, err
	}
	// Is it the environment that does not exist, or the deployment?
	environments, second := target.Environments(ctx, api)
	if second != nil {
		return status, errors.Join(err, second)
	}
	if err := target.CheckEnvironment(environments, environment); err != nil {
		return status, err
	}
	return status, cli.Errorf("deploy it with `nestor apply --env "+environment+"`", "%s was never deployed in %s", name, environment)
}

// all shows every environment of the application, in pipeline order.
func all(ctx context.Context, f *cli.Factory, api *remote.Client, name target.Name) error {
	list, err := remote.Decode[client.ApplicationList](api.ListApplications(ctx, &client.ListApplicationsParams{Team: &name.Team}))
	if err != nil {
		return err
	}
	statuses := []Status{}
	for _, application := range list.Items {
		if application.Application != name.Application {
			continue
		}
		for _, environment := range application.Environments {
			status, err := fetch(ctx, api, name, environment)
			if err != nil {
				return err
			}
			statuses = append(statuses, status)
		}
	}
	if len(statuses) == 0 {
		return target.NeverDeployed(list.Items, name)
	}
	if f.Flags.Output.Structured() {
		return f.Flags.Output.Write(f.IO.Out, statuses)
	}
	canvas := render.Out(f.IO)
	columns := output.NewColumns("ENVIRONMENT", "STATUS", "RELEASE", "DEPLOYMENT", "RESOURCES")
	for _, s := range statuses {
		status := render.Words(string(s.Status))
		if s.Queued > 0 {
			status += fmt.Sprintf(", %d queued", s.Queued)
		}
		columns.Styled(
			output.Cell{Text: s.Environment},
			output.Cell{Text: status, Style: render.Status(canvas.Style, s.Status)},
			output.Cell{Text: render.Digest(s.Release)},
			output.Cell{Text: s.Deployment},
			output.Cell{Text: tally(s.Resources)},
		)
	}
	return columns.Write(f.IO.Out, canvas.Width)
}

// tally counts the resources by status: "3 ready", "2 ready, 1 failed".
func tally(resources []Resource) string {
	counts := map[orchestrator.NodeStatus]int{}
	for _, r := range resources {
		counts[r.Status]++
	}
	line := ""
	for _, status := range slices.Sorted(maps.Keys(counts)) {
		if line != "" {
			line += ", "
		}
		line += fmt.Sprintf("%d %s", counts[status], status)
	}
	return line
}

func show(ctx context.Context, f *cli.Factory, api *remote.Client, s Status) error {
	canvas := render.Out(f.IO)
	w := f.IO.Out
	f.IO.Printf("%s %s\n", canvas.Style.Bold(fmt.Sprintf("%s/%s in %s:", s.Team, s.Application, s.Environment)),
		render.Status(canvas.Style, s.Status)(render.Words(string(s.Status))))
	if id, ok := target.ParseID(s.Deployment); ok {
		d, err := remote.Decode[orchestrator.Deployment](api.GetDeployment(ctx, id.Team, id.Application, id.Environment, id.N))
		if err != nil {
			return err
		}
		d.Release, d.Residue = s.Release, s.Residue // an adoption leaves what was there
		d.Reason = s.Reason                         // with who has asked it to stop
		if err := deployment(f, canvas, d); err != nil {
			return err
		}
		if s.Queued > 0 {
			f.IO.Printf("  %s queued; nestor history --env %s    shows them\n", render.Plural(s.Queued, "other deployment"), s.Environment)
		}
		if link := change.Link(f, id); link != "" {
			f.IO.Printf("  %s\n", link)
		}
	}
	drift(f, canvas, s)
	if len(s.Resources) == 0 {
		f.IO.Println("\nThere are no resources.")
		return nil
	}
	f.IO.Println()
	listed := s.Resources
	if f.IO.OutTerminal {
		listed = worthShowing(s.Resources)
	}
	columns := output.NewColumns("RESOURCE", "STATUS", "DEFINITION", "ENGINE")
	for _, r := range listed {
		columns.Styled(
			output.Cell{Text: r.Name},
			output.Cell{Text: string(r.Status), Style: render.NodeStatus(canvas.Style, r.Status)},
			output.Cell{Text: r.Definition + "@" + r.Version},
			output.Cell{Text: r.Engine},
		)
	}
	if err := columns.Write(w, canvas.Width); err != nil {
		return err
	}
	if hidden := len(s.Resources) - len(listed); hidden > 0 {
		f.IO.Printf("… and %d more; all together %s; -o json lists them all\n", hidden, tally(s.Resources))
	}
	holders(f, canvas, s)
	for _, r := range listed {
		if len(r.Snapshots) > 0 {
			f.IO.Printf("  saved of %s: %s\n", text.CleanLine(r.Name), text.CleanLine(strings.Join(r.Snapshots, ", ")))
		}
		if len(r.UnfinishedSnapshots) > 0 {
			f.IO.Printf("  not saved of %s, though begun: %s\n", text.CleanLine(r.Name), text.CleanLine(strings.Join(r.UnfinishedSnapshots, ", ")))
		}
	}
	return outputs(f, canvas, listed)
}

// longest is how many resources a terminal shows.
const longest = 200

// worthShowing picks as many resources as a terminal shows, in their order: those
// that are not as they should be before the others.
func worthShowing(all []Resource) []Resource {
	if len(all) <= longest {
		return all
	}
	room := longest
	chosen := make([]bool, len(all))
	for _, wanted := range []bool{false, true} {
		for i, r := range all {
			if room > 0 && (r.Status == orchestrator.NodeReady) == wanted {
				chosen[i] = true
				room--
			}
		}
	}
	var picked []Resource
	for i, r := range all {
		if chosen[i] {
			picked = append(picked, r)
		}
	}
	return picked
}

// drift says what the latest check has found.
func drift(f *cli.Factory, canvas render.Canvas, s Status) {
	if s.Drift == nil {
		return
	}
	found, colour := "none", canvas.Style.Green
	if s.Drift.Status != orchestrator.DriftInSync {
		found, colour = render.Differences(*s.Drift), canvas.Style.Yellow
	}
	f.IO.Printf("  drift: %s, checked %s\n", colour(found), render.When(f.IO, s.Drift.FinishedAt, f.Now()))
	if s.Drift.Status != orchestrator.DriftInSync {
		f.IO.Printf("  nestor drift --env %s --last    shows it\n", s.Environment)
	}
}

// deployment says what a deployment was and what came of it.
func deployment(f *cli.Factory, canvas render.Canvas, d orchestrator.Deployment) error {
	when := render.When(f.IO, d.QueuedAt, f.Now())
	release := ""
	if d.Release != "" {
		release = "release " + render.Digest(d.Release) + ", "
	}
	kind := render.Kind(d)
	if d.Adoption != nil {
		kind += " of " + text.CleanLine(d.Adoption.Node)
	}
	f.IO.Printf("  %sdeployment %d (%s) by %s, %s\n", release, d.N, kind, text.CleanLine(d.Principal), when)
	if d.Reason != "" && d.Status != orchestrator.StatusSucceeded {
		f.IO.Printf("%s", canvas.Hanging("  ", text.CleanLine(d.Reason), canvas.Style.Yellow))
	}
	trouble := &render.Trouble{}
	if d.Error != "" && d.Error != d.Reason {
		said := text.CleanLine(d.Error)
		f.IO.Printf("%s", canvas.Hanging("  ", said, canvas.Style.Red))
		_, message, _ := strings.Cut(said, ": ") // behind the step that failed
		trouble.Say(message)
	}
	if err := canvas.Residue(f.IO.Out, d.Residue, trouble); err != nil {
		return err
	}
	if d.Status == orchestrator.StatusAwaitingApproval || d.Status == orchestrator.StatusPaused {
		f.IO.Printf("  nestor approve %d --env %s    shows what waits, and lets it run\n", d.N, d.Environment)
		f.IO.Printf("  nestor reject %d --env %s     refuses it\n", d.N, d.Environment)
	}
	return nil
}

// holders names who holds a node that others wait for, or was not heard of for
// longer than it may be silent, as far as the clocks agree.
func holders(f *cli.Factory, canvas render.Canvas, s Status) {
	for _, r := range s.Resources {
		h := r.Holder
		switch {
		case h == nil:
		case h.Awaited || h.Overdue(f.Now()):
			f.IO.Printf("\n  %s\n", canvas.Style.Yellow(fmt.Sprintf("%s is held by %s; if that is dead:", text.CleanLine(r.Name), text.CleanLine(h.Holder()))))
			f.IO.Printf("  nestor unlock %s --env %s\n", r.Name, s.Environment)
		case h.WaitsFor != nil:
			f.IO.Printf("\n  %s\n", canvas.Style.Yellow(fmt.Sprintf("%s is held by %s; process %d on %s waits for its end",
				text.CleanLine(r.Name), text.CleanLine(h.WaitsFor.String()), h.Lease.PID, text.CleanLine(h.Lease.Host))))
		}
	}
}

func outputs(f *cli.Factory, canvas render.Canvas, resources []Resource) error {
	columns := output.NewColumns("OUTPUT", "VALUE")
	for _, r := range resources {
		for _, name := range slices.Sorted(maps.Keys(r.Outputs)) {
			value, err := shown(r.Outputs[name])
			if err != nil {
				return fmt.Errorf("show output %s of %s: %w", name, r.Name, err)
			}
			columns.Row(r.Name+"."+name, value)
		}
	}
	if columns.Len() == 0 {
		return nil
	}
	f.IO.Println()
	if err := columns.Write(f.IO.Out, canvas.Width); err != nil {
		return err
	}
	if doubtful := stale(resources); len(doubtful) > 0 {
		f.IO.Printf("%s", canvas.Hanging("", "Failed since they gave these: "+render.Several(doubtful)+". They may hold no more.", canvas.Style.Yellow))
	}
	return nil
}

// stale names the resources whose outputs are of a step before the one that failed.
func stale(resources []Resource) []string {
	var names []string
	for _, r := range resources {
		if len(r.Outputs) > 0 && (r.Status == orchestrator.NodeFailed || r.Status == orchestrator.NodeUncertain) {
			names = append(names, text.CleanLine(r.Name))
		}
	}
	return names
}

// shown is a text as it is and anything else as JSON.
func shown(v any) (string, error) {
	if s, ok := v.(string); ok {
		return s, nil
	}
	data, err := json.Marshal(v)
	return string(data), err
}
