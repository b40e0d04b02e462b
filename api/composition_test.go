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
)

const webAppYAML = `apiVersion: composer.nestor.io/v1
kind: ComposedResource
metadata:
  name: web-app
  team: alpha
spec:
  description: Standard web application stack
  params:
    - {name: size, type: string, default: small}
  resources:
    - name: database
      catalogRef: aws-rds-mysql
      config:
        instanceClass: "{{ .params.size }}"
  outputs:
    - {name: endpoint, value: "{{ .resources.database.outputs.endpoint }}"}
`

func (h *harness) applyComposition(token, yaml, environments string, headers ...header) answer {
	h.t.Helper()
	body := map[string]string{"file": "web-app.yaml", "composition": yaml}
	if environments != "" {
		body["environments"] = environments
	}
	return h.post(token, "/api/v1/compositions", body, headers...)
}

func TestCompositions(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.publish(mysqlYAML).want(http.StatusCreated)
	h.putEnvironment(platformToken, "staging", stagingYAML).want(http.StatusCreated)
	h.putEnvironment(platformToken, "production", productionYAML).want(http.StatusCreated)

	created := decode[gen.AppliedCompositions](h.applyComposition(alphaToken, webAppYAML, "").want(http.StatusCreated)).Items[0]
	if !created.Changed || created.Revision != 1 || created.UpdatedBy != "user:ada" {
		t.Errorf("applied %+v, want a change to revision 1 by user:ada", created)
	}
	again := decode[gen.AppliedCompositions](h.applyComposition(alphaToken, webAppYAML, "").want(http.StatusOK)).Items[0]
	if again.Changed || again.Revision != 1 {
		t.Errorf("applied again: changed %t, revision %d", again.Changed, again.Revision)
	}
	overrides := "web-app:\n  production: {provider: gcp, region: us-central1}\n"
	changed := decode[gen.AppliedCompositions](h.applyComposition(alphaToken, webAppYAML, overrides).want(http.StatusOK)).Items[0]
	want := map[string]composer.Override{"production": {Provider: "gcp", Region: "us-central1"}}
	if diff := cmp.Diff(want, changed.Composition.Spec.Environments); diff != "" {
		t.Errorf("overrides (-want +got):\n%s", diff)
	}
	got := h.get(alphaToken, "/api/v1/compositions/alpha/web-app").want(http.StatusOK)
	if etag := got.header.Get("ETag"); etag != `"2"` {
		t.Errorf("etag %s, want \"2\"", etag)
	}
	if diff := cmp.Diff(changed.Composition, decode[gen.StoredComposition](got).Composition); diff != "" {
		t.Errorf("stored composition (-applied +got):\n%s", diff)
	}
	list := decode[gen.CompositionList](h.get(alphaToken, "/api/v1/compositions").want(http.StatusOK))
	if len(list.Items) != 1 || list.Next != "" {
		t.Errorf("list %+v, want the one composition of the only team", list)
	}
	h.get(alphaToken, "/api/v1/compositions?cursor=%00").problem(http.StatusBadRequest, problem.TypeBadRequest)

	h.applyComposition(alphaToken, webAppYAML, "", header{"If-Match", `"1"`}).
		problem(http.StatusPreconditionFailed, problem.TypePreconditionFailed)
	h.do(alphaToken, http.MethodDelete, "/api/v1/compositions/alpha/web-app", nil, header{"If-Match", `"1"`}).
		problem(http.StatusPreconditionFailed, problem.TypePreconditionFailed)
	h.do(alphaToken, http.MethodDelete, "/api/v1/compositions/alpha/web-app", nil, header{"If-Match", `"2"`}).
		want(http.StatusNoContent)
	gone := h.get(alphaToken, "/api/v1/compositions/alpha/web-app").problem(http.StatusNotFound, problem.TypeNotFound)
	if gone.Detail != "there is no composition web-app of team alpha" {
		t.Errorf("detail %q", gone.Detail)
	}
	absent := h.get(alphaToken, "/api/v1/deployments/alpha/shop/staging/1").problem(http.StatusNotFound, problem.TypeNotFound)
	if absent.Detail != "there is no deployment alpha/shop/staging/1" {
		t.Errorf("detail %q", absent.Detail)
	}
	h.do(alphaToken, http.MethodDelete, "/api/v1/compositions/alpha/web-app", nil).problem(http.StatusNotFound, problem.TypeNotFound)
}

func TestCompositionsAreTakenWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.publish(mysqlYAML).want(http.StatusCreated)
	second := strings.Replace(webAppYAML, "name: web-app", "name: api-gateway", 1)
	foreign := strings.Replace(second, "team: alpha", "team: beta", 1)

	h.applyComposition(alphaToken, webAppYAML+"---\n"+foreign, "").problem(http.StatusForbidden, problem.TypeForbidden)
	h.get(alphaToken, "/api/v1/compositions/alpha/web-app").want(http.StatusNotFound)
	h.applyComposition(alphaToken, webAppYAML+"---\n"+second, "", header{"If-Match", `"1"`}).
		problem(http.StatusBadRequest, problem.TypeBadRequest)
	both := decode[gen.AppliedCompositions](h.applyComposition(alphaToken, webAppYAML+"---\n"+second, "").want(http.StatusCreated))
	h.applyComposition(betaToken, foreign, "").want(http.StatusCreated)
	if len(both.Items) != 2 {
		t.Errorf("%d compositions, want 2", len(both.Items))
	}
}

func TestCompositionRefused(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	tests := map[string]struct{ reason, old, new, environments, message string }{
		"cycle": {
			"the cycle is printed", "  outputs:", "    - {name: cache, catalogRef: redis}\n  dependencies: [database -> cache, cache -> database]\n  outputs:",
			"", "cache",
		},
		"self-dependency":  {"nothing waits for itself", "  outputs:", "  dependencies: [database -> database]\n  outputs:", "", "database"},
		"unknown param":    {"a missing key is an error", ".params.size", ".params.sise", "", "sise"},
		"template":         {"a template that cannot be read", "{{ .params.size }}", "{{ .params.size", "", ""},
		"unknown kind":     {"another kind is no composition", "kind: ComposedResource", "kind: Composed", "", "ComposedResource"},
		"bad name":         {"names are DNS labels", "name: web-app", "name: Web_App", "", "DNS label"},
		"other overrides":  {"overrides of what is not sent would be lost", "", "", "api-gateway: {staging: {provider: aws}}", `"api-gateway"`},
		"broken overrides": {"the overrides are checked too", "", "", "web-app: [1]", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := h.in(t)
			p := h.applyComposition(alphaToken, strings.Replace(webAppYAML, test.old, test.new, 1), test.environments).
				problem(http.StatusUnprocessableEntity, problem.TypeInvalid)
			text := p.Error()
			if len(p.Problems) == 0 || p.Problems[0].File != "web-app.yaml" || !strings.Contains(text, test.message) {
				t.Errorf("%s: %s; want a mistake in web-app.yaml about %q", test.reason, text, test.message)
			}
			h.get(alphaToken, "/api/v1/compositions/alpha/web-app").want(http.StatusNotFound)
		})
	}
}

// What the catalog and the environments say is told where it was written.
func TestCompositionThatCanNeverWork(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.publish(mysqlYAML).want(http.StatusCreated)
	h.putEnvironment(platformToken, "staging", stagingYAML).want(http.StatusCreated)
	tests := map[string]struct{ reason, old, new, environments, message string }{
		"definition": {
			"a slip in a name gets its cure", "aws-rds-mysql", "aws-rds-mysq", "",
			`web-app.yaml:12:19: spec.resources[0].catalogRef: the catalog has no definition "aws-rds-mysq" (did you mean "aws-rds-mysql"?)`,
		},
		"version":  {"the versions are listed", "aws-rds-mysql", "aws-rds-mysql@^9", "", `web-app.yaml:12:19: spec.resources[0].catalogRef: aws-rds-mysql has no version for "^9"; there are 1.0.0`},
		"output":   {"nothing would ever give it", "outputs.endpoint", "outputs.endpont", "", `web-app.yaml:16:31: spec.outputs[0].value: database (aws-rds-mysql@1.0.0) gives no output "endpont" (did you mean "endpoint"?)`},
		"input":    {"nothing would ever take it", "instanceClass:", "instanceClas:", "", `web-app.yaml:14:23: spec.resources[0].config.instanceClas: aws-rds-mysql@1.0.0 has no input "instanceClas" (did you mean "instanceClass"?)`},
		"required": {"no annotation could add it", "instanceClass:", "allocatedStorage:", "", `aws-rds-mysql@1.0.0 needs input instanceClass (string) (add instanceClass: to the resource's config)`},
		"environment": {
			"it would never take effect", "  outputs:", "  environments:\n    stagin: {region: eu}\n  outputs:", "",
			`web-app.yaml:16:5: spec.environments.stagin: there is no environment "stagin" (did you mean "staging"?)`,
		},
		"overrides": {
			"nor in the other form", "", "", "web-app:\n  staging: {provider: aws}\n  nowhere: {provider: aws}\n",
			`web-app.yaml:3:3: web-app.nowhere: there is no environment "nowhere" (known are staging)`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := h.in(t)
			p := h.applyComposition(alphaToken, strings.Replace(webAppYAML, test.old, test.new, 1), test.environments).
				problem(http.StatusUnprocessableEntity, problem.TypeInvalid)
			found := false
			for _, m := range p.Problems {
				found = found || strings.Contains(m.String(), test.message)
			}
			if !found {
				t.Errorf("%s: got %+v\nwant %s", test.reason, p.Problems, test.message)
			}
			h.get(alphaToken, "/api/v1/compositions/alpha/web-app").want(http.StatusNotFound)
		})
	}
}
