// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"

	"github.com/goccy/go-yaml"

	api "github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/bench/memory"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
)

// API is the platform's, asked as any client would.
func (p *Platform) API() *remote.Client { return p.api }

// Compose pushes a composition of a team.
func (p *Platform) Compose(ctx context.Context, team, name string, spec composer.CompositionSpec) error {
	text, err := yaml.Marshal(composer.Composition{
		APIVersion: composer.APIVersion, Kind: composer.KindComposition,
		Metadata: composer.CompositionMetadata{Name: name, Team: team}, Spec: spec,
	})
	if err != nil {
		return err
	}
	return remote.Done(p.api.ApplyComposition(ctx, &api.ApplyCompositionParams{},
		api.ApplyCompositionJSONRequestBody{Composition: string(text)}))
}

// Freeze makes a release of claims and returns its digest.
func (p *Platform) Freeze(ctx context.Context, team, application string, claims []composer.Claim) (string, error) {
	release, err := remote.Decode[composer.Release](p.api.CreateRelease(ctx,
		api.CreateReleaseJSONRequestBody{Team: team, Application: application, Claims: claims}))
	return release.Digest, err
}

// Ask asks for a deployment and returns its id.
func (p *Platform) Ask(ctx context.Context, team, application string, kind orchestrator.Kind, release string) (string, error) {
	accepted, err := remote.Decode[api.DeployAccepted](p.api.CreateDeployment(ctx, &api.CreateDeploymentParams{},
		api.CreateDeploymentJSONRequestBody{
			Team: team, Application: application, Environment: Environment,
			Kind: kind, Release: release, AutoApprove: true,
		}))
	return accepted.Deployment, err
}

// Memory that the platform's programs have now, by their names.
func (p *Platform) Memory() (map[string]uint64, error) {
	return memory.ByProgram(p.command.Process.Pid)
}
