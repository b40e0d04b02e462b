// SPDX-License-Identifier: Apache-2.0

// Package environment is `nestor environment`: the places to deploy to, owned
// by the platform team.
package environment

import (
	"cmp"
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/complete"
	"github.com/HatiCode/nestor/cli/output"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/cli/render"
	"github.com/HatiCode/nestor/cli/source"
	"github.com/HatiCode/nestor/cli/target"
	"github.com/HatiCode/nestor/internal/manifest"
	"github.com/HatiCode/nestor/orchestrator"
)

// NewCmdEnvironment returns the command with its subcommands.
func NewCmdEnvironment(f *cli.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "environment",
		Aliases: []string{"environments", "env"},
		Short:   "Manage the places to deploy to",
		Long: `Manage the places to deploy to: provider, region, state, credentials by
reference, approvals, and the order of the pipeline.`,
		Example: `  nestor environment push environments
  nestor environment list`,
	}
	cmd.AddCommand(NewCmdPush(f, nil), NewCmdList(f, nil), NewCmdGet(f, nil))
	return cmd
}

// Options of the subcommands.
type Options struct {
	Factory *cli.Factory
	Paths   []string
	Name    string
}

// NewCmdPush returns the command; runF replaces its work in tests.
func NewCmdPush(f *cli.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{Factory: f}
	return &cobra.Command{
		Use:   "push PATH...",
		Short: "Create or change environments",
		Long: `Create or change environments. A path is a file or a directory with environments
anywhere below it; they are written in the order in which they follow each
other in the pipeline.

Credentials are references to the platform's secrets, such as
secret://env/NESTOR_CREDENTIAL_<NAME> or secret://file/_platform/<path>.`,
		Example: `  nestor environment push environments/staging.yaml
  nestor environment push environments`,
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

// item is an environment as it was found on disk.
type item struct {
	document    source.Document
	environment orchestrator.Environment
}

func load(f *cli.Factory, paths []string) ([]item, error) {
	documents, err := source.Loader{Kind: orchestrator.KindEnvironment, APIVersion: orchestrator.APIVersion, Stdin: f.IO.In, Dir: f.Dir}.Load(paths)
	if err != nil {
		return nil, err
	}
	if len(documents) == 0 {
		return nil, cli.Errorf("an environment begins with \"apiVersion: "+orchestrator.APIVersion+"\" and \"kind: "+orchestrator.KindEnvironment+"\"",
			"there is no environment in what was given")
	}
	var problems manifest.Problems
	items := make([]item, 0, len(documents))
	for _, document := range documents {
		environment, found := decode(document)
		problems = append(problems, found...)
		items = append(items, item{document: document, environment: environment})
	}
	return ordered(items), problems.OrNil()
}

// decode checks a document by itself; whether what it comes after exists is the
// API's to say.
func decode(document source.Document) (orchestrator.Environment, manifest.Problems) {
	environments, err := orchestrator.ParseEnvironments(document.File, []byte(document.Text))
	if err != nil {
		return orchestrator.Environment{}, cli.Problems(err)
	}
	return environments[0], nil
}

// ordered puts an environment behind the one that it follows, where both are
// given; otherwise the order is that of the files.
func ordered(items []item) []item {
	byName := map[string]int{}
	for n, i := range items {
		byName[i.environment.Metadata.Name] = n
	}
	placed := map[int]bool{}
	result := make([]item, 0, len(items))
	var place func(n int)
	place = func(n int) {
		if placed[n] {
			return
		}
		placed[n] = true
		if before, ok := byName[items[n].environment.Spec.After]; ok {
			place(before)
		}
		result = append(result, items[n])
	}
	for n := range items {
		place(n)
	}
	return result
}

func runPush(ctx context.Context, opts *Options) error {
	f := opts.Factory
	items, err := load(f, opts.Paths)
	if err != nil {
		return err
	}
	api, err := f.Client()
	if err != nil {
		return err
	}
	pushed := make([]orchestrator.Environment, 0, len(items))
	for n, i := range items {
		name := i.environment.Metadata.Name
		environment, created, err := remote.DecodeCreated[orchestrator.Environment](
			api.PutEnvironment(ctx, name, &client.PutEnvironmentParams{}, client.PutEnvironmentJSONRequestBody{
				File: i.document.File, Environment: i.document.Text,
			}))
		if err != nil && n > 0 {
			return cli.Errorf("", "push %s: %w; the %s before it were written", name, err, render.Plural(n, "environment"))
		}
		if err != nil {
			return cli.Errorf("", "push %s: %w", name, err)
		}
		pushed = append(pushed, environment)
		if f.Flags.Output.Structured() {
			continue
		}
		word := "updated"
		if created {
			word = "created"
		}
		f.IO.Printf("%s %s\n", f.IO.OutStyle().Green(word), name)
	}
	if f.Flags.Output.Structured() {
		return f.Flags.Output.Write(f.IO.Out, pushed)
	}
	return nil
}

// NewCmdList returns the command; runF replaces its work in tests.
func NewCmdList(f *cli.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{Factory: f}
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the environments in pipeline order",
		Long:    `List the environments in pipeline order.`,
		Example: `  nestor environment list`,
		Args:    cobra.NoArgs,
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
	api, err := f.Client()
	if err != nil {
		return err
	}
	environments, err := target.Environments(ctx, api)
	if err != nil {
		return err
	}
	if f.Flags.Output.Structured() {
		return f.Flags.Output.Write(f.IO.Out, environments)
	}
	if len(environments) == 0 {
		f.IO.Println("There are no environments. Make one with: nestor environment push FILE")
		return nil
	}
	columns := output.NewColumns("NAME", "AFTER", "PROVIDER", "REGION", "ENGINES", "APPROVALS")
	for _, e := range environments {
		columns.Row(e.Metadata.Name, e.Spec.After, e.Spec.Provider, e.Spec.Region,
			strings.Join(e.Spec.Engines, ","), strconv.Itoa(e.Spec.Approvals.Required))
	}
	return columns.Write(f.IO.Out, render.Out(f.IO).Width)
}

// NewCmdGet returns the command; runF replaces its work in tests.
func NewCmdGet(f *cli.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{Factory: f}
	return &cobra.Command{
		Use:     "get NAME",
		Short:   "Show an environment as YAML",
		Long:    `Show an environment as YAML, ready to be edited and pushed again.`,
		Example: `  nestor environment get staging > staging.yaml`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Name = args[0]
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runGet(cmd.Context(), opts)
		},
		ValidArgsFunction: complete.Environments(f),
	}
}

func runGet(ctx context.Context, opts *Options) error {
	f := opts.Factory
	api, err := f.Client()
	if err != nil {
		return err
	}
	environment, err := remote.Decode[orchestrator.Environment](api.GetEnvironment(ctx, opts.Name))
	if remote.NotFound(err) {
		// The list knows the nearest name.
		environments, second := target.Environments(ctx, api)
		if second == nil {
			err = cmp.Or(target.CheckEnvironment(environments, opts.Name), err)
		}
	}
	if err != nil {
		return err
	}
	format := f.Flags.Output
	if !format.Structured() {
		format = output.YAML
	}
	return format.Write(f.IO.Out, environment)
}
