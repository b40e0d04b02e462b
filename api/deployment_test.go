// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/api/gen"
	"github.com/HatiCode/nestor/api/problem"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

func TestReleases(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.platform()

	created := h.post(alphaToken, "/api/v1/releases", releaseBody()).want(http.StatusCreated)
	release := decode[composer.Release](created)
	if got, want := created.header.Get("Location"), "/api/v1/releases/alpha/shop/"+release.Digest; got != want {
		t.Errorf("location %q, want %q", got, want)
	}
	if release.CreatedBy != "user:ada" || release.Bindings["staging"][node].Version != "1.0.0" {
		t.Errorf("release %+v, want a binding for staging by user:ada", release)
	}
	again := decode[composer.Release](h.post(alphaToken, "/api/v1/releases", releaseBody()).want(http.StatusOK))
	if again.Digest != release.Digest {
		t.Errorf("the same input gave %s, then %s", release.Digest, again.Digest)
	}
	for name, digest := range map[string]string{
		"full": release.Digest, "prefix": strings.TrimPrefix(release.Digest, "sha256:")[:12],
	} {
		got := decode[composer.Release](h.get(alphaToken, "/api/v1/releases/alpha/shop/"+digest).want(http.StatusOK))
		if diff := cmp.Diff(release, got); diff != "" {
			t.Errorf("%s (-created +got):\n%s", name, diff)
		}
	}
	list := decode[gen.ReleaseList](h.get(alphaToken, "/api/v1/releases?application=shop").want(http.StatusOK))
	if len(list.Items) != 1 || list.Items[0].Digest != release.Digest || list.Items[0].Claims != 1 {
		t.Errorf("list %+v, want the release", list.Items)
	}
	h.get(alphaToken, "/api/v1/releases").problem(http.StatusBadRequest, problem.TypeBadRequest)
	h.get(alphaToken, "/api/v1/releases/alpha/shop/abc").problem(http.StatusBadRequest, problem.TypeBadRequest)
	h.get(alphaToken, "/api/v1/releases/alpha/shop/"+strings.Repeat("0", 12)).problem(http.StatusNotFound, problem.TypeNotFound)
}

func TestReleaseRefused(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.platform()
	tests := map[string]struct {
		reason  string
		change  func(*gen.CreateReleaseJSONBody)
		message string
	}{
		"unknown composition": {
			"a misspelt composition", func(b *gen.CreateReleaseJSONBody) { b.Claims[0].Composition = "web-ap" }, "web-app",
		},
		"unknown parameter": {
			"a misspelt parameter", func(b *gen.CreateReleaseJSONBody) { b.Claims[0].Parameters = map[string]string{"sise": "x"} }, "size",
		},
		"two of one name": {
			"instances have names of their own", func(b *gen.CreateReleaseJSONBody) { b.Claims = append(b.Claims, b.Claims[0]) }, "web-app",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := h.in(t)
			body := releaseBody()
			test.change(&body)
			p := h.post(alphaToken, "/api/v1/releases", body).problem(http.StatusUnprocessableEntity, problem.TypeInvalid)
			if len(p.Problems) == 0 || p.Problems[0].File != "main.go" || !strings.Contains(p.Error(), test.message) {
				t.Errorf("%s: %s; want a mistake in main.go that names %q", test.reason, p.Error(), test.message)
			}
		})
	}
}

func TestPlans(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.platform()
	release := h.release()
	body := map[string]any{"team": "alpha", "application": "shop", "environment": "staging", "kind": "apply", "release": release.Digest}

	created := h.post(alphaToken, "/api/v1/plans", body).want(http.StatusAccepted)
	plan := decode[orchestrator.Plan](created)
	if plan.Status != orchestrator.PlanRunning || created.header.Get("Location") != "/api/v1/plans/"+plan.ID {
		t.Errorf("plan %+v at %q, want a running one", plan, created.header.Get("Location"))
	}
	want := []any{contract.PlanInput{Plan: plan.ID, Scope: shop(), GraphDigest: plan.GraphDigest, Principal: "user:ada"}}
	if diff := cmp.Diff(want, h.temporal.seen()); diff != "" {
		t.Errorf("what Temporal was told (-want +got):\n%s", diff)
	}
	got := decode[orchestrator.Plan](h.get(alphaToken, "/api/v1/plans/"+plan.ID).want(http.StatusOK))
	if got.ID != plan.ID {
		t.Errorf("got plan %s, want %s", got.ID, plan.ID)
	}
	h.get(betaToken, "/api/v1/plans/"+plan.ID).problem(http.StatusNotFound, problem.TypeNotFound)
	h.get(alphaToken, "/api/v1/plans/none").problem(http.StatusNotFound, problem.TypeNotFound)
	foreign := deployBody("")
	foreign["team"], foreign["planId"] = "beta", plan.ID
	h.post(betaToken, "/api/v1/deployments", foreign).problem(http.StatusNotFound, problem.TypeNotFound)
	body["environment"] = "testing"
	h.post(alphaToken, "/api/v1/plans", body).problem(http.StatusNotFound, problem.TypeNotFound)
	body["kind"] = "promote"
	h.post(alphaToken, "/api/v1/plans", body).problem(http.StatusBadRequest, problem.TypeBadRequest)
}

func TestDeployIsAcceptedOncePerKey(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.platform()
	body := deployBody(h.release().Digest)
	key := header{"Idempotency-Key", "try-1"}

	first := h.post(alphaToken, "/api/v1/deployments", body, key).want(http.StatusAccepted)
	if diff := cmp.Diff(contract.DeployAccepted{Deployment: "alpha/shop/staging/1"}, decode[contract.DeployAccepted](first)); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if got := first.header.Get("Location"); got != shopPath {
		t.Errorf("location %q, want %q", got, shopPath)
	}
	again := decode[contract.DeployAccepted](h.post(alphaToken, "/api/v1/deployments", body, key).want(http.StatusAccepted))
	if again.Deployment != "alpha/shop/staging/1" {
		t.Errorf("a repeated key made deployment %s", again.Deployment)
	}
	other := decode[contract.DeployAccepted](h.post(alphaToken, "/api/v1/deployments", body).want(http.StatusAccepted))
	if other.Deployment != "alpha/shop/staging/2" {
		t.Errorf("a request without a key made %s, want a new one", other.Deployment)
	}
	got := decode[orchestrator.Deployment](h.get(alphaToken, shopPath).want(http.StatusOK))
	if got.RequestID != "try-1" || got.Principal != "user:ada" || got.OnFailure != orchestrator.OnFailureRollback {
		t.Errorf("deployment %+v, want the key, the principal and the default", got)
	}
	h.post(alphaToken, "/api/v1/deployments", body, header{"Idempotency-Key", "no spaces"}).
		problem(http.StatusBadRequest, problem.TypeBadRequest)
}

func TestDeployRefused(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.platform()
	release := h.release().Digest
	tests := map[string]struct {
		reason string
		change map[string]any
		status int
		typ    string
	}{
		"unknown environment": {"nothing could run", map[string]any{"environment": "testing"}, http.StatusNotFound, problem.TypeNotFound},
		"unknown release":     {"nothing could run", map[string]any{"release": strings.Repeat("0", 64)}, http.StatusNotFound, problem.TypeNotFound},
		"nobody saw it":       {"a plan or --yes", map[string]any{"autoApprove": false}, http.StatusConflict, problem.TypeConflict},
		"no release":          {"apply needs one", map[string]any{"release": ""}, http.StatusConflict, problem.TypeConflict},
		"unknown kind":        {"only what is described", map[string]any{"kind": "explode"}, http.StatusBadRequest, problem.TypeBadRequest},
		"unknown field":       {"a misspelt field must not be ignored", map[string]any{"autoAprove": true}, http.StatusBadRequest, problem.TypeBadRequest},
		"a path for a name":   {"names are DNS labels", map[string]any{"application": "../beta/x"}, http.StatusBadRequest, problem.TypeBadRequest},
		"unknown plan":        {"a plan has to exist", map[string]any{"planId": "none"}, http.StatusNotFound, problem.TypeNotFound},
		"onFailure":           {"only what is described", map[string]any{"onFailure": "pray"}, http.StatusBadRequest, problem.TypeBadRequest},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := h.in(t)
			body := deployBody(release)
			for k, v := range test.change {
				body[k] = v
			}
			h.post(alphaToken, "/api/v1/deployments", body).problem(test.status, test.typ)
			if calls := h.temporal.seen(); len(calls) != 0 {
				t.Errorf("%s: Temporal was asked: %+v", test.reason, calls)
			}
		})
	}
}

func TestTemporalDown(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.platform()
	release := h.release().Digest
	h.temporal.setDown(true)
	bodies := map[string]any{
		"/api/v1/deployments": deployBody(release),
		"/api/v1/plans":       map[string]any{"team": "alpha", "application": "shop", "environment": "staging", "kind": "apply", "release": release},
		"/api/v1/promotions":  map[string]any{"team": "alpha", "application": "shop", "from": "staging", "to": "production", "autoApprove": true},
	}
	for path, body := range bodies {
		answer := h.post(alphaToken, path, body)
		p := answer.problem(http.StatusServiceUnavailable, problem.TypeUnavailable)
		if !strings.Contains(p.Detail, "Temporal server at temporal.test:7233") || !strings.Contains(p.Detail, "nothing was changed") {
			t.Errorf("%s: detail %q does not name what is down", path, p.Detail)
		}
		if answer.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", path)
		}
	}
	h.get(alphaToken, shopPath).problem(http.StatusNotFound, problem.TypeNotFound)
	if n := h.count("plans"); n != 0 {
		t.Errorf("%d plans were written", n)
	}
	ready := h.get("", "/readyz").want(http.StatusServiceUnavailable)
	if checks := decode[gen.Health](ready).Checks; checks["store"] != "ok" || !strings.Contains(checks["temporal"], "temporal.test:7233") {
		t.Errorf("checks %v, want the store up and Temporal named as down", checks)
	}
	h.temporal.setDown(false)
	h.get("", "/readyz").want(http.StatusOK)
	h.post(alphaToken, "/api/v1/deployments", deployBody(release)).want(http.StatusAccepted)
}

func TestDeploymentRecords(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.get(alphaToken, statusPath).problem(http.StatusNotFound, problem.TypeNotFound)
	release := h.deployed()

	h.get(alphaToken, shopPath+"/graph").problem(http.StatusNotFound, problem.TypeNotFound)
	queued := decode[gen.ApplicationStatus](h.get(alphaToken, statusPath).want(http.StatusOK))
	want := gen.ApplicationStatus{
		Application: "shop", Team: "alpha", Environment: "staging", Status: orchestrator.StatusQueued, Release: release.Digest,
		Deployment: "alpha/shop/staging/1", WorkflowID: "alpha/shop/staging/1", Resources: []gen.ResourceStatus{},
	}
	if diff := cmp.Diff(want, queued); diff != "" {
		t.Errorf("status of a queued deployment (-want +got):\n%s", diff)
	}
	h.run(release)
	h.finish(orchestrator.StatusSucceeded)

	want.Status = orchestrator.StatusSucceeded
	want.Resources = []gen.ResourceStatus{{
		Name: node, Engine: "fake", Definition: "aws-rds-mysql", Version: "1.0.0", Status: orchestrator.NodeReady,
		Outputs: map[string]any{"endpoint": "db.example:3306", "password": "(sensitive)"},
	}}
	status := h.get(alphaToken, statusPath).want(http.StatusOK)
	if diff := cmp.Diff(want, decode[gen.ApplicationStatus](status)); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if strings.Contains(string(status.body), "hunter2") {
		t.Error("the status tells a sensitive output")
	}
	nodes := decode[gen.NodeRunList](h.get(alphaToken, shopPath+"/nodes").want(http.StatusOK)).Items
	if len(nodes) != 1 || nodes[0].Node != node || nodes[0].Status != orchestrator.NodeReady {
		t.Errorf("nodes %+v, want the database, ready", nodes)
	}
	graph := decode[composer.Graph](h.get(alphaToken, shopPath+"/graph").want(http.StatusOK))
	if graph.Release != release.Digest {
		t.Errorf("graph of release %s, want %s", graph.Release, release.Digest)
	}
	applications := decode[gen.ApplicationList](h.get(alphaToken, "/api/v1/applications").want(http.StatusOK)).Items
	if diff := cmp.Diff([]gen.ApplicationSummary{{Team: "alpha", Application: "shop", Environments: []string{"staging"}}}, applications); diff != "" {
		t.Errorf("applications (-want +got):\n%s", diff)
	}
}

func TestStatusShowsPendingNodes(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	release := h.deployed()
	graph := h.graph(release)
	check(t, h.records.Freeze(t.Context(), "alpha/shop/staging/1", "worker:test", registry.Frozen{Graph: graph.Digest}))
	status := decode[gen.ApplicationStatus](h.get(alphaToken, statusPath).want(http.StatusOK))
	if len(status.Resources) != 1 || status.Resources[0].Status != orchestrator.NodePending || status.Resources[0].Name != node {
		t.Errorf("resources %+v, want the database, pending", status.Resources)
	}
}

func TestListDeployments(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.platform()
	body := deployBody(h.release().Digest)
	for range 3 {
		h.post(alphaToken, "/api/v1/deployments", body).want(http.StatusAccepted)
	}
	h.finish(orchestrator.StatusFailed)
	tests := map[string]struct {
		query string
		want  []int64
	}{
		"all":              {"", []int64{3, 2, 1}},
		"team":             {"?team=alpha", []int64{3, 2, 1}},
		"application":      {"?application=shop&environment=staging", []int64{3, 2, 1}},
		"status":           {"?status=failed", []int64{1}},
		"none":             {"?application=other", nil},
		"page":             {"?limit=2", []int64{3, 2}},
		"other environmnt": {"?environment=production", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []int64
			for _, d := range decode[gen.DeploymentList](h.in(t).get(alphaToken, "/api/v1/deployments"+test.query).want(http.StatusOK)).Items {
				got = append(got, d.N)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("deployments (-want +got):\n%s", diff)
			}
		})
	}
	next := decode[gen.DeploymentList](h.get(alphaToken, "/api/v1/deployments?limit=2")).Next
	rest := decode[gen.DeploymentList](h.get(alphaToken, "/api/v1/deployments?limit=2&cursor="+strings.ReplaceAll(next, "/", "%2F")).want(http.StatusOK))
	if len(rest.Items) != 1 || rest.Items[0].N != 1 || rest.Next != "" {
		t.Errorf("second page %+v, want deployment 1 alone", rest)
	}
	h.get(everyToken, "/api/v1/deployments").problem(http.StatusBadRequest, problem.TypeBadRequest)
	h.get(alphaToken, "/api/v1/deployments?statsu=failed").problem(http.StatusBadRequest, problem.TypeBadRequest)
}

func TestDecisions(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.deployed()
	id := "alpha/shop/staging/1"
	h.temporal.mu.Lock()
	h.temporal.calls = nil
	h.temporal.mu.Unlock()

	p := h.post(alphaToken, shopPath+"/approve", map[string]string{"comment": "fine"}).problem(http.StatusConflict, problem.TypeConflict)
	if !strings.Contains(p.Detail, "has no plan that could be approved") {
		t.Errorf("an approval of nothing: %q", p.Detail)
	}
	h.post(alphaToken, shopPath+"/reject", map[string]string{"reason": "not now"}).want(http.StatusAccepted)
	h.post(alphaToken, shopPath+"/cancel", map[string]string{"phase": "apply", "comment": "wrong"}).want(http.StatusAccepted)
	want := []any{
		decided{contract.SignalReject, contract.DecisionSignal{Deployment: id, Principal: "user:ada", Comment: "not now"}},
		contract.CancelSignal{Deployment: id, Phase: "apply", Principal: "user:ada", Reason: "wrong"},
	}
	if diff := cmp.Diff(want, h.temporal.seen()); diff != "" {
		t.Errorf("signals (-want +got):\n%s", diff)
	}
	recorded := decode[orchestrator.Deployment](h.get(alphaToken, shopPath).want(http.StatusOK))
	if got := recorded.Canceled(false); got != "canceled by user:ada: wrong" {
		t.Errorf("the record says %q; why it was canceled is for those who read it", got)
	}
	check(t, h.records.SetStatus(t.Context(), contract.StatusInput{Deployment: id, Status: orchestrator.StatusRunning, Principal: "w"}))
	h.post(alphaToken, shopPath+"/approve", map[string]string{}).problem(http.StatusConflict, problem.TypeConflict)
	h.post(alphaToken, shopPath+"/cancel", map[string]string{"phase": "later"}).problem(http.StatusBadRequest, problem.TypeBadRequest)
	h.finish(orchestrator.StatusCanceled)
	for _, verb := range []string{"approve", "reject", "cancel"} {
		h.post(alphaToken, shopPath+"/"+verb, map[string]string{}).problem(http.StatusConflict, problem.TypeConflict)
		h.post(alphaToken, "/api/v1/deployments/alpha/shop/staging/9/"+verb, map[string]string{}).
			problem(http.StatusNotFound, problem.TypeNotFound)
	}
	if n := len(h.temporal.seen()); n != len(want) {
		t.Errorf("%d signals, want %d: a refused one was sent", n, len(want))
	}
}

// TestDecisionsOnAPlan: a decision is about the change set of the plan.
func TestDecisionsOnAPlan(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.deployed()
	id := "alpha/shop/staging/1"
	check(t, h.records.Freeze(t.Context(), id, "w", registry.Frozen{ChangeDigest: "sha256:seen"}))
	h.temporal.clear()

	h.post(alphaToken, shopPath+"/approve", map[string]string{"comment": "fine"}).want(http.StatusAccepted)
	h.post(alphaToken, shopPath+"/approve", map[string]string{"changeDigest": "sha256:seen"}).want(http.StatusAccepted)
	p := h.post(alphaToken, shopPath+"/approve", map[string]string{"changeDigest": "sha256:older"}).problem(http.StatusConflict, problem.TypeConflict)
	if !strings.Contains(p.Detail, "is another by now") {
		t.Errorf("an older plan: %q", p.Detail)
	}
	h.post(alphaToken, shopPath+"/reject", map[string]string{"changeDigest": "sha256:older"}).problem(http.StatusConflict, problem.TypeConflict)
	h.post(alphaToken, shopPath+"/approve", map[string]any{"changes": []any{map[string]string{"node": node, "changeDigest": "sha256:seen"}}}).
		problem(http.StatusConflict, problem.TypeConflict)
	signal := contract.DecisionSignal{Deployment: id, Principal: "user:ada", Comment: "fine", ChangeDigest: "sha256:seen"}
	silent := signal
	silent.Comment = ""
	if diff := cmp.Diff([]any{decided{contract.SignalApprove, signal}, decided{contract.SignalApprove, silent}}, h.temporal.seen()); diff != "" {
		t.Errorf("signals (-want +got):\n%s", diff)
	}

	h.putEnvironment(platformToken, "staging", stagingYAML+"  approvals: {required: 1}\n").want(http.StatusOK)
	p = h.post(alphaToken, shopPath+"/approve", map[string]string{}).problem(http.StatusConflict, problem.TypeConflict)
	if !strings.Contains(p.Detail, "staging asks for approvals from others than user:ada") {
		t.Errorf("one's own approval: %q", p.Detail)
	}
	h.post(everyToken, shopPath+"/approve", map[string]string{}).want(http.StatusAccepted)
}

// TestDecisionsOnNodes: a decision on a paused deployment is about the change
// sets of nodes, and of no others than those that wait.
func TestDecisionsOnNodes(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.deployed()
	id := "alpha/shop/staging/1"
	cache := orchestrator.PausedNode{Node: "web-app.cache", ChangeDigest: "sha256:c", Message: "another value"}
	database := orchestrator.PausedNode{Node: "web-app.database", ChangeDigest: "sha256:d", Message: "not in the plan"}
	check(t, h.records.SetStatus(t.Context(), contract.StatusInput{
		Deployment: id, Status: orchestrator.StatusPaused, Reason: "why", Principal: "w",
		Paused: []orchestrator.PausedNode{cache, database},
	}))
	got := decode[orchestrator.Deployment](h.get(alphaToken, shopPath).want(http.StatusOK))
	if diff := cmp.Diff([]orchestrator.PausedNode{cache, database}, got.Paused); diff != "" {
		t.Errorf("paused (-want +got):\n%s", diff)
	}
	h.temporal.clear()

	h.post(alphaToken, shopPath+"/approve", map[string]string{}).want(http.StatusAccepted)
	h.post(alphaToken, shopPath+"/reject", map[string]any{"changes": []any{database.Change()}}).want(http.StatusAccepted)
	stale := database.Change()
	stale.ChangeDigest = "sha256:older"
	for reason, body := range map[string]any{
		"another change set": map[string]any{"changes": []any{cache.Change(), stale}},
		"another node":       map[string]any{"changes": []any{orchestrator.NodeChange{Node: "web-app.queue", ChangeDigest: "sha256:c"}}},
		"the plan":           map[string]any{"changeDigest": "sha256:seen"},
	} {
		p := h.post(alphaToken, shopPath+"/approve", body).problem(http.StatusConflict, problem.TypeConflict)
		if !strings.Contains(p.Detail, "web-app.cache with sha256:c, web-app.database with sha256:d") {
			t.Errorf("%s: %q does not say what waits", reason, p.Detail)
		}
	}
	want := []any{
		decided{contract.SignalApprove, contract.DecisionSignal{
			Deployment: id, Principal: "user:ada", Changes: []orchestrator.NodeChange{cache.Change(), database.Change()},
		}},
		decided{contract.SignalReject, contract.DecisionSignal{
			Deployment: id, Principal: "user:ada", Changes: []orchestrator.NodeChange{database.Change()},
		}},
	}
	if diff := cmp.Diff(want, h.temporal.seen()); diff != "" {
		t.Errorf("signals (-want +got):\n%s", diff)
	}
}

func TestPromotions(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.platform()
	body := map[string]any{"team": "alpha", "application": "shop", "from": "staging", "to": "production", "autoApprove": true}
	p := h.post(alphaToken, "/api/v1/promotions", body).problem(http.StatusConflict, problem.TypeConflict)
	if !strings.Contains(p.Detail, "never deployed") {
		t.Errorf("detail %q, want the reason", p.Detail)
	}
	release := h.release()
	h.post(alphaToken, "/api/v1/deployments", deployBody(release.Digest)).want(http.StatusAccepted)
	h.run(release)
	h.finish(orchestrator.StatusSucceeded)
	h.temporal.mu.Lock()
	h.temporal.calls = nil
	h.temporal.mu.Unlock()

	key := header{"Idempotency-Key", "promote-1"}
	first := h.post(alphaToken, "/api/v1/promotions", body, key).want(http.StatusAccepted)
	promotion := decode[orchestrator.Promotion](first)
	if promotion.Release != release.Digest || first.header.Get("Location") != "/api/v1/promotions/"+promotion.ID {
		t.Errorf("promotion %+v at %q, want release %s", promotion, first.header.Get("Location"), release.Digest)
	}
	again := decode[orchestrator.Promotion](h.post(alphaToken, "/api/v1/promotions", body, key).want(http.StatusAccepted))
	if again.ID != promotion.ID {
		t.Errorf("a repeated key made promotion %s beside %s", again.ID, promotion.ID)
	}
	signal := contract.PromoteSignal{Promotion: promotion.ID, Principal: "user:ada"}
	if diff := cmp.Diff([]any{signal, signal}, h.temporal.seen()); diff != "" {
		t.Errorf("signals (-want +got):\n%s", diff)
	}
	got := decode[orchestrator.Promotion](h.get(alphaToken, "/api/v1/promotions/"+promotion.ID).want(http.StatusOK))
	if got.ID != promotion.ID {
		t.Errorf("got promotion %s", got.ID)
	}
	h.get(betaToken, "/api/v1/promotions/"+promotion.ID).problem(http.StatusNotFound, problem.TypeNotFound)
	body["onFailure"] = "stop"
	h.post(alphaToken, "/api/v1/promotions", body, key).problem(http.StatusConflict, problem.TypeConflict)

	check(t, h.records.SettlePromotion(t.Context(), "w", promotion.ID, "alpha/shop/production/1", ""))
	delete(body, "onFailure")
	settled := decode[orchestrator.Promotion](h.post(alphaToken, "/api/v1/promotions", body, key).want(http.StatusAccepted))
	if settled.Deployment == "" || len(h.temporal.seen()) != 2 {
		t.Errorf("a settled promotion was signaled again, or its outcome not told: %+v", settled)
	}
}
