// SPDX-License-Identifier: Apache-2.0

// Package initialize is `nestor init`: a directory becomes an application.
package initialize

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/project"
)

// Options of the command.
type Options struct {
	Factory     *cli.Factory
	Application string
}

// NewCmdInit returns the command; runF replaces its work in tests.
func NewCmdInit(f *cli.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{Factory: f}
	cmd := &cobra.Command{
		Use:   "init [NAME]",
		Short: "Make this directory an application",
		Long: `Make this directory an application.

Writes ` + project.FileName + ` with the application's name and its team. Without a name,
it is that of the directory. A file that is there is never overwritten.`,
		Example: `  nestor init --team alpha
  nestor init shop --team alpha`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				opts.Application = args[0]
			}
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runInit(opts)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	return cmd
}

func runInit(opts *Options) error {
	f := opts.Factory
	name := opts.Application
	if name == "" {
		name = project.Name(filepath.Base(f.Dir))
	}
	settings, err := f.Settings()
	if err != nil {
		return err
	}
	if settings.Team == "" {
		return cli.Errorf("give --team, NESTOR_TEAM or `nestor config set NAME --team TEAM`", "it is not clear which team the application belongs to")
	}
	for _, n := range []struct{ what, value string }{{"application", name}, {"team", settings.Team}} {
		if wrong := project.CheckName(n.value); wrong != "" {
			return cli.Errorf("such as "+project.Name(n.value), "the name of the %s cannot be used: %s", n.what, wrong)
		}
	}
	path := filepath.Join(f.Dir, project.FileName)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // a file to be committed
	if errors.Is(err, fs.ErrExist) {
		return cli.Errorf("edit it, or remove it first", "%s is there already and was left as it is", project.FileName)
	}
	if err != nil {
		return fmt.Errorf("make %s: %w", project.FileName, err)
	}
	_, err = fmt.Fprintf(file, "# The application that this repository deploys with nestor.\napplication: %s\nteam: %s\n", name, settings.Team)
	if err := errors.Join(err, file.Close()); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", project.FileName, err), os.Remove(path))
	}
	f.IO.Printf("Made %s: application %s of team %s.\n\n", project.FileName, name, settings.Team)
	f.IO.Println("Next, say in a comment what the code needs, such as")
	f.IO.Println("    //nestor:web-app size=small replicas=3")
	f.IO.Println("and run: nestor generate && nestor apply")
	return nil
}
