// SPDX-License-Identifier: Apache-2.0

package mixed_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/activities/engine/fake"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/catalog/bundle"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/internal/e2e/mixed"
	"github.com/HatiCode/nestor/internal/testplatform"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/compile"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

const (
	patience = 15 * time.Minute
	team     = "alpha"
	nodes    = 30

	environment = "staging"
)

// TestFaultAtEveryNode breaks each node of a graph of 30 of the fake engine in
// an apply, in a rollback that takes it back, and in a destruction, each in a
// deployment of its own. Each time the end is what was before, or the record
// lists exactly what is not.
func TestFaultAtEveryNode(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	g := mixed.New(seed, nodes)
	h := newHouse(t, g)
	for i, n := range g.Nodes {
		t.Run(titleOf(n), func(t *testing.T) {
			t.Parallel()
			h.application(t, i).play(n)
		})
	}
}

// titleOf a node's test.
func titleOf(n mixed.Node) string { return fmt.Sprintf("%s-%s-%s", n.Name, n.Definition, n.Change) }

// house is a platform with both compositions, and one world for all
// applications.
type house struct {
	*testplatform.Platform
	graph mixed.Graph
	world string
	// worlds of real engines, by engine.
	worlds map[string]world
}

// newHouse has the fake engine alone.
func newHouse(t *testing.T, g mixed.Graph) *house {
	t.Helper()
	h := &house{Platform: newPlatform(t), graph: g}
	h.furnish(t, orchestrator.EnvironmentSpec{Provider: mixed.Provider, Engines: []string{fake.Name}})
	h.StartWorker()
	return h
}

func newPlatform(t *testing.T) *testplatform.Platform {
	t.Helper()
	p := testplatform.New(t, testplatform.StartTemporal(t, "faults"), "faults")
	p.Config.Backoff = 5 * time.Millisecond
	return p
}

// furnish publishes what the fake engine's nodes are made of, both compositions and
// the environment.
func (h *house) furnish(t *testing.T, spec orchestrator.EnvironmentSpec) {
	t.Helper()
	p := h.Platform
	h.world = filepath.Join(p.Config.DataDir, "fake")
	ctx := t.Context()
	definitions, err := catalog.ParseDefinitions("mixed.yaml", []byte(mixed.Definitions(fake.Name)))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range definitions {
		if _, _, err := p.Catalog.Publish(ctx, "user:platform", d, bundle.Bundle{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{mixed.CompositionBefore, mixed.CompositionAfter} {
		if _, _, err := p.Compositions.PutComposition(ctx, "user:alpha", h.graph.Composition(team, name), -1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.Registry.PutEnvironment(ctx, "user:platform", orchestrator.Environment{
		APIVersion: orchestrator.APIVersion, Kind: orchestrator.KindEnvironment,
		Metadata: orchestrator.EnvironmentMetadata{Name: environment},
		Spec:     spec,
	}, -1); err != nil {
		t.Fatal(err)
	}
}

// application in which the i-th node is broken.
func (h *house) application(t *testing.T, i int) *application {
	t.Helper()
	return &application{
		house: h, t: t, name: h.graph.Nodes[i].Name,
		random: rand.New(rand.NewPCG(h.graph.Seed, uint64(i))),
	}
}

// application is one world of 30 nodes, in which one of them is broken.
type application struct {
	*house
	t      *testing.T
	name   string
	random *rand.Rand
}

func (a *application) scope() orchestrator.Scope {
	return orchestrator.Scope{Team: team, Application: a.name, Environment: environment}
}

func (a *application) address(n mixed.Node) string { return a.scope().String() + "/" + n.ID() }

func (a *application) must(err error) {
	a.t.Helper()
	if err != nil {
		a.fatalf("%v", err)
	}
}

// fatalf fails with what is needed to see it again.
func (a *application) fatalf(format string, args ...any) {
	a.t.Helper()
	a.t.Fatalf("seed %d, node %s: %s", a.graph.Seed, a.name, fmt.Sprintf(format, args...))
}

// play breaks one node in every phase: in an apply, as often as asked for, in a
// rollback, and in the destruction.
func (a *application) play(n mixed.Node) {
	for range *roundsFlag {
		a.whole(a.deploy(mixed.CompositionBefore))
		before := a.picture()
		what := "a fault in the apply, and one in its own way back"
		a.inject(n, append(wayBack(n, 1), applyFault(n, a.random.IntN(2) == 0))...)
		if second := a.graph.Nodes[a.random.IntN(len(a.graph.Nodes))]; second.Name != n.Name && a.random.IntN(2) == 0 {
			what += ", another in the rollback at " + second.Name
			a.inject(second, drawnWayBack(a.random, second)...)
		}
		a.exact(what, n, before, a.deploy(mixed.CompositionAfter))
		a.heal()
		if n.TakenBack() {
			a.rollback(n)
		}
	}
	a.inject(n, fake.Fault{Verb: fake.VerbDestroy, Times: -1, After: a.random.IntN(2) == 0})
	a.destroyBroken(n)
}

// destroyBroken destroys everything while a node cannot go, and again when it can.
func (a *application) destroyBroken(n mixed.Node) {
	a.t.Helper()
	there := slices.Contains(a.present(), n.ID())
	d := a.destroy()
	if there {
		a.wantStatus(d, orchestrator.StatusFailed)
	}
	a.wantResidue("a fault in the destruction", d, a.recorded(func(mixed.Node) bool { return true }))
	a.heal()
	a.whole(a.destroy())
	if left := a.present(); len(left) > 0 {
		a.fatalf("destroyed again, and %v is there", left)
	}
	a.wantNoSnapshots()
}

// rollback breaks a deployment at n when the change is made there, and its
// rollback at n alone, for good.
func (a *application) rollback(n mixed.Node) {
	a.t.Helper()
	a.whole(a.deploy(mixed.CompositionBefore))
	before := a.picture()
	fails := wayBack(n, -1)
	a.inject(n, append(slices.Clone(fails), applyFault(n, true))...)
	d := a.deploy(mixed.CompositionAfter)
	for _, f := range fails {
		if calls, err := fake.Called(a.world, a.address(n), f.Verb); err != nil || calls <= f.Skip {
			a.fatalf("the rollback of deployment %s (%s) did not come to the fault in %s: %d calls, %v", d.ID, d.Status, f.Verb, calls, err)
		}
	}
	if named := func(r orchestrator.Residue) bool { return r.Node == n.ID() }; !slices.ContainsFunc(d.Residue, named) {
		a.fatalf("its way back failed for good, and deployment %s (%s) does not name it: %s", d.ID, d.Status, told(d))
	}
	a.exact("a fault in the rollback", n, before, d)
	a.heal()
}

// recorded lists the nodes of a kind that the record has. What is in the world
// and should not stay there is among them.
func (a *application) recorded(kind func(mixed.Node) bool) []string {
	a.t.Helper()
	heads, err := a.Registry.Heads(a.t.Context(), a.scope())
	a.must(err)
	var ids []string
	for _, n := range a.graph.Nodes {
		if kind(n) && slices.ContainsFunc(heads, func(h orchestrator.NodeHead) bool { return h.Node == n.ID() }) {
			ids = append(ids, n.ID())
		}
	}
	for _, id := range a.present() {
		n := a.graph.Nodes[slices.IndexFunc(a.graph.Nodes, func(n mixed.Node) bool { return n.ID() == id })]
		if kind(n) && !slices.Contains(ids, id) {
			a.fatalf("%s is there, and the record has lost it", id)
		}
	}
	slices.Sort(ids)
	return ids
}

func (a *application) inject(n mixed.Node, faults ...fake.Fault) {
	a.t.Helper()
	a.must(fake.Inject(a.world, a.address(n), faults...))
}

// heal takes every fault away.
func (a *application) heal() {
	a.t.Helper()
	for _, n := range a.graph.Nodes {
		if n.Engine == "" {
			a.inject(n)
		} else {
			a.worlds[n.Engine].heal(a, n)
		}
	}
}

func (a *application) deploy(composition string) orchestrator.Deployment {
	a.t.Helper()
	return a.run(contract.DeployRequest{Kind: orchestrator.KindApply, Release: a.release(composition)})
}

func (a *application) release(composition string) string {
	a.t.Helper()
	r, _, err := a.Compiler.CreateRelease(a.t.Context(), "user:ada", compile.ReleaseRequest{
		Team: team, Application: a.name,
		Claims: []composer.Claim{{Instance: mixed.Instance, Composition: composition, File: "main.go", Line: 1}},
	})
	a.must(err)
	return r.Digest
}

func (a *application) destroy() orchestrator.Deployment {
	a.t.Helper()
	return a.run(contract.DeployRequest{Kind: orchestrator.KindDestroy})
}

func (a *application) run(req contract.DeployRequest) orchestrator.Deployment {
	a.t.Helper()
	req.Scope, req.AutoApprove = a.scope(), true
	id, err := a.Deploy(req)
	a.must(err)
	return a.Await(id, patience)
}

func (a *application) wantStatus(d orchestrator.Deployment, want orchestrator.Status) {
	a.t.Helper()
	if d.Status != want {
		a.fatalf("deployment %s ended %s (%s), want %s; residue %s", d.ID, d.Status, d.Error, want, told(d))
	}
}

// whole fails unless a deployment did what it was asked for and left nothing.
func (a *application) whole(d orchestrator.Deployment) {
	a.t.Helper()
	a.wantStatus(d, orchestrator.StatusSucceeded)
	a.wantResidue("nothing is broken", d, nil)
}

func told(d orchestrator.Deployment) string {
	lines := make([]string, 0, len(d.Residue))
	for _, r := range d.Residue {
		lines = append(lines, fmt.Sprintf("%s (%s, %s): %s; %s", r.Node, r.Engine, r.Address, r.Reason, r.Action))
	}
	return "[" + strings.Join(lines, "\n ") + "]"
}

// picture is everything that the application's nodes have in their worlds, by node.
type picture map[string]any

func (a *application) picture() picture {
	a.t.Helper()
	p := picture{}
	for _, n := range a.graph.Nodes {
		if n.Engine != "" {
			if there := a.worlds[n.Engine].look(a, n); there != nil {
				p[n.ID()] = there
			}
			continue
		}
		things, err := fake.Things(a.world, a.address(n))
		a.must(err)
		if len(things) > 0 {
			p[n.ID()] = things
		}
	}
	return p
}

// present lists the nodes that have something in the world and should not keep
// it.
func (a *application) present() []string {
	a.t.Helper()
	there := a.picture()
	for _, n := range a.graph.Nodes {
		if n.Retain {
			delete(there, n.ID())
		}
	}
	return slices.Sorted(maps.Keys(there))
}

// exact compares the world after a deployment that was broken with the one
// before: the record names what differs, and nothing else.
func (a *application) exact(what string, n mixed.Node, before picture, d orchestrator.Deployment) {
	a.t.Helper()
	if n.Change == mixed.Removed {
		a.exactRemoval(what, n, d)
		return
	}
	differ := a.differing(before)
	want := orchestrator.StatusRolledBack
	if len(differ) > 0 {
		want = orchestrator.StatusFailed
	}
	a.wantStatus(d, want)
	a.wantResidue(what, d, differ)
}

// differing lists the nodes that are not as they were.
func (a *application) differing(before picture) []string {
	a.t.Helper()
	now := a.picture()
	var differ []string
	for _, n := range a.graph.Nodes {
		if diff := cmp.Diff(before[n.ID()], now[n.ID()]); diff != "" {
			a.t.Logf("%s differs (-before +now):\n%s", n.ID(), diff)
			differ = append(differ, n.ID())
		}
	}
	slices.Sort(differ)
	return differ
}

// exactRemoval: a removal comes after everything else has succeeded, and is not
// rolled back. What should be gone and is there is named.
func (a *application) exactRemoval(what string, n mixed.Node, d orchestrator.Deployment) {
	a.t.Helper()
	if !n.Retain {
		a.wantStatus(d, orchestrator.StatusFailed)
	}
	a.wantResidue(what, d, a.recorded(func(o mixed.Node) bool { return o.Change == mixed.Removed }))
}

func (a *application) wantResidue(what string, d orchestrator.Deployment, want []string) {
	a.t.Helper()
	var named []string
	for _, r := range d.Residue {
		if r.Engine == "" || r.Address == "" || r.Reason == "" || r.Action == "" {
			a.fatalf("%s: residue that says too little: %+v", what, r)
		}
		named = append(named, r.Node)
	}
	if diff := cmp.Diff(want, named); diff != "" {
		a.fatalf("%s: deployment %s ended %s (%s); residue (-what differs +what is named):\n%s\n%s", what, d.ID, d.Status, d.Error, diff, told(d))
	}
}

// wantNoSnapshots: with the nodes their snapshots went.
func (a *application) wantNoSnapshots() {
	a.t.Helper()
	for _, n := range a.graph.Nodes {
		all, err := filepath.Glob(filepath.Join(a.world, "resources", "*%2F"+a.name+"%2Fstaging%2F"+n.ID()+".snapshot-*", "*.json"))
		a.must(err)
		if len(all) > 0 && !n.Retain {
			a.fatalf("snapshots of %s are left: %v", n.ID(), all)
		}
	}
}

// seedFlag chooses another graph and other faults, roundsFlag how often they
// are drawn for each node. Both decide all that is drawn, so the same ones break
// the same things.
var (
	seedFlag   = flag.Uint64("seed", 41, "of the graph and its faults")
	roundsFlag = flag.Int("rounds", 1, "of faults in apply and rollback each")
)

func seedOf(t *testing.T) uint64 {
	t.Helper()
	t.Logf("seed %d (choose one with -seed)", *seedFlag)
	return *seedFlag
}
