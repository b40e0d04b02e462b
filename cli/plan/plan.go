// SPDX-License-Identifier: Apache-2.0

// Package plan is `nestor plan`: what would change in an environment, without
// changing it.
package plan

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/change"
	"github.com/HatiCode/nestor/cli/complete"
	"github.com/HatiCode/nestor/cli/render"
	"github.com/HatiCode/nestor/cli/target"
	"github.com/HatiCode/nestor/orchestrator"
)

// Options of the command.
type Options struct {
	Factory  *cli.Factory
	Target   target.Flags
	Destroy  bool
	Rollback bool
	To       string
}

// NewCmdPlan returns the command; runF replaces its work in tests.
func NewCmdPlan(f *cli.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{Factory: f}
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what a deployment would change",
		Long: `Show what a deployment would change.

Freezes the application into a release and asks every engine what it would do:
one diff over all resources, with values that are known only later named as
such. Nothing is changed.

The exit code is 0 when there is nothing to do, 2 when there are changes, and 1
when there is no plan. Apply exactly what was shown with nestor apply --plan ID.`,
		Example: `  nestor plan
  nestor plan --env production
  nestor plan --env staging --destroy
  nestor plan --env production --rollback
  nestor plan --env staging -o json | jq .summary`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if opts.To != "" && !opts.Rollback {
				return cli.Errorf("add --rollback", "--to names the release that --rollback goes back to")
			}
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runPlan(cmd.Context(), opts)
		},
	}
	opts.Target.AddEnvironment(cmd, "the first one that the release can go to")
	opts.Target.AddApplication(cmd)
	cmd.Flags().BoolVar(&opts.Destroy, "destroy", false, "show what nestor destroy would delete")
	cmd.Flags().BoolVar(&opts.Rollback, "rollback", false, "show what nestor rollback would change")
	cmd.Flags().StringVar(&opts.To, "to", "", "with --rollback: the release, as in nestor rollback")
	change.Either(cmd, "destroy", "rollback")
	complete.Flag(cmd, "env", complete.Environments(f))
	return cmd
}

func runPlan(ctx context.Context, opts *Options) error {
	c, err := change.New(opts.Factory)
	if err != nil {
		return err
	}
	request, err := request(ctx, c, opts)
	if err != nil {
		return err
	}
	plan, err := c.Plan(ctx, request)
	if err != nil {
		return err
	}
	if format := opts.Factory.Flags.Output; format.Structured() {
		err = format.Write(opts.Factory.IO.Out, plan)
	} else if err = c.Show(plan); err == nil && render.HasChanges(plan) {
		verb := "apply"
		switch {
		case opts.Destroy:
			verb = "destroy"
		case opts.Rollback:
			verb = "rollback"
		}
		c.Say("\nTo do exactly this: nestor %s --env %s --plan %s", verb, plan.Environment, plan.ID)
	}
	if err == nil && render.HasChanges(plan) {
		return &cli.ExitError{Code: cli.CodeChanges}
	}
	return err
}

func request(ctx context.Context, c *change.Change, opts *Options) (client.CreatePlanJSONRequestBody, error) {
	if opts.Destroy {
		scope, err := opts.Target.Scope(ctx, opts.Factory)
		return client.CreatePlanJSONRequestBody{
			Team: scope.Team, Application: scope.Application, Environment: scope.Environment,
			Kind: orchestrator.KindDestroy,
		}, err
	}
	if opts.Rollback {
		scope, err := opts.Target.Scope(ctx, opts.Factory)
		if err != nil {
			return client.CreatePlanJSONRequestBody{}, err
		}
		return c.Back(ctx, scope, opts.To)
	}
	release, err := c.Release(ctx, &opts.Target)
	if err != nil {
		return client.CreatePlanJSONRequestBody{}, err
	}
	environment, err := c.Environment(ctx, &opts.Target, release)
	return client.CreatePlanJSONRequestBody{
		Team: release.Team, Application: release.Application, Environment: environment,
		Kind: orchestrator.KindApply, Release: release.Digest,
	}, err
}
