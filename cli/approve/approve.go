// SPDX-License-Identifier: Apache-2.0

// Package approve is `nestor approve` and `nestor reject`: a person's yes or no
// to a deployment that waits for it.
package approve

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/complete"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/cli/render"
	"github.com/HatiCode/nestor/cli/target"
	"github.com/HatiCode/nestor/orchestrator"
)

// Options of both commands.
type Options struct {
	Factory    *cli.Factory
	Target     target.Flags
	Deployment string
	Comment    string
	Approve    bool
}

// NewCmdApprove returns the command; runF replaces its work in tests.
func NewCmdApprove(f *cli.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	cmd := newCmd(f, true, runF)
	cmd.Use = "approve DEPLOYMENT"
	cmd.Short = "Approve a deployment that waits"
	cmd.Long = `Approve a deployment that waits.

The approval holds for the change set that the deployment has planned; should
that change before it runs, it waits again. Look at it first with nestor status
and nestor logs.`
	cmd.Example = `  nestor approve 3 --env production
  nestor approve alpha/shop/production/3 --comment "checked with the on-call"`
	return cmd
}

// NewCmdReject returns the command; runF replaces its work in tests.
func NewCmdReject(f *cli.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	cmd := newCmd(f, false, runF)
	cmd.Use = "reject DEPLOYMENT"
	cmd.Short = "Reject a deployment that waits"
	cmd.Long = `Reject a deployment that waits.

It ends as canceled, and nothing is changed.`
	cmd.Example = `  nestor reject 3 --env production
  nestor reject production/3 --comment "not during the sale"`
	return cmd
}

func newCmd(f *cli.Factory, approve bool, runF func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{Factory: f, Approve: approve}
	cmd := &cobra.Command{
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Deployment = args[0]
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return run(cmd.Context(), opts)
		},
		ValidArgsFunction: complete.Deployments(f, &opts.Target),
	}
	opts.Target.AddEnvironment(cmd, "the one of the id or the context")
	opts.Target.AddApplication(cmd)
	cmd.Flags().StringVarP(&opts.Comment, "comment", "m", "", "why, for those who read the history")
	complete.Flag(cmd, "env", complete.Environments(f))
	return cmd
}

func run(ctx context.Context, opts *Options) error {
	f := opts.Factory
	id, err := opts.Target.Deployment(ctx, f, opts.Deployment)
	if err != nil {
		return err
	}
	api, err := f.Client()
	if err != nil {
		return err
	}
	decide, word := api.RejectDeployment, "Rejected"
	if opts.Approve {
		decide, word = api.ApproveDeployment, "Approved"
	}
	deployment, err := remote.Decode[orchestrator.Deployment](
		decide(ctx, id.Team, id.Application, id.Environment, id.N, client.Decision{Comment: opts.Comment}))
	if err != nil {
		return err
	}
	if f.Flags.Output.Structured() {
		return f.Flags.Output.Write(f.IO.Out, deployment)
	}
	canvas := render.Out(f.IO)
	f.IO.Printf("%s %s deployment %d of %s/%s in %s.\n", canvas.Style.Green("✓"), word, id.N, id.Team, id.Application, id.Environment)
	if opts.Approve {
		f.IO.Printf("  nestor logs -f %d --env %s    follows it\n", id.N, id.Environment)
	}
	return nil
}
