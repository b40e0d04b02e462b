// SPDX-License-Identifier: Apache-2.0

// Package compile turns what people ask for into frozen records: claims into a
// release, a release into the stored graph of one environment, a request into
// a plan or a promotion. It brings the pure functions of package composer
// together with what the stores hold.
//
// What it is not for: running anything. A compiled graph is walked by the
// Deployment workflow.
package compile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
	compositions "github.com/HatiCode/nestor/composer/registry"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

// Compiler is safe for concurrent use.
type Compiler struct {
	catalog      *catalog.Service
	compositions *compositions.Registry
	registry     *registry.Registry
	now          func() time.Time
	newID        func() string
}

// New returns a compiler. newID makes the ids of plans and promotions (ULIDs).
func New(
	c *catalog.Service, comp *compositions.Registry, r *registry.Registry, now func() time.Time, newID func() string,
) *Compiler {
	return &Compiler{catalog: c, compositions: comp, registry: r, now: now, newID: newID}
}

// ReleaseRequest asks for an application to be resolved and frozen.
type ReleaseRequest struct {
	Team        string
	Application string
	Repository  string
	Commit      string
	Claims      []composer.Claim
	// Environment that is asked about, for the error; see composer.ReleaseInput.
	Environment string
}

// CreateRelease resolves the claims against the catalog, the team's
// compositions and all environments, and stores the release. The same request
// on the same catalog gives the same release, and created is false.
func (c *Compiler) CreateRelease(
	ctx context.Context, p store.Principal, req ReleaseRequest,
) (release composer.Release, created bool, err error) {
	in := composer.ReleaseInput{
		Team: req.Team, Application: req.Application, Repository: req.Repository, Commit: req.Commit,
		Claims: req.Claims, Environment: req.Environment,
	}
	if in.Compositions, err = c.teamCompositions(ctx, req.Team); err != nil {
		return release, false, err
	}
	if in.Catalog, err = c.catalog.Snapshot(ctx); err != nil {
		return release, false, err
	}
	environments, err := c.registry.ListEnvironments(ctx)
	if err != nil {
		return release, false, err
	}
	if len(environments) == 0 {
		return release, false, &orchestrator.Refusal{
			Reason: "there is no environment to release to",
			Hint:   "the platform team creates one with `nestor environment push`",
		}
	}
	for _, e := range environments {
		in.Environments = append(in.Environments, e.Settings())
	}
	if release, err = composer.NewRelease(in); err != nil {
		return release, false, err
	}
	release.CreatedBy, release.CreatedAt = string(p), c.now()
	return c.compositions.PutRelease(ctx, p, release)
}

// teamCompositions returns a team's compositions by name.
func (c *Compiler) teamCompositions(ctx context.Context, team string) (map[string]composer.Composition, error) {
	all := map[string]composer.Composition{}
	for cursor := ""; ; {
		page, err := c.compositions.ListCompositions(ctx, team, cursor, store.MaxPage)
		if err != nil {
			return nil, err
		}
		for _, stored := range page.Compositions {
			all[stored.Composition.Metadata.Name] = stored.Composition
		}
		if page.Next == "" {
			return all, nil
		}
		cursor = page.Next
	}
}

// Graph compiles a release for an environment and stores the graph.
func (c *Compiler) Graph(ctx context.Context, scope orchestrator.Scope, digest string) (composer.Graph, error) {
	release, err := c.compositions.GetRelease(ctx, scope.Team, scope.Application, digest)
	if err != nil {
		return composer.Graph{}, err
	}
	environment, _, err := c.registry.GetEnvironment(ctx, scope.Environment)
	if err != nil {
		return composer.Graph{}, err
	}
	in := composer.GraphInput{
		Release: release, Environment: environment.Settings(),
		Compositions: map[string]composer.Composition{}, StickyEngines: map[string]string{},
	}
	for _, claim := range release.Claims {
		if _, known := in.Compositions[claim.CompositionDigest]; known {
			continue
		}
		comp, err := c.compositions.CompositionByDigest(ctx, claim.CompositionDigest)
		if err != nil {
			return composer.Graph{}, err
		}
		in.Compositions[claim.CompositionDigest] = comp
	}
	if in.Definitions, err = c.catalog.Snapshot(ctx); err != nil {
		return composer.Graph{}, err
	}
	heads, err := c.registry.Heads(ctx, scope)
	if err != nil {
		return composer.Graph{}, err
	}
	for _, head := range heads {
		in.StickyEngines[head.Node] = head.Engine
	}
	others := &neighbours{ctx: ctx, registry: c.registry, environment: environment, from: scope}
	in.External = others.find
	graph, err := composer.NewGraph(in)
	if others.err != nil {
		return composer.Graph{}, others.err
	}
	if err != nil {
		return composer.Graph{}, err
	}
	return graph, c.registry.PutGraph(ctx, graph)
}

// Previous is the graph of what is there now, stored, and its digest; empty
// when nothing is. Usually that is the graph of the last successful deployment.
// After one that failed, nodes may be on different graphs; then a graph of
// their own is put together from the heads. Nodes that were forgotten are among
// them: somebody has to look where they were.
func (c *Compiler) Previous(ctx context.Context, scope orchestrator.Scope) (string, error) {
	return c.before(ctx, scope, composer.Graph{})
}

// before is Previous as a deployment of a target finds it. A node of the target
// that was forgotten is not there, as far as anybody knows: the deployment looks
// before it makes it, and takes away again what it has made.
func (c *Compiler) before(ctx context.Context, scope orchestrator.Scope, target composer.Graph) (string, error) {
	heads, err := c.registry.Heads(ctx, scope)
	if err != nil {
		return "", err
	}
	heads = slices.DeleteFunc(heads, func(head orchestrator.NodeHead) bool {
		_, wanted := target.Index(head.Node)
		return head.Forgotten && wanted
	})
	if len(heads) == 0 {
		return "", nil
	}
	graphs := map[string]composer.Graph{}
	nodes := make([]composer.Node, 0, len(heads))
	for _, head := range heads {
		graph, known := graphs[head.GraphDigest]
		if !known {
			if graph, err = c.registry.GetGraph(ctx, head.GraphDigest); err != nil {
				return "", err
			}
			graphs[head.GraphDigest] = graph
		}
		node, found := graph.Node(head.Node)
		if !found {
			return "", fmt.Errorf("node %s of %s is not in graph %s, which made it", head.Node, scope, head.GraphDigest)
		}
		node.Release = graph.ReleaseOf(node)
		nodes = append(nodes, node)
	}
	if len(graphs) == 1 && len(graphs[heads[0].GraphDigest].Nodes) == len(nodes) {
		return heads[0].GraphDigest, nil
	}
	graph, err := composer.Reassemble(scope.Team, scope.Application, scope.Environment, nodes)
	if err != nil {
		return "", err
	}
	return graph.Digest, c.registry.PutGraph(ctx, graph)
}

// partial are the nodes of a scope, whose graph is given, that were never whole:
// an engine was asked for them, and has not succeeded once.
func (c *Compiler) partial(ctx context.Context, scope orchestrator.Scope, graph composer.Graph) (contract.NodeSet, error) {
	heads, err := c.registry.Heads(ctx, scope)
	if err != nil {
		return nil, err
	}
	var nodes contract.NodeSet
	for _, head := range heads {
		if head.InputsRef != "" {
			continue
		}
		at, found := graph.Index(head.Node)
		if !found && head.Forgotten {
			continue
		}
		if !found {
			return nil, fmt.Errorf("node %s of %s is not in graph %s, which is what is there", head.Node, scope, graph.Digest)
		}
		nodes = nodes.With(at)
	}
	return nodes, nil
}

// isNotFound is what a missing record looks like.
func isNotFound(err error) bool { return errors.Is(err, store.ErrNotFound) }
