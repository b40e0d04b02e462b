// SPDX-License-Identifier: Apache-2.0

package story

import (
	"context"
	"embed"
	"fmt"

	"github.com/HatiCode/nestor/activities/engine/fake"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/catalog/bundle"
	"github.com/HatiCode/nestor/chaos/site"
	"github.com/HatiCode/nestor/orchestrator"
)

// moduleFiles are those of real nodes.
//
//go:embed module
var moduleFiles embed.FS

// Publish puts the definitions of every kind into the site's catalog, and makes
// the environments.
func Publish(ctx context.Context, s *site.Site) error {
	files, err := bundle.Pack(moduleFiles, []string{"module"})
	if err != nil {
		return fmt.Errorf("pack the module: %w", err)
	}
	for kind, settings := range map[Kind]map[string]any{Known: {}, Named: {"forgetful": true}, Blind: {"forgetful": true}} {
		if _, _, err := s.Catalog.Publish(ctx, site.Principal, fakeDefinition(kind, settings), bundle.Bundle{}); err != nil {
			return err
		}
	}
	if _, _, err := s.Catalog.Publish(ctx, site.Principal, realDefinition(), files); err != nil {
		return err
	}
	// In the order of the pipeline: an environment comes after one that is there.
	after := ""
	for _, name := range []string{site.Staging, site.Production} {
		if _, err := s.Registry.PutEnvironment(ctx, site.Principal, orchestrator.Environment{
			APIVersion: orchestrator.APIVersion, Kind: orchestrator.KindEnvironment,
			Metadata: orchestrator.EnvironmentMetadata{Name: name},
			Spec: orchestrator.EnvironmentSpec{
				Provider: site.Provider, Engines: []string{fake.Name, orchestrator.EngineTerraform}, After: after,
			},
		}, -1); err != nil {
			return err
		}
		after = name
	}
	return nil
}

func definition(kind Kind) catalog.Definition {
	return catalog.Definition{
		APIVersion: catalog.APIVersion, Kind: catalog.Kind,
		Metadata: catalog.Metadata{Name: string(kind), Version: "1.0.0"},
		Spec: catalog.Spec{
			Provider: site.Provider, Category: "chaos", ResourceType: string(kind),
			Inputs: []catalog.Field{
				{Name: "name", Type: catalog.TypeString, Required: true, Immutable: true},
				{Name: "size", Type: catalog.TypeInteger, Required: true},
				{Name: "upstream", Type: catalog.TypeString, Default: ""},
				{Name: "token", Type: catalog.TypeString, Required: true, Sensitive: true},
			},
			Outputs: []catalog.Field{
				{Name: "endpoint", Type: catalog.TypeString},
				{Name: "key", Type: catalog.TypeString, Sensitive: true},
			},
		},
	}
}

func fakeDefinition(kind Kind, settings map[string]any) catalog.Definition {
	d := definition(kind)
	d.Spec.Engines = []string{fake.Name}
	d.Spec.Inputs = append(d.Spec.Inputs,
		catalog.Field{Name: "carried", Type: catalog.TypeString, Sensitive: true},
		catalog.Field{Name: fake.BehaviourInput, Type: catalog.TypeMap, Default: map[string]any{}})
	settings["immutable"] = []any{"name"}
	settings["outputs"] = map[string]any{"endpoint": "{name}:{size}", "key": "{token}/{name}"}
	implementation := catalog.Implementation{Settings: settings}
	if kind == Named {
		implementation.Identity = map[string]string{"fake_resource": "${inputs.name}"}
	}
	d.Spec.Implementations = map[string]catalog.Implementation{fake.Name: implementation}
	return d
}

func realDefinition() catalog.Definition {
	d := definition(Real)
	d.Spec.Engines = []string{orchestrator.EngineTerraform}
	d.Spec.Inputs = append(d.Spec.Inputs, catalog.Field{Name: "ledger", Type: catalog.TypeString, Required: true})
	d.Spec.Implementations = map[string]catalog.Implementation{orchestrator.EngineTerraform: {Module: "module"}}
	return d
}
