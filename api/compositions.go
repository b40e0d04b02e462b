// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"errors"

	"github.com/HatiCode/nestor/api/auth"
	"github.com/HatiCode/nestor/api/gen"
	"github.com/HatiCode/nestor/api/problem"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/internal/manifest"
	"github.com/HatiCode/nestor/store"
)

// ApplyComposition implements POST /compositions.
func (s *Server) ApplyComposition(ctx context.Context, r gen.ApplyCompositionRequestObject) (gen.ApplyCompositionResponseObject, error) {
	parsed, err := readCompositions(*r.Body)
	if err != nil {
		return nil, err
	}
	condition, err := writeCondition(r.Params.IfMatch, "")
	if err != nil {
		return nil, err
	}
	if condition != anyRevision && len(parsed) > 1 {
		return nil, problem.New(problem.TypeBadRequest, "If-Match is for one composition, the file holds %d", len(parsed))
	}
	// All teams before the first write: a file is taken whole or not at all.
	principal := auth.From(ctx)
	for _, c := range parsed {
		if err := requireTeam(principal, c.Composition.Metadata.Team); err != nil {
			return nil, err
		}
	}
	if err := s.checkCompositions(ctx, parsed); err != nil {
		return nil, err
	}
	answer := gen.AppliedCompositions{Items: make([]gen.AppliedComposition, 0, len(parsed))}
	created := false
	for _, c := range parsed {
		stored, changed, err := s.d.Compositions.PutComposition(ctx, principal.Name, c.Composition, condition)
		if err != nil {
			return nil, conditionProblem(err, condition)
		}
		created = created || changed && stored.Revision == 1
		answer.Items = append(answer.Items, gen.AppliedComposition{
			Composition: stored.Composition, Digest: stored.Digest, Revision: stored.Revision,
			UpdatedAt: stored.UpdatedAt, UpdatedBy: stored.UpdatedBy, Changed: changed,
		})
	}
	if created {
		return gen.ApplyComposition201JSONResponse(answer), nil
	}
	return gen.ApplyComposition200JSONResponse(answer), nil
}

// readCompositions parses what is sent, with the overrides in their places.
func readCompositions(body gen.ApplyCompositionJSONRequestBody) ([]composer.Source, error) {
	return composer.ReadSources(fileName(body.File), []byte(body.Composition), []byte(body.Environments))
}

// checkCompositions holds the compositions against the catalog and the
// environments as they are now, so that their author meets what can never work,
// and not whoever uses them.
func (s *Server) checkCompositions(ctx context.Context, sources []composer.Source) error {
	snapshot, err := s.d.Catalog.Snapshot(ctx)
	if err != nil {
		return err
	}
	environments, err := s.d.Records.ListEnvironments(ctx)
	if err != nil {
		return err
	}
	settings := make([]composer.EnvironmentSettings, len(environments))
	for i, e := range environments {
		settings[i] = e.Settings()
	}
	var problems manifest.Problems
	for _, source := range sources {
		problems = append(problems, source.Check(snapshot, settings)...)
	}
	return problems.OrNil()
}

// ListCompositions implements GET /compositions.
func (s *Server) ListCompositions(ctx context.Context, r gen.ListCompositionsRequestObject) (gen.ListCompositionsResponseObject, error) {
	team, err := teamOrOwn(ctx, r.Params.Team)
	if err != nil {
		return nil, err
	}
	page, err := s.d.Compositions.ListCompositions(ctx, team, r.Params.Cursor, r.Params.Limit)
	if err != nil {
		return nil, cursorProblem(err, r.Params.Cursor)
	}
	answer := gen.ListCompositions200JSONResponse{Items: make([]gen.StoredComposition, 0, len(page.Compositions)), Next: page.Next}
	for _, c := range page.Compositions {
		answer.Items = append(answer.Items, gen.StoredComposition(c))
	}
	return answer, nil
}

// GetComposition implements GET /compositions/{team}/{name}.
func (s *Server) GetComposition(ctx context.Context, r gen.GetCompositionRequestObject) (gen.GetCompositionResponseObject, error) {
	stored, err := s.d.Compositions.GetComposition(ctx, r.Team, r.Name)
	if err != nil {
		return nil, err
	}
	return gen.GetComposition200JSONResponse{
		Body:    gen.StoredComposition(stored),
		Headers: gen.GetComposition200ResponseHeaders{ETag: etag(stored.Revision)},
	}, nil
}

// DeleteComposition implements DELETE /compositions/{team}/{name}.
func (s *Server) DeleteComposition(ctx context.Context, r gen.DeleteCompositionRequestObject) (gen.DeleteCompositionResponseObject, error) {
	condition, err := writeCondition(r.Params.IfMatch, "")
	if err != nil {
		return nil, err
	}
	if err := s.d.Compositions.DeleteComposition(ctx, auth.From(ctx).Name, r.Team, r.Name, condition); err != nil {
		return nil, conditionProblem(err, condition)
	}
	return gen.DeleteComposition204Response{}, nil
}

// cursorProblem tells a cursor that no page gave from a mistake of the server.
func cursorProblem(err error, cursor string) error {
	if cursor != "" && errors.Is(err, store.ErrInvalid) {
		return problem.New(problem.TypeBadRequest, "the cursor is not the \"next\" of a page; begin without it")
	}
	return err
}
