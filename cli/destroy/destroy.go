// SPDX-License-Identifier: Apache-2.0

// Package destroy is `nestor destroy`: an application leaves an environment, and
// its resources are deleted.
package destroy

import (
	"context"
	"fmt"

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
	PlanID    string
	OnFailure change.OnFailure
}

// NewCmdDestroy returns the command; runF replaces its work in tests.
func NewCmdDestroy(f *cli.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{Factory: f}
	cmd := &cobra.Command{
		Use:   "destroy --env ENVIRONMENT",
		Short: "Delete all resources of the application in an environment",
		Long: `Delete all resources of the application in an environment.

Shows what will be deleted, asks for the application's name, and deletes in
reverse order. A resource counts as deleted when it was read back as gone; those
with deletionPolicy: retain stay, and are named.`,
		Example: `  nestor destroy --env staging
  nestor destroy --env staging --yes
  nestor destroy --plan 01JD3Y6ZK9V2T8Q4W7M5N1C0RB`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runDestroy(cmd.Context(), opts)
		},
	}
	opts.Target.AddEnvironment(cmd, "the one of the context")
	opts.Target.AddApplication(cmd)
	cmd.Flags().BoolVarP(&opts.Yes, "yes", "y", false, "delete without asking")
	cmd.Flags().BoolVar(&opts.Detach, "detach", false, "return when the deletion is queued")
	cmd.Flags().StringVar(&opts.PlanID, "plan", "", "delete exactly what the plan with this id shows, without asking")
	change.AddOnFailure(cmd, &opts.OnFailure)
	complete.Flag(cmd, "env", complete.Environments(f))
	return cmd
}

func runDestroy(ctx context.Context, opts *Options) error {
	f := opts.Factory
	c, err := change.New(f)
	if err != nil {
		return err
	}
	if !opts.Yes && opts.PlanID == "" {
		if err := prompt.Possible(f.IO, "nestor destroy",
			"give --yes, or look at `nestor plan --destroy` and give its id with --plan"); err != nil {
			return err
		}
	}
	plan, err := planned(ctx, c, opts)
	if err != nil {
		return err
	}
	if err := c.Show(plan); err != nil {
		return err
	}
	if !render.HasChanges(plan) {
		return c.Unchanged(ctx, plan.Scope)
	}
	if err := c.Ask(ctx, change.Consent{
		Given:    opts.Yes || opts.PlanID != "",
		Question: fmt.Sprintf("\nThis deletes %s/%s from %s and cannot be taken back.", plan.Team, plan.Application, plan.Environment),
		Word:     plan.Application,
	}); err != nil {
		return err
	}
	id, err := c.Deploy(ctx, client.CreateDeploymentJSONRequestBody{
		Team: plan.Team, Application: plan.Application, Environment: plan.Environment,
		Kind: orchestrator.KindDestroy, PlanID: plan.ID,
		AutoApprove: opts.Yes && opts.PlanID == "", OnFailure: opts.OnFailure.Value,
	})
	if err != nil {
		return err
	}
	return c.Finish(ctx, id, opts.Detach)
}

func planned(ctx context.Context, c *change.Change, opts *Options) (orchestrator.Plan, error) {
	if opts.PlanID != "" {
		plan, err := remote.Decode[orchestrator.Plan](c.API.GetPlan(ctx, opts.PlanID))
		if err != nil {
			return plan, err
		}
		return plan, c.Usable(plan, orchestrator.KindDestroy, &opts.Target)
	}
	scope, err := opts.Target.Scope(ctx, opts.Factory)
	if err != nil {
		return orchestrator.Plan{}, err
	}
	return c.Plan(ctx, client.CreatePlanJSONRequestBody{
		Team: scope.Team, Application: scope.Application, Environment: scope.Environment, Kind: orchestrator.KindDestroy,
	})
}
