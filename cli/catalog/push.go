// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/api/problem"
	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/cli/render"
	"github.com/HatiCode/nestor/internal/manifest"
)

// PushOptions of the command.
type PushOptions struct {
	Factory *cli.Factory
	Paths   []string
}

// NewCmdPush returns the command; runF replaces its work in tests.
func NewCmdPush(f *cli.Factory, runF func(context.Context, *PushOptions) error) *cobra.Command {
	opts := &PushOptions{Factory: f}
	return &cobra.Command{
		Use:   "push PATH...",
		Short: "Publish definitions with the files they need",
		Long: `Publish definitions with the files they need.

A path is a file or a directory with definitions anywhere below it; the module
directories that they name travel along. All of them are checked, here and by
the server, before the first is published. Publishing the same content again
changes nothing; the same version with other content is refused.`,
		Example: `  nestor catalog push catalog/resources/aws-rds-mysql.yaml
  nestor catalog push catalog/resources`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Paths = args
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runPush(cmd.Context(), opts)
		},
	}
}

func runPush(ctx context.Context, opts *PushOptions) error {
	f := opts.Factory
	items, err := load(f, opts.Paths)
	if err != nil {
		return err
	}
	api, err := f.Client()
	if err != nil {
		return err
	}
	if err := rehearse(ctx, api, items); err != nil {
		return err
	}
	published := make([]client.PublishedDefinition, 0, len(items))
	for n, i := range items {
		answer, created, err := remote.DecodeCreated[client.PublishedDefinition](api.PublishResource(ctx, i.request()))
		if err != nil && n > 0 {
			return cli.Errorf("", "publish %s (%s): %w; the %s before it were published",
				i.definition.Ref(), i.document.File, err, render.Plural(n, "definition"))
		}
		if err != nil {
			return cli.Errorf("", "publish %s (%s): %w", i.definition.Ref(), i.document.File, err)
		}
		published = append(published, answer)
		if !f.Flags.Output.Structured() {
			report(f, answer, created)
		}
	}
	if f.Flags.Output.Structured() {
		return f.Flags.Output.Write(f.IO.Out, published)
	}
	return nil
}

// rehearse has the server check every definition, so that one which it would
// refuse, such as a published version with other content, keeps all of them
// from being published. All objections come at once.
func rehearse(ctx context.Context, api *remote.Client, items []item) error {
	var problems manifest.Problems
	for _, i := range items {
		_, err := remote.Decode[client.ResourceValidation](api.ValidateResource(ctx, i.request()))
		var refused *remote.Error
		switch {
		case err == nil:
		case errors.As(err, &refused) && refused.Problem.Type == problem.TypeImmutable:
			problems = append(problems, manifest.Problem{File: i.document.File, Message: refused.Error(), Hint: refused.Hint()})
		case errors.As(err, &refused) && len(refused.Problems()) > 0:
			problems = append(problems, refused.Problems()...)
		default:
			return fmt.Errorf("check %s (%s): %w", i.definition.Ref(), i.document.File, err)
		}
	}
	return problems.OrNil()
}

func report(f *cli.Factory, p client.PublishedDefinition, created bool) {
	style := f.IO.OutStyle()
	if created {
		f.IO.Printf("%s %s  %s\n", style.Green("published"), p.Definition.Ref(), style.Dim(render.Digest(p.Digest)))
		return
	}
	f.IO.Printf("unchanged %s  %s\n", p.Definition.Ref(), style.Dim(render.Digest(p.Digest)))
}

// NewCmdValidate returns the command; runF replaces its work in tests.
func NewCmdValidate(f *cli.Factory, runF func(context.Context, *PushOptions) error) *cobra.Command {
	opts := &PushOptions{Factory: f}
	return &cobra.Command{
		Use:   "validate PATH...",
		Short: "Check definitions without a server",
		Long: `Check definitions without a server: syntax, fields, constraints, and whether the
module directories that they name are there.`,
		Example: `  nestor catalog validate catalog/resources`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Paths = args
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runValidate(opts)
		},
	}
}

func runValidate(opts *PushOptions) error {
	items, err := load(opts.Factory, opts.Paths)
	if err != nil {
		return err
	}
	f := opts.Factory
	if f.Flags.Output.Structured() {
		refs := make([]string, 0, len(items))
		for _, i := range items {
			refs = append(refs, i.definition.Ref())
		}
		return f.Flags.Output.Write(f.IO.Out, refs)
	}
	for _, i := range items {
		f.IO.Printf("valid %s  %s, %s\n", i.definition.Ref(), i.document.File, render.Plural(len(i.bundle.Files()), "module file"))
	}
	return nil
}
