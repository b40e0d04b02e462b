// SPDX-License-Identifier: Apache-2.0

// Package open is `nestor open`: where a deployment is seen in the Temporal Web
// UI.
package open

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/change"
	"github.com/HatiCode/nestor/cli/complete"
	"github.com/HatiCode/nestor/cli/target"
)

// Options of the command.
type Options struct {
	Factory    *cli.Factory
	Target     target.Flags
	Deployment string // empty: the one that nestor status tells of
}

// NewCmdOpen returns the command; runF replaces its work in tests.
func NewCmdOpen(f *cli.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{Factory: f}
	cmd := &cobra.Command{
		Use:   "open [DEPLOYMENT]",
		Short: "Print a deployment's link into the Temporal Web UI",
		Long: `Print a deployment's link into the Temporal Web UI; without an id, of the
one that nestor status tells of. The address of that
UI is in NESTOR_TEMPORAL_UI, or in the context, where nestor dev writes it.`,
		Example: `  nestor open --env staging
  NESTOR_TEMPORAL_UI=http://127.0.0.1:8233 nestor open 3 --env staging`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				opts.Deployment = args[0]
			}
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runOpen(cmd.Context(), opts)
		},
		ValidArgsFunction: complete.Deployments(f, &opts.Target),
	}
	opts.Target.AddEnvironment(cmd, "that of the latest deployment")
	opts.Target.AddApplication(cmd)
	complete.Flag(cmd, "env", complete.Environments(f))
	return cmd
}

func runOpen(ctx context.Context, opts *Options) error {
	f := opts.Factory
	settings, err := f.Settings()
	if err != nil {
		return err
	}
	if settings.TemporalUI == "" {
		return cli.Errorf("set NESTOR_TEMPORAL_UI, such as NESTOR_TEMPORAL_UI=http://127.0.0.1:8233", "the address of the Temporal Web UI is not known")
	}
	id, err := opts.Target.Deployment(ctx, f, opts.Deployment)
	if err != nil {
		return err
	}
	f.IO.Println(change.Link(f, id))
	return nil
}
