// SPDX-License-Identifier: Apache-2.0

package change

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/annotation"
	"github.com/HatiCode/nestor/cli/project"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/cli/render"
	"github.com/HatiCode/nestor/cli/target"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
)

// Release freezes the application of the working directory, which must have
// that name if the flags give one. It refuses an application file that is not
// what the annotations and nestor.yaml say now.
func (c *Change) Release(ctx context.Context, flags *target.Flags) (composer.Release, error) {
	name := flags.Application
	environment, err := flags.ResolveEnvironment(c.F)
	if err != nil {
		return composer.Release{}, err
	}
	p, err := project.Find(c.F.Dir)
	if err != nil {
		return composer.Release{}, err
	}
	app, err := p.Application()
	if errors.Is(err, project.ErrNoApplication) {
		return composer.Release{}, cli.Errorf("run `nestor generate` in the repository of the application", "%w in %s", err, p.Root)
	}
	if err != nil {
		return composer.Release{}, err
	}
	if name != "" && name != app.Metadata.Name {
		return composer.Release{}, cli.Errorf("change into the directory of "+name+", or leave --app out",
			"the application of this directory is %s, not %s", app.Metadata.Name, name)
	}
	// What was given to `nestor generate` instead of nestor.yaml is given here too.
	if name != "" {
		p.File.Application = name
	}
	if c.F.Flags.Team == app.Metadata.Team {
		p.File.Team = c.F.Flags.Team
	}
	difference, err := p.Stale(ctx, app)
	if err != nil {
		return composer.Release{}, err
	}
	if difference != "" {
		c.F.IO.Notef("%s", difference)
		return composer.Release{}, cli.Errorf("run `nestor generate`, then try again",
			"%s is not what the annotations and %s say now", annotation.Path, project.FileName)
	}
	repository, commit := p.Git()
	team := app.Metadata.Team
	if c.F.Flags.Team != "" {
		team = c.F.Flags.Team
	}
	return remote.Decode[composer.Release](c.API.CreateRelease(ctx, client.CreateReleaseJSONRequestBody{
		Team: team, Application: app.Metadata.Name, Claims: app.Spec.Claims,
		Repository: repository, Commit: commit, Environment: environment,
	}))
}

// Environment picks where a release goes: the environment of the flags or the
// settings, else the first of the pipeline that the release is bound to.
func (c *Change) Environment(ctx context.Context, flags *target.Flags, release composer.Release) (string, error) {
	name, err := flags.ResolveEnvironment(c.F)
	if err != nil {
		return "", err
	}
	if _, bound := release.Bindings[name]; bound {
		return name, nil
	}
	if reason, unbound := release.Unbound[name]; unbound {
		return "", cli.Errorf("", "release %s cannot go to %s: %s", render.Digest(release.Digest), name, reason)
	}
	environments, err := target.Environments(ctx, c.API)
	if err != nil {
		return "", err
	}
	if name != "" {
		if err := target.CheckEnvironment(environments, name); err != nil {
			return "", err
		}
		return "", cli.Errorf("run the command again", "release %s was made before the environment %s", render.Digest(release.Digest), name)
	}
	for _, e := range environments {
		if _, bound := release.Bindings[e.Metadata.Name]; bound {
			return e.Metadata.Name, nil
		}
	}
	if len(environments) == 0 {
		return "", cli.Errorf("a platform team makes one with `nestor environment push FILE`", "there is no environment to deploy to")
	}
	reasons := make([]string, 0, len(release.Unbound))
	for _, environment := range slices.Sorted(maps.Keys(release.Unbound)) {
		reasons = append(reasons, environment+": "+release.Unbound[environment])
	}
	return "", cli.Errorf("", "the release can go to no environment:\n  %s", strings.Join(reasons, "\n  "))
}

// Unchanged ends a command that found nothing to do: with the latest deployment
// where a program reads along.
func (c *Change) Unchanged(ctx context.Context, scope orchestrator.Scope) error {
	if !c.F.Flags.Output.Structured() {
		return nil
	}
	limit := 1
	list, err := remote.Decode[client.DeploymentList](c.API.ListDeployments(ctx, &client.ListDeploymentsParams{
		Team: &scope.Team, Application: &scope.Application, Environment: &scope.Environment, Limit: &limit,
	}))
	if err != nil || len(list.Items) == 0 {
		return err
	}
	return c.F.Flags.Output.Write(c.F.IO.Out, list.Items[0])
}

// Live returns the release that an environment is at and whether its last
// deployment succeeded; an empty digest where nothing was deployed.
func (c *Change) Live(ctx context.Context, name target.Name, environment string) (release string, settled bool, err error) {
	status, err := remote.Decode[client.ApplicationStatus](c.API.GetApplicationStatus(ctx, name.Team, name.Application, environment))
	if remote.NotFound(err) {
		return "", false, nil
	}
	return status.Release, status.Status == orchestrator.StatusSucceeded, err
}
