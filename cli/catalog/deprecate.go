// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/complete"
	"github.com/HatiCode/nestor/cli/remote"
)

// DeprecateOptions of the command.
type DeprecateOptions struct {
	Factory       *cli.Factory
	Name, Version string
	Message       string
	Undo          bool
}

// NewCmdDeprecate returns the command; runF replaces its work in tests.
func NewCmdDeprecate(f *cli.Factory, runF func(context.Context, *DeprecateOptions) error) *cobra.Command {
	opts := &DeprecateOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "deprecate NAME@VERSION",
		Short: "Deprecate a version with a message",
		Long: `Deprecate a version with a message.

The version stays usable; whoever resolves it sees the message.`,
		Example: `  nestor catalog deprecate aws-rds-mysql@1.0.0 --message "use ^2"
  nestor catalog deprecate aws-rds-mysql@1.0.0 --undo`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Name, opts.Version, _ = strings.Cut(args[0], "@")
			switch {
			case opts.Name == "" || opts.Version == "":
				return cli.Errorf("write it such as aws-rds-mysql@1.0.0", "%q does not name a version", args[0])
			case opts.Undo == (opts.Message != ""):
				return cli.Errorf("give --message TEXT to deprecate, or --undo to take it back", "it is not clear what to do with %s", args[0])
			}
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runDeprecate(cmd.Context(), opts)
		},
		ValidArgsFunction: complete.Definitions(f),
	}
	cmd.Flags().StringVarP(&opts.Message, "message", "m", "", "what to use instead")
	cmd.Flags().BoolVar(&opts.Undo, "undo", false, "take the deprecation back")
	return cmd
}

func runDeprecate(ctx context.Context, opts *DeprecateOptions) error {
	f := opts.Factory
	api, err := f.Client()
	if err != nil {
		return err
	}
	p, err := remote.Decode[client.PublishedDefinition](api.DeprecateResourceVersion(ctx, opts.Name, opts.Version,
		client.DeprecateResourceVersionJSONRequestBody{Message: opts.Message}))
	if err != nil {
		return err
	}
	if f.Flags.Output.Structured() {
		return f.Flags.Output.Write(f.IO.Out, p)
	}
	if p.Deprecated == "" {
		f.IO.Printf("%s is not deprecated any more.\n", p.Definition.Ref())
		return nil
	}
	f.IO.Printf("%s is deprecated: %s\n", p.Definition.Ref(), p.Deprecated)
	return nil
}
