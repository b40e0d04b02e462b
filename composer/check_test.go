// SPDX-License-Identifier: Apache-2.0

package composer_test

import (
	"strings"
	"testing"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/internal/manifest"
)

// check reads a composition with overrides and holds it against the catalog.
func check(t *testing.T, text, overrides string, snapshot *catalog.Snapshot, environments ...composer.EnvironmentSettings) error {
	t.Helper()
	sources, err := composer.ReadSources("f.yaml", []byte(text), []byte(overrides))
	if err != nil {
		t.Fatal(err)
	}
	return sources[0].Check(snapshot, environments).OrNil()
}

func TestCheckCatalog(t *testing.T) {
	t.Parallel()
	const prod = "  environments:\n    production: "
	replace := func(old, text string) string {
		if !strings.Contains(webApp, old) {
			panic("web-app has no " + old)
		}
		return strings.Replace(webApp, old, text, 1)
	}
	tests := map[string]struct {
		reason    string
		text      string
		overrides string
		want      []string // nil: it passes
	}{
		"as it is":          {reason: "PRODUCT.md's composition works", text: webApp},
		"everything":        {reason: "so does one that uses all there is", text: stack},
		"other provider":    {reason: "a definition of another provider stands for its type", text: replace("aws-rds-mysql", "gcp-sql-mysql")},
		"exact pre-release": {reason: "a version can be named", text: replace("aws-rds-mysql", "aws-rds-mysql@2.0.0-rc.1")},
		"unknown":           {reason: "a slip gets its cure", text: replace("redis-cluster", "redis-clusterr"), want: []string{"f.yaml:18:19", "spec.resources[2].catalogRef", `did you mean "redis-cluster"?`}},
		"range":             {reason: "the versions are listed", text: replace("redis-cluster", "redis-cluster@^9"), want: []string{"f.yaml:18:19", `no version for "^9"; there are 1.0.0`}},
		"type":              {reason: "a type has a definition", text: strings.Replace(stack, "resourceType: mysql", "resourceType: mysq", 1), want: []string{"spec.resources[0].resourceType", `no definition of type "mysq"`, `did you mean "mysql"?`}},
		"type's range":      {reason: "and a version", text: strings.Replace(stack, "resourceType: mysql", "resourceType: mysql@^9", 1), want: []string{"spec.resources[0].resourceType", `no version for "^9"`}},
		"output":            {reason: "a reference names an output", text: replace("{{ .params.replicas }}", "{{ .resources.database.outputs.prt }}"), want: []string{"f.yaml:16:19", "spec.resources[1].config.replicas", `gives no output "prt"`, `did you mean "port"?`}},
		"in text":           {reason: "in the other form too", text: replace("{{ .params.replicas }}", "${resources.cache.outputs.nope}"), want: []string{"f.yaml:16:19", `gives no output "nope"`, "known are endpoint"}},
		"output's output":   {reason: "and in an output", text: webApp + "  outputs:\n    - {name: url, value: \"{{ .resources.deployment.outputs.adress }}\"}\n", want: []string{"spec.outputs[0].value", `did you mean "address"?`}},
		"path":              {reason: "a scalar has no fields", text: replace("{{ .params.replicas }}", "{{ .resources.database.outputs.port.x }}"), want: []string{"f.yaml:16:19", "is of type integer"}},
		"input":             {reason: "a key is an input", text: replace("replicas:", "replica:"), want: []string{"f.yaml:16:18", "spec.resources[1].config.replica", `has no input "replica"`, `did you mean "replicas"?`}},
		"no inputs":         {reason: "some take none", text: replace("catalogRef: redis-cluster", "catalogRef: redis-cluster\n      config: {size: 1}"), want: []string{`redis-cluster@1.0.0 has no input "size"`, "it takes none"}},
		"required":          {reason: "nobody else could give it", text: replace("instanceClass:", "allocatedStorage:"), want: []string{"f.yaml:11:7", "spec.resources[0].config", "needs input instanceClass (string)", "add instanceClass:"}},
		"required, given":   {reason: "one environment is enough", text: replace("instanceClass:", "allocatedStorage:") + prod + "{resources: {database: {config: {instanceClass: x}}}}\n"},
		"environment":       {reason: "an override has an environment", text: webApp + "  environments:\n    prodction: {}\n", want: []string{"f.yaml:23:5", "spec.environments.prodction", `did you mean "production"?`}},
		"override's ref":    {reason: "in one environment too", text: webApp + prod + "{resources: {cache: {catalogRef: redis}}}\n", want: []string{"f.yaml:23:50", "spec.environments.production.resources.cache.catalogRef", `no definition "redis"`}},
		"override's input":  {reason: "its keys are its definition's", text: webApp + prod + "{resources: {database: {config: {instanceclass: x}}}}\n", want: []string{"f.yaml:23:", "production.resources.database.config.instanceclass", `did you mean "instanceClass"?`}},
		"key taken out":     {reason: "null takes a key out", text: webApp + prod + "{resources: {database: {config: {other: null}}}}\n"},
		"overrides":         {reason: "in a file of their own", text: webApp, overrides: "web-app:\n  prodction: {region: x}\n", want: []string{"f.yaml:2:3: web-app.prodction", `did you mean "production"?`}},
		"no snapshot":       {reason: "the definition has to say how", text: replace("catalogRef: redis-cluster", "catalogRef: redis-cluster\n      rollback: snapshot-first"), want: []string{"f.yaml:19:17", "spec.resources[2].rollback", "redis-cluster@1.0.0 says nowhere how a snapshot is taken", "or a definition that is snapshot-first"}},
		"other class":       {reason: "that needs none", text: replace("catalogRef: redis-cluster", "catalogRef: redis-cluster\n      rollback: forward-only")},
		"none there":        {reason: "nor is there one in an environment", text: webApp + prod + "{resources: {cache: {rollback: snapshot-first}}}\n", want: []string{"spec.environments.production.resources.cache.rollback", "says nowhere how a snapshot is taken"}},
		"both": {
			reason: "each says where it was written", text: webApp + prod + "{resources: {cache: {config: {a: b}}}}\n",
			overrides: "web-app:\n  production: {resources: {database: {config: {c: d}}}}\n",
			want:      []string{"f.yaml:2:51: web-app.production.resources.database.config.c"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := check(t, tc.text, tc.overrides, catalog.NewSnapshot(published()), staging(), production())
			if tc.want == nil {
				if err != nil {
					t.Errorf("%s: %v", tc.reason, err)
				}
				return
			}
			wantProblem(t, tc.reason, err, tc.want...)
		})
	}
}

func TestCheckCatalogWithoutEnvironments(t *testing.T) {
	t.Parallel()
	snapshot := catalog.NewSnapshot(published())
	if err := check(t, webApp, "", snapshot); err != nil {
		t.Errorf("a platform may not have an environment yet: %v", err)
	}
	err := check(t, strings.Replace(webApp, "instanceClass", "instanceClas", 1), "", snapshot)
	wantProblem(t, "the catalog is asked all the same", err, "f.yaml:12:", `has no input "instanceClas"`)
	err = check(t, stack, "", snapshot)
	wantProblem(t, "an override needs its environment", err, `no environment "production"`, "nestor environment push")
}

func TestCheckCatalogTakesDeprecated(t *testing.T) {
	t.Parallel()
	all := published()
	for i := range all {
		all[i].Deprecated = "use another"
	}
	if err := check(t, webApp, "", catalog.NewSnapshot(all), staging()); err != nil {
		t.Errorf("what is deprecated still works: %v", err)
	}
}

func TestArgumentsAreCounted(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		template, want string
	}{
		"output":      {`{{ output "sb" "v" }}`, `output has 2 arguments; it takes 3 (write output "team/app" "instance.resource" "output")`},
		"few":         {`{{ default .params.size }}`, "default has 1 arguments; it takes 2"},
		"many":        {`{{ lower "a" "b" }}`, "lower has 2 arguments; it takes 1"},
		"piped":       {`{{ "a" | lower "b" }}`, "lower has 2 arguments; it takes 1"},
		"piped well":  {`{{ .params.size | default "b" | lower }}`, ""},
		"nested":      {`{{ printf "%s" (lower) }}`, "lower has 0 arguments; it takes 1"},
		"bare":        {`{{ printf "%s" trim }}`, "trim has 0 arguments; it takes 1"},
		"condition":   {`{{ if eq .params.size }}a{{ end }}`, "eq has 1 arguments"},
		"dead branch": {`{{ if false }}{{ lower }}{{ else }}{{ with "x" }}{{ upper . . }}{{ end }}{{ end }}`, "lower has 0 arguments"},
		"loop":        {`{{ range list "a" }}{{ upper . . }}{{ end }}`, "upper has 2 arguments"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(webApp, `"{{ .params.size }}"`, "'"+tc.template+"'", 1)
			_, err := composer.ParseComposition("f.yaml", []byte(text))
			if tc.want == "" {
				if err != nil {
					t.Errorf("%s: %v", tc.template, err)
				}
				return
			}
			wantProblem(t, tc.template, err, "f.yaml:12:24", tc.want)
		})
	}
}

func TestPlaceInOverrides(t *testing.T) {
	t.Parallel()
	const text = "api:\n  staging: {provider: aws}\n---\nweb-app:\n  staging: {provider: aws}\n  nowhere: {provider: aws}\n"
	p, ok := composer.PlaceInOverrides("o.yaml", []byte(text), manifest.Problem{File: "f.yaml", Line: 1, Column: 9, Field: "web-app.nowhere", Message: "m", Hint: "h"})
	if want := "o.yaml:6:3: web-app.nowhere: m (h)"; !ok || p.String() != want {
		t.Errorf("got %s, %t; want %s", p, ok, want)
	}
	other := manifest.Problem{Field: "spec.outputs[0]", Line: 1}
	if p, ok := composer.PlaceInOverrides("o.yaml", []byte(text), other); ok || p != other {
		t.Errorf("what is of another file was placed: %s", p)
	}
}
