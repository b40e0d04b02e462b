// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/output"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/cli/render"
)

// ListOptions of list and search.
type ListOptions struct {
	Factory      *cli.Factory
	Words        string
	Provider     string
	Category     string
	ResourceType string
}

// NewCmdList returns the command; runF replaces its work in tests.
func NewCmdList(f *cli.Factory, runF func(context.Context, *ListOptions) error) *cobra.Command {
	opts := &ListOptions{Factory: f}
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the latest version of each definition",
		Long: `List the latest version of each definition. Pre-releases count only where a
definition has nothing else.`,
		Example: `  nestor catalog list
  nestor catalog list --provider aws --category database`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runList(cmd.Context(), opts)
		},
	}
	filters(cmd, opts)
	return cmd
}

// NewCmdSearch returns the command; runF replaces its work in tests.
func NewCmdSearch(f *cli.Factory, runF func(context.Context, *ListOptions) error) *cobra.Command {
	opts := &ListOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "search WORD...",
		Short: "Find definitions by words",
		Long:  `Find definitions whose name or description has all of the words.`,
		Example: `  nestor catalog search mysql
  nestor catalog search managed cache --provider gcp`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Words = strings.Join(args, " ")
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runList(cmd.Context(), opts)
		},
	}
	filters(cmd, opts)
	return cmd
}

func filters(cmd *cobra.Command, opts *ListOptions) {
	cmd.Flags().StringVar(&opts.Provider, "provider", "", "only this provider, such as aws")
	cmd.Flags().StringVar(&opts.Category, "category", "", "only this category, such as database")
	cmd.Flags().StringVar(&opts.ResourceType, "type", "", "only this resource type, such as mysql")
}

func runList(ctx context.Context, opts *ListOptions) error {
	f := opts.Factory
	api, err := f.Client()
	if err != nil {
		return err
	}
	definitions, err := all(ctx, api, opts)
	if err != nil {
		return err
	}
	if f.Flags.Output.Structured() {
		return f.Flags.Output.Write(f.IO.Out, definitions)
	}
	if len(definitions) == 0 {
		f.IO.Println("No definition matches.")
		return nil
	}
	columns := output.NewColumns("NAME", "VERSION", "PROVIDER", "CATEGORY", "TYPE", "ENGINES", "NOTE")
	for _, i := range definitions {
		note := ""
		if i.Preferred.Deprecated != "" {
			note = "deprecated: " + i.Preferred.Deprecated
		}
		d := i.Preferred.Definition
		columns.Row(d.Metadata.Name, d.Metadata.Version, d.Spec.Provider, d.Spec.Category, d.Spec.ResourceType,
			strings.Join(d.Spec.Engines, ","), note)
	}
	return columns.Write(f.IO.Out, render.Out(f.IO).Width)
}

func all(ctx context.Context, api *remote.Client, opts *ListOptions) ([]client.ResourceItem, error) {
	optional := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	params := client.ListResourcesParams{
		Provider: optional(opts.Provider), Category: optional(opts.Category),
		ResourceType: optional(opts.ResourceType), Q: optional(opts.Words),
	}
	definitions := []client.ResourceItem{}
	for {
		list, err := remote.Decode[client.ResourceList](api.ListResources(ctx, &params))
		if err != nil {
			return nil, err
		}
		definitions = append(definitions, list.Items...)
		if list.Next == "" {
			return definitions, nil
		}
		params.Cursor = &list.Next
	}
}
