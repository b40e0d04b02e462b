// SPDX-License-Identifier: Apache-2.0

package orchestrator

import "github.com/HatiCode/nestor/composer"

// DefaultMaxInFlight and LimitMaxInFlight bound EnvironmentSpec.MaxInFlight.
const (
	DefaultMaxInFlight = 200
	LimitMaxInFlight   = 500
)

// Settings is what the composer knows of the environment.
func (e Environment) Settings() composer.EnvironmentSettings {
	return composer.EnvironmentSettings{
		Name:             e.Metadata.Name,
		Provider:         e.Spec.Provider,
		Region:           e.Spec.Region,
		Cluster:          e.Spec.Cluster,
		AllowedProviders: e.Spec.AllowedProviders,
		AllowedRegions:   e.Spec.AllowedRegions,
		SharedProviders:  e.Spec.SharedProviders,
		Engines:          e.Spec.Engines,
		Shared:           e.Spec.Shared,
		Labels:           e.Spec.Labels,
	}
}

// InFlight is the effective bound on steps that run at once.
func (e Environment) InFlight() int {
	if e.Spec.MaxInFlight <= 0 {
		return DefaultMaxInFlight
	}
	return min(e.Spec.MaxInFlight, LimitMaxInFlight)
}

// Refusal is a request that is understood and cannot be granted as things
// stand. Reason says why, Hint what to do.
type Refusal struct { //nolint:errname // it is an answer first; "RefusalError" would say it twice
	Reason string
	Hint   string
}

func (r *Refusal) Error() string {
	if r.Hint == "" {
		return r.Reason
	}
	return r.Reason + "; " + r.Hint
}
