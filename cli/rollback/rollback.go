// SPDX-License-Identifier: Apache-2.0

// Package rollback is `nestor rollback`: an environment goes back to an earlier
// release that succeeded there.
package rollback

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
	"github.com/HatiCode/nestor/cli/target"
	"github.com/HatiCode/nestor/orchestrator"
)

// Options of the command.
type Options struct {
	Factory   *cli.Factory
	Target    target.Flags
	To        string
	Yes       bool
	Detach    bool
	PlanID    string
	OnFailure change.OnFailure
}

// NewCmdRollback returns the command; runF replaces its work in tests.
func NewCmdRollback(f *cli.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{Factory: f}
	cmd := &cobra.Command{
		Use:   "rollback --env ENVIRONMENT",
		Short: "Go back to an earlier release",
		Long: `Go back to an earlier release.

Without --to, that is the release that succeeded in the environment before the
present one; after a deployment that failed or was canceled, the one that
succeeded last. It is deployed like any other, so that what it lacks is removed
last.
The plan is shown first. It names the nodes where going back is not the same as
not having gone: those that are forward-only, those that are replaced, and those
that are made anew from a snapshot, or empty where none is left
(snapshot-first). Without a terminal nothing is asked: look at it with
nestor plan --rollback.`,
		Example: `  nestor rollback --env production
  nestor rollback --env production --to 3f2a91c4d0e1
  nestor rollback --plan 01JD3Y6ZK9V2T8Q4W7M5N1C0RB`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runRollback(cmd.Context(), opts)
		},
	}
	opts.Target.AddEnvironment(cmd, "the one of the context")
	opts.Target.AddApplication(cmd)
	cmd.Flags().StringVar(&opts.To, "to", "", "the release: its digest, or its first 12 digits (see nestor history)")
	cmd.Flags().BoolVarP(&opts.Yes, "yes", "y", false, "roll back whatever the plan is, without asking")
	cmd.Flags().BoolVar(&opts.Detach, "detach", false, "return when the deployment is queued")
	cmd.Flags().StringVar(&opts.PlanID, "plan", "", "carry out exactly the plan with this id, without asking")
	change.Either(cmd, "plan", "to")
	change.AddOnFailure(cmd, &opts.OnFailure)
	complete.Flag(cmd, "env", complete.Environments(f))
	return cmd
}

func runRollback(ctx context.Context, opts *Options) error {
	f := opts.Factory
	if err := change.CheckRelease(opts.To); err != nil {
		return err
	}
	if !opts.Yes && opts.PlanID == "" {
		if err := prompt.Possible(f.IO, "nestor rollback",
			"give --yes, or look at `nestor plan --rollback` and give its id with --plan"); err != nil {
			return err
		}
	}
	c, err := change.New(f)
	if err != nil {
		return err
	}
	plan, err := planned(ctx, c, opts)
	if err != nil {
		return err
	}
	if err := c.Show(plan); err != nil {
		return err
	}
	if err := c.Ask(ctx, change.Consent{
		Given: opts.Yes || opts.PlanID != "", Question: fmt.Sprintf("\nRoll %s back to this?", plan.Environment),
	}); err != nil {
		return err
	}
	id, err := c.Deploy(ctx, client.CreateDeploymentJSONRequestBody{
		Team: plan.Team, Application: plan.Application, Environment: plan.Environment,
		Kind: orchestrator.KindRollback, Release: plan.Release, PlanID: plan.ID,
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
		return plan, c.Usable(plan, orchestrator.KindRollback, &opts.Target)
	}
	scope, err := opts.Target.Scope(ctx, opts.Factory)
	if err != nil {
		return orchestrator.Plan{}, err
	}
	request, err := c.Back(ctx, scope, opts.To)
	if err != nil {
		return orchestrator.Plan{}, err
	}
	return c.Plan(ctx, request)
}
