// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/api"
	"github.com/HatiCode/nestor/api/gen"
	"github.com/HatiCode/nestor/api/problem"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

func TestEveryOperationNeedsAToken(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	spec, err := api.LoadSpec(t.Context())
	check(t, err)
	for path, item := range spec.Paths.Map() {
		for method, operation := range item.Operations() {
			t.Run(operation.OperationID, func(t *testing.T) {
				t.Parallel()
				h := h.in(t)
				concrete := strings.NewReplacer("{team}", "alpha", "{application}", "shop", "{environment}", "staging", "{n}", "1",
					"{id}", "x", "{name}", "x", "{version}", "1.0.0", "{digest}", strings.Repeat("0", 64)).Replace(path)
				if operation.Security != nil && len(*operation.Security) == 0 {
					if got := h.do("", method, concrete, nil).status; got >= http.StatusBadRequest {
						t.Errorf("%s without a token: status %d", path, got)
					}
					return
				}
				for _, token := range []string{"", strangerToken} {
					a := h.do(token, method, concrete, nil)
					a.problem(http.StatusUnauthorized, problem.TypeUnauthorized)
					if a.header.Get("WWW-Authenticate") != `Bearer realm="nestor"` {
						t.Errorf("WWW-Authenticate: %q", a.header.Get("WWW-Authenticate"))
					}
				}
			})
		}
	}
}

// TestTeams asks as team beta for everything of team alpha, and as alpha for
// the same, so that a refusal is not one for another reason.
func TestTeams(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	release := h.deployed()
	check(t, h.records.Freeze(t.Context(), "alpha/shop/staging/1", "w", registry.Frozen{ChangeDigest: "sha256:seen"}))
	plan := map[string]any{"team": "alpha", "application": "shop", "environment": "staging", "kind": "apply", "release": release.Digest}
	promotion := map[string]any{"team": "alpha", "application": "shop", "from": "staging", "to": "production", "autoApprove": true}
	empty := map[string]any{}
	tests := map[string]struct {
		method, path string
		body         any
		own          int
	}{
		"apply composition":  {http.MethodPost, "/api/v1/compositions", map[string]any{"composition": webAppYAML, "environments": webAppOverrides}, http.StatusOK},
		"list compositions":  {http.MethodGet, "/api/v1/compositions?team=alpha", nil, http.StatusOK},
		"get composition":    {http.MethodGet, "/api/v1/compositions/alpha/web-app", nil, http.StatusOK},
		"delete composition": {http.MethodDelete, "/api/v1/compositions/alpha/none", nil, http.StatusNotFound},
		"create release":     {http.MethodPost, "/api/v1/releases", releaseBody(), http.StatusOK},
		"list releases":      {http.MethodGet, "/api/v1/releases?team=alpha&application=shop", nil, http.StatusOK},
		"get release":        {http.MethodGet, "/api/v1/releases/alpha/shop/" + release.Digest, nil, http.StatusOK},
		"create plan":        {http.MethodPost, "/api/v1/plans", plan, http.StatusAccepted},
		"deploy":             {http.MethodPost, "/api/v1/deployments", deployBody(release.Digest), http.StatusAccepted},
		"list deployments":   {http.MethodGet, "/api/v1/deployments?team=alpha", nil, http.StatusOK},
		"get deployment":     {http.MethodGet, shopPath, nil, http.StatusOK},
		"nodes":              {http.MethodGet, shopPath + "/nodes", nil, http.StatusOK},
		"graph":              {http.MethodGet, shopPath + "/graph", nil, http.StatusNotFound},
		"logs":               {http.MethodGet, shopPath + "/logs", nil, http.StatusOK},
		"events":             {http.MethodGet, "/api/v1/deployments/alpha/shop/staging/99/events", nil, http.StatusNotFound},
		"approve":            {http.MethodPost, shopPath + "/approve", empty, http.StatusAccepted},
		"reject":             {http.MethodPost, shopPath + "/reject", empty, http.StatusAccepted},
		"cancel":             {http.MethodPost, shopPath + "/cancel", empty, http.StatusAccepted},
		"promote":            {http.MethodPost, "/api/v1/promotions", promotion, http.StatusConflict},
		"applications":       {http.MethodGet, "/api/v1/applications?team=alpha", nil, http.StatusOK},
		"status":             {http.MethodGet, statusPath, nil, http.StatusOK},
		"unlock":             {http.MethodPost, statusPath + "/nodes/none/unlock", map[string]any{"reason": "x"}, http.StatusNotFound},
		"forget":             {http.MethodPost, statusPath + "/nodes/none/forget", map[string]any{}, http.StatusNotFound},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := h.in(t)
			for _, token := range []string{betaToken, platformToken} {
				a := h.do(token, test.method, test.path, test.body)
				a.problem(http.StatusForbidden, problem.TypeForbidden)
				if !strings.Contains(a.header.Get("WWW-Authenticate"), "insufficient_scope") {
					t.Errorf("WWW-Authenticate: %q", a.header.Get("WWW-Authenticate"))
				}
			}
			h.do(alphaToken, test.method, test.path, test.body).want(test.own)
			h.do(everyToken, test.method, test.path, test.body).want(test.own)
		})
	}
	for _, path := range []string{"/api/v1/compositions", "/api/v1/deployments", "/api/v1/applications", "/api/v1/releases?application=shop"} {
		if body := string(h.get(betaToken, path).want(http.StatusOK).body); strings.TrimSpace(body) != `{"items":[]}` {
			t.Errorf("%s as beta: %s, want nothing", path, body)
		}
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.post(alphaToken, "/api/v1/resources", gen.DefinitionSource{Definition: mysqlYAML}).problem(http.StatusForbidden, problem.TypeForbidden)
	h.putEnvironment(alphaToken, "staging", stagingYAML).problem(http.StatusForbidden, problem.TypeForbidden)
	h.platform()
	for _, path := range []string{"/api/v1/resources", "/api/v1/resources/aws-rds-mysql", "/api/v1/environments", "/api/v1/environments/staging", "/api/v1/engines"} {
		h.get(betaToken, path).want(http.StatusOK)
	}
	who := decode[gen.Identity](h.get(alphaToken, "/api/v1/whoami").want(http.StatusOK))
	if diff := cmp.Diff(gen.Identity{Principal: "user:ada", Teams: []string{"alpha"}, Roles: []string{"team"}}, who); diff != "" {
		t.Errorf("whoami (-want +got):\n%s", diff)
	}
	h.get(platformToken, "/api/v1/whoami").want(http.StatusOK)
}

func TestTokensAreReadAgain(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.get(alphaToken, "/api/v1/whoami").want(http.StatusOK)

	check(t, os.WriteFile(h.tokens, []byte(strings.ReplaceAll(tokensYAML, alphaToken, strangerToken+"-longer")), 0o600))
	h.get(alphaToken, "/api/v1/whoami").want(http.StatusUnauthorized)
	h.get(strangerToken+"-longer", "/api/v1/whoami").want(http.StatusOK)

	check(t, os.WriteFile(h.tokens, []byte("- {token: oops"), 0o600))
	h.get(betaToken, "/api/v1/whoami").want(http.StatusOK)
	if !strings.Contains(h.log.String(), "malformed") {
		t.Error("the log does not tell that the file is malformed")
	}
	check(t, os.Remove(h.tokens))
	h.get(betaToken, "/api/v1/whoami").want(http.StatusUnauthorized)
	if log := h.log.String(); strings.Contains(log, betaToken) || strings.Contains(log, alphaToken) {
		t.Error("the log holds a token")
	}
	check(t, os.WriteFile(h.tokens, []byte(tokensYAML), 0o600))
	h.get(betaToken, "/api/v1/whoami").want(http.StatusOK)
}

func TestWithoutTokens(t *testing.T) {
	t.Parallel()
	h := newHarnessWith(t, api.Config{}, "")
	who := decode[gen.Identity](h.get("", "/api/v1/whoami").want(http.StatusOK))
	if who.Principal != "user:local" {
		t.Errorf("principal %q", who.Principal)
	}
	body := map[string]any{"composition": webAppYAML}
	h.post("", "/api/v1/compositions", body, header{"Sec-Fetch-Site", "cross-site"}).problem(http.StatusForbidden, problem.TypeForbidden)
	h.get("", "/api/v1/compositions/alpha/web-app").want(http.StatusNotFound)

	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/api/v1/whoami", http.NoBody)
	check(t, err)
	request.Host = "rebound.example"
	response, err := h.client.Do(request)
	check(t, err)
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusForbidden {
		t.Errorf("status %d for another host name, want 403", response.StatusCode)
	}
}

func TestListen(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		address string
		tokens  bool
		ok      bool
	}{
		"loopback":               {"127.0.0.1:0", false, true},
		"name":                   {"localhost:0", false, true},
		"all without tokens":     {":0", false, false},
		"any without tokens":     {"0.0.0.0:0", false, false},
		"v6 any without tokens":  {"[::]:0", false, false},
		"public without tokens":  {"192.0.2.1:0", false, false},
		"all with tokens":        {"0.0.0.0:0", true, true},
		"no port":                {"127.0.0.1", true, false},
		"no port without tokens": {"127.0.0.1", false, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listener, err := api.Listen(t.Context(), test.address, test.tokens)
			if (err == nil) != test.ok {
				t.Fatalf("listen on %s, tokens %t: %v", test.address, test.tokens, err)
			}
			if err == nil {
				check(t, listener.Close())
			}
		})
	}
}

func TestNewNeedsReadableTokens(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens.yaml")
	if _, err := api.New(t.Context(), api.Config{Tokens: path}, api.Dependencies{}); err == nil {
		t.Error("a missing tokens file was accepted")
	}
}
