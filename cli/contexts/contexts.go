// SPDX-License-Identifier: Apache-2.0

// Package contexts is `nestor config`: which platform the commands talk to, and
// as whom.
package contexts

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/complete"
	"github.com/HatiCode/nestor/cli/config"
	"github.com/HatiCode/nestor/cli/output"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/cli/render"
)

// NewCmdConfig returns the command with its subcommands.
func NewCmdConfig(f *cli.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Manage contexts: which platform, as whom",
		Long: `Manage contexts: which platform the commands talk to, with which token, for
which team and environment.

Flags win over variables (NESTOR_SERVER, NESTOR_TOKEN, NESTOR_TEAM,
NESTOR_ENVIRONMENT, NESTOR_CONTEXT), which win over the current context of the
configuration file. NESTOR_CONFIG names another file.`,
		Example: `  nestor config set work --server https://nestor.example.com --team alpha
  nestor config use work
  nestor config list`,
	}
	cmd.AddCommand(newCmdList(f), newCmdCurrent(f), newCmdUse(f), newCmdSet(f), newCmdDelete(f))
	return cmd
}

// shown is a context for programs and people: its token is masked.
type shown struct {
	Name        string `json:"name"`
	Current     bool   `json:"current"`
	Server      string `json:"server,omitempty"`
	Team        string `json:"team,omitempty"`
	Environment string `json:"environment,omitempty"`
	Token       string `json:"token,omitempty"`
}

func show(c config.Context, current string) shown {
	return shown{
		Name: c.Name, Current: c.Name == current, Server: c.Server, Team: c.Team,
		Environment: c.Environment, Token: config.Mask(c.Token),
	}
}

func newCmdList(f *cli.Factory) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the contexts",
		Long:    `List the contexts of the configuration file; the current one has an asterisk.`,
		Example: `  nestor config list`,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			path, file, err := f.ConfigFile()
			if err != nil {
				return err
			}
			list := make([]shown, 0, len(file.Contexts))
			for _, c := range file.Contexts {
				list = append(list, show(c, file.Current))
			}
			if f.Flags.Output.Structured() {
				return f.Flags.Output.Write(f.IO.Out, list)
			}
			if len(list) == 0 {
				f.IO.Printf("There are no contexts in %s.\n", path)
				return nil
			}
			columns := output.NewColumns("CURRENT", "NAME", "SERVER", "TEAM", "ENVIRONMENT", "TOKEN")
			for _, c := range list {
				mark := " "
				if c.Current {
					mark = "*"
				}
				columns.Row(mark, c.Name, c.Server, c.Team, c.Environment, c.Token)
			}
			return columns.Write(f.IO.Out, render.Out(f.IO).Width)
		},
	}
}

func newCmdCurrent(f *cli.Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "current",
		Short: "Show the settings that commands use",
		Long: `Show the settings that commands use: the current context, with what variables
and flags change about it.`,
		Example: `  nestor config current`,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			settings, err := f.Settings()
			if err != nil {
				return err
			}
			s := shown{
				Name: settings.Context, Current: true, Server: settings.Server, Team: settings.Team,
				Environment: settings.Environment, Token: config.Mask(settings.Token),
			}
			if f.Flags.Output.Structured() {
				return f.Flags.Output.Write(f.IO.Out, s)
			}
			for _, line := range [][2]string{
				{"context", s.Name},
				{"server", s.Server + " (from " + settings.ServerFrom + ")"},
				{"team", s.Team},
				{"environment", s.Environment},
				{"token", s.Token},
			} {
				value := line[1]
				if value == "" {
					value = "-"
				}
				f.IO.Printf("%-12s %s\n", line[0], value)
			}
			return nil
		},
	}
}

// change edits the configuration file.
func change(f *cli.Factory, edit func(*config.File) error) error {
	path, file, err := f.ConfigFile()
	if err != nil {
		return err
	}
	if err := edit(&file); err != nil {
		return err
	}
	return file.Save(path)
}

func unknown(file *config.File, name string) error {
	return &config.UnknownContextError{Name: name, From: "the argument", Known: file.Names()}
}

func newCmdUse(f *cli.Factory) *cobra.Command {
	return &cobra.Command{
		Use:               "use NAME",
		Short:             "Make a context the current one",
		Long:              `Make a context the current one.`,
		Example:           `  nestor config use work`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: names(f),
		RunE: func(_ *cobra.Command, args []string) error {
			err := change(f, func(file *config.File) error {
				if _, ok := file.Context(args[0]); !ok {
					return unknown(file, args[0])
				}
				file.Current = args[0]
				return nil
			})
			if err == nil {
				f.IO.Printf("Using context %s.\n", args[0])
			}
			return err
		},
	}
}

func newCmdSet(f *cli.Factory) *cobra.Command {
	environment := ""
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "Create or change a context",
		Long: `Create or change a context. Only what is given changes; the first context
becomes the current one. The file is readable by its owner alone.`,
		Example: `  nestor config set local --server http://127.0.0.1:8480 --team alpha
  nestor config set local --env staging`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: names(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(args[0]) != args[0] || args[0] == "" {
				return cli.Errorf("such as work", "%q cannot name a context", args[0])
			}
			if f.Flags.Server != "" {
				if _, err := remote.New(remote.Options{Server: f.Flags.Server, ServerFrom: "--server"}); err != nil {
					return err
				}
			}
			created := false
			err := change(f, func(file *config.File) error {
				c, ok := file.Context(args[0])
				created = !ok
				c.Name = args[0]
				for _, flag := range []struct {
					name   string
					value  string
					target *string
				}{
					{"server", f.Flags.Server, &c.Server},
					{"token", f.Flags.Token, &c.Token},
					{"team", f.Flags.Team, &c.Team},
					{"env", environment, &c.Environment},
				} {
					if cmd.Flags().Changed(flag.name) {
						*flag.target = flag.value
					}
				}
				file.Set(c)
				if file.Current == "" {
					file.Current = c.Name
				}
				return nil
			})
			if err != nil {
				return err
			}
			word := "Changed"
			if created {
				word = "Made"
			}
			f.IO.Printf("%s context %s.\n", word, args[0])
			return nil
		},
	}
	cmd.Flags().StringVarP(&environment, "env", "e", "", "the environment used when a command is given none")
	complete.Flag(cmd, "env", complete.Environments(f))
	return cmd
}

func newCmdDelete(f *cli.Factory) *cobra.Command {
	return &cobra.Command{
		Use:               "delete NAME",
		Short:             "Remove a context",
		Long:              `Remove a context from the configuration file.`,
		Example:           `  nestor config delete work`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: names(f),
		RunE: func(_ *cobra.Command, args []string) error {
			err := change(f, func(file *config.File) error {
				if !file.Remove(args[0]) {
					return unknown(file, args[0])
				}
				return nil
			})
			if err == nil {
				f.IO.Printf("Removed context %s.\n", args[0])
			}
			return err
		},
	}
}

func names(f *cli.Factory) complete.Func {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		_, file, err := f.ConfigFile()
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return file.Names(), cobra.ShellCompDirectiveNoFileComp
	}
}
