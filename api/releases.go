// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"errors"

	"github.com/HatiCode/nestor/api/auth"
	"github.com/HatiCode/nestor/api/gen"
	"github.com/HatiCode/nestor/api/problem"
	compositions "github.com/HatiCode/nestor/composer/registry"
	"github.com/HatiCode/nestor/orchestrator/compile"
)

// CreateRelease implements POST /releases.
func (s *Server) CreateRelease(ctx context.Context, r gen.CreateReleaseRequestObject) (gen.CreateReleaseResponseObject, error) {
	release, created, err := s.d.Compiler.CreateRelease(ctx, auth.From(ctx).Name, compile.ReleaseRequest{
		Team: r.Body.Team, Application: r.Body.Application,
		Repository: r.Body.Repository, Commit: r.Body.Commit, Claims: r.Body.Claims, Environment: r.Body.Environment,
	})
	if err != nil {
		return nil, err
	}
	if !created {
		return gen.CreateRelease200JSONResponse(release), nil
	}
	return gen.CreateRelease201JSONResponse{
		Body: release,
		Headers: gen.CreateRelease201ResponseHeaders{
			Location: "/api/v1/releases/" + release.Team + "/" + release.Application + "/" + release.Digest,
		},
	}, nil
}

// ListReleases implements GET /releases.
func (s *Server) ListReleases(ctx context.Context, r gen.ListReleasesRequestObject) (gen.ListReleasesResponseObject, error) {
	team, err := teamOrOwn(ctx, r.Params.Team)
	if err != nil {
		return nil, err
	}
	page, err := s.d.Compositions.ListReleases(ctx, team, r.Params.Application, r.Params.Cursor, r.Params.Limit)
	if err != nil {
		return nil, cursorProblem(err, r.Params.Cursor)
	}
	answer := gen.ListReleases200JSONResponse{Items: make([]gen.ReleaseSummary, 0, len(page.Releases)), Next: page.Next}
	for _, r := range page.Releases {
		answer.Items = append(answer.Items, gen.ReleaseSummary{
			Digest: r.Digest, Team: r.Team, Application: r.Application, Repository: r.Repository, Commit: r.Commit,
			Claims: r.Claims, Environments: list(r.Environments), Unbound: r.Unbound, CreatedBy: r.CreatedBy, CreatedAt: r.CreatedAt,
		})
	}
	return answer, nil
}

// GetRelease implements GET /releases/{team}/{application}/{digest}.
func (s *Server) GetRelease(ctx context.Context, r gen.GetReleaseRequestObject) (gen.GetReleaseResponseObject, error) {
	release, err := s.d.Compositions.GetRelease(ctx, r.Team, r.Application, r.Digest)
	var ambiguous *compositions.AmbiguousError
	if errors.As(err, &ambiguous) {
		return nil, problem.New(problem.TypeBadRequest, "%v", err)
	}
	if err != nil {
		return nil, err
	}
	return gen.GetRelease200JSONResponse(release), nil
}
