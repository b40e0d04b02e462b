// SPDX-License-Identifier: Apache-2.0

package composer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/internal/canonical"
	"github.com/HatiCode/nestor/internal/manifest"
)

// ExternalNode is a node of another application, as far as references go.
type ExternalNode struct {
	Outputs []catalog.Field
}

// GraphInput is everything a graph is made of.
type GraphInput struct {
	Release     Release
	Environment EnvironmentSettings
	// Compositions that the release pins, by digest.
	Compositions map[string]Composition
	// Definitions holds at least the versions that the release pins.
	Definitions *catalog.Snapshot
	// StickyEngines maps a node to the engine that already made it.
	StickyEngines map[string]string
	// External finds a node of another application in the same environment;
	// nil refuses such references.
	External func(team, application, node string) (ExternalNode, bool)
}

// NewGraph renders a release in one environment. It is deterministic: the same
// release, environment and catalog give the same digest on every machine. An
// error is manifest.Problems with the place of the annotation behind each, all
// at once.
func NewGraph(in GraphInput) (Graph, error) {
	r, env := in.Release, in.Environment
	bindings, bound := r.Bindings[env.Name]
	if !bound {
		reason := fmt.Sprintf("release %s does not know environment %q", shortDigest(r.Digest), env.Name)
		if why := r.Unbound[env.Name]; why != "" {
			reason = fmt.Sprintf("release %s cannot go to %s: %s", shortDigest(r.Digest), env.Name, why)
		}
		return Graph{}, manifest.Problems{{Message: reason, Hint: "make a new release: nestor apply"}}
	}
	b := &graphBuilder{
		team: r.Team, application: r.Application, env: env, claims: r.Claims,
		compositions: in.Compositions, rules: map[string]paramRules{}, bindings: bindings,
		definitions: in.Definitions, sticky: in.StickyEngines, lookup: in.External,
	}
	nodes, outputs := b.build()
	if err := b.problems.OrNil(); err != nil {
		return Graph{}, err
	}
	g := Graph{
		SchemaVersion: GraphSchema, Team: r.Team, Application: r.Application,
		Environment: env.Name, Release: r.Digest, Nodes: nodes, Outputs: outputs,
	}
	digest, err := GraphDigest(g)
	if err != nil {
		return Graph{}, err
	}
	g.Digest = digest
	return g, nil
}

// GraphDigest names a graph by its content, as "sha256:<hex>". Digest itself is
// no part of it.
func GraphDigest(g Graph) (string, error) {
	g.Digest = ""
	digest, err := canonical.Digest(g)
	if err != nil {
		return "", fmt.Errorf("digest of the graph of %s/%s in %s: %w", g.Team, g.Application, g.Environment, err)
	}
	return digest, nil
}

// Node finds a node by its id.
func (g Graph) Node(id string) (Node, bool) {
	i, ok := g.Index(id)
	if !ok {
		return Node{}, false
	}
	return g.Nodes[i], true
}

// Index is the place of a node in Nodes.
func (g Graph) Index(id string) (int, bool) {
	return slices.BinarySearchFunc(g.Nodes, id, func(n Node, id string) int { return cmp.Compare(n.ID, id) })
}

// nodeID is "<instance>.<resource>". Both are DNS labels, so the dot divides
// them.
func nodeID(instance, resource string) string { return instance + "." + resource }

// shortDigest is enough of a digest for a message.
func shortDigest(digest string) string {
	short := strings.TrimPrefix(digest, canonical.Prefix)
	return short[:min(12, len(short))]
}

// graphBuilder renders the nodes of one environment, collecting everything that
// is wrong.
type graphBuilder struct {
	team, application string
	env               EnvironmentSettings
	claims            []ResolvedClaim
	compositions      map[string]Composition // by digest
	rules             map[string]paramRules  // by digest, filled as needed
	bindings          map[string]Binding
	definitions       *catalog.Snapshot
	sticky            map[string]string
	lookup            func(team, application, node string) (ExternalNode, bool)
	// dry leaves out what may still change without a new release: engines, and
	// what other applications give.
	dry bool

	instances []*instance
	known     map[string]*plannedNode
	parsed    map[string]*parsedTemplate
	problems  manifest.Problems
}

// instance is one claim with its composition.
type instance struct {
	claim       ResolvedClaim
	composition Composition
	override    Override
	nodes       []*plannedNode
	data        map[string]any // what templates see
}

// plannedNode is a node before it is rendered.
type plannedNode struct {
	id         string
	resource   Resource
	binding    Binding
	definition catalog.Definition
}

// build runs the steps in order; each needs that the ones before found nothing
// wrong.
func (b *graphBuilder) build() ([]Node, []InstanceOutput) {
	b.known, b.parsed = map[string]*plannedNode{}, map[string]*parsedTemplate{}
	for _, claim := range b.claims {
		b.plan(claim)
	}
	if len(b.problems) > 0 {
		return nil, nil
	}
	var nodes []Node
	var outputs []InstanceOutput
	for _, i := range b.instances {
		declared := i.declaredNeeds()
		for _, n := range i.nodes {
			nodes = append(nodes, b.render(i, n, declared[n.resource.Name]))
		}
		outputs = append(outputs, b.outputs(i)...)
	}
	if len(b.problems) > 0 {
		return nil, nil
	}
	slices.SortFunc(nodes, func(x, y Node) int { return cmp.Compare(x.ID, y.ID) })
	slices.SortFunc(outputs, func(x, y InstanceOutput) int {
		return cmp.Or(cmp.Compare(x.Instance, y.Instance), cmp.Compare(x.Name, y.Name))
	})
	b.refuseCycle(nodes)
	return nodes, outputs
}

func (b *graphBuilder) report(claim ResolvedClaim, field, message, cure string) {
	p := claimProblem(claim.Claim, message, cure)
	p.Field = field
	b.problems = append(b.problems, p)
}

// plan finds the definitions of a claim's resources.
func (b *graphBuilder) plan(claim ResolvedClaim) {
	const renew = "make a new release: nestor apply"
	c, ok := b.compositions[claim.CompositionDigest]
	if !ok {
		b.report(claim, claim.Instance, fmt.Sprintf("composition %s with digest %s is not at hand", claim.Composition, shortDigest(claim.CompositionDigest)), renew)
		return
	}
	p, err := place(c, b.env)
	if err != nil {
		message, cure := told(err)
		b.report(claim, claim.Instance, message, cure)
		return
	}
	i := &instance{claim: claim, composition: c, override: c.Spec.Environments[b.env.Name]}
	for _, r := range c.Spec.Resources {
		id := nodeID(claim.Instance, r.Name)
		binding, ok := b.bindings[id]
		switch {
		case !ok:
			b.report(claim, id, "the release has no binding for it in "+b.env.Name, renew)
			continue
		case binding.Provider != p.provider || binding.Region != p.region:
			b.report(claim, id, fmt.Sprintf("the release binds it to %s, environment %s now has %s",
				where(binding.Provider, binding.Region), b.env.Name, where(p.provider, p.region)), renew)
			continue
		}
		published, ok := b.definitions.ByDigest(binding.Digest)
		if !ok {
			b.report(claim, id, fmt.Sprintf("the catalog does not have %s@%s with digest %s", binding.Definition, binding.Version, shortDigest(binding.Digest)), "publish that version again, or "+renew)
			continue
		}
		n := &plannedNode{id: id, resource: r, binding: binding, definition: published.Definition}
		b.known[id] = n
		i.nodes = append(i.nodes, n)
	}
	i.data = b.data(i, p)
	b.instances = append(b.instances, i)
}

func where(provider, region string) string {
	if region == "" {
		return provider
	}
	return provider + " " + region
}

// data is what the templates of an instance see.
func (b *graphBuilder) data(i *instance, p placement) map[string]any {
	digest := i.claim.CompositionDigest
	rules, ok := b.rules[digest]
	if !ok {
		rules = rulesOf(i.composition)
		b.rules[digest] = rules
	}
	var given map[string]any
	if len(i.nodes) > 0 {
		given = i.nodes[0].binding.Parameters
	}
	labels := make(map[string]any, len(b.env.Labels))
	for _, k := range sortedKeys(b.env.Labels) {
		labels[k] = b.env.Labels[k]
	}
	return map[string]any{
		"params":   rules.visible(given),
		"env":      map[string]any{"name": b.env.Name, "provider": p.provider, "region": p.region, "cluster": b.env.Cluster, "labels": labels},
		"app":      map[string]any{"name": b.application},
		"team":     b.team,
		"instance": i.claim.Instance,
	}
}

// declaredNeeds maps a resource to those that it needs by a dependency.
func (i *instance) declaredNeeds() map[string][]string {
	needs := map[string][]string{}
	for _, d := range i.composition.Spec.Dependencies {
		edges, err := ParseDependency(d)
		if err != nil {
			continue // the composition was checked when it was stored
		}
		for _, e := range edges {
			needs[e.To] = append(needs[e.To], e.From)
		}
	}
	return needs
}

// render makes a node of a planned one.
func (b *graphBuilder) render(i *instance, n *plannedNode, needs []string) Node {
	d := n.definition
	node := Node{
		ID: n.id, Definition: n.binding.Definition, Version: n.binding.Version,
		DefinitionDigest: n.binding.Digest, BundleDigest: n.binding.BundleDigest, Provider: d.Spec.Provider,
		Outputs:       slices.SortedFunc(slices.Values(d.Spec.Outputs), func(x, y catalog.Field) int { return cmp.Compare(x.Name, y.Name) }),
		RollbackClass: b.rollbackClass(i, n), DeletionPolicy: cmp.Or(d.Spec.DeletionPolicy, catalog.DeletePolicy),
		Timeouts: d.Spec.Timeouts, File: i.claim.File, Line: i.claim.Line,
	}
	if !b.dry {
		engine, err := chooseEngine(d, b.env, b.sticky[n.id])
		if err != nil {
			message, cure := told(err)
			b.report(i.claim, n.id, message, cure)
		}
		node.Engine, node.Queue, node.Implementation = engine, EngineQueue(engine), d.Spec.Implementations[engine]
	}
	node.Inputs = b.inputs(i, n)
	for _, name := range needs {
		node.Dependencies = append(node.Dependencies, nodeID(i.claim.Instance, name))
	}
	for _, in := range node.Inputs {
		for _, r := range in.Value.References() {
			if !r.External() {
				node.Dependencies = append(node.Dependencies, r.Node)
			}
		}
	}
	slices.Sort(node.Dependencies)
	node.Dependencies = slices.Compact(node.Dependencies)
	if b.dry {
		return node
	}
	digest, err := canonical.Digest(node.Inputs)
	if err != nil {
		b.report(i.claim, n.id, err.Error(), "")
	}
	node.InputDigest = digest
	return node
}

// rollbackClass is the environment's for the resource, or the resource's, or
// the definition's. Only where the definition says how can there be a snapshot.
func (b *graphBuilder) rollbackClass(i *instance, n *plannedNode) catalog.RollbackClass {
	declared := cmp.Or(n.definition.Spec.Rollback, catalog.Revertible)
	class := cmp.Or(i.override.Resources[n.resource.Name].Rollback, n.resource.Rollback, declared)
	if class == catalog.SnapshotFirst && declared != catalog.SnapshotFirst {
		message, hint := noSnapshot(n.definition)
		b.report(i.claim, n.id, message, hint)
	}
	return class
}

// outputs renders what an instance gives.
func (b *graphBuilder) outputs(i *instance) []InstanceOutput {
	var outputs []InstanceOutput
	for _, o := range i.composition.Spec.Outputs {
		field := i.claim.Instance + ".outputs." + o.Name
		e, err := b.template(i, nil, o.Value)
		if err == nil && e != nil {
			err = refuseSecrets(*e)
		}
		if err != nil {
			message, cure := told(err)
			b.report(i.claim, field, message, cure)
			continue
		}
		if e != nil {
			outputs = append(outputs, InstanceOutput{Instance: i.claim.Instance, Name: o.Name, Sensitive: o.Sensitive || e.Sensitive(), Value: *e})
		}
	}
	return outputs
}

// refuseCycle looks at the whole graph: references between instances can close
// a cycle that no composition has by itself.
func (b *graphBuilder) refuseCycle(nodes []Node) {
	needs := make(map[string][]string, len(nodes))
	for _, n := range nodes {
		needs[n.ID] = n.Dependencies
	}
	cycle := findCycle(needs)
	if cycle == nil {
		return
	}
	for _, i := range b.instances {
		if strings.HasPrefix(cycle[0], i.claim.Instance+".") {
			b.report(i.claim, cycle[0], cycleMessage(cycle), "remove one of these dependencies or references")
		}
	}
}
