// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/api/gen"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

// What several engines need goes in and comes out as it was written.
func TestEnvironmentForSeveralEngines(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.putEnvironment(platformToken, "staging", `apiVersion: orchestrator.nestor.io/v1
kind: Environment
metadata: {name: staging}
spec:
  provider: aws
  engines: [terraform, pulumi, helm, crossplane]
  cluster: main
  clusters:
    main: {kubeconfig: "secret://file/_platform/main", context: admin, namespace: "{team}"}
    edge: {inCluster: true}
  states: {pulumi: {type: "s3://pulumi", config: {region: eu}}}
`).want(http.StatusCreated)
	want := orchestrator.EnvironmentSpec{
		Provider: "aws", Engines: []string{"terraform", "pulumi", "helm", "crossplane"}, Cluster: "main",
		Clusters: map[string]orchestrator.Cluster{
			"main": {Kubeconfig: "secret://file/_platform/main", Context: "admin", Namespace: "{team}"}, "edge": {InCluster: true},
		},
		States: map[string]orchestrator.Backend{"pulumi": {Type: "s3://pulumi", Config: map[string]any{"region": "eu"}}},
	}
	got := decode[orchestrator.Environment](h.get(alphaToken, "/api/v1/environments/staging").want(http.StatusOK))
	if diff := cmp.Diff(want, got.Spec); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
}

func TestDefinitionWithIdentity(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	const bucket = `apiVersion: catalog.nestor.io/v1
kind: ResourceDefinition
metadata: {name: bucket, version: "1.0.0"}
spec:
  provider: aws
  category: storage
  resourceType: bucket
  engines: [terraform]
  inputs: [{name: name, type: string, required: true}]
  implementations:
    terraform: {module: m, identity: {aws_s3_bucket.this: "${inputs.name}"}}
`
	h.publish(bucket, gen.SourceFile{Path: "m/main.tf", Content: []byte("#")}).want(http.StatusCreated)
	got := decode[catalog.Published](h.get(alphaToken, "/api/v1/resources/bucket/versions/1.0.0").want(http.StatusOK))
	want := map[string]string{"aws_s3_bucket.this": "${inputs.name}"}
	if diff := cmp.Diff(want, got.Definition.Spec.Implementations["terraform"].Identity); diff != "" {
		t.Errorf("identity (-want +got):\n%s", diff)
	}
}

// A resource that was adopted says under which name it is kept.
func TestStatusOfAnAdoptedResource(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	release := h.deployed()
	h.run(release)
	d := orchestrator.DeploymentID(shop(), 1)
	head, err := h.records.Head(t.Context(), shop(), node)
	check(t, err)
	head.StateRef = "shop/db"
	attempt, err := h.records.Begin(t.Context(), "w", shop(), orchestrator.NodeRun{Deployment: d, Node: node, Action: orchestrator.StepAdopt, Attempt: 1}, head)
	check(t, err)
	check(t, h.records.Commit(t.Context(), attempt, registry.Commit{Head: &head, Status: orchestrator.NodeReady}))
	check(t, h.records.Finish(t.Context(), contract.FinishInput{Deployment: d, Status: orchestrator.StatusSucceeded, Principal: "w"}))
	status := decode[gen.ApplicationStatus](h.get(alphaToken, statusPath).want(http.StatusOK))
	if len(status.Resources) != 1 || status.Resources[0].StateRef != "shop/db" {
		t.Errorf("resources %+v", status.Resources)
	}
	runs := decode[gen.NodeRunList](h.get(alphaToken, shopPath+"/nodes").want(http.StatusOK))
	if len(runs.Items) != 1 || runs.Items[0].Action != orchestrator.StepAdopt {
		t.Errorf("runs %+v", runs.Items)
	}
}
