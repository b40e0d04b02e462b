// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/api/gen"
	"github.com/HatiCode/nestor/api/problem"
	"github.com/HatiCode/nestor/catalog"
)

const mysqlYAML = `apiVersion: catalog.nestor.io/v1
kind: ResourceDefinition
metadata:
  name: aws-rds-mysql
  version: "1.0.0"
spec:
  provider: aws
  category: database
  resourceType: mysql
  description: A managed MySQL
  engines: [fake]
  inputs:
    - {name: instanceClass, type: string, required: true}
    - {name: allocatedStorage, type: integer, default: 20}
  outputs:
    - {name: endpoint, type: string}
    - {name: password, type: string, sensitive: true}
  implementations:
    fake: {settings: {kind: database}}
`

// publish sends a definition as the platform team does.
func (h *harness) publish(yaml string, files ...gen.SourceFile) answer {
	h.t.Helper()
	return h.post(platformToken, "/api/v1/resources", gen.DefinitionSource{File: "mysql.yaml", Definition: yaml, Files: files})
}

func TestPublish(t *testing.T) {
	t.Parallel()
	h := newHarness(t)

	first := h.publish(mysqlYAML).want(http.StatusCreated)
	if got, want := first.header.Get("Location"), "/api/v1/resources/aws-rds-mysql/versions/1.0.0"; got != want {
		t.Errorf("location %q, want %q", got, want)
	}
	published := decode[catalog.Published](first)
	if published.PublishedBy != "user:pat" {
		t.Errorf("published by %q, want the token's principal", published.PublishedBy)
	}
	again := decode[catalog.Published](h.publish(mysqlYAML).want(http.StatusOK))
	if diff := cmp.Diff(published, again); diff != "" {
		t.Errorf("publishing the same again changed something (-first +again):\n%s", diff)
	}
	other := strings.Replace(mysqlYAML, "default: 20", "default: 30", 1)
	p := h.publish(other).problem(http.StatusConflict, problem.TypeImmutable)
	if !strings.Contains(p.Detail, "publish a new version") {
		t.Errorf("detail %q does not say what to do", p.Detail)
	}
	got := decode[catalog.Published](h.get(alphaToken, "/api/v1/resources/aws-rds-mysql").want(http.StatusOK))
	if diff := cmp.Diff(published, got); diff != "" {
		t.Errorf("a refused publication changed something (-want +got):\n%s", diff)
	}
}

func TestPublishTakesFiles(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	definition := strings.Replace(mysqlYAML, "{settings: {kind: database}}", "{module: module}", 1)

	p := h.publish(definition).problem(http.StatusUnprocessableEntity, problem.TypeInvalid)
	if len(p.Problems) != 1 || p.Problems[0].File != "mysql.yaml" || p.Problems[0].Field != "spec.implementations.fake.module" {
		t.Errorf("problems %+v, want one at the module in mysql.yaml", p.Problems)
	}
	published := decode[catalog.Published](h.publish(definition,
		gen.SourceFile{Path: "module/main.tf", Content: []byte("# nothing")}).want(http.StatusCreated))
	if published.BundleDigest == "" {
		t.Error("no bundle digest")
	}
	p = h.publish(definition, gen.SourceFile{Path: "../escape", Content: []byte("x")}).
		problem(http.StatusUnprocessableEntity, problem.TypeInvalid)
	if len(p.Problems) != 1 || p.Problems[0].Field != "files" {
		t.Errorf("problems %+v, want one at files", p.Problems)
	}
}

func TestPublishRefuses(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	tests := map[string]struct {
		reason string
		yaml   string
		line   int
		field  string
	}{
		"unknown field": {
			reason: "a misspelt field must not be ignored",
			yaml:   strings.Replace(mysqlYAML, "category:", "categroy:", 1), line: 8, field: "spec.categroy",
		},
		"duplicate key": {
			reason: "one of the two would win silently",
			yaml:   mysqlYAML + "  provider: gcp\n", line: 20, field: "spec.provider",
		},
		"bad version": {
			reason: "versions are semantic versions",
			yaml:   strings.Replace(mysqlYAML, `"1.0.0"`, `"1.0"`, 1), line: 5, field: "metadata.version",
		},
		"malformed": {
			reason: "the place of a syntax error is told",
			yaml:   "apiVersion: [", line: 1,
		},
		"two definitions": {
			reason: "one request publishes one version",
			yaml:   mysqlYAML + "---\n" + strings.Replace(mysqlYAML, `"1.0.0"`, `"1.1.0"`, 1),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := h.in(t)
			for _, path := range []string{"/api/v1/resources", "/api/v1/resources/validate"} {
				p := h.post(platformToken, path, gen.DefinitionSource{File: "f.yaml", Definition: test.yaml}).
					problem(http.StatusUnprocessableEntity, problem.TypeInvalid)
				found := false
				for _, m := range p.Problems {
					found = found || m.File == "f.yaml" && m.Line == test.line && m.Field == test.field
				}
				if !found {
					t.Errorf("%s (%s): problems %+v, want one at line %d, field %q", path, test.reason, p.Problems, test.line, test.field)
				}
			}
			if items := decode[gen.ResourceList](h.get(alphaToken, "/api/v1/resources")).Items; len(items) != 0 {
				t.Errorf("a refused definition was published: %+v", items)
			}
		})
	}
}

func TestValidateChangesNothing(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	source := gen.DefinitionSource{Definition: mysqlYAML}

	first := decode[gen.ResourceValidation](h.post(alphaToken, "/api/v1/resources/validate", source).want(http.StatusOK))
	if first.Published || first.Name != "aws-rds-mysql" || first.Version != "1.0.0" {
		t.Errorf("validation %+v, want an unpublished aws-rds-mysql@1.0.0", first)
	}
	h.get(alphaToken, "/api/v1/resources/aws-rds-mysql").problem(http.StatusNotFound, problem.TypeNotFound)
	published := decode[catalog.Published](h.publish(mysqlYAML).want(http.StatusCreated))
	again := decode[gen.ResourceValidation](h.post(alphaToken, "/api/v1/resources/validate", source).want(http.StatusOK))
	if !again.Published || again.Digest != published.Digest || again.Digest != first.Digest {
		t.Errorf("validation %+v, want the published digest %s", again, published.Digest)
	}
	source.Definition = strings.Replace(mysqlYAML, "default: 20", "default: 30", 1)
	h.post(alphaToken, "/api/v1/resources/validate", source).problem(http.StatusConflict, problem.TypeImmutable)
}

func TestVersions(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, version := range []string{"1.0.0", "1.2.0", "1.2.1", "2.0.0", "3.0.0-rc.1"} {
		h.publish(strings.Replace(mysqlYAML, "1.0.0", version, 1)).want(http.StatusCreated)
	}
	list := decode[gen.ResourceVersionList](h.get(alphaToken, "/api/v1/resources/aws-rds-mysql/versions").want(http.StatusOK))
	var versions []string
	for _, p := range list.Items {
		versions = append(versions, p.Definition.Metadata.Version)
	}
	if diff := cmp.Diff([]string{"3.0.0-rc.1", "2.0.0", "1.2.1", "1.2.0", "1.0.0"}, versions); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	tests := map[string]struct{ path, want, reason string }{
		"latest":      {"", "2.0.0", "latest skips pre-releases"},
		"exact":       {"/versions/1.2.0", "1.2.0", "an exact version is that one"},
		"caret":       {"/versions/%5E1.2", "1.2.1", "the newest in the range"},
		"comparators": {"/versions/%3E=1.0.0,%20%3C1.2.1", "1.2.0", "a range may have spaces"},
		"pre-release": {"/versions/3.0.0-rc.1", "3.0.0-rc.1", "a named pre-release is found"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := h.in(t)
			got := decode[catalog.Published](h.get(alphaToken, "/api/v1/resources/aws-rds-mysql"+test.path).want(http.StatusOK))
			if v := got.Definition.Metadata.Version; v != test.want {
				t.Errorf("version %s, want %s: %s", v, test.want, test.reason)
			}
		})
	}
	h.get(alphaToken, "/api/v1/resources/aws-rds-mysql/versions/%5E9").problem(http.StatusNotFound, problem.TypeNotFound)
	h.get(alphaToken, "/api/v1/resources/aws-rds-mysql/versions/not-a-range").problem(http.StatusBadRequest, problem.TypeBadRequest)
	h.get(alphaToken, "/api/v1/resources/none/versions").problem(http.StatusNotFound, problem.TypeNotFound)
}

func TestDeprecate(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.publish(mysqlYAML).want(http.StatusCreated)
	path := "/api/v1/resources/aws-rds-mysql/versions/1.0.0/deprecation"
	body := map[string]string{"message": "use 2.0.0"}

	h.post(alphaToken, path, body).problem(http.StatusForbidden, problem.TypeForbidden)
	got := decode[catalog.Published](h.post(platformToken, path, body).want(http.StatusOK))
	if got.Deprecated != "use 2.0.0" {
		t.Errorf("deprecated %q", got.Deprecated)
	}
	h.post(platformToken, path, map[string]string{"message": ""}).problem(http.StatusBadRequest, problem.TypeBadRequest)
	h.post(platformToken, path, map[string]string{"message": "   "}).problem(http.StatusBadRequest, problem.TypeBadRequest)
}

func TestSearch(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.publish(mysqlYAML).want(http.StatusCreated)
	h.publish(strings.NewReplacer("aws-rds-mysql", "gcp-cloud-sql", "provider: aws", "provider: gcp").Replace(mysqlYAML)).want(http.StatusCreated)
	h.publish(strings.NewReplacer("aws-rds-mysql", "redis-cluster", "database", "cache", "resourceType: mysql", "resourceType: redis",
		"A managed MySQL", "A fast cache").Replace(mysqlYAML)).want(http.StatusCreated)

	tests := map[string]struct {
		query string
		want  []string
	}{
		"all":           {"", []string{"aws-rds-mysql", "gcp-cloud-sql", "redis-cluster"}},
		"name":          {"?name=sql", []string{"aws-rds-mysql", "gcp-cloud-sql"}},
		"provider":      {"?provider=gcp", []string{"gcp-cloud-sql"}},
		"category":      {"?category=cache", []string{"redis-cluster"}},
		"type":          {"?resourceType=mysql", []string{"aws-rds-mysql", "gcp-cloud-sql"}},
		"text":          {"?q=fast", []string{"redis-cluster"}},
		"several":       {"?provider=aws&category=database", []string{"aws-rds-mysql"}},
		"none":          {"?provider=azure", nil},
		"first page":    {"?limit=2", []string{"aws-rds-mysql", "gcp-cloud-sql"}},
		"a second page": {"?limit=2&cursor=gcp-cloud-sql", []string{"redis-cluster"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := h.in(t)
			var names []string
			for _, item := range decode[gen.ResourceList](h.get(betaToken, "/api/v1/resources"+test.query).want(http.StatusOK)).Items {
				names = append(names, item.Preferred.Definition.Metadata.Name)
			}
			if diff := cmp.Diff(test.want, names); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
		})
	}
	if next := decode[gen.ResourceList](h.get(betaToken, "/api/v1/resources?limit=2")).Next; next != "gcp-cloud-sql" {
		t.Errorf("next %q, want a cursor", next)
	}
	h.get(betaToken, "/api/v1/resources?cursor=..%2F..").problem(http.StatusBadRequest, problem.TypeBadRequest)
}

func TestContentIsBase64(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	body := `{"definition":"x","files":[{"path":"a","content":"` + base64.StdEncoding.EncodeToString([]byte("x")) + `!"}]}`
	p := h.post(platformToken, "/api/v1/resources", body)
	if p.status != http.StatusBadRequest {
		t.Errorf("status %d, want 400 for content that is no base64: %s", p.status, p.body)
	}
}
