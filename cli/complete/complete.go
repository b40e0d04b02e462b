// SPDX-License-Identifier: Apache-2.0

// Package complete answers the shell's question what could be typed next. It
// asks the API for at most a second and says nothing when that is too short:
// a completion never shows an error.
package complete

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/cli/target"
	"github.com/HatiCode/nestor/orchestrator"
)

const limit = time.Second

// Func is what Cobra calls for a completion.
type Func = func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective)

// fetch makes a Func of a question to the API.
func fetch(f *cli.Factory, ask func(ctx context.Context, api *remote.Client, args []string) ([]string, error)) Func {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		parent := cmd.Context()
		if parent == nil {
			parent = context.Background()
		}
		ctx, cancel := context.WithTimeout(parent, limit)
		defer cancel()
		api, err := f.Client()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		words, err := ask(ctx, api, args)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

// Environments completes an environment's name.
func Environments(f *cli.Factory) Func {
	return fetch(f, func(ctx context.Context, api *remote.Client, _ []string) ([]string, error) {
		list, err := target.Environments(ctx, api)
		words := make([]string, 0, len(list))
		for _, e := range list {
			words = append(words, word(e.Metadata.Name, e.Spec.Description))
		}
		return words, err
	})
}

// Deployments completes a deployment of the application that t is about, the
// first argument of a command.
func Deployments(f *cli.Factory, t *target.Flags) Func {
	return fetch(f, func(ctx context.Context, api *remote.Client, args []string) ([]string, error) {
		if len(args) > 0 {
			return nil, nil
		}
		name, err := t.Resolve(ctx, f)
		if err != nil {
			return nil, err
		}
		params := client.ListDeploymentsParams{Team: &name.Team, Application: &name.Application}
		environment, err := t.ResolveEnvironment(f)
		if err != nil {
			return nil, err
		}
		if environment != "" {
			params.Environment = &environment
		}
		list, err := remote.Decode[client.DeploymentList](api.ListDeployments(ctx, &params))
		words := make([]string, 0, len(list.Items))
		for _, d := range list.Items {
			words = append(words, word(short(d, environment), string(d.Kind)+" "+string(d.Status)))
		}
		return words, err
	})
}

func short(d orchestrator.Deployment, environment string) string {
	if environment != "" {
		return strconv.FormatInt(d.N, 10)
	}
	return d.Environment + "/" + strconv.FormatInt(d.N, 10)
}

// Compositions completes the name of a composition of the team.
func Compositions(f *cli.Factory) Func {
	return fetch(f, func(ctx context.Context, api *remote.Client, args []string) ([]string, error) {
		if len(args) > 0 {
			return nil, nil
		}
		team, err := target.Team(ctx, f)
		if err != nil {
			return nil, err
		}
		list, err := remote.Decode[client.CompositionList](api.ListCompositions(ctx, &client.ListCompositionsParams{Team: &team}))
		words := make([]string, 0, len(list.Items))
		for _, c := range list.Items {
			words = append(words, word(c.Composition.Metadata.Name, c.Composition.Spec.Description))
		}
		return words, err
	})
}

// Definitions completes the name of a definition of the catalog.
func Definitions(f *cli.Factory) Func {
	return fetch(f, func(ctx context.Context, api *remote.Client, args []string) ([]string, error) {
		if len(args) > 0 {
			return nil, nil
		}
		list, err := remote.Decode[client.ResourceList](api.ListResources(ctx, &client.ListResourcesParams{}))
		words := make([]string, 0, len(list.Items))
		for _, p := range list.Items {
			d := p.Preferred.Definition
			words = append(words, word(d.Metadata.Name, d.Spec.Description))
		}
		return words, err
	})
}

// Words completes one of a fixed set.
func Words(words ...string) Func {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

// Flag sets a flag's completion. The flag exists, so there is no error to
// return.
func Flag(cmd *cobra.Command, name string, complete Func) {
	if err := cmd.RegisterFlagCompletionFunc(name, complete); err != nil {
		panic("complete: " + err.Error())
	}
}

func word(name, description string) string {
	if description == "" {
		return name
	}
	return name + "\t" + description
}
