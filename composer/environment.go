// SPDX-License-Identifier: Apache-2.0

package composer

import (
	"fmt"
	"slices"
	"strings"
)

// EnvironmentSettings is what the composer knows of an environment.
type EnvironmentSettings struct {
	Name     string
	Provider string
	Region   string
	// AllowedProviders and AllowedRegions bound a composition's override; empty
	// allows only Provider, and any region.
	AllowedProviders []string
	AllowedRegions   []string
	// SharedProviders are offered beside the effective provider.
	SharedProviders []string
	// Engines that are enabled, in no order.
	Engines []string
	// Shared lists "<team>/<application>" whose outputs any team may reference.
	Shared  []string
	Labels  map[string]string
	Cluster string
}

// placement is where a composition's resources go in one environment.
type placement struct {
	provider string
	region   string
}

// place applies a composition's override inside the environment's allow-list.
func place(c Composition, env EnvironmentSettings) (placement, error) {
	o := c.Spec.Environments[env.Name]
	p := placement{provider: env.Provider, region: env.Region}
	if o.Provider != "" && o.Provider != env.Provider {
		if !slices.Contains(env.AllowedProviders, o.Provider) {
			return p, &mistake{
				message: fmt.Sprintf("composition %s wants provider %q, which environment %s does not allow", c.Metadata.Name, o.Provider, env.Name),
				hint:    "allowed: " + strings.Join(distinct(append([]string{env.Provider}, env.AllowedProviders...)), ", "),
			}
		}
		if o.Region == "" && env.Region != "" {
			return p, &mistake{
				message: fmt.Sprintf("composition %s wants provider %q in environment %s but no region; the environment's %s belongs to %s", c.Metadata.Name, o.Provider, env.Name, env.Region, env.Provider),
				hint:    "add region: beside provider:",
			}
		}
		p = placement{provider: o.Provider}
	}
	if o.Region != "" {
		if len(env.AllowedRegions) > 0 && o.Region != env.Region && !slices.Contains(env.AllowedRegions, o.Region) {
			return p, &mistake{
				message: fmt.Sprintf("composition %s wants region %q, which environment %s does not allow", c.Metadata.Name, o.Region, env.Name),
				hint:    "allowed: " + strings.Join(env.AllowedRegions, ", "),
			}
		}
		p.region = o.Region
	}
	return p, nil
}

// offers lists the providers whose definitions can be used as they are, the
// placement's own first.
func (p placement) offers(env EnvironmentSettings) []string {
	return distinct(append([]string{p.provider}, env.SharedProviders...))
}

// distinct keeps the first of equal strings and drops empty ones.
func distinct(list []string) []string {
	var out []string
	for _, s := range list {
		if s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
