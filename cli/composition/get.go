// SPDX-License-Identifier: Apache-2.0

package composition

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/complete"
	"github.com/HatiCode/nestor/cli/output"
	"github.com/HatiCode/nestor/cli/prompt"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/cli/render"
	"github.com/HatiCode/nestor/cli/target"
)

// Options of list, get and delete.
type Options struct {
	Factory *cli.Factory
	Name    string
	Yes     bool
}

// NewCmdList returns the command; runF replaces its work in tests.
func NewCmdList(f *cli.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{Factory: f}
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the team's compositions",
		Long:    `List the team's compositions with the parameters that annotations can give.`,
		Example: `  nestor composition list
  nestor composition list --team beta -o yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runList(cmd.Context(), opts)
		},
	}
}

func runList(ctx context.Context, opts *Options) error {
	f := opts.Factory
	team, err := target.Team(ctx, f)
	if err != nil {
		return err
	}
	api, err := f.Client()
	if err != nil {
		return err
	}
	params := client.ListCompositionsParams{Team: &team}
	compositions := []client.StoredComposition{}
	for {
		list, err := remote.Decode[client.CompositionList](api.ListCompositions(ctx, &params))
		if err != nil {
			return err
		}
		compositions = append(compositions, list.Items...)
		if list.Next == "" {
			break
		}
		params.Cursor = &list.Next
	}
	if f.Flags.Output.Structured() {
		return f.Flags.Output.Write(f.IO.Out, compositions)
	}
	if len(compositions) == 0 {
		f.IO.Printf("Team %s has no compositions. Make one with: nestor composition push FILE\n", team)
		return nil
	}
	columns := output.NewColumns("NAME", "PARAMETERS", "RESOURCES", "UPDATED", "BY")
	for _, c := range compositions {
		columns.Row(c.Composition.Metadata.Name, parameters(c.Composition.Spec.Params),
			strconv.Itoa(len(c.Composition.Spec.Resources)), c.UpdatedAt.UTC().Format(time.RFC3339), c.UpdatedBy)
	}
	return columns.Write(f.IO.Out, render.Out(f.IO).Width)
}

// parameters names them; the ones that must be given have an asterisk.
func parameters(fields []catalog.Field) string {
	names := make([]string, 0, len(fields))
	for _, field := range fields {
		name := field.Name
		if field.Required && field.Default == nil {
			name += "*"
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

// NewCmdGet returns the command; runF replaces its work in tests.
func NewCmdGet(f *cli.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{Factory: f}
	return &cobra.Command{
		Use:   "get NAME",
		Short: "Show a composition as YAML",
		Long: `Show a composition as YAML, ready to be edited and pushed again. With -o json or
-o yaml, its digest and revision come along.`,
		Example: `  nestor composition get web-app > web-app.yaml`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Name = args[0]
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runGet(cmd.Context(), opts)
		},
		ValidArgsFunction: complete.Compositions(f),
	}
}

func runGet(ctx context.Context, opts *Options) error {
	f := opts.Factory
	team, err := target.Team(ctx, f)
	if err != nil {
		return err
	}
	api, err := f.Client()
	if err != nil {
		return err
	}
	stored, err := remote.Decode[client.StoredComposition](api.GetComposition(ctx, team, opts.Name))
	if err != nil {
		return err
	}
	if f.Flags.Output.Structured() {
		return f.Flags.Output.Write(f.IO.Out, stored)
	}
	return output.YAML.Write(f.IO.Out, stored.Composition)
}

// NewCmdDelete returns the command; runF replaces its work in tests.
func NewCmdDelete(f *cli.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{Factory: f}
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete a composition",
		Long: `Delete a composition.

Releases that were made from it keep working, and nothing that is deployed
changes; new releases cannot use it.`,
		Example: `  nestor composition delete web-app
  nestor composition delete web-app --yes`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Name = args[0]
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runDelete(cmd.Context(), opts)
		},
		ValidArgsFunction: complete.Compositions(f),
	}
	cmd.Flags().BoolVarP(&opts.Yes, "yes", "y", false, "delete without asking")
	return cmd
}

func runDelete(ctx context.Context, opts *Options) error {
	f := opts.Factory
	if !opts.Yes {
		if err := prompt.Possible(f.IO, "nestor composition delete", "give --yes"); err != nil {
			return err
		}
	}
	team, err := target.Team(ctx, f)
	if err != nil {
		return err
	}
	api, err := f.Client()
	if err != nil {
		return err
	}
	stored, err := remote.Decode[client.StoredComposition](api.GetComposition(ctx, team, opts.Name))
	if err != nil {
		return err
	}
	if !opts.Yes {
		if err := prompt.Confirm(ctx, f.IO, fmt.Sprintf("Delete the composition %s of team %s?", opts.Name, team)); err != nil {
			return err
		}
	}
	// Only what was looked at is deleted.
	match := fmt.Sprintf("%q", strconv.FormatInt(stored.Revision, 10))
	if err := remote.Done(api.DeleteComposition(ctx, team, opts.Name, &client.DeleteCompositionParams{IfMatch: &match})); err != nil {
		return err
	}
	if !f.Flags.Output.Structured() {
		f.IO.Printf("Deleted %s/%s.\n", team, opts.Name)
	}
	return nil
}
