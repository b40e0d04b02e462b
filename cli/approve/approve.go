// SPDX-License-Identifier: Apache-2.0

// Package approve is `nestor approve` and `nestor reject`: a person's yes or no
// to a deployment that waits for it.
package approve

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/complete"
	"github.com/HatiCode/nestor/cli/prompt"
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
	Nodes      []string // paused ones that are meant; empty: all
	Comment    string
	Approve    bool
	Yes        bool
}

// NewCmdApprove returns the command; runF replaces its work in tests.
func NewCmdApprove(f *cli.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	cmd := newCmd(f, true, runF)
	cmd.Use = "approve DEPLOYMENT"
	cmd.Short = "Approve a deployment that waits"
	cmd.Long = `Approve a deployment that waits.

Shows what would change, and asks at a terminal. For a deployment that has not
begun that is its plan; for one that is paused, each node that would go beyond
the plan, all of them or those of --node.

The approval holds for what was shown: should that change before it is done, the
deployment or the node waits again. Where an environment asks for approvals from
others, those who asked for the deployment cannot approve it themselves.`
	cmd.Example = `  nestor approve 3 --env production
  nestor approve 3 --env production --node web-app.database
  nestor approve alpha/shop/production/3 --comment "checked with the on-call"`
	return cmd
}

// NewCmdReject returns the command; runF replaces its work in tests.
func NewCmdReject(f *cli.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	cmd := newCmd(f, false, runF)
	cmd.Use = "reject DEPLOYMENT"
	cmd.Short = "Reject a deployment that waits"
	cmd.Long = `Reject a deployment that waits.

Shows what would change, and asks at a terminal. A deployment that has not begun
ends as canceled, and nothing is changed. In one that is paused, each node that
waits fails, all of them or those of --node, and the deployment does what it was
told to do on a failure: it rolls back, unless --on-failure said otherwise.`
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
	cmd.Flags().StringSliceVar(&opts.Nodes, "node", nil, "only this paused node (may be given several times)")
	cmd.Flags().BoolVarP(&opts.Yes, "yes", "y", false, "do not ask")
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
	deployment, err := remote.Decode[orchestrator.Deployment](api.GetDeployment(ctx, id.Team, id.Application, id.Environment, id.N))
	if err != nil {
		return err
	}
	if deployment.Status.Final() {
		return cli.Errorf("", "deployment %d in %s is over: it %s", id.N, id.Environment, render.Ended(deployment.Status))
	}
	body, err := look(ctx, opts, api, deployment)
	if err != nil {
		return err
	}
	if err := ask(ctx, opts, id); err != nil {
		return err
	}
	decide, word := api.RejectDeployment, "Rejected"
	if opts.Approve {
		decide, word = api.ApproveDeployment, "Approved"
	}
	deployment, err = remote.Decode[orchestrator.Deployment](decide(ctx, id.Team, id.Application, id.Environment, id.N, body))
	if err != nil {
		return err
	}
	if f.Flags.Output.Structured() {
		return f.Flags.Output.Write(f.IO.Out, deployment)
	}
	what := ""
	if len(body.Changes) > 0 {
		what = render.Plural(len(body.Changes), "node") + " of "
	}
	canvas := render.Out(f.IO)
	f.IO.Printf("%s %s %sdeployment %d of %s/%s in %s.\n", canvas.Style.Green("✓"), word, what, id.N, id.Team, id.Application, id.Environment)
	if opts.Approve {
		f.IO.Printf("  nestor logs -f %d --env %s    follows it\n", id.N, id.Environment)
	}
	return nil
}

// ask a person at a terminal; elsewhere the command itself is the answer.
func ask(ctx context.Context, opts *Options, id target.ID) error {
	streams := opts.Factory.IO
	if opts.Yes || !streams.CanPrompt() {
		return nil
	}
	word := "Reject"
	if opts.Approve {
		word = "Approve"
	}
	return prompt.Confirm(ctx, streams, fmt.Sprintf("%s this in %s?", word, id.Environment))
}
