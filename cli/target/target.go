// SPDX-License-Identifier: Apache-2.0

// Package target finds out what a command is about: which application of which
// team, in which environment, and which deployment of it. It takes flags first,
// then the working directory's nestor.yaml and application file, then the
// settings.
package target

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/project"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/internal/suggest"
	"github.com/HatiCode/nestor/orchestrator"
)

// Flags say which application and environment a command is about.
type Flags struct {
	Application string
	Environment string
}

// AddApplication adds --app to a command.
func (t *Flags) AddApplication(cmd *cobra.Command) {
	cmd.Flags().StringVar(&t.Application, "app", "", "the application (default: the one of this directory)")
}

// AddEnvironment adds --env to a command.
func (t *Flags) AddEnvironment(cmd *cobra.Command, fallback string) {
	cmd.Flags().StringVarP(&t.Environment, "env", "e", "", "the environment (default: "+fallback+")")
}

// Name is a team and an application.
type Name struct{ Team, Application string }

func (n Name) String() string { return n.Team + "/" + n.Application }

// In is the application's scope in an environment.
func (n Name) In(environment string) orchestrator.Scope {
	return orchestrator.Scope{Team: n.Team, Application: n.Application, Environment: environment}
}

// Resolve finds the team and the application.
func (t *Flags) Resolve(ctx context.Context, f *cli.Factory) (Name, error) {
	found, err := t.local(f)
	if err != nil {
		return Name{}, err
	}
	if found.Application == "" {
		return Name{}, cli.Errorf("run this where nestor.yaml is (`nestor init` makes one), or give --app NAME",
			"it is not clear which application is meant")
	}
	if found.Team == "" {
		found.Team, err = Team(ctx, f)
	}
	return found, err
}

func (t *Flags) local(f *cli.Factory) (Name, error) {
	found := Name{Team: f.Flags.Team, Application: t.Application}
	if found.Team != "" && found.Application != "" {
		return found, nil
	}
	application, err := here(f)
	if err != nil {
		return Name{}, err
	}
	if found.Application == "" {
		found.Application = application.Application
	}
	if found.Team == "" {
		found.Team = application.Team
	}
	return found, nil
}

// here is the application of the working directory; empty when it is in none.
func here(f *cli.Factory) (Name, error) {
	p, err := project.Find(f.Dir)
	if err != nil {
		return Name{}, err
	}
	if p.Named {
		return Name{Team: p.File.Team, Application: p.File.Application}, nil
	}
	app, err := p.Application()
	if err != nil && !errors.Is(err, project.ErrNoApplication) {
		return Name{}, err
	}
	return Name{Team: app.Metadata.Team, Application: app.Metadata.Name}, nil
}

// Team is the team of the settings, else that of the working directory's
// application, else the only one of the token.
func Team(ctx context.Context, f *cli.Factory) (string, error) {
	settings, err := f.Settings()
	if err != nil || settings.Team != "" {
		return settings.Team, err
	}
	application, err := here(f)
	if err != nil || application.Team != "" {
		return application.Team, err
	}
	api, err := f.Client()
	if err != nil {
		return "", err
	}
	who, err := remote.Decode[client.Identity](api.Whoami(ctx))
	if err != nil {
		return "", err
	}
	if len(who.Teams) == 1 && who.Teams[0] != "*" {
		return who.Teams[0], nil
	}
	return "", cli.Errorf("give --team, NESTOR_TEAM or `nestor config set NAME --team TEAM`, or run this where nestor.yaml is", "it is not clear which team is meant")
}

// ResolveEnvironment is the one of the flags or of the settings; empty when neither
// has one.
func (t *Flags) ResolveEnvironment(f *cli.Factory) (string, error) {
	if t.Environment != "" {
		return t.Environment, nil
	}
	settings, err := f.Settings()
	return settings.Environment, err
}

// Scope is the application in an environment that must be named.
func (t *Flags) Scope(ctx context.Context, f *cli.Factory) (orchestrator.Scope, error) {
	environment, err := t.ResolveEnvironment(f)
	if err != nil {
		return orchestrator.Scope{}, err
	}
	if environment == "" {
		return orchestrator.Scope{}, cli.Errorf("give --env NAME; `nestor environment list` shows them", "it is not clear which environment is meant")
	}
	name, err := t.Resolve(ctx, f)
	return name.In(environment), err
}

// Environments lists the environments in pipeline order.
func Environments(ctx context.Context, api *remote.Client) ([]orchestrator.Environment, error) {
	list, err := remote.Decode[client.EnvironmentList](api.ListEnvironments(ctx))
	return list.Items, err
}

// CheckEnvironment fails for an environment that does not exist, with the
// nearest name.
func CheckEnvironment(environments []orchestrator.Environment, name string) error {
	names := make([]string, 0, len(environments))
	for _, e := range environments {
		names = append(names, e.Metadata.Name)
	}
	if slices.Contains(names, name) {
		return nil
	}
	advice := "the environments are " + strings.Join(names, ", ")
	if len(names) == 0 {
		advice = "there are none yet; a platform team makes them with `nestor environment push FILE`"
	} else if near, ok := suggest.Nearest(name, names); ok {
		advice = fmt.Sprintf("did you mean %q?", near)
	}
	return cli.Errorf(advice, "there is no environment %q", name)
}

// NeverDeployed is the error for an application that is in no environment,
// with the nearest of the team's applications that are.
func NeverDeployed(known []client.ApplicationSummary, name Name) error {
	names := make([]string, 0, len(known))
	for _, application := range known {
		names = append(names, application.Application)
	}
	advice := "deploy it with `nestor apply`"
	if near, ok := suggest.Nearest(name.Application, names); ok {
		advice = fmt.Sprintf("did you mean --app %s? Otherwise %s", near, advice)
	}
	return cli.Errorf(advice, "%s was never deployed", name)
}

// ID addresses a deployment.
type ID struct {
	orchestrator.Scope
	N int64
}

func (d ID) String() string { return orchestrator.DeploymentID(d.Scope, d.N) }

// ParseID reads a whole id "<team>/<application>/<environment>/<n>".
func ParseID(s string) (ID, bool) {
	parts := strings.Split(s, "/")
	if len(parts) != 4 {
		return ID{}, false
	}
	n, ok := number(parts[3])
	return ID{Scope: orchestrator.Scope{Team: parts[0], Application: parts[1], Environment: parts[2]}, N: n}, ok
}

func number(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n > 0
}

// Deployment finds the deployment that an argument means: a whole id,
// "<environment>/<n>", "<n>" with an environment from the flags or the
// settings, or the one that `nestor status` tells of when the argument is empty.
func (t *Flags) Deployment(ctx context.Context, f *cli.Factory, argument string) (ID, error) {
	if id, ok := ParseID(argument); ok {
		return id, nil
	}
	flags := *t
	n, rest := int64(0), argument
	if environment, short, ok := strings.Cut(argument, "/"); ok {
		flags.Environment, rest = environment, short
	}
	if argument != "" {
		var ok bool
		if n, ok = number(rest); !ok || strings.Contains(flags.Environment, "/") {
			return ID{}, cli.Errorf("write 3, staging/3 or team/application/staging/3; `nestor history` shows them",
				"%q is not a deployment", argument)
		}
	}
	environment, err := flags.ResolveEnvironment(f)
	if err != nil {
		return ID{}, err
	}
	if environment == "" && n > 0 {
		return ID{}, cli.Errorf("give --env NAME, or write "+"staging/"+rest, "deployments are counted per environment, and it is not clear which one %s is in", rest)
	}
	name, err := flags.Resolve(ctx, f)
	if err != nil {
		return ID{}, err
	}
	if n > 0 {
		return ID{Scope: name.In(environment), N: n}, nil
	}
	return current(ctx, f, name, environment)
}

// current is the deployment that tells how an application stands, in the
// environment of its latest one when none is named.
func current(ctx context.Context, f *cli.Factory, name Name, environment string) (ID, error) {
	api, err := f.Client()
	if err != nil {
		return ID{}, err
	}
	where := ""
	if environment != "" {
		where = " in " + environment
	} else {
		limit := 1
		list, err := remote.Decode[client.DeploymentList](api.ListDeployments(ctx,
			&client.ListDeploymentsParams{Team: &name.Team, Application: &name.Application, Limit: &limit}))
		if err != nil {
			return ID{}, err
		}
		if len(list.Items) > 0 {
			environment = list.Items[0].Environment
		}
	}
	never := cli.Errorf("deploy it with `nestor apply`", "%s was never deployed%s", name, where)
	if environment == "" {
		return ID{}, never
	}
	status, err := remote.Decode[client.ApplicationStatus](api.GetApplicationStatus(ctx, name.Team, name.Application, environment))
	if remote.NotFound(err) {
		return ID{}, never
	}
	if err != nil {
		return ID{}, err
	}
	id, ok := ParseID(status.Deployment)
	if !ok {
		return ID{}, fmt.Errorf("the API names the deployment %q, which is no id", status.Deployment)
	}
	return id, nil
}
