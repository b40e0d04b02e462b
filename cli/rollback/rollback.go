// SPDX-License-Identifier: Apache-2.0

// Package rollback is `nestor rollback`: an environment goes back to an earlier
// release that succeeded there.
package rollback

import (
	"context"
	"fmt"
	"strings"

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
not having gone: those that are forward-only, and those that are saved before
they are changed (snapshot-first).`,
		Example: `  nestor rollback --env production
  nestor rollback --env production --to 3f2a91c4d0e1`,
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
	change.AddOnFailure(cmd, &opts.OnFailure)
	complete.Flag(cmd, "env", complete.Environments(f))
	return cmd
}

func runRollback(ctx context.Context, opts *Options) error {
	f := opts.Factory
	if !opts.Yes {
		if err := prompt.Possible(f.IO, "nestor rollback", "give --yes"); err != nil {
			return err
		}
	}
	scope, err := opts.Target.Scope(ctx, f)
	if err != nil {
		return err
	}
	c, err := change.New(f)
	if err != nil {
		return err
	}
	release := opts.To
	if release != "" && !isDigest(release) {
		return cli.Errorf("`nestor history --env "+scope.Environment+"` shows them; without --to it is the one before",
			"--to takes a release: its digest, or the first 12 digits or more, not %q", release)
	}
	if release == "" {
		if release, err = previous(ctx, c, scope); err != nil {
			return err
		}
	}
	plan, err := c.Plan(ctx, client.CreatePlanJSONRequestBody{
		Team: scope.Team, Application: scope.Application, Environment: scope.Environment,
		Kind: orchestrator.KindRollback, Release: release,
	})
	if err != nil {
		return err
	}
	if err := c.Show(plan); err != nil {
		return err
	}
	if err := c.Ask(ctx, change.Consent{
		Given: opts.Yes, Question: fmt.Sprintf("\nRoll %s back to this?", scope.Environment),
	}); err != nil {
		return err
	}
	id, err := c.Deploy(ctx, client.CreateDeploymentJSONRequestBody{
		Team: scope.Team, Application: scope.Application, Environment: scope.Environment,
		Kind: orchestrator.KindRollback, Release: plan.Release, PlanID: plan.ID,
		AutoApprove: opts.Yes, OnFailure: opts.OnFailure.Value,
	})
	if err != nil {
		return err
	}
	return c.Finish(ctx, id, opts.Detach)
}

// isDigest says whether a text is a release's digest or enough of it to look it
// up.
func isDigest(text string) bool {
	const fewest, all = 12, 64
	digits := strings.TrimPrefix(text, "sha256:")
	return len(digits) >= fewest && len(digits) <= all && strings.Trim(digits, "0123456789abcdef") == ""
}

// previous finds the release to go back to: the one that succeeded last, where a
// deployment after it has left the environment between two releases; otherwise
// the one that succeeded before the present one.
func previous(ctx context.Context, c *change.Change, scope orchestrator.Scope) (string, error) {
	between, err := lastFailed(ctx, c, scope)
	if err != nil {
		return "", err
	}
	status := orchestrator.StatusSucceeded
	params := client.ListDeploymentsParams{
		Team: &scope.Team, Application: &scope.Application, Environment: &scope.Environment, Status: &status,
	}
	present, seen := "", false
	for {
		list, err := remote.Decode[client.DeploymentList](c.API.ListDeployments(ctx, &params))
		if err != nil {
			return "", err
		}
		for _, d := range list.Items {
			switch {
			case d.Kind == orchestrator.KindAdopt || d.Status != status: // it brought no release
			case !seen && between && d.Release != "":
				return d.Release, nil
			case !seen:
				present, seen = d.Release, true
			case d.Release != "" && d.Release != present:
				return d.Release, nil
			}
		}
		if list.Next == "" {
			return "", cli.Errorf("`nestor history --env "+scope.Environment+"` shows what was deployed there",
				"there is no earlier release of %s/%s in %s to go back to", scope.Team, scope.Application, scope.Environment)
		}
		params.Cursor = &list.Next
	}
}

// lastFailed says that the last deployment has neither succeeded nor been rolled
// back as a whole.
func lastFailed(ctx context.Context, c *change.Change, scope orchestrator.Scope) (bool, error) {
	limit := 1
	list, err := remote.Decode[client.DeploymentList](c.API.ListDeployments(ctx, &client.ListDeploymentsParams{
		Team: &scope.Team, Application: &scope.Application, Environment: &scope.Environment, Limit: &limit,
	}))
	if err != nil || len(list.Items) == 0 {
		return false, err
	}
	d := list.Items[0]
	switch d.Status {
	case orchestrator.StatusFailed, orchestrator.StatusCanceled:
		return !d.StartedAt.IsZero() && d.Kind != orchestrator.KindAdopt, nil
	default:
		return false, nil
	}
}
