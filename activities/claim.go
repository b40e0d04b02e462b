// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"fmt"
	"slices"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/internal/canonical"
	"github.com/HatiCode/nestor/orchestrator"
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
		names, err := claimer.Claims(req, source)
		if err != nil {
			return err
		}
		for _, name := range names {
			c, err := s.claim(j, name)
			if err != nil {
				return err
			}
			c.Adopted = source != nil
			if !slices.Contains(all, c) {
				all = append(all, c)
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

// claim digests a name with where it counts: an ID is of an account and a
// region, for which the environment's provider, region and credentials stand.
func (s *Steps) claim(j *job, name engine.ClaimName) (orchestrator.Claim, error) {
	named := map[string]any{"name": name.Name}
	if !name.Everywhere {
		spec := j.environment.Spec
		named["provider"], named["region"] = spec.Provider, spec.Region
		if named["credentials"] = spec.Credentials; len(spec.Credentials) == 0 {
			// Whose credentials its workers have of themselves is not known.
			named["credentials"] = j.environment.Metadata.Name
		}
	}
	key, err := canonical.Digest(named)
	if err != nil {
		return orchestrator.Claim{}, fmt.Errorf("digest the claim of %s: %w", j.in.Node, err)
	}
	return orchestrator.Claim{Engine: s.Engine.Name(), Key: key}, nil
}
