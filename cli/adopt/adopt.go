// SPDX-License-Identifier: Apache-2.0

// Package adopt is `nestor adopt`: what exists already becomes one resource of
// the application of this directory, without being changed.
package adopt

import (
	"context"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/change"
	"github.com/HatiCode/nestor/cli/complete"
	"github.com/HatiCode/nestor/cli/target"
)

// Options of the command.
type Options struct {
	Factory      *cli.Factory
	Target       target.Flags
	Node         string
	From         string
	Release      string
	Moves        []string // "from=to"
	AllowChanges bool
	Detach       bool
}

// NewCmdAdopt returns the command; runF replaces its work in tests.
func NewCmdAdopt(f *cli.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{Factory: f}
	cmd := &cobra.Command{
		Use:   "adopt NODE --env ENVIRONMENT (--from FILE | --release [NAMESPACE/]NAME)",
		Short: "Take over what exists already",
		Long: `Take over what exists already into one resource of the application of this
directory: a Terraform or OpenTofu state (version 4), an exported Pulumi stack,
a Helm release, or an object of Crossplane.

Nothing is changed. The definition and its parameters must describe what is
there: if the next apply would change something, the adoption fails, says what,
and is taken back. --allow-changes accepts that; the next apply then makes the
changes. What is adopted is Nestor's from then on, and is destroyed with the
application: forget it where it came from.

A state holds secrets. The API keeps it encrypted while the adoption runs, and
deletes it then. A Terraform state that was taken back leaves an empty state,
and maybe the program's backup, in the backend, and a copy in clear in the
worker's data directory, until the node's next one. The log names that file.

An address in a state that is another in the definition's module is given with
--move.`,
		Example: `  nestor adopt web-app.database --env staging --from terraform.tfstate
  terraform state pull | nestor adopt web-app.database --env staging --from -
  nestor adopt web-app.database --env staging --from old.tfstate \
      --move aws_db_instance.main=aws_db_instance.this
  pulumi stack export | nestor adopt web-app.cache --env staging --from -
  nestor adopt web-app.deployment --env staging --release shop/web
  nestor adopt web-app.network --env staging --release main-network`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Node = args[0]
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runAdopt(cmd.Context(), opts)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	opts.Target.AddEnvironment(cmd, "the one of the context")
	opts.Target.AddApplication(cmd)
	cmd.Flags().StringVar(&opts.From, "from", "", "the file of a state; - reads the standard input")
	cmd.Flags().StringVar(&opts.Release, "release", "", "a Helm release, as NAMESPACE/NAME, or an object of Crossplane, as NAMESPACE/NAME or NAME")
	cmd.Flags().StringArrayVar(&opts.Moves, "move", nil, "FROM=TO: an address in the state, and the definition's (repeatable)")
	cmd.Flags().BoolVar(&opts.AllowChanges, "allow-changes", false, "accept that the next apply changes something")
	cmd.Flags().BoolVar(&opts.Detach, "detach", false, "return when the adoption is queued")
	complete.Flag(cmd, "env", complete.Environments(f))
	complete.Flag(cmd, "release", cobra.NoFileCompletions)
	complete.Flag(cmd, "move", cobra.NoFileCompletions)
	return cmd
}

func runAdopt(ctx context.Context, opts *Options) error {
	body, err := source(opts)
	if err != nil {
		return err
	}
	c, err := change.New(opts.Factory)
	if err != nil {
		return err
	}
	environment, err := opts.Target.ResolveEnvironment(opts.Factory)
	if err != nil {
		return err
	}
	if environment == "" {
		return cli.Errorf("give --env ENVIRONMENT", "it is not clear in which environment %s is", opts.Node)
	}
	release, err := c.Release(ctx, &opts.Target)
	if err != nil {
		return err
	}
	if body.Environment, err = c.Environment(ctx, &opts.Target, release); err != nil {
		return err
	}
	body.Team, body.Application, body.Release = release.Team, release.Application, release.Digest
	body.Node, body.AllowChanges = opts.Node, opts.AllowChanges
	key := uuid.NewString()
	id, err := c.Accepted(c.API.CreateAdoption(ctx, &client.CreateAdoptionParams{IdempotencyKey: &key}, body))
	if err != nil {
		return err
	}
	return c.Finish(ctx, id, opts.Detach)
}
