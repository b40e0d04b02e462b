// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"net/http"

	"github.com/HatiCode/nestor/api/gen"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

// shop is the scope that most tests use.
func shop() orchestrator.Scope {
	return orchestrator.Scope{Team: "alpha", Application: "shop", Environment: "staging"}
}

const (
	shopPath   = "/api/v1/deployments/alpha/shop/staging/1"
	statusPath = "/api/v1/applications/alpha/shop/environments/staging"
	node       = "web-app.database"

	webAppOverrides = "web-app: {production: {provider: aws}}"
)

// platform publishes the catalog and the environments, and team alpha its
// composition.
func (h *harness) platform() {
	h.t.Helper()
	h.publish(mysqlYAML).want(http.StatusCreated)
	h.putEnvironment(platformToken, "staging", stagingYAML).want(http.StatusCreated)
	h.putEnvironment(platformToken, "production", productionYAML+"  allowedProviders: [aws, gcp]\n").want(http.StatusCreated)
	h.applyComposition(alphaToken, webAppYAML, webAppOverrides).want(http.StatusCreated)
}

func releaseBody() gen.CreateReleaseJSONBody {
	return gen.CreateReleaseJSONBody{
		Team: "alpha", Application: "shop", Repository: "https://git.example/shop", Commit: "abc",
		Claims: []composer.Claim{{
			Instance: "web-app", Composition: "web-app", File: "main.go", Line: 1,
			Parameters: map[string]string{"size": "large"},
		}},
	}
}

// release makes the shop's release.
func (h *harness) release() composer.Release {
	h.t.Helper()
	return decode[composer.Release](h.post(alphaToken, "/api/v1/releases", releaseBody()).want(http.StatusCreated))
}

// deployed is a release and the deployment of it that was accepted.
func (h *harness) deployed() composer.Release {
	h.t.Helper()
	h.platform()
	release := h.release()
	h.post(alphaToken, "/api/v1/deployments", deployBody(release.Digest)).want(http.StatusAccepted)
	return release
}

func deployBody(release string) map[string]any {
	return map[string]any{
		"team": "alpha", "application": "shop", "environment": "staging", "kind": "apply",
		"release": release, "autoApprove": true,
	}
}

// run does to the records what the workflow does: it makes the deployment's one
// node ready, with a clear and a sensitive output.
func (h *harness) run(release composer.Release) {
	h.t.Helper()
	ctx, id := h.t.Context(), orchestrator.DeploymentID(shop(), 1)
	graph := h.graph(release)
	check(h.t, h.records.Freeze(ctx, id, "worker:test", registry.Frozen{Graph: graph.Digest}))
	check(h.t, h.records.SetStatus(ctx, contract.StatusInput{Deployment: id, Status: orchestrator.StatusRunning, Principal: "worker:test"}))
	attempt, err := h.records.Begin(ctx, "worker:test", shop(),
		orchestrator.NodeRun{Deployment: id, Node: node, Action: orchestrator.StepApply, Attempt: 1},
		orchestrator.NodeHead{Engine: "fake", Definition: "aws-rds-mysql", Version: "1.0.0", GraphDigest: graph.Digest, Address: "a"})
	check(h.t, err)
	check(h.t, h.records.AppendLog(ctx, "worker:test", id, registry.LogChunk{Node: node, Attempt: 1, Text: "created\n"}))
	head := orchestrator.NodeHead{
		Scope: shop(), Node: node, Engine: "fake", Definition: "aws-rds-mysql", Version: "1.0.0",
		GraphDigest: graph.Digest, Address: "a", Status: orchestrator.NodeReady, LastDeployment: id,
	}
	check(h.t, h.records.Commit(ctx, attempt, registry.Commit{
		Head: &head, Status: orchestrator.NodeReady, Changed: true, Counts: orchestrator.Counts{Create: 1},
		Outputs: []registry.OutputValue{
			{Name: "endpoint", Type: "string", Value: "db.example:3306"},
			{Name: "password", Type: "string", Value: "hunter2", Sensitive: true},
		},
	}))
}

func (h *harness) finish(status orchestrator.Status) {
	h.t.Helper()
	check(h.t, h.records.Finish(h.t.Context(), contract.FinishInput{
		Deployment: orchestrator.DeploymentID(shop(), 1), Status: status, Principal: "worker:test",
	}))
}

// graph is the release's graph for staging, stored as the compiler does.
func (h *harness) graph(release composer.Release) composer.Graph {
	h.t.Helper()
	plan := decode[orchestrator.Plan](h.post(alphaToken, "/api/v1/plans", map[string]any{
		"team": "alpha", "application": "shop", "environment": "staging", "kind": "apply", "release": release.Digest,
	}).want(http.StatusAccepted))
	graph, err := h.records.GetGraph(h.t.Context(), plan.GraphDigest)
	check(h.t, err)
	return graph
}

// count is the number of documents in a partition.
func (h *harness) count(partition string) int {
	h.t.Helper()
	page, err := h.store.Query(h.t.Context(), store.Query{Partition: partition})
	check(h.t, err)
	return len(page.Documents)
}
