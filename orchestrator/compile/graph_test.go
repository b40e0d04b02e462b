// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/internal/manifest"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/compile"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

func TestReleaseToGraphToPlan(t *testing.T) {
	t.Parallel()
	f := setup(t)
	release := f.release("shop", "small")
	if release.CreatedBy != ada || release.CreatedAt.IsZero() || len(release.Bindings) != 3 {
		t.Errorf("release: %+v", release)
	}
	again, created, err := f.Compiler.CreateRelease(t.Context(), "user:bob", compile.ReleaseRequest{
		Team: "alpha", Application: "shop", Claims: []composer.Claim{release.Claims[0].Claim},
	})
	if err != nil || created || again.Digest != release.Digest || again.CreatedBy != ada {
		t.Errorf("the same request: created %v, digest %s, by %s, %v", created, again.Digest, again.CreatedBy, err)
	}

	plan, err := f.Compiler.Plan(t.Context(), ada, compile.PlanRequest{Scope: in("dev"), Kind: orchestrator.KindApply, Release: release.Digest[:20]})
	f.must(err)
	stored, err := f.Registry.GetPlan(t.Context(), plan.ID)
	f.must(err)
	if diff := cmp.Diff(plan, stored); diff != "" {
		t.Errorf("the plan's record (-returned +stored):\n%s", diff)
	}
	if plan.Status != orchestrator.PlanRunning || plan.Release != release.Digest || plan.PreviousGraphDigest != "" || plan.Basis != 0 {
		t.Errorf("plan: %+v", plan)
	}
	graph := f.graph(plan.GraphDigest)
	if diff := cmp.Diff([]string{"web.database", "web.deployment"}, ids(graph)); diff != "" {
		t.Errorf("nodes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"web.database"}, graph.Nodes[1].Dependencies); diff != "" {
		t.Errorf("a reference makes an edge (-want +got):\n%s", diff)
	}
}

func TestCreateReleaseRefusals(t *testing.T) {
	t.Parallel()
	f := setup(t)
	empty, err := compileWithoutEnvironments(t)
	wantRefusal(t, "no environment yet", err, "there is no environment", "nestor environment push")
	if empty.Digest != "" {
		t.Errorf("a release was made: %+v", empty)
	}
	_, _, err = f.Compiler.CreateRelease(t.Context(), ada, compile.ReleaseRequest{
		Team: "alpha", Application: "shop", Claims: []composer.Claim{{Instance: "web", Composition: "web-ap", File: "main.go", Line: 3}},
	})
	var problems manifest.Problems
	if !errors.As(err, &problems) || !strings.Contains(err.Error(), "main.go:3") {
		t.Errorf("a misspelt composition: %v", err)
	}
}

func compileWithoutEnvironments(t *testing.T) (composer.Release, error) {
	t.Helper()
	f := empty(t)
	release, _, err := f.Compiler.CreateRelease(t.Context(), ada, compile.ReleaseRequest{
		Team: "alpha", Application: "shop", Claims: []composer.Claim{{Instance: "web", Composition: "web-app"}},
	})
	return release, err
}

func TestTeamsDoNotSeeEachOther(t *testing.T) {
	t.Parallel()
	f := setup(t)
	release := f.release("shop", "small")
	thief := orchestrator.Scope{Team: "beta", Application: "shop", Environment: "dev"}
	_, err := f.Compiler.Plan(t.Context(), ada, compile.PlanRequest{Scope: thief, Kind: orchestrator.KindApply, Release: release.Digest})
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another team's release: %v", err)
	}
}

func TestPrevious(t *testing.T) {
	t.Parallel()
	f := setup(t)
	if digest := f.previous(in("dev")); digest != "" {
		t.Errorf("nothing is there, and previous is %s", digest)
	}
	small := f.release("shop", "small")
	first := f.run(deploy(in("dev"), small.Digest), orchestrator.StatusSucceeded)
	whole := f.previous(in("dev"))
	if want := f.deployment(first.ID).GraphDigest; whole != want {
		t.Errorf("after a success previous is %s, want the deployed graph %s", whole, want)
	}

	// A deployment that came only to the database leaves the nodes on two graphs.
	large := f.release("shop", "large")
	second := f.run(deploy(in("dev"), large.Digest), orchestrator.StatusFailed, "web.database")
	mixed := f.previous(in("dev"))
	next := f.deployment(second.ID).GraphDigest
	if mixed == whole || mixed == next || mixed != f.previous(in("dev")) {
		t.Fatalf("previous of mixed graphs: %s (was %s, wanted %s)", mixed, whole, next)
	}
	graph := f.graph(mixed)
	if diff := cmp.Diff([]string{"web.database", "web.deployment"}, ids(graph)); diff != "" {
		t.Errorf("nodes (-want +got):\n%s", diff)
	}
	size := graph.Nodes[0].Inputs[0].Value.Literal
	if size != "large" || graph.Release != "" || graph.Nodes[1].Dependencies[0] != "web.database" {
		t.Errorf("the reassembled graph: size %v, %+v", size, graph)
	}
	for i, want := range []string{large.Digest, small.Digest} {
		if got := graph.ReleaseOf(graph.Nodes[i]); got != want {
			t.Errorf("%s is said to be of release %s, want %s", graph.Nodes[i].ID, got, want)
		}
	}
	untouched := f.graph(whole).Nodes[1]
	untouched.Release = small.Digest
	if diff := cmp.Diff(untouched, graph.Nodes[1]); diff != "" {
		t.Errorf("the node that was not reached (-deployed +reassembled):\n%s", diff)
	}

	// One node gone: the rest has no dependency on it any more.
	f.remove(second.ID, "web.database")
	graph = f.graph(f.previous(in("dev")))
	if len(graph.Nodes) != 1 || len(graph.Nodes[0].Dependencies) != 0 {
		t.Errorf("after a node went: %+v", graph.Nodes)
	}

	third := f.run(deploy(in("dev"), large.Digest), orchestrator.StatusSucceeded)
	if got, want := f.previous(in("dev")), f.deployment(third.ID).GraphDigest; got != want {
		t.Errorf("mended, previous is %s, want %s", got, want)
	}
}

func TestEngineSticks(t *testing.T) {
	t.Parallel()
	f := setup(t)
	release := f.release("shop", "small")
	d := f.run(deploy(in("dev"), release.Digest), orchestrator.StatusSucceeded)
	f.environment("dev", "", func(s *orchestrator.EnvironmentSpec) { s.Engines = []string{"terraform"} })
	_, err := f.Compiler.Graph(t.Context(), in("dev"), release.Digest)
	var problems manifest.Problems
	if !errors.As(err, &problems) || !strings.Contains(err.Error(), "made by engine fake") {
		t.Errorf("an engine that is no longer enabled: %v", err)
	}
	if digest := f.previous(in("dev")); digest != f.deployment(d.ID).GraphDigest {
		t.Errorf("previous needs no compilation, got %s", digest)
	}
}

const reader = `apiVersion: composer.nestor.io/v1
kind: ComposedResource
metadata: {name: reader, team: TEAM}
spec:
  resources:
    - {name: deployment, catalogRef: app, config: {host: "{{ output \"alpha/network\" \"web.database\" \"OUTPUT\" }}"}}
`

func TestExternalReferences(t *testing.T) {
	t.Parallel()
	share := func(s *orchestrator.EnvironmentSpec) { s.Shared = []string{"alpha/network"} }
	for name, tc := range map[string]struct {
		team     string
		output   string
		deployed bool
		shared   bool
		want     string
		reason   string
	}{
		"same team":    {team: "alpha", output: "endpoint", deployed: true, reason: "a team may read its own"},
		"shared":       {team: "beta", output: "endpoint", deployed: true, shared: true, reason: "the environment shares it with all"},
		"not shared":   {team: "beta", output: "endpoint", deployed: true, want: "alpha/network", reason: "another team's is not to be read"},
		"not deployed": {team: "alpha", output: "endpoint", want: "alpha/network", reason: "there is nothing to read"},
		"no output":    {team: "alpha", output: "nothing", deployed: true, want: "nothing", reason: "the node gives no such output"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			if tc.deployed {
				network := f.release("network", "small")
				at := orchestrator.Scope{Team: "alpha", Application: "network", Environment: "dev"}
				f.run(deploy(at, network.Digest), orchestrator.StatusSucceeded)
			}
			if tc.shared {
				f.environment("dev", "", share)
			}
			f.compose(strings.NewReplacer("TEAM", tc.team, "OUTPUT", tc.output).Replace(reader))
			release, _, err := f.Compiler.CreateRelease(t.Context(), ada, compile.ReleaseRequest{
				Team: tc.team, Application: "portal",
				Claims: []composer.Claim{{Instance: "read", Composition: "reader", File: "main.go", Line: 3}},
			})
			f.must(err)
			at := orchestrator.Scope{Team: tc.team, Application: "portal", Environment: "dev"}
			graph, err := f.Compiler.Graph(t.Context(), at, release.Digest)
			if tc.want == "" {
				f.must(err)
				ref := graph.Nodes[0].Inputs[0].Value.Reference
				if ref == nil || !ref.External() || ref.Node != "web.database" || len(graph.Nodes[0].Dependencies) != 0 {
					t.Errorf("%s: %+v", tc.reason, graph.Nodes[0])
				}
				return
			}
			var problems manifest.Problems
			if !errors.As(err, &problems) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: got %v", tc.reason, err)
			}
		})
	}
}

func TestAnUnreadableNeighbourIsNotAbsent(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.compose(strings.NewReplacer("TEAM", "alpha", "OUTPUT", "endpoint").Replace(reader))
	release, _, err := f.Compiler.CreateRelease(t.Context(), ada, compile.ReleaseRequest{
		Team: "alpha", Application: "portal",
		Claims: []composer.Claim{{Instance: "read", Composition: "reader", File: "main.go", Line: 3}},
	})
	f.must(err)
	network := orchestrator.Scope{Team: "alpha", Application: "network", Environment: "dev"}
	// A head on a graph that the blob store has lost.
	head := orchestrator.NodeHead{Scope: network, Node: "web.database", GraphDigest: "sha256:lost"}
	run := orchestrator.NodeRun{Deployment: network.String() + "/1", Node: head.Node, Action: orchestrator.StepApply}
	_, err = f.Registry.Begin(t.Context(), ada, network, run, head)
	f.must(err)
	at := orchestrator.Scope{Team: "alpha", Application: "portal", Environment: "dev"}
	if _, err = f.Compiler.Graph(t.Context(), at, release.Digest); !errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), "sha256:lost") {
		t.Errorf("got %v", err)
	}
}

func (f *fixture) deployment(id string) orchestrator.Deployment {
	f.t.Helper()
	d, err := f.Registry.GetDeployment(f.t.Context(), id)
	f.must(err)
	return d
}

// remove takes a node's head away.
func (f *fixture) remove(deployment, node string) {
	f.t.Helper()
	run := orchestrator.NodeRun{Deployment: deployment, Node: node, Action: orchestrator.StepDestroy}
	a, err := f.Registry.Begin(f.t.Context(), ada, in("dev"), run, orchestrator.NodeHead{})
	f.must(err)
	f.must(f.Registry.Commit(f.t.Context(), a, registry.Commit{DeleteHead: true, Status: orchestrator.NodeDestroyed}))
}
