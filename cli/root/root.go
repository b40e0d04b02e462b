// SPDX-License-Identifier: Apache-2.0

// Package root puts the commands of nestor together and runs them. It holds no
// verb of its own.
package root

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/adopt"
	"github.com/HatiCode/nestor/cli/apply"
	"github.com/HatiCode/nestor/cli/approve"
	"github.com/HatiCode/nestor/cli/cancel"
	"github.com/HatiCode/nestor/cli/catalog"
	"github.com/HatiCode/nestor/cli/complete"
	"github.com/HatiCode/nestor/cli/completion"
	"github.com/HatiCode/nestor/cli/composition"
	"github.com/HatiCode/nestor/cli/contexts"
	"github.com/HatiCode/nestor/cli/destroy"
	"github.com/HatiCode/nestor/cli/drift"
	"github.com/HatiCode/nestor/cli/environment"
	"github.com/HatiCode/nestor/cli/generate"
	"github.com/HatiCode/nestor/cli/history"
	"github.com/HatiCode/nestor/cli/initialize"
	"github.com/HatiCode/nestor/cli/logs"
	"github.com/HatiCode/nestor/cli/open"
	"github.com/HatiCode/nestor/cli/output"
	"github.com/HatiCode/nestor/cli/plan"
	"github.com/HatiCode/nestor/cli/promote"
	"github.com/HatiCode/nestor/cli/rollback"
	"github.com/HatiCode/nestor/cli/status"
	"github.com/HatiCode/nestor/cli/unlock"
	"github.com/HatiCode/nestor/cli/version"
	"github.com/HatiCode/nestor/internal/suggest"
)

// Groups of commands in the help.
const (
	groupDeploy   = "deploy"
	groupWatch    = "watch"
	groupPlatform = "platform"
	groupOther    = "other"
)

// New returns the root command. Platform commands that live in packages of
// their own weight, such as dev, are passed in.
func New(f *cli.Factory, platform ...*cobra.Command) *cobra.Command {
	root := &cobra.Command{
		Use:   "nestor",
		Short: "Self-service infrastructure from one comment line",
		Long: `Nestor deploys the infrastructure that code asks for in comments, such as
    //nestor:web-app size=small replicas=3
through a team's compositions and the platform's catalog, as a durable workflow.`,
		Example: `  nestor generate                        parse annotations, write the resources
  nestor apply --env staging             deploy
  nestor status --env staging            look at it
  nestor promote staging → production    take the same release on`,
		Args:                       cobra.ArbitraryArgs,
		SilenceErrors:              true,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 2,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknown(cmd, args[0])
		},
	}
	root.SetIn(f.IO.In)
	root.SetOut(f.IO.Out)
	root.SetErr(f.IO.ErrOut)
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return cli.Errorf("`"+cmd.CommandPath()+" --help` lists the flags", "%w", err)
	})
	root.AddGroup(
		&cobra.Group{ID: groupDeploy, Title: "Deploy:"},
		&cobra.Group{ID: groupWatch, Title: "Watch and steer:"},
		&cobra.Group{ID: groupPlatform, Title: "Platform:"},
		&cobra.Group{ID: groupOther, Title: "Other:"},
	)
	root.SetHelpCommandGroupID(groupOther)
	add(root, groupDeploy,
		initialize.NewCmdInit(f, nil), generate.NewCmdGenerate(f, nil), plan.NewCmdPlan(f, nil),
		apply.NewCmdApply(f, nil), promote.NewCmdPromote(f, nil), rollback.NewCmdRollback(f, nil),
		destroy.NewCmdDestroy(f, nil), adopt.NewCmdAdopt(f, nil), drift.NewCmdDrift(f, nil))
	add(root, groupWatch,
		status.NewCmdStatus(f, nil), logs.NewCmdLogs(f, nil), history.NewCmdHistory(f, nil),
		approve.NewCmdApprove(f, nil), approve.NewCmdReject(f, nil), cancel.NewCmdCancel(f, nil),
		unlock.NewCmdUnlock(f, nil), unlock.NewCmdForget(f, nil),
		open.NewCmdOpen(f, nil))
	add(root, groupPlatform, platform...)
	add(root, groupPlatform,
		catalog.NewCmdCatalog(f), composition.NewCmdComposition(f), environment.NewCmdEnvironment(f))
	add(root, groupOther, contexts.NewCmdConfig(f), completion.NewCmdCompletion(f), version.NewCmdVersion(f, nil))
	flags(root, f)
	parents(root)
	return root
}

func add(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, cmd := range commands {
		cmd.GroupID = group
		root.AddCommand(cmd)
	}
}

func flags(root *cobra.Command, f *cli.Factory) {
	set := root.PersistentFlags()
	set.StringVar(&f.Flags.Server, "server", "", "the API's URL (NESTOR_SERVER)")
	set.StringVar(&f.Flags.Token, "token", "", "the token to be known by (NESTOR_TOKEN)")
	set.StringVar(&f.Flags.Team, "team", "", "the team (NESTOR_TEAM)")
	set.StringVar(&f.Flags.Context, "context", "", "the context of the configuration file (NESTOR_CONTEXT)")
	set.VarP(output.Flag{Format: &f.Flags.Output}, "output", "o", "the result's format")
	set.BoolVar(&f.Flags.NoColor, "no-color", false, "do not use colours (NO_COLOR)")
	set.DurationVar(&f.Flags.Timeout, "timeout", 0, "give up waiting after this time, such as 10m; 0 waits on")
	complete.Flag(root, "output", complete.Words(output.Formats()...))
	for _, name := range []string{"server", "token", "team", "context", "timeout"} {
		complete.Flag(root, name, cobra.NoFileCompletions)
	}
}

// parents gives commands that only group others an error for a wrong name;
// Cobra would print the help and succeed.
func parents(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		if cmd.HasSubCommands() && !cmd.Runnable() {
			cmd.Args = cobra.ArbitraryArgs
			cmd.RunE = func(cmd *cobra.Command, args []string) error {
				if len(args) == 0 {
					return cmd.Help()
				}
				return unknown(cmd, args[0])
			}
		}
	}
}

func unknown(cmd *cobra.Command, name string) error {
	names := make([]string, 0, len(cmd.Commands()))
	for _, c := range cmd.Commands() {
		if !c.Hidden {
			names = append(names, c.Name())
		}
	}
	slices.Sort(names)
	advice := "`" + cmd.CommandPath() + " --help` lists the commands"
	if near, ok := suggest.Nearest(name, names); ok {
		advice = "did you mean `" + cmd.CommandPath() + " " + near + "`?"
	}
	return cli.Errorf(advice, "there is no command %q in `%s`", name, cmd.CommandPath())
}

// Run executes the command line and returns the exit code. Everything that is
// to be said about an error has been written to ErrOut then.
func Run(ctx context.Context, f *cli.Factory, args []string, platform ...*cobra.Command) int {
	root := New(f, platform...) //nolint:contextcheck // commands get the context when they run
	root.SetArgs(arrows(args))
	cancel := context.CancelFunc(func() {})
	defer func() { cancel() }()
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { //nolint:contextcheck // it is the command's own context
		if f.Flags.NoColor {
			f.IO.Color = false
		}
		if f.Flags.Timeout < 0 {
			return cli.Errorf("such as 10m", "--timeout %s is in the past", f.Flags.Timeout)
		}
		if f.Flags.Timeout > 0 {
			var limited context.Context
			limited, cancel = context.WithTimeoutCause(cmd.Context(), f.Flags.Timeout, cli.ErrTimeout)
			cmd.SetContext(limited)
		}
		return nil
	}
	cmd, err := root.ExecuteContextC(ctx)
	var exit *cli.ExitError
	switch {
	case err == nil:
		err = f.IO.Err()
	case ctx.Err() != nil && !errors.As(err, &exit):
		// Whatever the interrupt has made of it on its way up.
		err = &cli.ExitError{Code: cli.CodeInterrupted, Err: cli.ErrInterrupted}
	}
	return cli.Report(f.IO, explain(cmd, err))
}

// arrows spares a quoted arrow that stands alone (promote staging "->"
// production) from being taken for a flag.
func arrows(args []string) []string {
	args = slices.Clone(args)
	if i := slices.Index(args, "->"); i >= 0 && slices.Contains(args[:i], "promote") {
		args[i] = "→"
	}
	return args
}

// explain adds the way out to the errors that Cobra makes of wrong arguments.
func explain(cmd *cobra.Command, err error) error {
	if err == nil || cmd == nil {
		return err
	}
	for _, theirs := range []string{"accepts ", "requires at least ", "unknown command ", "invalid argument "} {
		if strings.HasPrefix(err.Error(), theirs) {
			return cli.Errorf("usage: "+cmd.UseLine(), "%s: %w", cmd.CommandPath(), err)
		}
	}
	return err
}
