// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/HatiCode/nestor/api/auth"
	"github.com/HatiCode/nestor/api/gen"
	"github.com/HatiCode/nestor/api/problem"
	"github.com/HatiCode/nestor/internal/manifest"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

// Revisions that a write can be conditional on, besides a number.
const (
	anyRevision = -1
	noRevision  = 0
)

// ListEnvironments implements GET /environments.
func (s *Server) ListEnvironments(ctx context.Context, _ gen.ListEnvironmentsRequestObject) (gen.ListEnvironmentsResponseObject, error) {
	environments, err := s.d.Records.ListEnvironments(ctx)
	if err != nil {
		return nil, err
	}
	return gen.ListEnvironments200JSONResponse{Items: list(environments)}, nil
}

// GetEnvironment implements GET /environments/{environment}.
func (s *Server) GetEnvironment(ctx context.Context, r gen.GetEnvironmentRequestObject) (gen.GetEnvironmentResponseObject, error) {
	environment, revision, err := s.d.Records.GetEnvironment(ctx, r.Environment)
	if err != nil {
		return nil, err
	}
	return gen.GetEnvironment200JSONResponse{
		Body: environment, Headers: gen.GetEnvironment200ResponseHeaders{ETag: etag(revision)},
	}, nil
}

// PutEnvironment implements PUT /environments/{environment}.
func (s *Server) PutEnvironment(ctx context.Context, r gen.PutEnvironmentRequestObject) (gen.PutEnvironmentResponseObject, error) {
	environment, err := parseEnvironment(fileName(r.Body.File), r.Body.Environment, r.Environment)
	if err != nil {
		return nil, err
	}
	condition, err := writeCondition(r.Params.IfMatch, r.Params.IfNoneMatch)
	if err != nil {
		return nil, err
	}
	revision, err := s.d.Records.PutEnvironment(ctx, auth.From(ctx).Name, environment, condition)
	switch {
	case errors.Is(err, registry.ErrPipeline):
		return nil, problem.Invalid([]manifest.Problem{{File: fileName(r.Body.File), Field: "spec.after", Message: err.Error()}})
	case err != nil:
		return nil, conditionProblem(err, condition)
	}
	if err := s.d.Temporal.ScheduleDrift(ctx, environment); err != nil {
		// What counts is written, and a worker looks after the schedule, too.
		s.log.WarnContext(ctx, "the schedule of drift checks could not be brought up to date yet", "environment", r.Environment, "error", err)
	}
	if revision == 1 {
		return gen.PutEnvironment201JSONResponse{
			Body: environment, Headers: gen.PutEnvironment201ResponseHeaders{ETag: etag(revision)},
		}, nil
	}
	return gen.PutEnvironment200JSONResponse{
		Body: environment, Headers: gen.PutEnvironment200ResponseHeaders{ETag: etag(revision)},
	}, nil
}

func parseEnvironment(file, text, name string) (orchestrator.Environment, error) {
	environment, err := ParseEnvironment(file, []byte(text))
	if err != nil {
		return environment, err
	}
	if environment.Metadata.Name != name {
		return environment, problem.Invalid([]manifest.Problem{{
			File: file, Field: "metadata.name",
			Message: fmt.Sprintf("the file describes %q, the request is for %q", environment.Metadata.Name, name),
			Hint:    "use one name in both",
		}})
	}
	return environment, nil
}

// etag is a revision as an entity tag.
func etag(revision int64) string { return strconv.Quote(strconv.FormatInt(revision, 10)) }

// writeCondition is the revision that the headers ask for.
func writeCondition(ifMatch, ifNoneMatch string) (int64, error) {
	switch {
	case ifMatch != "" && ifNoneMatch != "":
		return 0, problem.New(problem.TypeBadRequest, "send If-Match or If-None-Match, not both")
	case ifNoneMatch != "":
		return noRevision, nil
	case ifMatch == "" || ifMatch == "*":
		return anyRevision, nil
	}
	revision, err := strconv.ParseInt(strings.Trim(ifMatch, `"`), 10, 64)
	if err != nil || revision <= 0 {
		return 0, problem.New(problem.TypeBadRequest, "If-Match: %s is no ETag of this API", ifMatch)
	}
	return revision, nil
}

// conditionProblem turns a conflict into the answer for a header that did not
// hold.
func conditionProblem(err error, condition int64) error {
	if condition != anyRevision && errors.Is(err, store.ErrConflict) {
		return problem.New(problem.TypePreconditionFailed,
			"it is not at the revision that If-Match or If-None-Match names; read it again, and repeat the change on what is there now")
	}
	return err
}

// list makes an empty list of none, which JSON would write as null.
func list[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}
