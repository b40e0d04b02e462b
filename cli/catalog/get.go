// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/complete"
	"github.com/HatiCode/nestor/cli/output"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/cli/render"
	"github.com/HatiCode/nestor/cli/text"
)

// GetOptions of get and versions.
type GetOptions struct {
	Factory *cli.Factory
	Name    string
	Version string // a version or a range; empty is the latest
}

// NewCmdGet returns the command; runF replaces its work in tests.
func NewCmdGet(f *cli.Factory, runF func(context.Context, *GetOptions) error) *cobra.Command {
	opts := &GetOptions{Factory: f}
	return &cobra.Command{
		Use:   "get NAME[@VERSION]",
		Short: "Show a definition: what it takes and what it gives",
		Long: `Show a definition: what it takes and what it gives.

The version may be a range, such as ^1.2, which shows the newest version in it.
Without one, the latest version is shown.`,
		Example: `  nestor catalog get aws-rds-mysql
  nestor catalog get 'aws-rds-mysql@^1.2'
  nestor catalog get aws-rds-mysql@1.0.0 -o yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Name, opts.Version, _ = strings.Cut(args[0], "@")
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runGet(cmd.Context(), opts)
		},
		ValidArgsFunction: complete.Definitions(f),
	}
}

func runGet(ctx context.Context, opts *GetOptions) error {
	f := opts.Factory
	api, err := f.Client()
	if err != nil {
		return err
	}
	var p client.PublishedDefinition
	if opts.Version == "" {
		p, err = remote.Decode[client.PublishedDefinition](api.GetResource(ctx, opts.Name))
	} else {
		p, err = remote.Decode[client.PublishedDefinition](api.GetResourceVersion(ctx, opts.Name, opts.Version))
	}
	if err != nil {
		return err
	}
	if f.Flags.Output.Structured() {
		return f.Flags.Output.Write(f.IO.Out, p)
	}
	return show(f, p)
}

func show(f *cli.Factory, p client.PublishedDefinition) error {
	canvas, spec := render.Out(f.IO), p.Definition.Spec
	f.IO.Printf("%s\n", canvas.Style.Bold(p.Definition.Ref()))
	if p.Deprecated != "" {
		f.IO.Printf("%s\n", canvas.Style.Yellow("deprecated: "+text.CleanLine(p.Deprecated)))
	}
	if spec.Description != "" {
		for _, line := range text.Wrap(text.Clean(spec.Description), f.IO.Width()) {
			f.IO.Println(line)
		}
	}
	f.IO.Println()
	for _, fact := range [][2]string{
		{"provider", spec.Provider},
		{"category", spec.Category},
		{"type", spec.ResourceType},
		{"engines", strings.Join(spec.Engines, ", ")},
		{"rollback", string(spec.Rollback)},
		{"deletion", string(spec.DeletionPolicy)},
		{"digest", p.Digest},
		{"published", p.PublishedAt.UTC().Format(time.RFC3339) + " by " + p.PublishedBy},
	} {
		f.IO.Printf("%s %s\n", text.Pad(fact[0], 10), text.CleanLine(fact[1]))
	}
	if err := fields(f, canvas, "INPUT", spec.Inputs); err != nil {
		return err
	}
	return fields(f, canvas, "OUTPUT", spec.Outputs)
}

func fields(f *cli.Factory, canvas render.Canvas, title string, list []catalog.Field) error {
	if len(list) == 0 {
		return nil
	}
	f.IO.Println()
	columns := output.NewColumns(title, "TYPE", "RULES", "DESCRIPTION")
	for _, field := range list {
		rules, err := rules(field)
		if err != nil {
			return err
		}
		columns.Row(field.Name, string(field.Type), rules, field.Description)
	}
	return columns.Write(f.IO.Out, canvas.Width)
}

// rules lists a field's constraints in one line.
func rules(field catalog.Field) (string, error) {
	var parts []string
	if field.Required {
		parts = append(parts, "required")
	}
	for _, p := range []struct {
		name  string
		value any
		set   bool
	}{
		{"default", field.Default, field.Default != nil},
		{"one of", field.Enum, len(field.Enum) > 0},
		{"pattern", field.Pattern, field.Pattern != ""},
		{"minimum", field.Minimum, field.Minimum != nil},
		{"maximum", field.Maximum, field.Maximum != nil},
	} {
		if !p.set {
			continue
		}
		value, err := json.Marshal(p.value)
		if err != nil {
			return "", fmt.Errorf("show the field %s: %w", field.Name, err)
		}
		parts = append(parts, p.name+" "+string(value))
	}
	if field.Sensitive {
		parts = append(parts, "sensitive")
	}
	if field.Immutable {
		parts = append(parts, "immutable")
	}
	return strings.Join(parts, ", "), nil
}

// NewCmdVersions returns the command; runF replaces its work in tests.
func NewCmdVersions(f *cli.Factory, runF func(context.Context, *GetOptions) error) *cobra.Command {
	opts := &GetOptions{Factory: f}
	return &cobra.Command{
		Use:     "versions NAME",
		Short:   "List all versions of a definition",
		Long:    `List all versions of a definition, newest first.`,
		Example: `  nestor catalog versions aws-rds-mysql`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Name = args[0]
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runVersions(cmd.Context(), opts)
		},
		ValidArgsFunction: complete.Definitions(f),
	}
}

func runVersions(ctx context.Context, opts *GetOptions) error {
	f := opts.Factory
	api, err := f.Client()
	if err != nil {
		return err
	}
	list, err := remote.Decode[client.ResourceVersionList](api.ListResourceVersions(ctx, opts.Name))
	if err != nil {
		return err
	}
	if f.Flags.Output.Structured() {
		return f.Flags.Output.Write(f.IO.Out, list.Items)
	}
	columns := output.NewColumns("VERSION", "DIGEST", "PUBLISHED", "BY", "DEPRECATED")
	for _, p := range list.Items {
		columns.Row(p.Definition.Metadata.Version, render.Digest(p.Digest), p.PublishedAt.UTC().Format(time.RFC3339), p.PublishedBy, p.Deprecated)
	}
	return columns.Write(f.IO.Out, render.Out(f.IO).Width)
}
