// SPDX-License-Identifier: Apache-2.0

package mixed_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/HatiCode/nestor/activities/engine/fake"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/catalog/bundle"
	"github.com/HatiCode/nestor/internal/e2e/mixed"
	"github.com/HatiCode/nestor/internal/parts"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/workers"
)

// everyFlag asks for a fault at every node of the graph over all engines, which
// takes a while: `make faults`.
var everyFlag = flag.Bool("every", false, "break every node of the graph over the real engines, not one alone")

// TestFaultAtRealEngines is TestFaultAtEveryNode with a graph whose plain nodes are
// of OpenTofu, Helm, Pulumi and Crossplane, among nodes of the fake engine. What
// fails is refused by the engines' own worlds: the API server, and the module.
// Without -every it breaks the first of Crossplane's, whose parts are refused where
// the engine itself does not see it.
func TestFaultAtRealEngines(t *testing.T) {
	t.Parallel()
	g := mixed.New(seedOf(t), nodes).Over(
		orchestrator.EngineTerraform, orchestrator.EngineHelm, orchestrator.EnginePulumi, orchestrator.EngineCrossplane)
	h := newRealHouse(t, g)
	first := slices.IndexFunc(h.graph.Nodes, func(n mixed.Node) bool {
		return n.Engine == orchestrator.EngineCrossplane && n.Change == mixed.Updated
	})
	for i, n := range h.graph.Nodes {
		if !*everyFlag && i != first {
			continue
		}
		t.Run(titleOf(n), func(t *testing.T) {
			t.Parallel()
			a := h.application(t, i)
			a.open()
			a.playReal(n)
		})
	}
}

// playReal breaks one node in an apply, in a rollback and in the destruction.
func (a *application) playReal(n mixed.Node) {
	a.whole(a.deploy(mixed.CompositionBefore))
	before := a.picture()
	a.failsForward(n, a.random.IntN(2) == 0)
	a.exact("a fault in the apply", n, before, a.deploy(mixed.CompositionAfter))
	a.heal()
	if n.TakenBack() {
		a.whole(a.deploy(mixed.CompositionBefore))
		before = a.picture()
		a.failsThereAndBack(n)
		d := a.deploy(mixed.CompositionAfter)
		if named := func(r orchestrator.Residue) bool { return r.Node == n.ID() }; !slices.ContainsFunc(d.Residue, named) {
			a.fatalf("its way back failed for good, and deployment %s (%s) does not name it: %s", d.ID, d.Status, told(d))
		}
		a.exact("a fault in the rollback", n, before, d)
		a.heal()
	}
	a.failsToGo(n)
	a.destroyBroken(n)
}

// newRealHouse has every engine, one cluster for all applications, and a namespace
// and a directory of refusals for each.
func newRealHouse(t *testing.T, g mixed.Graph) *house {
	t.Helper()
	c := newCluster(t)
	refusals := t.TempDir()
	for i, n := range g.Nodes {
		switch n.Engine {
		case "":
		case orchestrator.EngineTerraform:
			g.Nodes[i].Config = map[string]any{"refusals": filepath.Join(refusals, "{{ .app.name }}", n.Name)}
		case orchestrator.EnginePulumi:
			g.Nodes[i].Config = map[string]any{"name": n.Name, "namespace": namespaceOf("{{ .app.name }}")}
		default:
			g.Nodes[i].Config = map[string]any{"name": n.Name}
		}
	}
	h := &house{Platform: newPlatform(t), graph: g, worlds: map[string]world{
		orchestrator.EngineTerraform: &module{refusals: refusals},
		orchestrator.EngineHelm:      c, orchestrator.EnginePulumi: c, orchestrator.EngineCrossplane: c,
	}}
	h.publish(t)
	const kubeconfig = "secret://file/_platform/kubeconfig"
	h.furnish(t, orchestrator.EnvironmentSpec{
		Provider: mixed.Provider,
		Engines: []string{
			fake.Name, orchestrator.EngineTerraform, orchestrator.EngineHelm, orchestrator.EnginePulumi, orchestrator.EngineCrossplane,
		},
		Cluster:     "main",
		Clusters:    map[string]orchestrator.Cluster{"main": {Kubeconfig: kubeconfig, Namespace: namespaceOf("{application}")}},
		Credentials: map[string]string{"KUBECONFIG_CONTENT": kubeconfig},
	})
	h.Config.Roles = []string{
		workers.RoleControl, workers.RoleFake, workers.RoleTerraform, workers.RoleHelm, workers.RolePulumi, workers.RoleCrossplane,
	}
	h.Config.Slots = 3
	h.Config.BinDirs = append(h.Config.BinDirs, parts.PulumiProvider(t))
	h.Config.SecretsDir = t.TempDir()
	secrets := filepath.Join(h.Config.SecretsDir, "_platform")
	if err := os.Mkdir(secrets, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(secrets, "kubeconfig"), c.Kubeconfig, 0o600); err != nil {
		t.Fatal(err)
	}
	h.StartWorker()
	return h
}

// publish puts the definitions of real engines' nodes into the catalog.
func (h *house) publish(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "definitions.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	definitions, err := catalog.ParseDefinitions("definitions.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range definitions {
		if *everyFlag { // where ten applications share the processors
			d.Spec.Timeouts.Apply *= 2
		}
		var dirs []string
		for _, implementation := range d.Spec.Implementations {
			if implementation.Module != "" {
				dirs = append(dirs, implementation.Module)
			}
		}
		files, err := bundle.Pack(os.DirFS("testdata"), dirs)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := h.Catalog.Publish(t.Context(), "user:platform", d, files); err != nil {
			t.Fatal(err)
		}
	}
}
