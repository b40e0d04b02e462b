// SPDX-License-Identifier: Apache-2.0

package composition

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/cli/render"
	"github.com/HatiCode/nestor/cli/source"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/internal/manifest"
)

// PushOptions of push and validate.
type PushOptions struct {
	Factory *cli.Factory
	Paths   []string
	// Environments is a file of overrides by composition and environment.
	Environments string
}

// NewCmdPush returns the command; runF replaces its work in tests.
func NewCmdPush(f *cli.Factory, runF func(context.Context, *PushOptions) error) *cobra.Command {
	opts := &PushOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "push PATH...",
		Short: "Create or change compositions",
		Long: `Create or change compositions.

A path is a file or a directory with compositions anywhere below it. All of them
are checked before the first is sent; the API refuses what the catalog and the
environments do not have. Releases that exist keep the composition
they were made from.`,
		Example: `  nestor composition push composer/compositions/web-app.yaml
  nestor composition push composer --environments environments.yaml`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Paths = args
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runPush(cmd.Context(), opts)
		},
	}
	cmd.Flags().StringVar(&opts.Environments, "environments", "",
		"file with overrides, such as web-app: {staging: {provider: aws}}")
	return cmd
}

// NewCmdValidate returns the command; runF replaces its work in tests.
func NewCmdValidate(f *cli.Factory, runF func(context.Context, *PushOptions) error) *cobra.Command {
	opts := &PushOptions{Factory: f}
	return &cobra.Command{
		Use:   "validate PATH...",
		Short: "Check compositions without a server",
		Long: `Check compositions without a server: syntax, fields, templates, references and
cycles. Whether the catalog has what they name is checked by nestor composition
push.`,
		Example: `  nestor composition validate composer/compositions`,
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

// item is a composition as it was found on disk.
type item struct {
	document    source.Document
	composition composer.Composition
}

// load reads and checks all compositions below the paths, and reports what is
// wrong with any of them at once.
func load(f *cli.Factory, paths []string) ([]item, error) {
	documents, err := source.Loader{Kind: composer.KindComposition, APIVersion: composer.APIVersion, Stdin: f.IO.In, Dir: f.Dir}.Load(paths)
	if err != nil {
		return nil, err
	}
	if len(documents) == 0 {
		return nil, cli.Errorf("a composition begins with \"apiVersion: "+composer.APIVersion+"\" and \"kind: "+composer.KindComposition+"\"",
			"there is no composition in what was given")
	}
	var problems manifest.Problems
	items := make([]item, 0, len(documents))
	for _, document := range documents {
		compositions, err := composer.ParseComposition(document.File, []byte(document.Text))
		var list manifest.Problems
		switch {
		case errors.As(err, &list):
			problems = append(problems, list...)
		case err != nil:
			return nil, err
		default:
			items = append(items, item{document: document, composition: compositions[0]})
		}
	}
	return items, problems.OrNil()
}

func runPush(ctx context.Context, opts *PushOptions) error {
	f := opts.Factory
	items, err := load(f, opts.Paths)
	if err != nil {
		return err
	}
	overrides, file, err := overrides(f, opts.Environments, items)
	if err != nil {
		return err
	}
	api, err := f.Client()
	if err != nil {
		return err
	}
	applied := []client.AppliedComposition{}
	for n, i := range items {
		answer, err := remote.Decode[client.AppliedCompositions](api.ApplyComposition(ctx, &client.ApplyCompositionParams{},
			client.ApplyCompositionJSONRequestBody{
				File: i.document.File, Composition: i.document.Text, Environments: overrides[i.composition.Metadata.Name],
			}))
		replace(err, opts.Environments, file)
		if err != nil && n > 0 {
			return cli.Errorf("", "push %s: %w; the %s before it were written", i.composition.Metadata.Name, err, render.Plural(n, "composition"))
		}
		if err != nil {
			return cli.Errorf("", "push %s: %w", i.composition.Metadata.Name, err)
		}
		applied = append(applied, answer.Items...)
		if !f.Flags.Output.Structured() {
			report(f, answer.Items)
		}
	}
	if f.Flags.Output.Structured() {
		return f.Flags.Output.Write(f.IO.Out, applied)
	}
	return nil
}

func report(f *cli.Factory, items []client.AppliedComposition) {
	style := f.IO.OutStyle()
	for _, c := range items {
		word := "unchanged"
		switch {
		case c.Changed && c.Revision == 1:
			word = style.Green("created")
		case c.Changed:
			word = style.Green("changed")
		}
		name := c.Composition.Metadata.Team + "/" + c.Composition.Metadata.Name
		f.IO.Printf("%s %s  %s\n", word, name, style.Dim(render.Digest(c.Digest)))
	}
}

// replace gives what the API says of the overrides, which were sent on one line,
// their places in the file they are from.
func replace(err error, path string, file []byte) {
	var answer *remote.Error
	if len(file) == 0 || !errors.As(err, &answer) {
		return
	}
	for i, p := range answer.Problem.Problems {
		if placed, ok := composer.PlaceInOverrides(path, file, p); ok && p.Line == 1 {
			answer.Problem.Problems[i] = placed
		}
	}
}

// overrides cuts a file of overrides into one document per composition, and
// returns the file too. One for a composition that is not pushed is an error.
func overrides(f *cli.Factory, path string, items []item) (texts map[string]string, data []byte, err error) {
	if path == "" {
		return nil, nil, nil
	}
	full := path
	if !filepath.IsAbs(full) {
		full = filepath.Join(f.Dir, path)
	}
	data, err = os.ReadFile(full) //nolint:gosec // the user names the file
	if err != nil {
		return nil, nil, fmt.Errorf("read the overrides: %w", err)
	}
	parsed, err := composer.ParseEnvironmentOverrides(path, data)
	if err != nil {
		return nil, nil, err
	}
	texts = map[string]string{}
	for _, i := range items {
		name := i.composition.Metadata.Name
		if _, ok := parsed[name]; !ok {
			continue
		}
		one, err := single(name, parsed[name])
		if err != nil {
			return nil, nil, err
		}
		texts[name] = one
		delete(parsed, name)
	}
	if left := slices.Sorted(maps.Keys(parsed)); len(left) > 0 {
		return nil, nil, cli.Errorf("push it in the same call",
			"%s has overrides for %s, which is not among what was given", path, strings.Join(left, ", "))
	}
	return texts, data, nil
}

// single is the overrides of one composition as JSON, which is YAML.
func single(name string, byEnvironment map[string]composer.Override) (string, error) {
	data, err := json.Marshal(map[string]map[string]composer.Override{name: byEnvironment})
	if err != nil {
		return "", fmt.Errorf("write the overrides of %s: %w", name, err)
	}
	return string(data), nil
}

func runValidate(opts *PushOptions) error {
	f := opts.Factory
	items, err := load(f, opts.Paths)
	if err != nil {
		return err
	}
	names := make([]string, 0, len(items))
	for _, i := range items {
		names = append(names, i.composition.Metadata.Team+"/"+i.composition.Metadata.Name)
	}
	if f.Flags.Output.Structured() {
		return f.Flags.Output.Write(f.IO.Out, names)
	}
	for n, i := range items {
		f.IO.Printf("valid %s  %s, %s\n", names[n], i.document.File, render.Plural(len(i.composition.Spec.Resources), "resource"))
	}
	return nil
}
