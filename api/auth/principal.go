// SPDX-License-Identifier: Apache-2.0

// Package auth says who calls the API: it turns a bearer token into a
// principal with teams and roles.
//
// It answers questions about a principal but asks none: which operation needs
// what is decided in package api, in one place.
package auth

import (
	"context"
	"slices"

	"github.com/HatiCode/nestor/store"
)

// Role of a principal.
type Role string

// The roles.
const (
	RolePlatform Role = "platform" // writes the catalog and the environments
	RoleTeam     Role = "team"     // works in its teams
)

// AllTeams in a principal's teams stands for every team.
const AllTeams = "*"

// Principal is who calls.
type Principal struct {
	Name  store.Principal
	Teams []string
	Roles []Role
}

// Local is the principal of a server without tokens, which listens on the
// loopback interface alone.
func Local() Principal {
	return Principal{Name: "user:local", Teams: []string{AllTeams}, Roles: []Role{RolePlatform, RoleTeam}}
}

// InTeam says whether the team is one of the principal's.
func (p Principal) InTeam(team string) bool {
	return slices.Contains(p.Teams, team) || slices.Contains(p.Teams, AllTeams)
}

// Has says whether the principal has the role.
func (p Principal) Has(role Role) bool { return slices.Contains(p.Roles, role) }

// OnlyTeam is the principal's team where there is exactly one.
func (p Principal) OnlyTeam() (string, bool) {
	if len(p.Teams) == 1 && p.Teams[0] != AllTeams {
		return p.Teams[0], true
	}
	return "", false
}

type contextKey struct{}

// With returns a context that carries the principal.
func With(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// From returns the principal that With put there; one without name, teams or
// roles when there is none.
func From(ctx context.Context) Principal {
	p, _ := ctx.Value(contextKey{}).(Principal)
	return p
}
