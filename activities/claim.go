// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/internal/canonical"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

// claims are what the node owns alone once it is as the request says: what its
// identities stand for, what it has adopted before and, with a source, what it
// is about to adopt.
func (s *Steps) claims(j *job, req engine.Request, source *engine.Source) ([]orchestrator.Claim, error) {
	claimer, can := s.Engine.(engine.Claimer)
	if !can {
		return nil, nil
	}
	var all []orchestrator.Claim
	for _, c := range j.attempt.Claims {
		if c.Adopted {
			all = append(all, c)
		}
	}
	add := func(source *engine.Source) error {
		made, err := s.claimed(claimer, req, j.environment, source)
		if err != nil {
			return err
		}
		for _, o := range made {
			if j.owned == nil {
				j.owned = map[string]string{}
			}
			j.owned[o.claim.Key] = o.name
			if !slices.Contains(all, o.claim) {
				all = append(all, o.claim)
			}
		}
		return nil
	}
	if err := add(nil); err != nil {
		return nil, err
	}
	if source == nil {
		return all, nil
	}
	return all, add(source)
}

// named says in a refusal what the step has claimed.
func (j *job) named(err error) error {
	if claimed := (*registry.ClaimedError)(nil); errors.As(err, &claimed) {
		claimed.What = j.owned[claimed.Claim.Key]
	}
	return err
}

// unclaimed refuses in a plan what another node owns.
func (s *Steps) unclaimed(ctx context.Context, scope orchestrator.Scope, node string, req engine.Request) error {
	claimer, can := s.Engine.(engine.Claimer)
	if !can {
		return nil
	}
	environment, _, err := s.Registry.GetEnvironment(ctx, scope.Environment)
	if err != nil {
		return err
	}
	made, err := s.claimed(claimer, req, environment, nil)
	if err != nil {
		return err
	}
	for _, o := range made {
		err := s.Registry.Claimed(ctx, scope, node, []orchestrator.Claim{o.claim})
		if claimed := (*registry.ClaimedError)(nil); errors.As(err, &claimed) {
			claimed.What = o.name
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// owned is a claim with what it stands for.
type owned struct {
	claim orchestrator.Claim
	name  string
}

// claimed are the claims that a request makes in an environment.
func (s *Steps) claimed(
	claimer engine.Claimer, req engine.Request, environment orchestrator.Environment, source *engine.Source,
) ([]owned, error) {
	names, err := claimer.Claims(req, source)
	if err != nil {
		return nil, err
	}
	made := make([]owned, 0, len(names))
	for _, name := range names {
		c, err := s.claim(environment, name)
		if err != nil {
			return nil, fmt.Errorf("digest the claim of %s: %w", req.Node, err)
		}
		c.Adopted = source != nil
		made = append(made, owned{claim: c, name: name.Name})
	}
	return made, nil
}

// claim digests a name with where it counts: an ID is of an account and a
// region, for which the environment's provider, region and credentials stand.
func (s *Steps) claim(environment orchestrator.Environment, name engine.ClaimName) (orchestrator.Claim, error) {
	named := map[string]any{"name": name.Name}
	if !name.Everywhere {
		spec := environment.Spec
		named["provider"], named["region"] = spec.Provider, spec.Region
		if named["credentials"] = spec.Credentials; len(spec.Credentials) == 0 {
			// Whose credentials its workers have of themselves is not known.
			named["credentials"] = environment.Metadata.Name
		}
	}
	key, err := canonical.Digest(named)
	if err != nil {
		return orchestrator.Claim{}, err
	}
	return orchestrator.Claim{Engine: s.Engine.Name(), Key: key}, nil
}
