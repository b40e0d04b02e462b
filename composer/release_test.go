// SPDX-License-Identifier: Apache-2.0

package composer_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
)

func TestNewReleaseRefuses(t *testing.T) {
	t.Parallel()
	env := func(c composer.Claim, env string, parameters map[string]string) composer.Claim {
		c.Environments = map[string]map[string]string{env: parameters}
		return c
	}
	tests := map[string]struct {
		reason      string
		composition string // default: stack
		claims      []composer.Claim
		change      func(*composer.ReleaseInput)
		want        [][]string // each in one problem
	}{
		"no annotation":       {reason: "an application without annotations", want: [][]string{{"shop has no annotation", "//nestor:"}}},
		"two of one name":     {reason: "two claims of one name", claims: []composer.Claim{claim("web", "stack", "replicas=1"), {Instance: "web", Composition: "stack", Parameters: map[string]string{"replicas": "1"}, File: "other.py", Line: 9}}, want: [][]string{{"other.py:9", `"web" is claimed twice, first at main.go:3`, "name=…"}}},
		"unknown composition": {reason: "a misspelt composition", claims: []composer.Claim{claim("web", "stac")}, want: [][]string{{"main.go:3:1: ", `no composition "stac"`, `did you mean "stack"?`}}},
		"other team":          {reason: "teams are separate", claims: []composer.Claim{claim("web", "stack", "replicas=1")}, change: func(in *composer.ReleaseInput) { in.Team = "beta" }, want: [][]string{{"belongs to team alpha, not to beta"}}},
		"names":               {reason: "names are DNS labels, so that no path segment comes in", claims: []composer.Claim{claim("../web", "stack", "replicas=1")}, change: func(in *composer.ReleaseInput) { in.Application = "Shop/.." }, want: [][]string{{"main.go:3", `"../web" is not a DNS label`}, {"application", `"Shop/.."`}}},
		"parameters":          {reason: "every parameter problem at once", claims: []composer.Claim{claim("web", "stack", "replicas=many", "size=huge", "colour=red"), claim("b", "stack", "replicsa=1")}, want: [][]string{{"parameter replicas", "must be an integer"}, {"parameter size", "one of"}, {`no parameter "colour"`}, {`no parameter "replicsa"`, `did you mean "replicas"?`}}},
		"missing":             {reason: "a required parameter", claims: []composer.Claim{claim("web", "stack")}, want: [][]string{{"main.go:3", `parameter "replicas" (integer) is missing`, "replicas=…"}}},
		"bounds":              {reason: "constraints hold", claims: []composer.Claim{claim("web", "stack", "replicas=11")}, want: [][]string{{"at most 10"}}},
		"clear secret":        {reason: "a sensitive parameter is a reference", claims: []composer.Claim{claim("web", "stack", "replicas=1", "password=hunter2")}, want: [][]string{{"cannot be given in clear", "secret://"}}},
		"other's secret":      {reason: "a parameter names secrets of the team alone", claims: []composer.Claim{claim("web", "stack", "replicas=1", "password=secret://env/NESTOR_SECRET_BETA__DB")}, want: [][]string{{"main.go:3", "parameter password", "is not team alpha's", "secret://env/NESTOR_SECRET_ALPHA__<NAME>", "secret://file/alpha/<path>"}}},
		"environment":         {reason: "parameters for an environment that is not there", claims: []composer.Claim{env(claim("web", "stack", "replicas=1"), "stagng", map[string]string{"replicas": "2"})}, want: [][]string{{`no environment "stagng"`, `did you mean "staging"?`}}},
		"environment type":    {reason: "a mistyped one is an error although other environments are fine", claims: []composer.Claim{env(claim("web", "stack", "replicas=1"), "staging", map[string]string{"replicas": "x"})}, want: [][]string{{"parameter staging.replicas", "must be an integer"}}},
		"untyped unknown":     {reason: "without a schema, what no template uses is unknown", composition: webApp, claims: []composer.Claim{claim("web", "web-app", "size=s", "replicas=1", "sise=s")}, want: [][]string{{`no parameter "sise"`, `did you mean "size"?`}}},
		"untyped mistyped":    {reason: "without a schema, the input's type decides", composition: webApp, claims: []composer.Claim{claim("web", "web-app", "size=s", "replicas=many")}, want: [][]string{{"main.go:3", "web.deployment.replicas", `"many" must be an integer`}}},
		"unknown definition":  {reason: "a catalogRef that is not there", composition: strings.Replace(webApp, "aws-rds-mysql", "aws-rds-mysq", 1), claims: []composer.Claim{claim("web", "web-app", "size=s", "replicas=1")}, want: [][]string{{"main.go:3", "resource database", `"aws-rds-mysq"`, `did you mean "aws-rds-mysql"?`}}},
		"unknown version":     {reason: "a range that nothing is in", composition: strings.Replace(webApp, "aws-rds-mysql", "aws-rds-mysql@^3", 1), claims: []composer.Claim{claim("web", "web-app", "size=s", "replicas=1")}, want: [][]string{{"no version for", "1.2.0"}}},
		"no place": {reason: "a release that can go nowhere lists every reason", claims: []composer.Claim{claim("web", "stack", "replicas=1")}, change: func(in *composer.ReleaseInput) {
			in.Environments[0].Provider = "azure"
			in.Environments[1].AllowedProviders = nil
		}, want: [][]string{{"in staging", "azure"}, {"in production", `wants provider "gcp"`, "allowed: aws"}}},
		"file":           {reason: "a claim's file is inside the repository", claims: []composer.Claim{{Instance: "web", Composition: "stack", Parameters: map[string]string{"replicas": "1"}, File: "../../etc/passwd", Line: 1}}, want: [][]string{{"no path inside the repository"}}},
		"encoding":       {reason: "parameters are text", claims: []composer.Claim{claim("web", "stack", "replicas=1", "note=\xff")}, want: [][]string{{"main.go:3", "parameter note is not valid UTF-8"}}},
		"no environment": {reason: "somewhere it must go", claims: []composer.Claim{claim("web", "stack", "replicas=1")}, change: func(in *composer.ReleaseInput) { in.Environments = nil }, want: [][]string{{"no environment"}}},
		"two stagings":   {reason: "environments have names", claims: []composer.Claim{claim("web", "stack", "replicas=1")}, change: func(in *composer.ReleaseInput) { in.Environments[1] = in.Environments[0] }, want: [][]string{{"given twice"}}},
		"credentials":    {reason: "no password in a release", claims: []composer.Claim{claim("web", "stack", "replicas=1")}, change: func(in *composer.ReleaseInput) { in.Repository = "https://u:p@example.com/x" }, want: [][]string{{"repository: ", "holds credentials", "without credentials"}}},
		"bad composition": {reason: "a composition is checked, wherever it comes from", claims: []composer.Claim{claim("web", "stack", "replicas=1")}, change: func(in *composer.ReleaseInput) {
			c := in.Compositions["stack"]
			c.Spec.Dependencies = []string{"my-db → my-db"}
			in.Compositions["stack"] = c
		}, want: [][]string{{"composition stack", "depends on itself"}}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.composition == "" {
				tc.composition = stack
			}
			in := releaseInput(byName(mustParse(t, tc.composition)), tc.claims...)
			if tc.change != nil {
				tc.change(&in)
			}
			r, err := composer.NewRelease(in)
			for _, want := range tc.want {
				wantProblem(t, tc.reason, err, want...)
			}
			if r.Digest != "" {
				t.Errorf("%s: a release was made beside the error", tc.reason)
			}
		})
	}
}

// TestAskedEnvironment: whoever asks about one environment hears of its mistakes
// alone.
func TestAskedEnvironment(t *testing.T) {
	t.Parallel()
	in := releaseInput(byName(mustParse(t, stack)), claim("web", "stack", "replicas=1"))
	in.Environments[0].Provider = "azure"
	in.Environments[1].AllowedProviders = nil
	in.Environment = "production"
	_, err := composer.NewRelease(in)
	wantProblem(t, "what is wrong there", err, "in production", `wants provider "gcp"`)
	if strings.Contains(err.Error(), "staging") {
		t.Errorf("the mistakes of another environment are in the way: %v", err)
	}
}

func TestUnbound(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		claim  func(*composer.Claim)
		change func(*composer.ReleaseInput)
		want   []string
	}{
		"provider not allowed": {reason: "an override outside the allow-list", change: func(in *composer.ReleaseInput) { in.Environments[1].AllowedProviders = []string{"aws", "azure"} }, want: []string{`wants provider "gcp"`, "production", "allowed: aws, azure"}},
		"region not allowed":   {reason: "the same for regions", change: func(in *composer.ReleaseInput) { in.Environments[1].AllowedRegions = []string{"europe-west1"} }, want: []string{`wants region "us-central1"`, "allowed: europe-west1"}},
		"nothing published":    {reason: "no definition of that type for the provider", change: func(in *composer.ReleaseInput) { in.Catalog = in.Catalog.Only("aws-rds-mysql", "k8s-deployment") }, want: []string{"resource my-db", "no definition of type mysql for provider gcp or kubernetes"}},
		"a choice": {reason: "two definitions are a choice that nobody made", change: func(in *composer.ReleaseInput) {
			in.Catalog = catalog.NewSnapshot(append(published(), definition("gcp-alloy-mysql", "1.0.0", "gcp", "mysql", nil, nil)))
		}, want: []string{"several definitions of type mysql: gcp-alloy-mysql, gcp-sql-mysql", "environments.production.resources.my-db.catalogRef"}},
		"provider without a region": {reason: "a region belongs to a provider", change: func(in *composer.ReleaseInput) {
			o := in.Compositions["stack"].Spec.Environments["production"]
			o.Region = ""
			in.Compositions["stack"].Spec.Environments["production"] = o
		}, want: []string{"no region", "us-east-1 belongs to aws"}},
		"missing there": {reason: "a parameter that is given for staging alone", claim: func(c *composer.Claim) {
			c.Parameters = nil
			c.Environments = map[string]map[string]string{"staging": {"replicas": "1"}}
		}, want: []string{"main.go:3", `parameter "replicas" (integer) is missing`}},
		"template there": {reason: "a template that fails there", change: func(in *composer.ReleaseInput) { in.Environments[1].Labels = nil }, want: []string{"web.deployment.args", `no "tier"`}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := claim("web", "stack", "replicas=1")
			if tc.claim != nil {
				tc.claim(&c)
			}
			in := releaseInput(byName(mustParse(t, stack)), c)
			if tc.change != nil {
				tc.change(&in)
			}
			r, err := composer.NewRelease(in)
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			for _, part := range tc.want {
				if !strings.Contains(r.Unbound["production"], part) {
					t.Errorf("%s: reason %q does not hold %q", tc.reason, r.Unbound["production"], part)
				}
			}
			if _, ok := r.Bindings["production"]; ok || len(r.Bindings) != 1 {
				t.Errorf("%s: bound to %d environments, production among them: %t", tc.reason, len(r.Bindings), ok)
			}
			_, err = composer.NewGraph(composer.GraphInput{Release: r, Environment: production(), Compositions: byDigest(t, in.Compositions["stack"]), Definitions: in.Catalog})
			wantProblem(t, "the graph repeats the reason", err, "cannot go to production", tc.want[0])
		})
	}
}

// TestParameterOrder: composition default < composition's environment < claim <
// claim's environment.
func TestParameterOrder(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		claimed, forProduction string
		want                   string
	}{
		"composition's environment over default": {"", "", "large"},
		"claim over composition's environment":   {"small", "", "small"},
		"claim's environment over claim":         {"large", "small", "small"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := claim("web", "stack", "replicas=1")
			if tc.claimed != "" {
				c.Parameters["size"] = tc.claimed
			}
			if tc.forProduction != "" {
				c.Environments = map[string]map[string]string{"production": {"size": tc.forProduction}}
			}
			r, err := composer.NewRelease(releaseInput(byName(mustParse(t, stack)), c))
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]any{"replicas": int64(1), "size": tc.want, "password": "secret://env/NESTOR_SECRET_ALPHA__DB_PASSWORD"}
			if diff := cmp.Diff(want, r.Bindings["production"]["web.my-db"].Parameters); diff != "" {
				t.Errorf("parameters (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReplacement(t *testing.T) {
	t.Parallel()
	in := releaseInput(byName(mustParse(t, webApp)), claim("web", "web-app", "size=s", "replicas=1"))
	in.Environments[1].Provider, in.Environments[1].Region = "gcp", "europe-west1"
	r, err := composer.NewRelease(in)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, env := range []string{"staging", "production"} {
		for node, b := range r.Bindings[env] {
			got[env+" "+node] = b.Definition + "@" + b.Version + " " + b.Provider + " " + b.Region
		}
	}
	want := map[string]string{
		"staging web.database": "aws-rds-mysql@1.2.0 aws us-west-2", "staging web.deployment": "k8s-deployment@2.1.0 aws us-west-2", "staging web.cache": "redis-cluster@1.0.0 aws us-west-2",
		"production web.database": "gcp-sql-mysql@0.9.0 gcp europe-west1", "production web.deployment": "k8s-deployment@2.1.0 gcp europe-west1", "production web.cache": "redis-cluster@1.0.0 gcp europe-west1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("bindings (-want +got):\n%s", diff)
	}
}

func TestReleaseDigestCoversContentOnly(t *testing.T) {
	t.Parallel()
	in := releaseInput(byName(mustParse(t, stack)), claim("web", "stack", "replicas=1"))
	r, err := composer.NewRelease(in)
	if err != nil {
		t.Fatal(err)
	}
	r.CreatedBy, r.Unbound = "user:ada", map[string]string{"x": "y"}
	same, err := composer.ReleaseDigest(r)
	if err != nil || same != r.Digest {
		t.Errorf("creator and unbound changed the digest: %s, %v", same, err)
	}
	r.Commit = "other"
	other, err := composer.ReleaseDigest(r)
	if err != nil || other == r.Digest {
		t.Errorf("another commit kept the digest: %v", err)
	}
}
