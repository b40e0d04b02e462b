// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/HatiCode/nestor/api/auth"
	"github.com/HatiCode/nestor/api/gen"
	"github.com/HatiCode/nestor/api/problem"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// The states of a health answer.
const (
	healthOK          = "ok"
	healthUnavailable = "unavailable"
)

// engineForTests is listed only where an environment enables it.
const engineForTests = "fake"

// Whoami implements GET /whoami.
func (s *Server) Whoami(ctx context.Context, _ gen.WhoamiRequestObject) (gen.WhoamiResponseObject, error) {
	p := auth.From(ctx)
	answer := gen.Whoami200JSONResponse{Principal: string(p.Name), Teams: p.Teams, Roles: []string{}}
	if answer.Teams == nil {
		answer.Teams = []string{}
	}
	for _, role := range p.Roles {
		answer.Roles = append(answer.Roles, string(role))
	}
	return answer, nil
}

// GetHealth implements GET /healthz.
func (s *Server) GetHealth(context.Context, gen.GetHealthRequestObject) (gen.GetHealthResponseObject, error) {
	return gen.GetHealth200JSONResponse{Status: healthOK, Version: s.config.Version}, nil
}

// GetReadiness implements GET /readyz. It tells what is down, not why: the
// caller has no token, and the log has the reason.
func (s *Server) GetReadiness(ctx context.Context, _ gen.GetReadinessRequestObject) (gen.GetReadinessResponseObject, error) {
	answer := gen.Health{Status: healthOK, Version: s.config.Version, Checks: map[string]string{}}
	for name, check := range map[string]func(context.Context) error{
		"store":    s.d.Store.Ping,
		"temporal": s.d.Temporal.Check,
	} {
		answer.Checks[name] = healthOK
		if err := check(ctx); err != nil {
			s.log.WarnContext(ctx, "not ready", "check", name, "error", err)
			answer.Status = healthUnavailable
			answer.Checks[name] = describeDown(err)
		}
	}
	select {
	case <-s.stopping:
		answer.Status = healthUnavailable
		answer.Checks["server"] = "stopping"
	default:
	}
	if answer.Status != healthOK {
		return gen.GetReadiness503JSONResponse(answer), nil
	}
	return gen.GetReadiness200JSONResponse(answer), nil
}

func describeDown(err error) string {
	var down *problem.UnavailableError
	if errors.As(err, &down) {
		return down.What + " is unavailable"
	}
	return healthUnavailable
}

// ListEngines implements GET /engines.
func (s *Server) ListEngines(ctx context.Context, _ gen.ListEnginesRequestObject) (gen.ListEnginesResponseObject, error) {
	environments, err := s.d.Records.ListEnvironments(ctx)
	if err != nil {
		return nil, err
	}
	enabled := map[string][]string{}
	for _, name := range catalog.KnownEngines() {
		if name != engineForTests {
			enabled[name] = []string{}
		}
	}
	for _, e := range environments {
		for _, name := range e.Spec.Engines {
			enabled[name] = append(enabled[name], e.Metadata.Name)
		}
	}
	answer := gen.ListEngines200JSONResponse{Items: []gen.EngineStatus{}}
	for name, where := range enabled {
		status := gen.EngineStatus{
			Name: name, Queue: contract.EngineQueue(name), Environments: where, Workers: []gen.EngineWorker{},
		}
		pollers, err := s.d.Temporal.Pollers(ctx, status.Queue)
		if err != nil {
			return nil, err
		}
		for _, p := range pollers {
			status.Workers = append(status.Workers, gen.EngineWorker{Identity: p.Identity, LastSeen: p.LastSeen})
		}
		status.Served = len(status.Workers) > 0
		answer.Items = append(answer.Items, status)
	}
	slices.SortFunc(answer.Items, func(a, b gen.EngineStatus) int { return strings.Compare(a.Name, b.Name) })
	return answer, nil
}

// pages serves what is no JSON.
func (s *Server) pages(docs *docs) {
	s.echo.GET("/metrics", echo.WrapHandler(s.metrics.handler()))
	s.echo.GET("/openapi.yaml", func(c echo.Context) error {
		return c.Blob(http.StatusOK, "application/yaml", specText)
	})
	s.echo.GET("/docs", docs.page)
	s.echo.GET("/", func(c echo.Context) error { return c.Redirect(http.StatusSeeOther, "/docs") })
}
