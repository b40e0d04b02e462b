// SPDX-License-Identifier: Apache-2.0

// Package generate is `nestor generate`: the annotations of a repository become
// its application file.
package generate

import (
	"cmp"
	"context"
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
	"github.com/HatiCode/nestor/cli/annotation"
	"github.com/HatiCode/nestor/cli/output"
	"github.com/HatiCode/nestor/cli/project"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/cli/render"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/internal/manifest"
)

// Options of the command.
type Options struct {
	Factory     *cli.Factory
	Application string
	Check       bool
	Offline     bool
}

// NewCmdGenerate returns the command; runF replaces its work in tests.
func NewCmdGenerate(f *cli.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{Factory: f}
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Parse annotations and write the resources",
		Long: `Parse annotations and write the resources.

Finds all annotations of the repository, such as
    //nestor:web-app size=small replicas=3
in comments of any common language, checks them against the team's compositions,
and writes ` + annotation.Path + `. Commit that file: nestor apply deploys it.

With --check nothing is written; the command fails when the file is not what the
annotations say. With --offline, or when the API cannot be reached, names and
parameters are checked later, by nestor plan.`,
		Example: `  nestor generate
  nestor generate --check --offline   # in CI, without a platform`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runGenerate(cmd.Context(), opts)
		},
	}
	cmd.Flags().StringVar(&opts.Application, "app", "", "the application's name (default: that of "+project.FileName+" or of the directory)")
	cmd.Flags().BoolVar(&opts.Check, "check", false, "fail when the file is stale, and write nothing")
	cmd.Flags().BoolVar(&opts.Offline, "offline", false, "do not ask the API for the team's compositions")
	return cmd
}

func runGenerate(ctx context.Context, opts *Options) error {
	f := opts.Factory
	p, err := project.Find(f.Dir)
	if err != nil {
		return err
	}
	app, err := name(opts, p)
	if err != nil {
		return err
	}
	result, scanErr := annotation.Scan(ctx, p.Root, annotation.Options{})
	if err := problems(ctx, opts, app.Metadata.Team, result, scanErr); err != nil {
		return err
	}
	for _, note := range result.Notes {
		place := note.File
		if note.Line > 0 {
			place = fmt.Sprintf("%s:%d", note.File, note.Line)
		}
		cli.Warn(f.IO, "%s: %s", place, note.Message)
	}
	if len(result.Claims) == 0 {
		return none(p, result)
	}
	app.Spec.Claims = result.Claims
	stale, difference, err := annotation.Stale(p.Root, app)
	if err != nil {
		return err
	}
	if opts.Check && stale {
		f.IO.Notef("%s", difference)
		return cli.Errorf("run `nestor generate` and commit the result", "%s is stale", annotation.Path)
	}
	if stale {
		if err := write(p.Root, app); err != nil {
			return err
		}
	}
	return report(opts, app, stale)
}

// none is the error for a repository without annotations. An application is not
// emptied by leaving them out: that would leave what is deployed to nobody.
func none(p project.Project, result annotation.Result) error {
	hint := "write one into a comment, such as //nestor:web-app size=small"
	app, err := p.Application()
	switch {
	case errors.Is(err, project.ErrNoApplication):
	case err != nil:
		hint += "; or, if the application is given up, remove " + annotation.Path
	default:
		hint = fmt.Sprintf("if the application %s is given up, run `nestor destroy --env ENVIRONMENT` for each environment that it is in, then delete %s",
			app.Metadata.Name, annotation.Path)
	}
	return cli.Errorf(hint, "there is no annotation in %s (%s read)", p.Root, render.Plural(result.Files, "file"))
}

// name says what the application is called and whose it is.
func name(opts *Options, p project.Project) (composer.Application, error) {
	app := composer.Application{APIVersion: composer.APIVersion, Kind: composer.KindApplication}
	settings, err := opts.Factory.Settings()
	if err != nil {
		return app, err
	}
	app.Metadata.Name = cmp.Or(opts.Application, p.File.Application, project.Name(filepath.Base(p.Root)))
	app.Metadata.Team = cmp.Or(opts.Factory.Flags.Team, p.File.Team, settings.Team)
	if app.Metadata.Team == "" {
		return app, cli.Errorf("run `nestor init --team TEAM`, or give --team or NESTOR_TEAM",
			"it is not clear which team the application %s belongs to", app.Metadata.Name)
	}
	for _, n := range []struct{ what, value string }{{"application", app.Metadata.Name}, {"team", app.Metadata.Team}} {
		if wrong := project.CheckName(n.value); wrong != "" {
			return app, cli.Errorf("such as "+project.Name(n.value), "the name of the %s cannot be used: %s", n.what, wrong)
		}
	}
	return app, nil
}

// problems joins what the scan and the team's compositions object to, so that
// all of it is seen at once.
func problems(ctx context.Context, opts *Options, team string, result annotation.Result, scanErr error) error {
	var list manifest.Problems
	if scanErr != nil && !errors.As(scanErr, &list) {
		return scanErr
	}
	if len(result.Claims) == 0 {
		return list.OrNil()
	}
	known, ok, err := compositions(ctx, opts, team)
	if err != nil {
		return err
	}
	if ok {
		list = append(list, annotation.Check(result, known)...)
	}
	return list.OrNil()
}

// compositions asks the API for those of the team; ok is false where that is
// not wanted or not possible.
func compositions(ctx context.Context, opts *Options, team string) (known []annotation.Known, ok bool, err error) {
	if opts.Offline {
		return nil, false, nil
	}
	api, err := opts.Factory.Client()
	if err != nil {
		return nil, false, err
	}
	params := client.ListCompositionsParams{Team: &team}
	for {
		list, err := remote.Decode[client.CompositionList](api.ListCompositions(ctx, &params))
		var away *remote.UnreachableError
		if errors.As(err, &away) {
			cli.Warn(opts.Factory.IO, "%v; names and parameters are not checked yet (--offline leaves this out)", err)
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		for _, c := range list.Items {
			known = append(known, annotation.Known{
				Name: c.Composition.Metadata.Name, Team: c.Composition.Metadata.Team, Params: c.Composition.Spec.Params,
			})
		}
		if list.Next == "" {
			return known, true, nil
		}
		params.Cursor = &list.Next
	}
}

// write replaces the application file as a whole, or leaves it as it was.
func write(root string, app composer.Application) (err error) {
	data, err := annotation.Write(app)
	if err != nil {
		return err
	}
	path := filepath.Join(root, filepath.FromSlash(annotation.Path))
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %s: %w", annotation.Path, err)
		}
	}()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // a directory to be committed
		return err
	}
	temporary := path + ".new"
	if err := os.WriteFile(temporary, data, 0o644); err != nil { //nolint:gosec // a file to be committed
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return nil
}

// report says what was found and what was done about it.
func report(opts *Options, app composer.Application, stale bool) error {
	f := opts.Factory
	if f.Flags.Output.Structured() {
		return f.Flags.Output.Write(f.IO.Out, app)
	}
	columns := output.NewColumns("INSTANCE", "COMPOSITION", "PARAMETERS", "AT")
	claims := slices.Clone(app.Spec.Claims)
	slices.SortFunc(claims, func(a, b composer.Claim) int { return cmp.Compare(a.Instance, b.Instance) })
	for _, c := range claims {
		columns.Row(c.Instance, c.Composition, parameters(c), fmt.Sprintf("%s:%d", c.File, c.Line))
	}
	canvas := render.Out(f.IO)
	if err := columns.Write(f.IO.Out, canvas.Width); err != nil {
		return err
	}
	done := "is up to date"
	if stale {
		done = "was written"
	}
	f.IO.Printf("\n%s %s: application %s of team %s, %s.\n", annotation.Path, done,
		app.Metadata.Name, app.Metadata.Team, render.Plural(len(claims), "claim"))
	return nil
}

// parameters is a claim's parameters as they are written in an annotation.
func parameters(c composer.Claim) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(c.Parameters)) {
		parts = append(parts, key+"="+c.Parameters[key])
	}
	for _, environment := range slices.Sorted(maps.Keys(c.Environments)) {
		for _, key := range slices.Sorted(maps.Keys(c.Environments[environment])) {
			parts = append(parts, environment+"."+key+"="+c.Environments[environment][key])
		}
	}
	return strings.Join(parts, " ")
}
