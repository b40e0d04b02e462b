// SPDX-License-Identifier: Apache-2.0

package composer_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

func named(c composer.Composition, name string, resources ...composer.Resource) composer.Composition {
	c.Metadata.Name = name
	c.Spec.Resources = resources
	return c
}

func TestNewGraphRefuses(t *testing.T) {
	t.Parallel()
	base := oneValue("x")
	source := composer.Resource{Name: "source", CatalogRef: "aws-rds-mysql", Config: map[string]any{"instanceClass": "s"}}
	deployment := func(config map[string]any) composer.Resource {
		return composer.Resource{Name: "deployment", CatalogRef: "k8s-deployment", Config: config}
	}
	tests := map[string]struct {
		reason    string
		env       func(*composer.EnvironmentSettings)
		resources []composer.Resource
		want      []string
	}{
		"unknown input":     {reason: "config for an input that is not there", resources: []composer.Resource{deployment(map[string]any{"replicsa": 1})}, want: []string{"main.go:3", "web.deployment", `k8s-deployment@2.1.0 has no input "replicsa"`, `did you mean "replicas"?`}},
		"missing input":     {reason: "a required input", resources: []composer.Resource{{Name: "source", CatalogRef: "aws-rds-mysql"}}, want: []string{"needs input instanceClass (string)", "config of resource source in composition one"}},
		"constraint":        {reason: "an input's constraint", resources: []composer.Resource{deployment(map[string]any{"replicas": 0})}, want: []string{"web.deployment.replicas", "at least 1"}},
		"pattern":           {reason: "an input's pattern keeps shell out", resources: []composer.Resource{deployment(map[string]any{"image": "x; rm -rf"})}, want: []string{"must match the pattern"}},
		"no engine":         {reason: "both lists are named", env: func(e *composer.EnvironmentSettings) { e.Engines = []string{"helm", "crossplane"} }, resources: []composer.Resource{source}, want: []string{"aws-rds-mysql@1.2.0", "lists crossplane, terraform (implemented: terraform)", "staging enables crossplane, helm"}},
		"foreign":           {reason: "another team's application is not shared", resources: []composer.Resource{deployment(map[string]any{"note": `{{ output "beta/net" "vpc.main" "id" }}`})}, want: []string{"beta/net is not shared in environment staging"}},
		"not at hand":       {reason: "without a look-up, no references to other applications", resources: []composer.Resource{deployment(map[string]any{"note": `{{ output "net" "vpc.main" "id" }}`})}, want: []string{"alpha/net:vpc.main.outputs.id", "not at hand"}},
		"path in reference": {reason: "parts of a reference are DNS labels", resources: []composer.Resource{deployment(map[string]any{"note": `{{ output "net" "a/b.main" "id" }}`})}, want: []string{"not a DNS label"}},
		"no node":           {reason: "a node has a form", resources: []composer.Resource{deployment(map[string]any{"note": `{{ output "net" "vpc" "id" }}`})}, want: []string{`"vpc" is no node`}},
		"own application":   {reason: "the own application is this graph", resources: []composer.Resource{source, deployment(map[string]any{"note": `{{ output "alpha/shop" "web.sourse" "endpoint" }}`})}, want: []string{`there is no node "web.sourse"`, `did you mean "web.source"?`}},
		"own node":          {reason: "a node cannot need itself by this way either", resources: []composer.Resource{source, deployment(map[string]any{"note": `{{ output "shop" "web.deployment" "address" }}`})}, want: []string{"web.deployment refers to itself"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := staging()
			if tc.env != nil {
				tc.env(&env)
			}
			_, err := build(t, env, []composer.Composition{named(base, "one", tc.resources...)}, claim("web", "one"))
			wantProblem(t, tc.reason, err, tc.want...)
		})
	}
}

func TestCycleAcrossInstances(t *testing.T) {
	t.Parallel()
	one := named(oneValue(""), "one", composer.Resource{Name: "app", CatalogRef: "k8s-deployment", Config: map[string]any{"note": `{{ output "shop" "b.app" "address" }}`}})
	two := named(oneValue(""), "two", composer.Resource{Name: "app", CatalogRef: "k8s-deployment", Config: map[string]any{"note": `{{ output "shop" "a.app" "address" }}`}})
	_, err := build(t, staging(), []composer.Composition{one, two}, claim("a", "one"), claim("b", "two"))
	wantProblem(t, "no composition has this cycle by itself", err, "main.go:3", "cycle: a.app → b.app → a.app")
}

func TestReferenceBetweenInstances(t *testing.T) {
	t.Parallel()
	one := named(oneValue(""), "one", composer.Resource{Name: "app", CatalogRef: "k8s-deployment", Config: map[string]any{"note": `{{ output "shop" "b.app" "address" }}`}})
	two := named(oneValue(""), "two", composer.Resource{Name: "app", CatalogRef: "k8s-deployment"})
	g, err := build(t, staging(), []composer.Composition{one, two}, claim("a", "one"), claim("b", "two"))
	if err != nil {
		t.Fatal(err)
	}
	n, _ := g.Node("a.app")
	if diff := cmp.Diff([]string{"b.app"}, n.Dependencies); diff != "" {
		t.Errorf("the reference is an edge (-want +got):\n%s", diff)
	}
	if _, ok := g.Node("c.app"); ok {
		t.Error("a node that is not there was found")
	}
}

func TestExternalReference(t *testing.T) {
	t.Parallel()
	c := named(oneValue(""), "one", composer.Resource{Name: "app", CatalogRef: "k8s-deployment", Config: map[string]any{"note": `{{ output "beta/net" "vpc.main" "id" }}`}})
	env := staging()
	env.Shared = []string{"beta/net"}
	in := releaseInput(byName(c), claim("web", "one"))
	r, err := composer.NewRelease(in)
	if err != nil {
		t.Fatal(err)
	}
	outputs := []catalog.Field{{Name: "id", Type: catalog.TypeString, Sensitive: true}}
	input := composer.GraphInput{
		Release: r, Environment: env, Compositions: byDigest(t, c), Definitions: in.Catalog,
		External: func(team, application, node string) (composer.ExternalNode, bool) {
			return composer.ExternalNode{Outputs: outputs}, team+application+node == "betanetvpc.main"
		},
	}
	g, err := composer.NewGraph(input)
	if err != nil {
		t.Fatal(err)
	}
	n, _ := g.Node("web.app")
	in1 := n.Inputs[0]
	want := composer.Reference{Team: "beta", Application: "net", Node: "vpc.main", Output: "id", Type: catalog.TypeString, Sensitive: true}
	i := slices.IndexFunc(n.Inputs, func(i composer.NodeInput) bool { return i.Name == "note" })
	if i < 0 {
		t.Fatalf("no input note, first is %s", in1.Name)
	}
	if diff := cmp.Diff([]composer.Reference{want}, n.Inputs[i].Value.References()); diff != "" || len(n.Dependencies) != 0 {
		t.Errorf("an external reference is no edge, dependencies %v (-want +got):\n%s", n.Dependencies, diff)
	}
	outputs = []catalog.Field{str("idd")}
	_, err = composer.NewGraph(input)
	wantProblem(t, "the other application's outputs are checked", err, `gives no output "id"`, `did you mean "idd"?`)
	input.External = func(string, string, string) (composer.ExternalNode, bool) { return composer.ExternalNode{}, false }
	_, err = composer.NewGraph(input)
	wantProblem(t, "it has to be deployed", err, `beta/net has no node "vpc.main" in environment staging`, "deploy it first")
}

func TestStickyEngine(t *testing.T) {
	t.Parallel()
	both := func(d *catalog.Definition) {
		d.Spec.Engines = []string{"terraform", "helm"}
		d.Spec.Implementations = map[string]catalog.Implementation{"terraform": {Module: "m"}, "helm": {}}
	}
	snapshot := catalog.NewSnapshot([]catalog.Published{definition("thing", "1.0.0", "aws", "thing", nil, nil, both)})
	c := named(oneValue(""), "one", composer.Resource{Name: "app", CatalogRef: "thing"})
	tests := map[string]struct {
		reason  string
		sticky  string
		engines []string
		want    string
		fails   []string
	}{
		"first":       {"the definition's order decides", "", []string{"helm", "terraform"}, "terraform", nil},
		"enabled":     {"among the enabled", "", []string{"helm"}, "helm", nil},
		"sticky":      {"what made a node keeps it", "helm", []string{"helm", "terraform"}, "helm", nil},
		"disabled":    {"and is not replaced silently", "helm", []string{"terraform"}, "", []string{"made by engine helm", "the environment does not enable (it has terraform)"}},
		"no longer":   {"nor when the definition lost it", "pulumi", []string{"terraform", "pulumi"}, "", []string{"thing@1.0.0 does not implement (it has helm, terraform)"}},
		"none at all": {"an environment may enable nothing", "", nil, "", []string{"staging enables none"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := staging()
			env.Engines = tc.engines
			in := releaseInput(byName(c), claim("web", "one"))
			in.Catalog = snapshot
			r, err := composer.NewRelease(in)
			if err != nil {
				t.Fatal(err)
			}
			g, err := composer.NewGraph(composer.GraphInput{
				Release: r, Environment: env, Compositions: byDigest(t, c), Definitions: snapshot,
				StickyEngines: map[string]string{"web.app": tc.sticky},
			})
			if tc.fails != nil {
				wantProblem(t, tc.reason, err, append(tc.fails, "main.go:3", "web.app")...)
				return
			}
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			if got := g.Nodes[0]; got.Engine != tc.want || got.Queue != contract.EngineQueue(tc.want) {
				t.Errorf("%s: engine %s on queue %s, want %s", tc.reason, got.Engine, got.Queue, tc.want)
			}
		})
	}
}

func TestNewReleaseIsNeeded(t *testing.T) {
	t.Parallel()
	c := mustParse(t, webApp)
	in := releaseInput(byName(c), claim("web", "web-app", "size=s", "replicas=1"))
	r, err := composer.NewRelease(in)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		reason string
		change func(*composer.GraphInput)
		want   []string
	}{
		"unknown environment": {"an environment the release does not know", func(g *composer.GraphInput) { g.Environment.Name = "qa" }, []string{`does not know environment "qa"`, "make a new release"}},
		"other provider":      {"its provider changed", func(g *composer.GraphInput) { g.Environment.Provider = "gcp" }, []string{"binds it to aws us-west-2, environment staging now has gcp us-west-2", "make a new release"}},
		"other region":        {"or its region", func(g *composer.GraphInput) { g.Environment.Region = "x" }, []string{"now has aws x"}},
		"no composition":      {"a composition that is gone", func(g *composer.GraphInput) { g.Compositions = nil }, []string{"composition web-app with digest", "not at hand"}},
		"no definition":       {"a definition that is gone", func(g *composer.GraphInput) { g.Definitions = g.Definitions.Only("redis-cluster") }, []string{"the catalog does not have aws-rds-mysql@1.2.0 with digest"}},
		"no binding":          {"a binding that is not there", func(g *composer.GraphInput) { delete(g.Release.Bindings["staging"], "web.cache") }, []string{"web.cache", "no binding"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			input := composer.GraphInput{Release: roundTrip(t, r), Environment: staging(), Compositions: byDigest(t, c), Definitions: in.Catalog}
			tc.change(&input)
			_, err := composer.NewGraph(input)
			wantProblem(t, tc.reason, err, tc.want...)
		})
	}
}

// TestGraphProperties: for any composition without cycles, whatever the order
// of lists that have none, the digest is the same and every node comes after
// what it needs.
func TestGraphProperties(t *testing.T) {
	t.Parallel()
	snapshot := catalog.NewSnapshot(published())
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(rt, "resources")
		var resources []composer.Resource
		var dependencies []string
		for i := range n {
			r := composer.Resource{Name: fmt.Sprintf("r-%d", i), CatalogRef: "k8s-deployment", Config: map[string]any{}}
			env := map[string]any{"P": "{{ .params.p }}"}
			for j := range i {
				switch rapid.IntRange(0, 4).Draw(rt, "edge") {
				case 0:
					dependencies = append(dependencies, fmt.Sprintf("r-%d → r-%d", j, i))
				case 1:
					env[fmt.Sprintf("R%d", j)] = fmt.Sprintf("x{{ .resources.r-%d.outputs.address }}", j)
				}
			}
			r.Config["env"] = env
			resources = append(resources, r)
		}
		c := named(oneValue(""), "one", resources...)
		c.Spec.Dependencies = dependencies
		parameter := rapid.String().Filter(func(s string) bool { return !strings.Contains(s, "secret://") }).Draw(rt, "parameter")
		claims := []composer.Claim{claim("a", "one", "p="+parameter), claim("b", "one", "p=x"), claim("c", "one", "p=y")}
		environments := []composer.EnvironmentSettings{staging(), production()}
		digests := map[string]bool{}
		for range 2 {
			claims = rapid.Permutation(claims).Draw(rt, "claims")
			environments = rapid.Permutation(environments).Draw(rt, "environments")
			in := releaseInput(byName(c), claims...)
			in.Environments, in.Catalog = environments, snapshot
			r, err := composer.NewRelease(in)
			if err != nil {
				rt.Fatal(err)
			}
			g, err := composer.NewGraph(composer.GraphInput{Release: r, Environment: staging(), Compositions: byDigest(t, c), Definitions: snapshot})
			if err != nil {
				rt.Fatal(err)
			}
			digests[r.Digest+g.Digest] = true
			if len(g.Nodes) != 3*n || !ordered(g) {
				rt.Fatalf("%d nodes of %d, or no order of work", len(g.Nodes), 3*n)
			}
		}
		if len(digests) != 1 {
			rt.Fatalf("%d digests for one application", len(digests))
		}
	})
}

// ordered says that nodes are sorted and can be walked: each turn takes those
// whose dependencies are done.
func ordered(g composer.Graph) bool {
	if !slices.IsSortedFunc(g.Nodes, func(a, b composer.Node) int { return strings.Compare(a.ID, b.ID) }) {
		return false
	}
	done := map[string]bool{}
	for len(done) < len(g.Nodes) {
		before := len(done)
		for _, n := range g.Nodes {
			ready := !slices.ContainsFunc(n.Dependencies, func(d string) bool { return !done[d] })
			if ready {
				done[n.ID] = true
			}
		}
		if len(done) == before {
			return false
		}
	}
	return true
}

// TestManyNodes: the size that the design asks for.
func TestManyNodes(t *testing.T) {
	t.Parallel()
	var resources []composer.Resource
	for i := range 1000 {
		r := composer.Resource{Name: fmt.Sprintf("r%d", i), CatalogRef: "k8s-deployment"}
		if i > 0 {
			r.Config = map[string]any{"note": fmt.Sprintf("{{ .resources.r%d.outputs.address }}", i-1)}
		}
		resources = append(resources, r)
	}
	var claims []composer.Claim
	for i := range 10 {
		claims = append(claims, claim(fmt.Sprintf("i%d", i), "one"))
	}
	g, err := build(t, staging(), []composer.Composition{named(oneValue(""), "one", resources...)}, claims...)
	if err != nil {
		t.Fatal(err)
	}
	if len(g.Nodes) != 10_000 {
		t.Errorf("%d nodes, want 10000", len(g.Nodes))
	}
}
