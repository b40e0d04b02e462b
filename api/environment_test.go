// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/api/gen"
	"github.com/HatiCode/nestor/api/problem"
	"github.com/HatiCode/nestor/orchestrator"
)

const stagingYAML = `apiVersion: orchestrator.nestor.io/v1
kind: Environment
metadata:
  name: staging
spec:
  provider: aws
  region: us-west-2
  engines: [fake]
`

const productionYAML = `apiVersion: orchestrator.nestor.io/v1
kind: Environment
metadata:
  name: production
spec:
  provider: gcp
  engines: [fake]
  after: staging
`

func (h *harness) putEnvironment(token, name, yaml string, headers ...header) answer {
	h.t.Helper()
	return h.do(token, http.MethodPut, "/api/v1/environments/"+name,
		map[string]string{"file": name + ".yaml", "environment": yaml}, headers...)
}

func TestEnvironments(t *testing.T) {
	t.Parallel()
	h := newHarness(t)

	first := h.putEnvironment(platformToken, "staging", stagingYAML).want(http.StatusCreated)
	if got := first.header.Get("ETag"); got != `"1"` {
		t.Errorf("etag %s, want \"1\"", got)
	}
	h.putEnvironment(platformToken, "production", productionYAML).want(http.StatusCreated)
	got := h.get(alphaToken, "/api/v1/environments/staging").want(http.StatusOK)
	if diff := cmp.Diff(decode[orchestrator.Environment](first), decode[orchestrator.Environment](got)); diff != "" {
		t.Errorf("what was put is not what is got (-put +got):\n%s", diff)
	}
	var names []string
	for _, e := range decode[gen.EnvironmentList](h.get(betaToken, "/api/v1/environments").want(http.StatusOK)).Items {
		names = append(names, e.Metadata.Name)
	}
	if diff := cmp.Diff([]string{"staging", "production"}, names); diff != "" {
		t.Errorf("pipeline order (-want +got):\n%s", diff)
	}
	changed := strings.Replace(stagingYAML, "us-west-2", "us-east-1", 1)
	second := h.putEnvironment(platformToken, "staging", changed, header{"If-Match", got.header.Get("ETag")}).want(http.StatusOK)
	if etag := second.header.Get("ETag"); etag != `"2"` {
		t.Errorf("etag %s, want \"2\"", etag)
	}
	h.putEnvironment(platformToken, "staging", stagingYAML, header{"If-Match", `"1"`}).
		problem(http.StatusPreconditionFailed, problem.TypePreconditionFailed)
	h.putEnvironment(platformToken, "staging", stagingYAML, header{"If-None-Match", "*"}).
		problem(http.StatusPreconditionFailed, problem.TypePreconditionFailed)
	h.putEnvironment(platformToken, "staging", stagingYAML, header{"If-None-Match", "*"}, header{"If-Match", `"2"`}).
		problem(http.StatusBadRequest, problem.TypeBadRequest)
	h.putEnvironment(platformToken, "staging", stagingYAML, header{"If-Match", "2"}).
		problem(http.StatusBadRequest, problem.TypeBadRequest)
	if region := decode[orchestrator.Environment](h.get(alphaToken, "/api/v1/environments/staging")).Spec.Region; region != "us-east-1" {
		t.Errorf("region %q: a refused change was made", region)
	}
	h.putEnvironment(alphaToken, "staging", stagingYAML).problem(http.StatusForbidden, problem.TypeForbidden)
	h.get(alphaToken, "/api/v1/environments/none").problem(http.StatusNotFound, problem.TypeNotFound)
}

func TestEnvironmentFileIsChecked(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	tests := map[string]struct {
		reason, old, new string
		field, hint      string
		line             int
	}{
		"unknown kind":     {"another kind is no environment", "kind: Environment", "kind: Environmnt", "kind", "", 2},
		"api version":      {"the format may change", "orchestrator.nestor.io/v1", "orchestrator.nestor.io/v2", "apiVersion", "", 1},
		"unknown field":    {"a misspelt field must not be ignored", "region:", "reigon:", "spec.reigon", "", 7},
		"other name":       {"the path and the file say the same", "name: staging", "name: stagnig", "metadata.name", "use one name in both", 0},
		"bad name":         {"names are DNS labels", "name: staging", "name: Staging!", "metadata.name", "", 4},
		"no provider":      {"compositions need one", "provider: aws", `provider: ""`, "spec.provider", "", 6},
		"unknown engine":   {"a typo in an engine enables nothing", "[fake]", "[terrafrom]", "spec.engines[0]", `did you mean "terraform"?`, 8},
		"engine twice":     {"twice means nothing", "[fake]", "[fake, fake]", "spec.engines[1]", "remove one of them", 8},
		"no engine":        {"nothing could be deployed", "[fake]", "[]", "spec.engines", "", 8},
		"allowed provider": {"its own provider must be allowed", "  engines", "  allowedProviders: [gcp]\n  engines", "spec.allowedProviders", "add it", 8},
		"allowed region":   {"its own region must be allowed", "  engines", "  allowedRegions: [eu]\n  engines", "spec.allowedRegions", "add it", 8},
		"secret in clear":  {"secrets are references", "  engines", "  credentials: {KEY: hunter2}\n  engines", "spec.credentials.KEY", "", 8},
		"variable name":    {"a name that no shell takes", "  engines", "  credentials: {\"A B\": \"secret://env/NESTOR_CREDENTIAL_A\"}\n  engines", `spec.credentials["A B"]`, "", 8},
		"shared":           {"sharing names team and application", "  engines", "  shared: [alpha]\n  engines", "spec.shared[0]", "", 8},
		"approvals":        {"a negative count is a mistake", "  engines", "  approvals: {required: -1}\n  engines", "spec.approvals.required", "", 8},
		"in flight":        {"the bound has a bound", "  engines", "  maxInFlight: 501\n  engines", "spec.maxInFlight", "", 8},
		"after no label":   {"the pipeline names environments", "  engines", "  after: ../x\n  engines", "spec.after", "", 8},
		"after nothing":    {"the predecessor has to exist", "  engines", "  after: testing\n  engines", "spec.after", "", 0},
		"after itself":     {"a pipeline has no cycle", "  engines", "  after: staging\n  engines", "spec.after", "", 8},
		"two documents":    {"one request is one environment", "apiVersion", strings.ReplaceAll(stagingYAML, "staging", "other") + "---\napiVersion", "", "send one request per environment", 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := h.in(t)
			p := h.putEnvironment(platformToken, "staging", strings.Replace(stagingYAML, test.old, test.new, 1)).
				problem(http.StatusUnprocessableEntity, problem.TypeInvalid)
			found := false
			for _, m := range p.Problems {
				found = found || m.File == "staging.yaml" && m.Line == test.line && m.Field == test.field &&
					(test.hint == "" || m.Hint == test.hint)
				if strings.Contains(m.String(), "hunter2") {
					t.Errorf("the message quotes a secret: %s", m)
				}
			}
			if !found {
				t.Errorf("%s: problems %+v, want one at line %d, field %q", test.reason, p.Problems, test.line, test.field)
			}
			h.get(alphaToken, "/api/v1/environments/staging").want(http.StatusNotFound)
		})
	}
}
