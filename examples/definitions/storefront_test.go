// SPDX-License-Identifier: Apache-2.0

package definitions_test

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/compile"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// storefront deploys the composition of the guide: seven nodes, four engines,
// and an output of each engine in an input of each other.
func storefront(s *site) {
	first := s.release(nil)
	s.wantUnknowns(s.plan(first))
	s.wantDeployed(s.deploy(first), orchestrator.StatusSucceeded)
	began := s.look()
	s.wantWired(began, 1)
	s.wantTyped(1)

	if again := s.plan(first); again.Status != orchestrator.PlanReady || again.Summary.Total() != 0 {
		s.t.Errorf("a plan of what is there is %s (%s) with %+v: %+v", again.Status, again.Error, again.Summary, again.Nodes)
	}

	// One input of the cache: what takes the cache's output is changed in the
	// same deployment, and what takes its output in turn.
	changed := s.wantDeployed(s.deploy(s.release(map[string]string{"cacheReplicas": "3"})), orchestrator.StatusSucceeded)
	want := []string{"storefront.cache", "storefront.database", "storefront.registration", "storefront.web"}
	if diff := cmp.Diff(want, changed); diff != "" {
		s.t.Errorf("changed nodes (-want +got):\n%s", diff)
	}
	after := s.look()
	s.wantWired(after, 3)
	s.wantTyped(3)
	s.wantSame("what does not depend on it", began.only("payments", "sessions", "archive"), after.only("payments", "sessions", "archive"))

	// The registration cannot be made: what was changed before it goes back,
	// over the other three engines.
	d := s.deploy(s.release(map[string]string{"cacheReplicas": "2", "greeting": strings.Repeat("x", 513)}))
	if d.Status != orchestrator.StatusRolledBack || !strings.Contains(d.Error, "at most 512 letters") {
		s.t.Fatalf("a deployment that cannot succeed ended %s (%s); residue %v", d.Status, d.Error, d.Residue)
	}
	s.wantSame("the world after the rollback", after, s.look())
	s.wantTyped(3)

	s.destroy()
	s.wantNothing()
}

func (s *site) release(params map[string]string) composer.Release {
	s.t.Helper()
	all := map[string]string{"directory": s.directory}
	maps.Copy(all, params)
	r, _, err := s.Compiler.CreateRelease(s.t.Context(), "user:ada", compile.ReleaseRequest{
		Team: team, Application: s.application, Claims: []composer.Claim{{
			Instance: "storefront", Composition: "storefront", Parameters: all, File: "main.go", Line: 1,
		}},
	})
	s.must(err)
	return r
}

func (s *site) plan(r composer.Release) orchestrator.Plan {
	s.t.Helper()
	return s.Plan(compile.PlanRequest{Scope: s.scope(), Kind: orchestrator.KindApply, Release: r.Digest})
}

func (s *site) deploy(r composer.Release) orchestrator.Deployment {
	s.t.Helper()
	id, err := s.Deploy(contract.DeployRequest{
		Scope: s.scope(), Kind: orchestrator.KindApply, Release: r.Digest, AutoApprove: true,
	})
	s.must(err)
	defer s.tell(id)
	d := s.Await(id, patience)
	s.t.Logf("%s: %s, after %s", d.ID, d.Status, d.FinishedAt.Sub(d.StartedAt))
	return d
}

// tell shows what the engines said, when the test has failed.
func (s *site) tell(deployment string) {
	s.t.Helper()
	if !s.t.Failed() {
		return
	}
	ctx := context.WithoutCancel(s.t.Context())
	runs, err := s.Registry.NodeStates(ctx, deployment)
	if err != nil {
		s.t.Log(err)
	}
	for _, run := range runs {
		chunks, err := s.Registry.Logs(ctx, deployment, run.Node, 0)
		if err != nil {
			s.t.Log(err)
		}
		for _, chunk := range chunks {
			s.t.Logf("%s %s is %s, and said:\n%s", chunk.Time.Format(time.TimeOnly), run.Node, run.Status, chunk.Text)
		}
	}
}

func (s *site) destroy() {
	s.t.Helper()
	id, err := s.Deploy(contract.DeployRequest{Scope: s.scope(), Kind: orchestrator.KindDestroy, AutoApprove: true})
	s.must(err)
	s.wantDeployed(s.Await(id, patience), orchestrator.StatusSucceeded)
}

// wantDeployed returns the nodes that a deployment changed.
func (s *site) wantDeployed(d orchestrator.Deployment, want orchestrator.Status) (changed []string) {
	s.t.Helper()
	if d.Status != want {
		s.t.Fatalf("deployment %s ended %s (%s), want %s; residue %v", d.ID, d.Status, d.Error, want, d.Residue)
	}
	runs, err := s.Registry.NodeStates(s.t.Context(), d.ID)
	s.must(err)
	for _, run := range runs {
		if run.Changed {
			changed = append(changed, run.Node)
		}
	}
	slices.Sort(changed)
	return changed
}

func (s *site) wantSame(what string, want, got world) {
	s.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("%s is not as it was (-before +after):\n%s", what, diff)
	}
}

// only is what has one of these names.
func (w *world) only(names ...string) world {
	out := world{Services: map[string]map[string]any{}, Objects: map[string]object{}}
	for name, service := range w.Services {
		if slices.Contains(names, name) {
			out.Services[name] = service
		}
	}
	for key, o := range w.Objects {
		if _, name, _ := strings.Cut(key, "/"); slices.Contains(names, name) {
			out.Objects[key] = o
		}
	}
	return out
}

// wantUnknowns checks the plan before the first deployment: each engine shows
// what is known, and of the rest after which node it will be.
func (s *site) wantUnknowns(p orchestrator.Plan) {
	s.t.Helper()
	if p.Status != orchestrator.PlanReady {
		s.t.Fatalf("the first plan is %s: %s", p.Status, p.Error)
	}
	shown := map[string]map[string]bool{} // node → reasons
	for _, n := range p.Nodes {
		shown[n.Node] = map[string]bool{}
		for _, c := range n.Changes {
			if c.Action != orchestrator.ActionCreate {
				s.t.Errorf("%s: %s of %s in a first plan", n.Node, c.Action, c.Address)
			}
			for _, a := range c.Attributes {
				shown[n.Node][a.Unknown] = true
			}
		}
	}
	for node, reasons := range map[string][]string{
		"storefront.payments":     {"known after apply"},
		"storefront.cache":        {"known after storefront.payments"},
		"storefront.database":     {"known after storefront.cache"},
		"storefront.web":          {"known after storefront.database", "known after storefront.cache"},
		"storefront.registration": {"known after storefront.web"},
		"storefront.sessions":     {"known after storefront.web"},
		"storefront.archive":      {"known after storefront.web", "known after storefront.payments"},
	} {
		for _, reason := range reasons {
			if !shown[node][reason] {
				s.t.Errorf("the first plan of %s shows nothing as %q, only %v", node, reason, slices.Sorted(maps.Keys(shown[node])))
			}
		}
	}
	if w := s.look(); len(w.Services)+len(w.Objects)+len(w.Releases)+len(w.Stacks) > 0 {
		s.t.Errorf("a plan has made %+v", w)
	}
}

// wantWired checks in the engines' own worlds that what one made is what the
// next was given. replicas are the cache's.
func (s *site) wantWired(w world, replicas int64) {
	s.t.Helper()
	zones := []any{"zone-a", "zone-b"}
	affinity := func(kind, name string) any {
		terms, _ := s.at(w, kind+"/"+name, "spec", "template", "spec", "affinity", "nodeAffinity",
			"preferredDuringSchedulingIgnoredDuringExecution").([]any)
		if len(terms) != 1 {
			return terms
		}
		expressions := terms[0].(map[string]any)["preference"].(map[string]any)["matchExpressions"].([]any)
		return expressions[0].(map[string]any)["values"]
	}
	password := s.secret(w, "cache", "password") // made by Terraform
	sessionKey := s.secret(w, "web", "sessionKey")
	if len(password) != 64 || len(sessionKey) != 64 {
		s.t.Errorf("the password has %d letters, the session key %d", len(password), len(sessionKey))
	}
	config := map[string]any{
		"PAYMENTS": "https://payments.service.consul:443",
		"CACHE":    "cache." + s.namespace + ".svc:6379", "DATABASE": "mysql://database." + s.namespace + ".svc:3306/shop",
		"GREETING": "Welcome", "CONNECTIONS": strconv.FormatInt(replicas, 10),
	}
	for what, pair := range map[string][2]any{
		"terraform → pulumi, list":          {affinity("StatefulSet", "cache"), zones},
		"terraform → pulumi, map":           {s.at(w, "ConfigMap/cache", "data"), map[string]any{"timeout": "30"}},
		"pulumi, integer":                   {s.at(w, "StatefulSet/cache", "spec", "replicas"), replicas},
		"pulumi → crossplane, integer":      {s.at(w, "Database/database", "spec", "connections"), replicas},
		"pulumi → crossplane, list":         {affinity("StatefulSet", "database"), zones},
		"pulumi → crossplane, map":          {s.at(w, "ConfigMap/database", "data"), map[string]any{"timeout": "30"}},
		"pulumi → crossplane, sensitive":    {s.secret(w, "database-connection", "password"), password},
		"crossplane → helm, sensitive":      {s.secret(w, "web", "password"), password},
		"crossplane → helm, list":           {affinity("Deployment", "web"), zones},
		"all → helm, string":                {s.at(w, "ConfigMap/web", "data"), config},
		"helm → terraform, string":          {w.Services["web"]["address"], "web." + s.namespace + ".svc"},
		"helm → terraform, integer":         {w.Services["web"]["port"], float64(80)},
		"helm → terraform, map":             {w.Services["web"]["meta"], any(config)},
		"helm → terraform, sensitive":       {w.Services["web"]["token"], any(sessionKey)},
		"pulumi, crossplane → terraform":    {w.Services["web"]["tags"], any([]any{"cache=cache." + s.namespace + ".svc:6379", "database=database." + s.namespace + ".svc:3306"})},
		"crossplane → pulumi, list":         {affinity("StatefulSet", "sessions"), zones},
		"crossplane → pulumi, map":          {s.at(w, "ConfigMap/sessions", "data"), map[string]any{"timeout": "30"}},
		"helm → pulumi, sensitive":          {s.secret(w, "sessions", "password"), sessionKey},
		"helm → crossplane, integer":        {s.at(w, "Database/archive", "spec", "connections"), int64(80)},
		"helm → crossplane, list":           {affinity("StatefulSet", "archive"), zones},
		"terraform → crossplane, map":       {s.at(w, "ConfigMap/archive", "data"), map[string]any{"timeout": "30"}},
		"terraform → crossplane, sensitive": {s.secret(w, "archive-connection", "password"), password},
	} {
		if diff := cmp.Diff(pair[1], pair[0]); diff != "" {
			s.t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	slices.Sort(w.Releases)
	if diff := cmp.Diff([]string{"web"}, w.Releases); diff != "" || len(w.Stacks) != 2 {
		s.t.Errorf("releases (-want +got):\n%s\nstacks %v, want two", diff, w.Stacks)
	}
}

// wantTyped checks the recorded outputs: their values, with their types, and
// that nobody reads a sensitive one by the way.
func (s *site) wantTyped(replicas int64) {
	s.t.Helper()
	zones, settings := []any{"zone-a", "zone-b"}, map[string]any{"timeout": "30"}
	for node, want := range map[string]map[string]any{
		"storefront.cache": {
			"endpoint": "cache." + s.namespace + ".svc:6379", "port": int64(6379), "replicas": replicas,
			"zones": zones, "settings": settings, "password": nil,
		},
		"storefront.database": {
			"endpoint": "database." + s.namespace + ".svc:3306", "port": int64(3306), "connections": replicas,
			"zones": zones, "parameters": settings, "username": "app", "password": nil,
		},
	} {
		head, err := s.Registry.Head(s.t.Context(), s.scope(), node)
		s.must(err)
		values, err := s.Registry.Outputs(s.t.Context(), head)
		s.must(err)
		got := map[string]any{}
		for _, v := range values {
			// JSON has one kind of number; what the value is, its type says.
			got[v.Name] = nil
			if !v.Sensitive {
				got[v.Name], err = catalog.Coerce(catalog.Field{Name: v.Name, Type: catalog.Type(v.Type)}, v.Value)
				s.must(err)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			s.t.Errorf("outputs of %s (-want +got):\n%s", node, diff)
		}
	}
}

// TestDefinitions shares Temporal, a cluster and a provider among its subtests.
func TestDefinitions(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*site){"storefront": storefront, "adoption": adoption}
	g := newGround(t, slices.Sorted(maps.Keys(tests))...)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, g, name, orchestrator.EngineTerraform, orchestrator.EnginePulumi, orchestrator.EngineHelm, orchestrator.EngineCrossplane)
			s.StartWorker()
			test(s)
		})
	}
}
