// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"fmt"

	"github.com/HatiCode/nestor/orchestrator"
)

// ScopeState is what is true of an application in an environment.
type ScopeState struct {
	orchestrator.Scope
	// Deployments counts those ever accepted; the next one is number
	// Deployments+1.
	Deployments int64 `json:"deployments"`
	// Basis grows by one whenever a deployment has ended that may have changed
	// something. Plans name the basis they were made on.
	Basis int64 `json:"basis"`
	// Release that is deployed, and the graph and deployment that brought it;
	// empty when nothing is deployed.
	Release    string `json:"release,omitempty"`
	Graph      string `json:"graph,omitempty"`
	Deployment string `json:"deployment,omitempty"`
	// Exercised lists the definition digests that ever succeeded here, for
	// promotions to name what they never were.
	Exercised []string `json:"exercised,omitempty"`
}

// Scope returns the state of an application in an environment. One that was
// never deployed to has the zero state, and no error.
func (r *Registry) Scope(ctx context.Context, s orchestrator.Scope) (ScopeState, error) {
	state, _, err := r.scope(ctx, s)
	return state, err
}

func (r *Registry) scope(ctx context.Context, s orchestrator.Scope) (ScopeState, int64, error) {
	state := ScopeState{Scope: s}
	revision, err := r.readOrZero(ctx, scopeKey(s), "application "+s.String(), &state)
	return state, revision, err
}

// Applications lists the scopes of a team that were ever deployed to, by
// application and environment.
func (r *Registry) Applications(ctx context.Context, team string) ([]orchestrator.Scope, error) {
	states, err := collect[ScopeState](ctx, r.store, "scopes/"+team, "")
	if err != nil {
		return nil, fmt.Errorf("list applications of team %s: %w", team, err)
	}
	scopes := make([]orchestrator.Scope, 0, len(states))
	for _, state := range states {
		scopes = append(scopes, state.Scope)
	}
	return scopes, nil
}
