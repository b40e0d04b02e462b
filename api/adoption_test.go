// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/api/gen"
	"github.com/HatiCode/nestor/api/problem"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/store"
)

const adoptedSecret = "hunter2-of-a-state"

func adoptBody(release string) map[string]any {
	return map[string]any{
		"team": "alpha", "application": "shop", "environment": "staging", "release": release, "node": node,
		"state": json.RawMessage(`{"version":4,"serial":9007199254740993,"outputs":{"password":"` + adoptedSecret + `"}}`),
		"moves": map[string]string{"aws_db.main": "aws_db.this"},
	}
}

// An adoption is a deployment whose state nobody sees.
func TestAdoption(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.platform()
	release := h.release()
	key := header{"Idempotency-Key", "adopt-1"}

	first := h.post(alphaToken, "/api/v1/adoptions", adoptBody(release.Digest), key).want(http.StatusAccepted)
	if got := first.header.Get("Location"); got != shopPath {
		t.Errorf("location %q, want %q", got, shopPath)
	}
	want := []any{contract.DeployRequest{
		RequestID: "adopt-1", Scope: shop(), Kind: orchestrator.KindAdopt, Release: release.Digest, AutoApprove: true,
		OnFailure: orchestrator.OnFailureRollback, Principal: "user:ada",
		Adoption: &orchestrator.Adoption{Node: node, State: true},
	}}
	if diff := cmp.Diff(want, h.temporal.seen()); diff != "" {
		t.Errorf("what Temporal was told (-want +got):\n%s", diff)
	}
	again := decode[contract.DeployAccepted](h.post(alphaToken, "/api/v1/adoptions", adoptBody(release.Digest), key).want(http.StatusAccepted))
	if again.Deployment != "alpha/shop/staging/1" {
		t.Errorf("a repeated key made deployment %s", again.Deployment)
	}
	got := h.get(alphaToken, shopPath).want(http.StatusOK)
	d := decode[orchestrator.Deployment](got)
	if d.Kind != orchestrator.KindAdopt || d.Adoption == nil || d.Adoption.Node != node || d.Adoption.Source == "" || d.ChangeDigest == "" {
		t.Errorf("deployment %+v", d)
	}
	source, err := h.records.RevealSource(t.Context(), d)
	check(t, err)
	if text := string(source.State); !strings.Contains(text, "9007199254740993") || !strings.Contains(text, adoptedSecret) {
		t.Errorf("the state is not what was sent: %s", text)
	}
	if diff := cmp.Diff(map[string]string{"aws_db.main": "aws_db.this"}, source.Moves); diff != "" {
		t.Errorf("moves (-want +got):\n%s", diff)
	}
	for what, text := range map[string]string{"record": string(got.body), "log": h.log.String()} {
		if strings.Contains(text, adoptedSecret) {
			t.Errorf("the %s holds a secret of the state", what)
		}
	}

	h.finish(orchestrator.StatusSucceeded)
	if _, err := h.records.RevealSource(t.Context(), d); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the state outlives its deployment: %v", err)
	}
	h.post(alphaToken, "/api/v1/adoptions", adoptBody(release.Digest), key).want(http.StatusAccepted)
	if _, err := h.records.RevealSource(t.Context(), d); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a late repetition stores the state again: %v", err)
	}
}

func TestAdoptionRefused(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.platform()
	release := h.release().Digest
	tests := map[string]struct {
		reason string
		change map[string]any
		status int
		typ    string
		says   string
	}{
		"unknown node":     {"nothing could run", map[string]any{"node": "web-app.databse"}, http.StatusConflict, problem.TypeConflict, `did you mean "` + node + `"?`},
		"unknown release":  {"nodes are a release's", map[string]any{"release": strings.Repeat("0", 64)}, http.StatusNotFound, problem.TypeNotFound, "release"},
		"two sources":      {"which one is meant", map[string]any{"reference": "shop/db"}, http.StatusBadRequest, problem.TypeBadRequest, "exactly one of"},
		"no source":        {"what would it be", map[string]any{"state": nil, "moves": nil}, http.StatusBadRequest, problem.TypeBadRequest, "exactly one of"},
		"moves of nothing": {"a release has no addresses", map[string]any{"state": nil, "reference": "shop/db"}, http.StatusBadRequest, problem.TypeBadRequest, "moves"},
		"no object":        {"states are objects", map[string]any{"state": "text of a state: " + adoptedSecret}, http.StatusBadRequest, problem.TypeBadRequest, ""},
		"an empty move":    {"to where", map[string]any{"moves": map[string]string{"a.b": ""}}, http.StatusBadRequest, problem.TypeBadRequest, ""},
		"another field":    {"only what is described", map[string]any{"force": true}, http.StatusBadRequest, problem.TypeBadRequest, ""},
		"another team":     {"a team's own", map[string]any{"team": "beta"}, http.StatusForbidden, problem.TypeForbidden, "beta"},
		"too large":        {"it would be kept in memory", map[string]any{"state": map[string]string{"a": strings.Repeat("x", orchestrator.MaxAdoptedState)}}, http.StatusRequestEntityTooLarge, problem.TypeTooLarge, "8388608"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := h.in(t)
			body := adoptBody(release)
			for k, v := range test.change {
				if body[k] = v; v == nil {
					delete(body, k)
				}
			}
			answer := h.post(alphaToken, "/api/v1/adoptions", body)
			if p := answer.problem(test.status, test.typ); !strings.Contains(p.Detail, test.says) {
				t.Errorf("%s: %q does not say %q", test.reason, p.Detail, test.says)
			}
			if strings.Contains(string(answer.body), adoptedSecret) {
				t.Errorf("%s: the answer repeats a secret: %s", test.reason, answer.body)
			}
			if calls := h.temporal.seen(); len(calls) != 0 {
				t.Errorf("%s: Temporal was asked: %+v", test.reason, calls)
			}
		})
	}
}

// A state stays for a request that may still be accepted, and goes with one
// that was refused.
func TestAdoptionThatTemporalDoesNotTake(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err    error
		kept   bool
		reason string
	}{
		"refused":  {problem.New(problem.TypeConflict, "no"), false, "nobody will adopt it"},
		"lost":     {&problem.UnavailableError{What: "the Temporal server"}, true, "it may have been accepted"},
		"internal": {errors.New("broken"), false, "nobody will adopt it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			h.platform()
			release := h.release()
			h.temporal.failures = []error{tc.err}
			answer := h.post(alphaToken, "/api/v1/adoptions", adoptBody(release.Digest), header{"Idempotency-Key", "k"})
			if answer.status < http.StatusBadRequest {
				t.Fatalf("%s: %d", tc.reason, answer.status)
			}
			_, err := h.records.RevealSource(t.Context(), orchestrator.Deployment{Scope: shop(), RequestID: "k"})
			if kept := !errors.Is(err, store.ErrNotFound); kept != tc.kept {
				t.Errorf("%s: kept %v (%v)", tc.reason, kept, err)
			}
			h.post(alphaToken, "/api/v1/adoptions", adoptBody(release.Digest), header{"Idempotency-Key", "k"}).want(http.StatusAccepted)
		})
	}
	h := newHarness(t)
	h.platform()
	release := h.release()
	h.temporal.setDown(true)
	h.post(alphaToken, "/api/v1/adoptions", adoptBody(release.Digest), header{"Idempotency-Key", "k"}).
		problem(http.StatusServiceUnavailable, problem.TypeUnavailable)
	if _, err := h.records.RevealSource(t.Context(), orchestrator.Deployment{Scope: shop(), RequestID: "k"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a state was stored although nobody could accept it: %v", err)
	}
}

// The status tells of an adoption, and of the release that is deployed.
func TestStatusOfAnAdoption(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	release := h.deployed()
	h.run(release)
	h.finish(orchestrator.StatusSucceeded)
	d, err := h.records.Accept(t.Context(), contract.DeployRequest{
		RequestID: "a", Scope: shop(), Kind: orchestrator.KindAdopt, Release: "sha256:" + strings.Repeat("1", 64), AutoApprove: true,
		OnFailure: orchestrator.OnFailureRollback, Principal: "user:ada", Adoption: &orchestrator.Adoption{Node: node, Reference: "shop/db"},
	}, "")
	check(t, err)
	check(t, h.records.Finish(t.Context(), contract.FinishInput{
		Deployment: d.ID, Status: orchestrator.StatusRolledBack, Error: "adopt of x: no", Principal: "w",
	}))
	status := decode[gen.ApplicationStatus](h.get(alphaToken, statusPath).want(http.StatusOK))
	if status.Deployment != d.ID || status.Status != orchestrator.StatusRolledBack || status.Release != release.Digest || status.Error == "" {
		t.Errorf("status %+v, want the adoption and the release before it", status)
	}
	if got := decode[gen.DeploymentList](h.get(alphaToken, "/api/v1/deployments").want(http.StatusOK)); got.Items[0].Adoption.Reference != "shop/db" {
		t.Errorf("history %+v", got.Items[0])
	}
}
