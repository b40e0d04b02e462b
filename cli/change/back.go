// SPDX-License-Identifier: Apache-2.0

package change

import (
	"context"
	"strings"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/cli"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/orchestrator"
)

// Back asks for a plan of the way back to a release, or, without one, to the
// release that succeeded before.
func (c *Change) Back(ctx context.Context, scope orchestrator.Scope, to string) (client.CreatePlanJSONRequestBody, error) {
	request := client.CreatePlanJSONRequestBody{
		Team: scope.Team, Application: scope.Application, Environment: scope.Environment,
		Kind: orchestrator.KindRollback, Release: to,
	}
	err := CheckRelease(to)
	if err == nil && to == "" {
		request.Release, err = previous(ctx, c, scope)
	}
	return request, err
}

// CheckRelease refuses what cannot be the value of --to; none is one.
func CheckRelease(to string) error {
	if to == "" || isDigest(to) {
		return nil
	}
	return cli.Errorf("`nestor history` shows them; without --to it is the one before",
		"--to takes a release: its digest, or the first 12 digits or more, not %q", to)
}

// isDigest says whether a text is a release's digest or enough of it to look it
// up.
func isDigest(text string) bool {
	const fewest, all = 12, 64
	digits := strings.TrimPrefix(text, "sha256:")
	return len(digits) >= fewest && len(digits) <= all && strings.Trim(digits, "0123456789abcdef") == ""
}

// previous finds the release to go back to: the one that succeeded last, where a
// deployment after it has left the environment between two releases; otherwise
// the one that succeeded before the present one.
func previous(ctx context.Context, c *Change, scope orchestrator.Scope) (string, error) {
	between, err := lastFailed(ctx, c, scope)
	if err != nil {
		return "", err
	}
	status := orchestrator.StatusSucceeded
	params := client.ListDeploymentsParams{
		Team: &scope.Team, Application: &scope.Application, Environment: &scope.Environment, Status: &status,
	}
	present, seen := "", false
	for {
		list, err := remote.Decode[client.DeploymentList](c.API.ListDeployments(ctx, &params))
		if err != nil {
			return "", err
		}
		for _, d := range list.Items {
			switch {
			case d.Kind == orchestrator.KindAdopt || d.Status != status: // it brought no release
			case !seen && between && d.Release != "":
				return d.Release, nil
			case !seen:
				present, seen = d.Release, true
			case d.Release != "" && d.Release != present:
				return d.Release, nil
			}
		}
		if list.Next == "" {
			return "", cli.Errorf("`nestor history --env "+scope.Environment+"` shows what was deployed there",
				"there is no earlier release of %s/%s in %s to go back to", scope.Team, scope.Application, scope.Environment)
		}
		params.Cursor = &list.Next
	}
}

// lastFailed says that the last deployment which acted has left the environment
// between two releases.
func lastFailed(ctx context.Context, c *Change, scope orchestrator.Scope) (bool, error) {
	params := client.ListDeploymentsParams{Team: &scope.Team, Application: &scope.Application, Environment: &scope.Environment}
	for {
		list, err := remote.Decode[client.DeploymentList](c.API.ListDeployments(ctx, &params))
		if err != nil {
			return false, err
		}
		for _, d := range list.Items {
			if d.StartedAt.IsZero() || d.Kind == orchestrator.KindAdopt {
				continue // it has changed nothing
			}
			return d.Status.Final() && !d.Settled(), nil
		}
		if list.Next == "" {
			return false, nil
		}
		params.Cursor = &list.Next
	}
}
