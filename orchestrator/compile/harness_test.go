// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/catalog/bundle"
	"github.com/HatiCode/nestor/composer"
	compositions "github.com/HatiCode/nestor/composer/registry"
	"github.com/HatiCode/nestor/internal/records"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/compile"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

const ada = "user:ada"

const definitions = `apiVersion: catalog.nestor.io/v1
kind: ResourceDefinition
metadata: {name: db, version: "1.0.0"}
spec:
  provider: local
  category: database
  resourceType: db
  engines: [fake]
  inputs: [{name: size, type: string, required: true}]
  outputs: [{name: endpoint, type: string}]
  implementations: {fake: {}}
---
apiVersion: catalog.nestor.io/v1
kind: ResourceDefinition
metadata: {name: app, version: "1.0.0"}
spec:
  provider: local
  category: compute
  resourceType: app
  engines: [fake]
  inputs: [{name: host, type: string}]
  outputs: [{name: url, type: string}]
  implementations: {fake: {}}
`

const webApp = `apiVersion: composer.nestor.io/v1
kind: ComposedResource
metadata: {name: web-app, team: TEAM}
spec:
  params: [{name: size, type: string, default: small}]
  resources:
    - {name: database, catalogRef: db, config: {size: "{{ .params.size }}"}}
    - {name: deployment, catalogRef: app, config: {host: "{{ .resources.database.outputs.endpoint }}"}}
`

// fixture is a platform without Temporal.
type fixture struct {
	*records.Records
	t *testing.T
}

// empty is a platform with nothing in it.
func empty(t *testing.T) *fixture {
	t.Helper()
	r, err := records.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{Records: r, t: t}
	t.Cleanup(func() { f.must(r.Close()) })
	return f
}

// setup is one with a catalog, a composition of two nodes for each of two teams,
// and the pipeline dev, staging, production.
func setup(t *testing.T) *fixture {
	t.Helper()
	f := empty(t)
	f.publish(definitions)
	f.compose(strings.Replace(webApp, "TEAM", "alpha", 1))
	f.compose(strings.Replace(webApp, "TEAM", "beta", 1))
	f.environment("dev", "", nil)
	f.environment("staging", "dev", nil)
	f.environment("production", "staging", nil)
	return f
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) publish(text string) {
	f.t.Helper()
	all, err := catalog.ParseDefinitions("definitions.yaml", []byte(text))
	f.must(err)
	for _, d := range all {
		_, _, err := f.Catalog.Publish(f.t.Context(), ada, d, bundle.Bundle{})
		f.must(err)
	}
}

func (f *fixture) compose(text string) {
	f.t.Helper()
	all, err := composer.ParseComposition("composition.yaml", []byte(text))
	f.must(err)
	for _, c := range all {
		_, _, err := f.Compositions.PutComposition(f.t.Context(), ada, c, compositions.AnyRevision)
		f.must(err)
	}
}

func (f *fixture) environment(name, after string, change func(*orchestrator.EnvironmentSpec)) {
	f.t.Helper()
	e := orchestrator.Environment{
		APIVersion: orchestrator.APIVersion, Kind: orchestrator.KindEnvironment,
		Metadata: orchestrator.EnvironmentMetadata{Name: name},
		Spec:     orchestrator.EnvironmentSpec{Provider: "local", Engines: []string{"fake"}, After: after},
	}
	if change != nil {
		change(&e.Spec)
	}
	_, err := f.Registry.PutEnvironment(f.t.Context(), ada, e, -1)
	f.must(err)
}

func in(environment string) orchestrator.Scope {
	return orchestrator.Scope{Team: "alpha", Application: "shop", Environment: environment}
}

// release freezes the claim "web" of web-app, of team alpha.
func (f *fixture) release(application, size string) composer.Release {
	f.t.Helper()
	r, _, err := f.Compiler.CreateRelease(f.t.Context(), ada, compile.ReleaseRequest{
		Team: "alpha", Application: application, Claims: []composer.Claim{{
			Instance: "web", Composition: "web-app", Parameters: map[string]string{"size": size}, File: "main.go", Line: 3,
		}},
	})
	f.must(err)
	return r
}

func deploy(scope orchestrator.Scope, release string) contract.DeployRequest {
	return contract.DeployRequest{
		RequestID: uuid.NewString(), Scope: scope, Kind: orchestrator.KindApply, Release: release,
		AutoApprove: true, OnFailure: orchestrator.OnFailureRollback, Principal: ada,
	}
}

// run carries a deployment out as the workflow does, without its engines: all
// nodes of its graph become ready, or only those named.
func (f *fixture) run(req contract.DeployRequest, status orchestrator.Status, only ...string) orchestrator.Deployment {
	f.t.Helper()
	ctx := f.t.Context()
	f.must(f.Compiler.CheckDeploy(ctx, req))
	d, err := f.Registry.Accept(ctx, req, "")
	f.must(err)
	prepared, err := f.Compiler.Prepare(ctx, d.ID, ada)
	f.must(err)
	if prepared.Refused != "" || prepared.ApprovalsMissing > 0 {
		f.t.Fatalf("deployment %s cannot run: %+v", d.ID, prepared)
	}
	f.must(f.Registry.SetStatus(ctx, contract.StatusInput{Deployment: d.ID, Status: orchestrator.StatusRunning, Principal: ada}))
	graph := f.graph(prepared.Input.GraphDigest)
	for _, n := range graph.Nodes {
		if len(only) == 0 || slices.Contains(only, n.ID) {
			f.step(d, graph.Digest, n)
		}
	}
	if !status.Final() {
		return d
	}
	f.must(f.Registry.Finish(ctx, contract.FinishInput{Deployment: d.ID, Status: status, Principal: ada}))
	return d
}

func (f *fixture) step(d orchestrator.Deployment, graph string, n composer.Node) {
	f.t.Helper()
	head := orchestrator.NodeHead{
		Scope: d.Scope, Node: n.ID, Engine: n.Engine, GraphDigest: graph, InputDigest: n.InputDigest,
		Definition: n.Definition, DefinitionDigest: n.DefinitionDigest, Status: orchestrator.NodeReady,
	}
	run := orchestrator.NodeRun{Deployment: d.ID, Node: n.ID, Action: orchestrator.StepApply, Attempt: 1}
	a, err := f.Registry.Begin(f.t.Context(), ada, d.Scope, run, head)
	f.must(err)
	f.must(f.Registry.Commit(f.t.Context(), a, registry.Commit{Head: &head, Inputs: []registry.OutputValue{}, Outputs: []registry.OutputValue{}, Status: orchestrator.NodeReady}))
}

func (f *fixture) graph(digest string) composer.Graph {
	f.t.Helper()
	g, err := f.Registry.GetGraph(f.t.Context(), digest)
	f.must(err)
	return g
}

func (f *fixture) previous(s orchestrator.Scope) string {
	f.t.Helper()
	digest, err := f.Compiler.Previous(f.t.Context(), s)
	f.must(err)
	return digest
}

// ids of a graph's nodes.
func ids(g composer.Graph) []string {
	var all []string
	for _, n := range g.Nodes {
		all = append(all, n.ID)
	}
	return all
}

// wantRefusal fails unless err is a refusal that holds all parts.
func wantRefusal(t *testing.T, reason string, err error, parts ...string) {
	t.Helper()
	var refused *orchestrator.Refusal
	if !errors.As(err, &refused) {
		t.Fatalf("%s: got error %v, want a refusal", reason, err)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %q does not hold %q", reason, err, part)
		}
	}
}
