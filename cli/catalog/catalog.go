// SPDX-License-Identifier: Apache-2.0

// Package catalog is `nestor catalog`: the primitives that a platform team
// publishes.
package catalog

import (
	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/cli"
)

// NewCmdCatalog returns the command with its subcommands.
func NewCmdCatalog(f *cli.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "catalog",
		Short: "Publish and find resource definitions",
		Long: `Publish and find resource definitions, the primitives that compositions are
built from. A published version never changes.`,
		Example: `  nestor catalog push catalog/resources
  nestor catalog search mysql --provider aws
  nestor catalog get aws-rds-mysql@^1.2`,
	}
	cmd.AddCommand(
		NewCmdPush(f, nil),
		NewCmdValidate(f, nil),
		NewCmdList(f, nil),
		NewCmdSearch(f, nil),
		NewCmdGet(f, nil),
		NewCmdVersions(f, nil),
		NewCmdDeprecate(f, nil),
	)
	return cmd
}
