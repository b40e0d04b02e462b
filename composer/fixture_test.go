// SPDX-License-Identifier: Apache-2.0

package composer_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/internal/manifest"
)

// webApp is PRODUCT.md's composition, as written there.
const webApp = `apiVersion: composer.nestor.io/v1
kind: ComposedResource
metadata:
  name: web-app
  team: alpha
spec:
  description: "Standard web application stack"
  resources:
    - name: database
      catalogRef: aws-rds-mysql
      config:
        instanceClass: "{{ .params.size }}"
    - name: deployment
      catalogRef: k8s-deployment
      config:
        replicas: "{{ .params.replicas }}"
    - name: cache
      catalogRef: redis-cluster
  dependencies:
    - database → deployment
    - cache → deployment
`

// stack uses everything a composition has.
const stack = `apiVersion: composer.nestor.io/v1
kind: ComposedResource
metadata:
  name: stack
  team: alpha
spec:
  params:
    - {name: size, type: string, default: small, enum: [small, large]}
    - {name: replicas, type: integer, required: true, minimum: 1, maximum: 10}
    - {name: note, type: string}
    - {name: password, type: string, sensitive: true, default: "secret://env/NESTOR_SECRET_ALPHA__DB_PASSWORD"}
  resources:
    - name: my-db
      resourceType: mysql
      config:
        instanceClass: "{{ .params.size }}"
        password: "{{ .params.password }}"
    - name: deployment
      catalogRef: k8s-deployment@^2.0
      config:
        replicas: "{{ .params.replicas }}"
        image: "{{ .app.name }}/{{ .team }}:{{ .instance }}"
        note: "{{ .params.note }}"
        env:
          HOST: "{{ .resources.my-db.outputs.endpoint }}"
          URL: "mysql://${resources.my-db.outputs.endpoint}:{{ .resources.my-db.outputs.port }}/app"
          REGION: "{{ .env.provider }} {{ .env.region }}"
        args: ["--tier", "{{ .env.labels.tier }}"]
        port: "{{ .resources.my-db.outputs.port }}"
  outputs:
    - {name: url, value: "http://{{ .resources.deployment.outputs.address }}"}
    - {name: token, value: "{{ .resources.my-db.outputs.token }}"}
  environments:
    production: {provider: gcp, region: us-central1, params: {size: large}}
`

type definitionOption func(*catalog.Definition)

func definition(name, version, provider, resourceType string, inputs, outputs []catalog.Field, options ...definitionOption) catalog.Published {
	d := catalog.Definition{
		APIVersion: catalog.APIVersion, Kind: catalog.Kind,
		Metadata: catalog.Metadata{Name: name, Version: version},
		Spec: catalog.Spec{
			Provider: provider, Category: "test", ResourceType: resourceType, Inputs: inputs, Outputs: outputs,
			Engines:         []string{"crossplane", "terraform"},
			Implementations: map[string]catalog.Implementation{"terraform": {Module: "module"}},
		},
	}
	for _, o := range options {
		o(&d)
	}
	digest, err := catalog.Digest(d, "sha256:"+strings.Repeat("b", 64))
	if err != nil {
		panic(err)
	}
	return catalog.Published{Definition: d, Digest: digest, BundleDigest: "sha256:" + strings.Repeat("b", 64)}
}

func str(name string) catalog.Field { return catalog.Field{Name: name, Type: catalog.TypeString} }

func published() []catalog.Published {
	dbInputs := []catalog.Field{
		{Name: "instanceClass", Type: catalog.TypeString, Required: true},
		{Name: "allocatedStorage", Type: catalog.TypeInteger, Default: int64(20)},
		{Name: "password", Type: catalog.TypeString, Sensitive: true},
	}
	dbOutputs := []catalog.Field{
		str("endpoint"),
		{Name: "port", Type: catalog.TypeInteger},
		{Name: "token", Type: catalog.TypeString, Sensitive: true},
		{Name: "details", Type: catalog.TypeMap},
	}
	k8sInputs := []catalog.Field{
		{Name: "replicas", Type: catalog.TypeInteger, Default: int64(1), Minimum: pointer(1)},
		{Name: "image", Type: catalog.TypeString, Pattern: "[a-z/:-]*"},
		str("note"),
		{Name: "env", Type: catalog.TypeMap},
		{Name: "args", Type: catalog.TypeList},
		{Name: "port", Type: catalog.TypeNumber},
		{Name: "debug", Type: catalog.TypeBoolean},
		{Name: "secrets", Type: catalog.TypeMap, Sensitive: true},
	}
	retain := func(d *catalog.Definition) { d.Spec.DeletionPolicy = catalog.RetainPolicy }
	return []catalog.Published{
		definition("aws-rds-mysql", "1.0.0", "aws", "mysql", dbInputs, dbOutputs),
		definition("aws-rds-mysql", "1.2.0", "aws", "mysql", dbInputs, dbOutputs, retain),
		definition("aws-rds-mysql", "2.0.0-rc.1", "aws", "mysql", dbInputs, dbOutputs),
		definition("gcp-sql-mysql", "0.9.0", "gcp", "mysql", dbInputs, dbOutputs),
		definition("k8s-deployment", "2.1.0", "kubernetes", "deployment", k8sInputs, []catalog.Field{str("address")}),
		definition("redis-cluster", "1.0.0", "kubernetes", "redis", nil, []catalog.Field{str("endpoint")}),
	}
}

func pointer(f float64) *float64 { return &f }

func staging() composer.EnvironmentSettings {
	return composer.EnvironmentSettings{
		Name: "staging", Provider: "aws", Region: "us-west-2", SharedProviders: []string{"kubernetes"},
		Engines: []string{"terraform", "helm"}, Labels: map[string]string{"tier": "test", "cost-center": "42"}, Cluster: "main",
	}
}

func production() composer.EnvironmentSettings {
	e := staging()
	e.Name, e.Provider, e.Region = "production", "aws", "us-east-1"
	e.AllowedProviders = []string{"aws", "gcp"}
	return e
}

func mustParse(t *testing.T, text string) composer.Composition {
	t.Helper()
	all, err := composer.ParseComposition("composition.yaml", []byte(text))
	if err != nil {
		t.Fatalf("composition: %v", err)
	}
	return all[0]
}

func byName(all ...composer.Composition) map[string]composer.Composition {
	m := map[string]composer.Composition{}
	for _, c := range all {
		m[c.Metadata.Name] = c
	}
	return m
}

func byDigest(t *testing.T, all ...composer.Composition) map[string]composer.Composition {
	t.Helper()
	m := map[string]composer.Composition{}
	for _, c := range all {
		digest, err := composer.CompositionDigest(c)
		if err != nil {
			t.Fatal(err)
		}
		m[digest] = c
	}
	return m
}

func claim(instance, composition string, parameters ...string) composer.Claim {
	c := composer.Claim{Instance: instance, Composition: composition, File: "main.go", Line: 3, Parameters: map[string]string{}}
	for _, p := range parameters {
		k, v, _ := strings.Cut(p, "=")
		c.Parameters[k] = v
	}
	return c
}

func releaseInput(compositions map[string]composer.Composition, claims ...composer.Claim) composer.ReleaseInput {
	return composer.ReleaseInput{
		Team: "alpha", Application: "shop", Repository: "https://example.com/shop", Commit: "abc", Claims: claims,
		Compositions: compositions, Catalog: catalog.NewSnapshot(published()),
		Environments: []composer.EnvironmentSettings{staging(), production()},
	}
}

// build makes a release of compositions and its graph in an environment.
func build(t *testing.T, env composer.EnvironmentSettings, compositions []composer.Composition, claims ...composer.Claim) (composer.Graph, error) {
	t.Helper()
	in := releaseInput(byName(compositions...), claims...)
	in.Environments = []composer.EnvironmentSettings{env}
	r, err := composer.NewRelease(in)
	if err != nil {
		return composer.Graph{}, err
	}
	return composer.NewGraph(composer.GraphInput{
		Release: r, Environment: env, Compositions: byDigest(t, compositions...), Definitions: in.Catalog,
	})
}

// wantProblem fails unless err is Problems and one of its lines holds all parts.
func wantProblem(t *testing.T, reason string, err error, parts ...string) {
	t.Helper()
	var problems manifest.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("%s: got error %v, want manifest.Problems", reason, err)
	}
	for _, p := range problems {
		found := true
		for _, part := range parts {
			found = found && strings.Contains(p.String(), part)
		}
		if found {
			return
		}
	}
	t.Errorf("%s: no problem holds %q; got:\n%v", reason, parts, err)
}
