// SPDX-License-Identifier: Apache-2.0

// Package composition is `nestor composition`: a team's own abstractions.
package composition

import (
	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/cli"
)

// NewCmdComposition returns the command with its subcommands.
func NewCmdComposition(f *cli.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "composition",
		Aliases: []string{"compositions"},
		Short:   "Manage the team's compositions",
		Long: `Manage the team's compositions: the abstractions that annotations name, built
from the primitives of the catalog.

A sensitive value is given as a reference to one of the team's own secrets, such
as secret://env/NESTOR_SECRET_<TEAM>__<NAME> or secret://file/<team>/<path>.`,
		Example: `  nestor composition push composer/compositions
  nestor composition list
  nestor composition get web-app`,
	}
	cmd.AddCommand(
		NewCmdPush(f, nil),
		NewCmdValidate(f, nil),
		NewCmdList(f, nil),
		NewCmdGet(f, nil),
		NewCmdDelete(f, nil),
	)
	return cmd
}
