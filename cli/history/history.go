// SPDX-License-Identifier: Apache-2.0

// Package history is `nestor history`: what was deployed, when and by whom.
package history

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/complete"
	"github.com/HatiCode/nestor/cli/output"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/cli/render"
	"github.com/HatiCode/nestor/cli/target"
	"github.com/HatiCode/nestor/orchestrator"
)

// Options of the command.
type Options struct {
	Factory *cli.Factory
	Target  target.Flags
	Limit   int
}

// NewCmdHistory returns the command; runF replaces its work in tests.
func NewCmdHistory(f *cli.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{Factory: f}
	cmd := &cobra.Command{
		Use:   "history",
		Short: "List what was deployed, newest first",
		Long: `List what was deployed, newest first: in all environments, or in one.

The number is what nestor logs, approve, reject and cancel take, and the release
is what nestor rollback --to takes.`,
		Example: `  nestor history
  nestor history --env production --limit 50
  nestor history --env production -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if opts.Limit < 1 {
				return cli.Errorf("give a number from 1 on", "--limit %d shows nothing", opts.Limit)
			}
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runHistory(cmd.Context(), opts)
		},
	}
	opts.Target.AddEnvironment(cmd, "all of them")
	opts.Target.AddApplication(cmd)
	cmd.Flags().IntVar(&opts.Limit, "limit", 20, "how many to list, at most")
	complete.Flag(cmd, "env", complete.Environments(f))
	return cmd
}

func runHistory(ctx context.Context, opts *Options) error {
	f := opts.Factory
	name, err := opts.Target.Resolve(ctx, f)
	if err != nil {
		return err
	}
	environment, err := opts.Target.ResolveEnvironment(f)
	if err != nil {
		return err
	}
	deployments, err := list(ctx, f, name, environment, opts.Limit)
	if err != nil {
		return err
	}
	if len(deployments) == 0 {
		return nothing(ctx, f, name, environment)
	}
	if f.Flags.Output.Structured() {
		return f.Flags.Output.Write(f.IO.Out, deployments)
	}
	return table(f, deployments)
}

// nothing says why there is no deployment to list: the environment does not
// exist, or the application was never deployed.
func nothing(ctx context.Context, f *cli.Factory, name target.Name, environment string) error {
	api, err := f.Client()
	if err != nil {
		return err
	}
	if environment != "" {
		environments, err := target.Environments(ctx, api)
		if err != nil {
			return err
		}
		if err := target.CheckEnvironment(environments, environment); err != nil {
			return err
		}
	}
	list, err := remote.Decode[client.ApplicationList](api.ListApplications(ctx, &client.ListApplicationsParams{Team: &name.Team}))
	if err != nil {
		return err
	}
	for _, known := range list.Items {
		if known.Application == name.Application && environment != "" {
			return cli.Errorf("deploy it with `nestor apply --env "+environment+"`", "%s was never deployed in %s", name, environment)
		}
	}
	return target.NeverDeployed(list.Items, name)
}

// maxPage is the largest page that the API gives.
const maxPage = 500

func list(ctx context.Context, f *cli.Factory, name target.Name, environment string, limit int) ([]orchestrator.Deployment, error) {
	api, err := f.Client()
	if err != nil {
		return nil, err
	}
	page := min(limit, maxPage)
	params := client.ListDeploymentsParams{Team: &name.Team, Application: &name.Application, Limit: &page}
	if environment != "" {
		params.Environment = &environment
	}
	deployments := []orchestrator.Deployment{}
	for {
		list, err := remote.Decode[client.DeploymentList](api.ListDeployments(ctx, &params))
		if err != nil {
			return nil, err
		}
		deployments = append(deployments, list.Items...)
		if list.Next == "" || len(deployments) >= limit {
			return deployments[:min(limit, len(deployments))], nil
		}
		params.Cursor = &list.Next
	}
}

func table(f *cli.Factory, deployments []orchestrator.Deployment) error {
	canvas := render.Out(f.IO)
	columns := output.NewColumns("ENVIRONMENT", "N", "KIND", "STATUS", "RELEASE", "BY", "QUEUED", "TOOK")
	for _, d := range deployments {
		columns.Styled(
			output.Cell{Text: d.Environment},
			output.Cell{Text: strconv.FormatInt(d.N, 10)},
			output.Cell{Text: render.Kind(d)},
			output.Cell{Text: render.Words(string(d.Status)), Style: render.Status(canvas.Style, d.Status)},
			output.Cell{Text: render.Digest(d.Release)},
			output.Cell{Text: d.Principal},
			output.Cell{Text: render.When(f.IO, d.QueuedAt, f.Now())},
			output.Cell{Text: took(d, f.Now())},
		)
	}
	return columns.Write(f.IO.Out, canvas.Width)
}

func took(d orchestrator.Deployment, now time.Time) string {
	switch {
	case d.StartedAt.IsZero():
		return ""
	case d.FinishedAt.IsZero():
		return render.Elapsed(now.Sub(d.StartedAt))
	default:
		return render.Elapsed(d.FinishedAt.Sub(d.StartedAt))
	}
}
