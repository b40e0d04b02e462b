// SPDX-License-Identifier: Apache-2.0

package composer_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/composer"
)

func TestParseCompositionRefuses(t *testing.T) {
	t.Parallel()
	replace := func(old, text string) string {
		if !strings.Contains(webApp, old) {
			panic("web-app has no " + old)
		}
		return strings.Replace(webApp, old, text, 1)
	}
	tests := map[string]struct {
		reason string
		text   string
		want   []string
	}{
		"empty":                {"a file says something", "", []string{"f.yaml:1:1", "holds no ComposedResource"}},
		"not YAML":             {"malformed YAML", "a: [", []string{"f.yaml:1:"}},
		"duplicate key":        {"a key that is there twice", replace("  name: web-app", "  name: web-app\n  name: other"), []string{"f.yaml:5:3", "duplicate key"}},
		"unknown kind":         {"another kind", replace("ComposedResource", "ComposedResourse"), []string{"f.yaml:2:7", `did you mean "ComposedResource"?`}},
		"unknown version":      {"another API", replace("nestor.io/v1", "nestor.io/v2"), []string{"f.yaml:1:13", "expected composer.nestor.io/v1"}},
		"unknown field":        {"a misspelt field", replace("catalogRef", "catalogref"), []string{"f.yaml:10:7", "unknown field", `did you mean "catalogRef"?`}},
		"name":                 {"names are DNS labels", replace("name: web-app", "name: Web_App"), []string{"f.yaml:4:9", "not a DNS label"}},
		"team":                 {"teams too", replace("team: alpha", "team: ../alpha"), []string{"f.yaml:5:9", "not a DNS label"}},
		"resource name":        {"resources too", replace("name: cache", "name: my.cache"), []string{"f.yaml:17:13", "not a DNS label"}},
		"resource twice":       {"a resource name is unique", replace("name: cache", "name: database"), []string{"f.yaml:17:13", "there twice"}},
		"no target":            {"a resource says what it is", replace("      catalogRef: redis-cluster\n", ""), []string{"neither catalogRef nor resourceType"}},
		"two targets":          {"in one way", replace("catalogRef: redis-cluster", "catalogRef: redis-cluster\n      resourceType: redis"), []string{"both given"}},
		"bad ref":              {"a reference has a form", replace("catalogRef: redis-cluster", "catalogRef: Redis@1"), []string{"f.yaml:18:19", "not a DNS label"}},
		"bad range":            {"and its range too", replace("catalogRef: redis-cluster", "catalogRef: redis-cluster@^^1"), []string{"f.yaml:18:19", "not a version range"}},
		"template":             {"a template error has its place", replace("{{ .params.size }}", "{{ .params.size"), []string{"f.yaml:12:24", "spec.resources[0].config.instanceClass", "not closed"}},
		"no arrow":             {"a dependency has an arrow", replace("database → deployment", "database deployment"), []string{"f.yaml:20:7", "no arrow"}},
		"half an arrow":        {"and two ends", replace("database → deployment", "database →"), []string{"lacks a name"}},
		"unknown in arrow":     {"and known names", replace("database → deployment", "databse → deployment"), []string{"f.yaml:20:7", `no resource "databse"`, `did you mean "database"?`}},
		"self-dependency":      {"nothing needs itself", replace("database → deployment", "cache → cache"), []string{"f.yaml:20:7", `"cache" depends on itself`}},
		"cycle":                {"the cycle is printed", replace("cache → deployment", "deployment -> cache → database"), []string{"cycle: cache → database → deployment → cache"}},
		"cycle by reference":   {"references make edges", replace("{{ .params.size }}", "{{ .resources.deployment.outputs.x }}"), []string{"cycle: database → deployment → database"}},
		"cycle somewhere":      {"also in one environment only", webApp + "  environments:\n    prod: {resources: {cache: {config: {x: \"${resources.deployment.outputs.y}\"}}}}\n", []string{"spec.environments.prod", "cycle: cache → deployment → cache"}},
		"self-reference":       {"in every form", replace("{{ .params.size }}", "{{ .resources.database.outputs.x }}"), []string{"refers to itself"}},
		"override of nothing":  {"an override names a resource", webApp + "  environments:\n    prod: {resources: {cach: {}}}\n", []string{`no resource "cach"`, `did you mean "cache"?`}},
		"environment name":     {"environments have names", webApp + "  environments:\n    Prod: {}\n", []string{"not a DNS label"}},
		"region":               {"a region is one word", webApp + "  environments:\n    prod: {region: \"a/b\"}\n", []string{"no region"}},
		"parameter":            {"a schema says all parameters", webApp + "  params:\n    - {name: size, type: string}\n", []string{"f.yaml:16:19", `no parameter "replicas"`}},
		"parameter called":     {"name= means something else", webApp + "  params:\n    - {name: name, type: string}\n", []string{`cannot be called "name"`}},
		"parameter type":       {"types are known", webApp + "  params:\n    - {name: size, type: strin}\n", []string{"unknown type"}},
		"override's parameter": {"an override's parameters have types too", webApp + "  params:\n    - {name: size, type: string}\n    - {name: replicas, type: integer}\n  environments:\n    prod: {params: {replicas: many, sise: x}}\n", []string{"must be an integer"}},
		"override's unknown":   {"and names", webApp + "  params:\n    - {name: size, type: string}\n    - {name: replicas, type: integer}\n  environments:\n    prod: {params: {sise: x}}\n", []string{`no parameter "sise"`, `did you mean "size"?`}},
		"output name":          {"outputs have names", webApp + "  outputs:\n    - {name: my-url, value: x}\n", []string{"no identifier"}},
		"output value":         {"and values", webApp + "  outputs:\n    - {name: url}\n", []string{"an output has a value"}},
		"output's resource":    {"of resources that exist", webApp + "  outputs:\n    - {name: url, value: \"{{ .resources.deploy.outputs.url }}\"}\n", []string{`no resource "deploy"`}},
		"twice in a file":      {"a file has each composition once", webApp + "---\n" + webApp, []string{"is in this file already"}},
		"other team's secret":  {"it is refused where it is written", strings.Replace(webApp, `"{{ .params.size }}"`, `"secret://env/NESTOR_SECRET_BETA__DB"`, 1), []string{"f.yaml:", "spec.resources[0].config.instanceClass", "is not team alpha's", "write secret://env/NESTOR_SECRET_ALPHA__<NAME> or secret://file/alpha/<path>"}},
		"secret as default":    {"so is a parameter's default", strings.Replace(stack, "NESTOR_SECRET_ALPHA__DB_PASSWORD", "NESTOR_SECRET_DB_PASSWORD", 1), []string{"f.yaml:", "spec.params[3].default", "is not team alpha's"}},
		"secret for one place": {"and an environment's", strings.Replace(stack, "params: {size: large}", `params: {password: "secret://file/beta/db"}`, 1), []string{"spec.environments.production.params.password", "is not team alpha's"}},
		"no resources":         {"a composition has resources", "apiVersion: composer.nestor.io/v1\nkind: ComposedResource\nmetadata: {name: a, team: b}\nspec: {}\n", []string{"at least one resource"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := composer.ParseComposition("f.yaml", []byte(tc.text))
			wantProblem(t, tc.reason, err, tc.want...)
		})
	}
}

func TestParseCompositionReportsAll(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer("name: web-app", "name: WEB", "→ deployment", "→ deploymnt", "{{ .params.size }}", "{{ .parms.size }}").Replace(webApp)
	_, err := composer.ParseComposition("f.yaml", []byte(text))
	for _, part := range []string{"not a DNS label", `no resource "deploymnt"`, "there is no .parms"} {
		wantProblem(t, "all problems at once", err, part)
	}
}

func TestParseDependency(t *testing.T) {
	t.Parallel()
	got, err := composer.ParseDependency(" a → b->c ")
	if err != nil {
		t.Fatal(err)
	}
	want := []composer.Edge{{From: "a", To: "b"}, {From: "b", To: "c"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("edges (-want +got):\n%s", diff)
	}
}

func TestEnvironmentOverrides(t *testing.T) {
	t.Parallel()
	// As PRODUCT.md has it.
	const text = "web-app:\n  staging:    {provider: aws, region: us-west-2}\n  production: {provider: gcp, region: us-central1}\n"
	got, err := composer.ParseEnvironmentOverrides("environments.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]map[string]composer.Override{"web-app": {
		"staging": {Provider: "aws", Region: "us-west-2"}, "production": {Provider: "gcp", Region: "us-central1"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("overrides (-want +got):\n%s", diff)
	}
	c := mustParse(t, webApp)
	c.Spec.Environments = map[string]composer.Override{"staging": {Provider: "local", Params: map[string]any{"size": "s"}}}
	changed, err := c.WithOverrides(got["web-app"])
	if err != nil {
		t.Fatal(err)
	}
	wanted := map[string]composer.Override{
		"staging": {Provider: "aws", Region: "us-west-2", Params: map[string]any{"size": "s"}}, "production": {Provider: "gcp", Region: "us-central1"},
	}
	if diff := cmp.Diff(wanted, changed.Spec.Environments); diff != "" {
		t.Errorf("applied (-want +got):\n%s", diff)
	}
	if c.Spec.Environments["staging"].Provider != "local" {
		t.Error("the composition itself was changed")
	}
	tests := map[string]struct {
		reason, text string
		want         []string
	}{
		"unknown field": {"a misspelt field has its place and cure", "web-app:\n  staging: {provder: aws}\n", []string{"o.yaml:2:13", `did you mean "provider"?`}},
		"name":          {"names are DNS labels", "Web:\n  staging: {}\n", []string{"o.yaml:1:1", "not a DNS label"}},
		"environment":   {"environments too", "web:\n  Staging: {}\n", []string{"o.yaml:2:3", "not a DNS label"}},
		"provider":      {"providers too", "web:\n  staging: {provider: \"a b\"}\n", []string{"o.yaml:2:", "not a DNS label"}},
		"twice":         {"a composition is there once", "web:\n  a: {}\n---\nweb:\n  b: {}\n", []string{"o.yaml:4:1", "in this file already"}},
		"scalar":        {"a mapping is needed", "web: aws\n", []string{"o.yaml:1:6", "expected a mapping"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := composer.ParseEnvironmentOverrides("o.yaml", []byte(tc.text))
			wantProblem(t, tc.reason, err, tc.want...)
		})
	}
}
