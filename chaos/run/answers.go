// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"

	api "github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/chaos/check"
	"github.com/HatiCode/nestor/chaos/site"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/orchestrator"
)

// answers looks for the secret in what the API says of a deployment, and in what
// the command prints of its environment.
func (r *runner) answers(ctx context.Context, d orchestrator.Deployment) (check.Findings, error) {
	var found check.Findings
	a, team, app, environment := r.site.API, d.Team, d.Application, d.Environment
	for name, ask := range map[string]func() (*http.Response, error){
		"record": func() (*http.Response, error) { return a.GetDeployment(ctx, team, app, environment, d.N) },
		"nodes":  func() (*http.Response, error) { return a.ListDeploymentNodes(ctx, team, app, environment, d.N) },
		"logs": func() (*http.Response, error) {
			return a.GetDeploymentLogs(ctx, team, app, environment, d.N, &api.GetDeploymentLogsParams{})
		},
		"graph": func() (*http.Response, error) { return a.GetDeploymentGraph(ctx, team, app, environment, d.N) },
	} {
		response, err := ask()
		if err := remote.Check(response, err); err != nil {
			if remote.NotFound(err) {
				continue // a destruction has no graph
			}
			return found, fmt.Errorf("the %s of %s: %w", name, d.ID, err)
		}
		text, err := io.ReadAll(response.Body)
		if err := errors.Join(err, response.Body.Close()); err != nil {
			return found, err
		}
		found.Add(check.Text(r.canary, fmt.Sprintf("the API's answer about the %s of %s", name, d.ID), text))
	}
	said, err := r.command(ctx, "status", "--env", environment, "--team", site.Team, "--app", app, "-o", "json")
	if err != nil {
		return found, err
	}
	found.Add(check.Text(r.canary, "what `nestor status` prints", said))
	return found, nil
}

// command runs the CLI and returns everything that it printed.
func (r *runner) command(ctx context.Context, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, filepath.Join(r.Bin, "nestor"), append(args, "--server", r.site.API.Server())...) //nolint:gosec // our own program
	command.Dir = r.Dir
	command.Env = append(command.Environ(), "NESTOR_CONFIG="+filepath.Join(r.Dir, "config.yaml"))
	said, err := command.CombinedOutput()
	if err != nil {
		return said, &remote.UnreachableError{Server: r.site.API.Server(), Cause: fmt.Errorf("nestor %v: %w: %s", args, err, said)}
	}
	return said, nil
}
