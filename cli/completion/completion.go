// SPDX-License-Identifier: Apache-2.0

// Package completion is `nestor completion`: scripts that teach a shell the
// commands, and to ask nestor for environments, deployments and compositions.
package completion

import (
	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/cli"
)

// NewCmdCompletion returns the command.
func NewCmdCompletion(f *cli.Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print a shell completion script",
		Long: `Print a shell completion script.

Names of environments, deployments, compositions and definitions are completed
from the API, which gets a second to answer.`,
		Example: `  source <(nestor completion bash)
  nestor completion zsh > "${fpath[1]}/_nestor"
  nestor completion fish > ~/.config/fish/completions/nestor.fish`,
		Args:                  cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs:             []string{"bash", "zsh", "fish", "powershell"},
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			root, out := cmd.Root(), f.IO.Out
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			default:
				return root.GenPowerShellCompletionWithDesc(out)
			}
		},
	}
}
