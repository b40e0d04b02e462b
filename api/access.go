// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"

	"github.com/HatiCode/nestor/api/auth"
	"github.com/HatiCode/nestor/api/gen"
	"github.com/HatiCode/nestor/api/problem"
)

// access is the one place that says who may do what. Every operation has a
// rule; an operation without one is refused, and New fails.
type access struct {
	rules map[string]rule // by operation, as the generator spells it
}

// rule decides on a request; nil allows it.
type rule func(p auth.Principal, request any) error

// pathTeam, and the like, read the team a request names.
type teamOf func(request any) string

func newAccess() *access {
	return &access{rules: map[string]rule{
		// The catalog and the environments: readable by all, written by the
		// platform team.
		"ListResources":            everybody,
		"GetResource":              everybody,
		"ListResourceVersions":     everybody,
		"GetResourceVersion":       everybody,
		"ValidateResource":         everybody,
		"StreamCatalogEvents":      everybody,
		"PublishResource":          platform,
		"DeprecateResourceVersion": platform,
		"ListEnvironments":         everybody,
		"GetEnvironment":           everybody,
		"PutEnvironment":           platform,

		// A team's own. ApplyComposition names its teams inside of the file,
		// plans and promotions inside of the record: their handlers ask
		// requireTeam and visibleTeam below.
		"ApplyComposition":       everybody,
		"ListCompositions":       team(func(r any) string { return r.(gen.ListCompositionsRequestObject).Params.Team }),
		"GetComposition":         team(func(r any) string { return r.(gen.GetCompositionRequestObject).Team }),
		"DeleteComposition":      team(func(r any) string { return r.(gen.DeleteCompositionRequestObject).Team }),
		"CreateRelease":          team(func(r any) string { return r.(gen.CreateReleaseRequestObject).Body.Team }),
		"ListReleases":           team(func(r any) string { return r.(gen.ListReleasesRequestObject).Params.Team }),
		"GetRelease":             team(func(r any) string { return r.(gen.GetReleaseRequestObject).Team }),
		"CreatePlan":             team(func(r any) string { return r.(gen.CreatePlanRequestObject).Body.Team }),
		"GetPlan":                everybody,
		"CancelPlan":             everybody,
		"CreateDrift":            team(func(r any) string { return r.(gen.CreateDriftRequestObject).Body.Team }),
		"ListDrifts":             team(func(r any) string { return r.(gen.ListDriftsRequestObject).Params.Team }),
		"GetDrift":               team(func(r any) string { return r.(gen.GetDriftRequestObject).Team }),
		"CreateDeployment":       team(func(r any) string { return r.(gen.CreateDeploymentRequestObject).Body.Team }),
		"CreateAdoption":         team(func(r any) string { return r.(gen.CreateAdoptionRequestObject).Body.Team }),
		"ListDeployments":        team(func(r any) string { return r.(gen.ListDeploymentsRequestObject).Params.Team }),
		"GetDeployment":          team(func(r any) string { return r.(gen.GetDeploymentRequestObject).Team }),
		"StreamDeploymentEvents": team(func(r any) string { return r.(gen.StreamDeploymentEventsRequestObject).Team }),
		"ListDeploymentNodes":    team(func(r any) string { return r.(gen.ListDeploymentNodesRequestObject).Team }),
		"GetDeploymentGraph":     team(func(r any) string { return r.(gen.GetDeploymentGraphRequestObject).Team }),
		"GetDeploymentLogs":      team(func(r any) string { return r.(gen.GetDeploymentLogsRequestObject).Team }),
		"ApproveDeployment":      team(func(r any) string { return r.(gen.ApproveDeploymentRequestObject).Team }),
		"RejectDeployment":       team(func(r any) string { return r.(gen.RejectDeploymentRequestObject).Team }),
		"CancelDeployment":       team(func(r any) string { return r.(gen.CancelDeploymentRequestObject).Team }),
		"CreatePromotion":        team(func(r any) string { return r.(gen.CreatePromotionRequestObject).Body.Team }),
		"GetPromotion":           everybody,
		"ListApplications":       team(func(r any) string { return r.(gen.ListApplicationsRequestObject).Params.Team }),
		"GetApplicationStatus":   team(func(r any) string { return r.(gen.GetApplicationStatusRequestObject).Team }),
		"UnlockNode":             team(func(r any) string { return r.(gen.UnlockNodeRequestObject).Team }),
		"ForgetNode":             team(func(r any) string { return r.(gen.ForgetNodeRequestObject).Team }),

		"ListEngines":  everybody,
		"Whoami":       everybody,
		"GetHealth":    everybody,
		"GetReadiness": everybody,
	}}
}

func everybody(auth.Principal, any) error { return nil }

func platform(p auth.Principal, _ any) error {
	if p.Has(auth.RolePlatform) {
		return nil
	}
	return problem.New(problem.TypeForbidden, "%s has not the role \"platform\", which this needs; ask the platform team", p.Name)
}

// team allows what names a team of the principal, and what names none: a
// handler then takes the principal's only team. The answer is the same whether
// or not the thing exists.
func team(of teamOf) rule {
	return func(p auth.Principal, request any) error {
		if name := of(request); name != "" {
			return requireTeam(p, name)
		}
		return nil
	}
}

// requireTeam refuses a principal outside of the team.
func requireTeam(p auth.Principal, team string) error {
	if p.InTeam(team) {
		return nil
	}
	return problem.New(problem.TypeForbidden, "%s is not in team %q; use a token of that team", p.Name, team)
}

// visibleTeam makes a record that is found by its id alone look as if it did
// not exist, to those outside of its team.
func visibleTeam(ctx context.Context, team, what string) error {
	if auth.From(ctx).InTeam(team) {
		return nil
	}
	return problem.New(problem.TypeNotFound, "%s: there is no such record", what)
}

// teamOrOwn is the team that a list is asked for: the one named, or the only
// one of the principal.
func teamOrOwn(ctx context.Context, team string) (string, error) {
	if team != "" {
		return team, nil
	}
	if own, ok := auth.From(ctx).OnlyTeam(); ok {
		return own, nil
	}
	return "", problem.New(problem.TypeBadRequest, "say which team, with the parameter \"team\"")
}

// middleware asks the operation's rule.
func (a *access) middleware(next gen.StrictHandlerFunc, operation string) gen.StrictHandlerFunc {
	decide, ok := a.rules[operation]
	return func(c echo.Context, request any) (any, error) {
		if !ok {
			return nil, fmt.Errorf("operation %s has no access rule", operation)
		}
		if err := decide(auth.From(c.Request().Context()), request); err != nil {
			return nil, err
		}
		return next(c, request)
	}
}

// covers fails when an operation of openapi.yaml has no rule.
func (a *access) covers(spec *openapi3.T) error {
	pages := []string{"getRoot", "getMetrics", "getOpenAPI", "getDocs"}
	for path, item := range spec.Paths.Map() {
		for method, operation := range item.Operations() {
			id := operation.OperationID
			if slices.Contains(pages, id) {
				continue
			}
			if _, ok := a.rules[strings.ToUpper(id[:1])+id[1:]]; !ok {
				return fmt.Errorf("openapi.yaml: %s %s (%s) has no access rule", method, path, id)
			}
		}
	}
	return nil
}
