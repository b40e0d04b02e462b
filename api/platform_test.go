// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/api"
	"github.com/HatiCode/nestor/api/gen"
	"github.com/HatiCode/nestor/api/problem"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

func TestPages(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	if got := decode[gen.Health](h.get("", "/healthz").want(http.StatusOK)); got.Status != "ok" || got.Version != "test" {
		t.Errorf("health %+v", got)
	}
	if got := h.get("", "/openapi.yaml").want(http.StatusOK).body; !bytes.Equal(got, api.Spec()) {
		t.Error("/openapi.yaml is not openapi.yaml")
	}
	docs := h.get("", "/docs").want(http.StatusOK)
	page := string(docs.body)
	spec, err := api.LoadSpec(t.Context())
	check(t, err)
	for path, item := range spec.Paths.Map() {
		for _, operation := range item.Operations() {
			if !strings.Contains(page, `<article id="`+operation.OperationID+`">`) || !strings.Contains(page, "<code>"+path+"</code>") {
				t.Errorf("/docs does not describe %s (%s)", operation.OperationID, path)
			}
		}
	}
	for name := range spec.Components.Schemas {
		if !strings.Contains(page, `<article id="schema-`+name+`">`) {
			t.Errorf("/docs does not describe schema %s", name)
		}
	}
	if strings.Contains(page, "<script") || strings.Contains(page, "src=") || strings.Contains(page, "ZgotmplZ") {
		t.Error("/docs needs a script or another server, or the template refused something")
	}
	if policy := docs.header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") {
		t.Errorf("policy %q", policy)
	}
	h.get("", "/").want(http.StatusSeeOther)
	h.get(alphaToken, "/api/v1/whoami").want(http.StatusOK)
	metrics := string(h.get("", "/metrics").want(http.StatusOK).body)
	for _, want := range []string{
		`nestor_http_request_duration_seconds_count{method="GET",route="/api/v1/whoami",status="200"} 1`,
		"nestor_http_streams_open 0",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics lack %q", want)
		}
	}
}

func TestEngines(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.platform()
	seen := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	h.temporal.pollers = map[string][]api.Poller{contract.EngineQueue("terraform"): {{Identity: "worker-1", LastSeen: seen}}}
	got := map[string]gen.EngineStatus{}
	for _, e := range decode[gen.EngineList](h.get(alphaToken, "/api/v1/engines").want(http.StatusOK)).Items {
		got[e.Name] = e
	}
	want := gen.EngineStatus{
		Name: "terraform", Queue: "nestor-engine-terraform", Served: true, Environments: []string{},
		Workers: []gen.EngineWorker{{Identity: "worker-1", LastSeen: seen}},
	}
	if diff := cmp.Diff(want, got["terraform"]); diff != "" {
		t.Errorf("terraform (-want +got):\n%s", diff)
	}
	if fake := got["fake"]; fake.Served || !cmp.Equal(fake.Environments, []string{"staging", "production"}) {
		t.Errorf("fake %+v, want it unserved and enabled in both environments", fake)
	}
	h.temporal.setDown(true)
	h.get(alphaToken, "/api/v1/engines").problem(http.StatusServiceUnavailable, problem.TypeUnavailable)
}

func TestRequestsAreHeldToTheDescription(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	tests := map[string]struct {
		reason       string
		method, path string
		body         any
		headers      []header
		status       int
		typ, field   string
	}{
		"unknown path":       {"there is nothing", http.MethodGet, "/api/v1/nothing", nil, nil, 404, problem.TypeNotFound, ""},
		"outside":            {"also outside of the API", http.MethodGet, "/nothing", nil, nil, 404, problem.TypeNotFound, ""},
		"method":             {"told apart from an unknown path", http.MethodPatch, "/api/v1/resources", nil, nil, 405, problem.TypeMethodNotAllowed, ""},
		"unknown body field": {"a typo must not be ignored", http.MethodPost, "/api/v1/resources", map[string]any{"definition": "x", "extra": 1}, nil, 400, problem.TypeBadRequest, "body"},
		"missing field":      {"named", http.MethodPost, "/api/v1/resources", map[string]any{}, nil, 400, problem.TypeBadRequest, "definition"},
		"nested field":       {"with its place", http.MethodPost, "/api/v1/releases", map[string]any{"team": "alpha", "application": "shop", "claims": []any{map[string]any{"instance": "a", "composition": "b", "file": "f", "line": "x"}}}, nil, 400, problem.TypeBadRequest, "claims[0].line"},
		"no JSON":            {"a body that ends too early", http.MethodPost, "/api/v1/resources", `{"definition": `, nil, 400, problem.TypeBadRequest, "body"},
		"no body":            {"a body that is needed", http.MethodPost, "/api/v1/resources", "", nil, 400, problem.TypeBadRequest, "body"},
		"media type":         {"another type of body", http.MethodPost, "/api/v1/resources", "a: b", []header{{"Content-Type", "application/yaml"}}, 415, problem.TypeUnsupportedMediaType, ""},
		"unknown query":      {"a misspelt filter selects everything", http.MethodGet, "/api/v1/resources?provder=aws", nil, nil, 400, problem.TypeBadRequest, "query parameter provder"},
		"query type":         {"a limit is a number", http.MethodGet, "/api/v1/resources?limit=many", nil, nil, 400, problem.TypeBadRequest, "query parameter limit"},
		"query bound":        {"within bounds", http.MethodGet, "/api/v1/resources?limit=501", nil, nil, 400, problem.TypeBadRequest, "query parameter limit"},
		"path segment":       {"names are DNS labels", http.MethodGet, "/api/v1/resources/..%2f..%2fetc", nil, nil, 400, problem.TypeBadRequest, "path parameter name"},
		"bad escape":         {"a name with an escaped percent", http.MethodGet, "/api/v1/resources/%2525zz", nil, nil, 400, problem.TypeBadRequest, "path parameter name"},
		"number":             {"deployments are numbered from 1", http.MethodGet, "/api/v1/deployments/alpha/shop/staging/0", nil, nil, 400, problem.TypeBadRequest, "path parameter n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := h.in(t).do(everyToken, test.method, test.path, test.body, test.headers...).problem(test.status, test.typ)
			if test.field == "" {
				return
			}
			for _, m := range p.Problems {
				if m.Field == test.field && m.Message != "" {
					return
				}
			}
			t.Errorf("%s: problems %+v, want one at %q", test.reason, p.Problems, test.field)
		})
	}
}

func TestBodyLimits(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	mebibytes := func(n int) string { return `{"definition":"` + strings.Repeat("x", n<<20) + `"}` }

	h.post(platformToken, "/api/v1/resources", mebibytes(8)).problem(http.StatusRequestEntityTooLarge, problem.TypeTooLarge)
	h.post(alphaToken, "/api/v1/resources/validate", mebibytes(8)).problem(http.StatusRequestEntityTooLarge, problem.TypeTooLarge)
	h.post(platformToken, "/api/v1/resources", mebibytes(2)).problem(http.StatusUnprocessableEntity, problem.TypeInvalid)
	h.post(alphaToken, "/api/v1/releases", mebibytes(1)).problem(http.StatusRequestEntityTooLarge, problem.TypeTooLarge)

	// A body that does not tell its length is cut off while it is read.
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+"/api/v1/releases",
		struct{ *strings.Reader }{strings.NewReader(mebibytes(1))})
	check(t, err)
	request.ContentLength = -1
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+alphaToken)
	response, err := h.client.Do(request)
	check(t, err)
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d for a chunked body over the limit, want 413", response.StatusCode)
	}
}

func TestInternalErrorsTellNothing(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.platform()
	body := deployBody(h.release().Digest)
	h.temporal.failures = []error{errors.New("the password is hunter2")}

	a := h.post(alphaToken, "/api/v1/deployments", body, header{"X-Request-Id", "my-request-1"})
	p := a.problem(http.StatusInternalServerError, problem.TypeInternal)
	if strings.Contains(string(a.body), "hunter2") {
		t.Errorf("the answer tells the cause: %s", a.body)
	}
	if p.Instance != "urn:nestor:request:my-request-1" || a.header.Get("X-Request-Id") != "my-request-1" {
		t.Errorf("instance %q, want the caller's request id", p.Instance)
	}
	log := h.log.String()
	if !strings.Contains(log, "hunter2") || !strings.Contains(log, "my-request-1") {
		t.Error("the log does not tell the cause with the request id")
	}
	if strings.Contains(log, alphaToken) {
		t.Error("the log holds a token")
	}
}
