// SPDX-License-Identifier: Apache-2.0

// Package drift is `nestor drift`: is what is deployed still as it was
// deployed, and if not, make it so again.
package drift

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/change"
	"github.com/HatiCode/nestor/cli/complete"
	"github.com/HatiCode/nestor/cli/prompt"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/cli/render"
	"github.com/HatiCode/nestor/cli/target"
	"github.com/HatiCode/nestor/cli/text"
	"github.com/HatiCode/nestor/orchestrator"
)

// Options of the command.
type Options struct {
	Factory *cli.Factory
	Target  target.Flags
	Repair  bool
	Yes     bool
	Detach  bool
	Last    bool
}

// NewCmdDrift returns the command; runF replaces its work in tests.
func NewCmdDrift(f *cli.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{Factory: f}
	cmd := &cobra.Command{
		Use:   "drift",
		Short: "Show what is not as it was deployed",
		Long: `Show what is not as it was deployed.

Asks every engine to compare what is there with the release that is deployed,
and shows what differs: each change goes from what is there to what was
deployed. The application's directory is not looked at; what a new release would
change is what nestor plan shows. Nothing is changed, unless --repair is given:
then the same release is deployed again, bound to exactly what was shown, and an
environment that asks for approvals gets a deployment that waits for them.

The exit code is 0 when everything is as it was deployed, 2 when something
differs, and 1 when that cannot be said. The check runs on the server: Ctrl-C
stops watching it, not the check.`,
		Example: `  nestor drift --env staging
  nestor drift --env staging --repair
  nestor drift --env staging --repair --yes --detach
  nestor drift --env staging --last -o json | jq .nodes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runDrift(cmd.Context(), opts)
		},
	}
	opts.Target.AddEnvironment(cmd, "the one of the context")
	opts.Target.AddApplication(cmd)
	cmd.Flags().BoolVar(&opts.Repair, "repair", false, "deploy the same release again where something differs")
	cmd.Flags().BoolVarP(&opts.Yes, "yes", "y", false, "repair what differs without asking")
	cmd.Flags().BoolVar(&opts.Detach, "detach", false, "return when the check is started; with --repair it repairs by itself")
	cmd.Flags().BoolVar(&opts.Last, "last", false, "show the latest report instead of checking")
	change.Either(cmd, "last", "repair")
	change.Either(cmd, "last", "detach")
	complete.Flag(cmd, "env", complete.Environments(f))
	return cmd
}

func runDrift(ctx context.Context, opts *Options) error {
	f := opts.Factory
	c, err := change.New(f)
	if err != nil {
		return err
	}
	if opts.Repair && !opts.Yes {
		if err := answerable(opts); err != nil {
			return err
		}
	}
	scope, err := opts.Target.Scope(ctx, f)
	if err != nil {
		return err
	}
	if opts.Last {
		report, err := last(ctx, c, scope)
		if err != nil {
			return err
		}
		return conclude(c, report)
	}
	report, err := c.StartDrift(ctx, client.CreateDriftJSONRequestBody{
		Team: scope.Team, Application: scope.Application, Environment: scope.Environment,
		Repair: opts.Repair && opts.Detach,
	})
	if err != nil {
		return err
	}
	if opts.Detach {
		return detach(c, report)
	}
	if report, err = c.AwaitDrift(ctx, report); err != nil {
		return err
	}
	if opts.Repair && report.Status == orchestrator.DriftDrifted {
		return repair(ctx, c, opts, report)
	}
	return conclude(c, report)
}

// answerable fails when a question would come to nobody.
func answerable(opts *Options) error {
	if opts.Detach {
		return cli.Errorf("give --yes, or leave --detach out", "nobody is there to be asked about a repair that goes on by itself")
	}
	return prompt.Possible(opts.Factory.IO, "nestor drift --repair", "give --yes")
}

// last is the latest report that has come to an end.
func last(ctx context.Context, c *change.Change, scope orchestrator.Scope) (orchestrator.Drift, error) {
	list, err := remote.Decode[client.DriftList](c.API.ListDrifts(ctx, &client.ListDriftsParams{
		Team: &scope.Team, Application: scope.Application, Environment: scope.Environment,
	}))
	if err != nil {
		return orchestrator.Drift{}, err
	}
	for _, d := range list.Items {
		if d.Status == orchestrator.DriftRunning {
			continue
		}
		return remote.Decode[orchestrator.Drift](c.API.GetDrift(ctx, scope.Team, scope.Application, scope.Environment, d.ID))
	}
	return orchestrator.Drift{}, cli.Errorf("run `nestor drift --env "+scope.Environment+"`",
		"%s/%s was never checked for drift in %s", scope.Team, scope.Application, scope.Environment)
}

func detach(c *change.Change, report orchestrator.Drift) error {
	if format := c.F.Flags.Output; format.Structured() {
		return format.Write(c.F.IO.Out, report)
	}
	c.Say("The check goes on in %s:", report.Environment)
	c.Say("  nestor drift --env %s --last    shows its report", report.Environment)
	return nil
}

// conclude shows a report and turns it into an exit code.
func conclude(c *change.Change, report orchestrator.Drift) error {
	var err error
	if format := c.F.Flags.Output; format.Structured() {
		err = format.Write(c.F.IO.Out, report)
	} else {
		err = c.ShowDrift(report)
	}
	if err != nil {
		return err
	}
	switch report.Status {
	case orchestrator.DriftInSync:
		return nil
	case orchestrator.DriftDrifted:
		switch {
		case c.F.Flags.Output.Structured() || report.Repaired != "":
		case report.Irreparable != "":
			c.Say("\nA repair cannot make it so again: %s.", text.CleanLine(report.Irreparable))
		case report.Error == "":
			c.Say("\nTo make it so again: nestor drift --env %s --repair", report.Environment)
		}
		return &cli.ExitError{Code: cli.CodeChanges}
	case orchestrator.DriftOvertaken:
		return cli.Errorf("check again", "it cannot be said whether %s has drifted: %s", report.Environment, report.Error)
	default:
		return cli.Errorf("repair the cause and check again", "it cannot be said whether %s has drifted: %s", report.Environment, reason(report))
	}
}

// reason is why too little is known: what ended the check as a whole, and the nodes
// that could not be read. Nodes that nobody came to are no cause, and others that
// could not be checked are one where nothing ended it. Why a node could not, was
// shown with it.
func reason(report orchestrator.Drift) string {
	var unreadable, unchecked []string
	whole, _, _ := strings.Cut(report.Error, "\n") // comes first, if it is there
	for _, n := range report.Nodes {
		switch n.State {
		case orchestrator.NodeUnreadable:
			unreadable = append(unreadable, text.CleanLine(n.Node))
		case orchestrator.NodeUnchecked:
			unchecked = append(unchecked, text.CleanLine(n.Node))
		default:
			continue
		}
		if strings.HasPrefix(whole, n.Node+": ") {
			whole = ""
		}
	}
	var parts []string
	if whole != "" {
		parts = append(parts, text.CleanLine(whole))
	}
	if len(unreadable) > 0 {
		parts = append(parts, render.Several(unreadable)+" could not be read")
	}
	if whole == "" && len(unchecked) > 0 {
		parts = append(parts, render.Several(unchecked)+" could not be checked")
	}
	return strings.Join(parts, "; ")
}

// repair deploys the same release again, bound to what the report shows.
func repair(ctx context.Context, c *change.Change, opts *Options, report orchestrator.Drift) error {
	if err := c.ShowDrift(report); err != nil {
		return err
	}
	if report.Error != "" {
		return cli.Errorf("repair the cause and check again",
			"%s is not repaired: a repair goes by a plan of everything, and some of it is not known: %s", report.Environment, reason(report))
	}
	if report.Irreparable != "" {
		return cli.Errorf("", "%s is not repaired: %s", report.Environment, text.CleanLine(report.Irreparable))
	}
	if err := c.Ask(ctx, change.Consent{
		Given: opts.Yes, Question: "\nMake this again as it was deployed, with release " + render.Digest(report.Release) + "?",
	}); err != nil {
		return err
	}
	id, err := c.Deploy(ctx, client.CreateDeploymentJSONRequestBody{
		Team: report.Team, Application: report.Application, Environment: report.Environment,
		Kind: orchestrator.KindApply, Release: report.Release, PlanID: report.ID, OnFailure: orchestrator.OnFailureStop,
	})
	if err != nil {
		return err
	}
	return c.Finish(ctx, id, false)
}
