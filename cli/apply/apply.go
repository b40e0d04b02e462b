// SPDX-License-Identifier: Apache-2.0

// Package apply is `nestor apply`: the application of this directory becomes
// true in an environment.
package apply

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/change"
	"github.com/HatiCode/nestor/cli/complete"
	"github.com/HatiCode/nestor/cli/prompt"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/cli/render"
	"github.com/HatiCode/nestor/cli/target"
	"github.com/HatiCode/nestor/orchestrator"
)

// Options of the command.
type Options struct {
	Factory   *cli.Factory
	Target    target.Flags
	Yes       bool
	Detach    bool
	OnFailure change.OnFailure
	PlanID    string
}

// NewCmdApply returns the command; runF replaces its work in tests.
func NewCmdApply(f *cli.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{Factory: f}
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Deploy the application of this directory",
		Long: `Deploy the application of this directory.

Freezes the application into a release, shows the plan for an environment, asks,
and then follows the deployment until it is over. The deployment runs on the
server: Ctrl-C stops watching it, not the deployment.

Without a terminal nothing is asked: give --yes to apply whatever the plan is,
or --plan ID to apply exactly what nestor plan has shown.`,
		Example: `  nestor apply
  nestor apply --env staging
  nestor apply --env staging --yes --detach
  nestor apply --plan 01JD3Y6ZK9V2T8Q4W7M5N1C0RB`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runApply(cmd.Context(), opts)
		},
	}
	opts.Target.AddEnvironment(cmd, "the first one that the release can go to")
	opts.Target.AddApplication(cmd)
	cmd.Flags().BoolVarP(&opts.Yes, "yes", "y", false, "apply whatever the plan is, without asking")
	cmd.Flags().BoolVar(&opts.Detach, "detach", false, "return when the deployment is queued")
	cmd.Flags().StringVar(&opts.PlanID, "plan", "", "apply exactly the plan with this id, without asking")
	change.AddOnFailure(cmd, &opts.OnFailure)
	complete.Flag(cmd, "env", complete.Environments(f))
	return cmd
}

func runApply(ctx context.Context, opts *Options) error {
	c, err := change.New(opts.Factory)
	if err != nil {
		return err
	}
	if opts.PlanID != "" {
		return runPlanned(ctx, c, opts)
	}
	if !opts.Yes {
		if err := prompt.Possible(opts.Factory.IO, "nestor apply",
			"give --yes, or look at `nestor plan` and give its id with --plan"); err != nil {
			return err
		}
	}
	release, err := c.Release(ctx, &opts.Target)
	if err != nil {
		return err
	}
	environment, err := c.Environment(ctx, &opts.Target, release)
	if err != nil {
		return err
	}
	plan, err := c.Plan(ctx, client.CreatePlanJSONRequestBody{
		Team: release.Team, Application: release.Application, Environment: environment,
		Kind: orchestrator.KindApply, Release: release.Digest,
	})
	if err != nil {
		return err
	}
	if err := c.Show(plan); err != nil {
		return err
	}
	consent := change.Consent{Given: opts.Yes, Question: "\nApply this to " + environment + "?"}
	if !render.HasChanges(plan) {
		live, settled, err := c.Live(ctx, target.Name{Team: plan.Team, Application: plan.Application}, environment)
		if err != nil {
			return err
		}
		if settled && live == release.Digest {
			return c.Unchanged(ctx, plan.Scope)
		}
		// Nothing changes but the release that promotion and rollback go by.
		consent.Given = true
		c.Say("Recording release %s in %s.", render.Digest(release.Digest), environment)
	}
	if err := c.Ask(ctx, consent); err != nil {
		return err
	}
	return start(ctx, c, opts, plan)
}

// runPlanned applies a plan that somebody has looked at.
func runPlanned(ctx context.Context, c *change.Change, opts *Options) error {
	plan, err := remote.Decode[orchestrator.Plan](c.API.GetPlan(ctx, opts.PlanID))
	if err != nil {
		return err
	}
	if err := c.Usable(plan, orchestrator.KindApply, &opts.Target); err != nil {
		return err
	}
	if err := c.Show(plan); err != nil {
		return err
	}
	return start(ctx, c, opts, plan)
}

func start(ctx context.Context, c *change.Change, opts *Options, plan orchestrator.Plan) error {
	id, err := c.Deploy(ctx, client.CreateDeploymentJSONRequestBody{
		Team: plan.Team, Application: plan.Application, Environment: plan.Environment,
		Kind: orchestrator.KindApply, Release: plan.Release, PlanID: plan.ID,
		AutoApprove: opts.Yes && opts.PlanID == "", OnFailure: opts.OnFailure.Value,
	})
	if err != nil {
		return err
	}
	return c.Finish(ctx, id, opts.Detach)
}
