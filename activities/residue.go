// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/orchestrator/walk"
	"github.com/HatiCode/nestor/store"
)

// FinishDeployment ends a deployment. What is left behind gets the engine and
// the address from the node's head, and what it is advised to do as a command.
// Unless the deployment succeeded, what earlier ones have left is listed with it
// as long as it is not mended.
func (c *Control) FinishDeployment(ctx context.Context, in contract.FinishInput) error {
	return toTemporal(c.finish(ctx, in))
}

func (c *Control) finish(ctx context.Context, in contract.FinishInput) error {
	d, err := c.Registry.GetDeployment(ctx, in.Deployment)
	if err != nil {
		return err
	}
	if in.Residue, err = c.carried(ctx, d, in); err != nil {
		return err
	}
	state, err := c.Registry.Scope(ctx, d.Scope)
	if err != nil {
		return err
	}
	for i := range in.Residue {
		left := &in.Residue[i]
		left.Action = strings.ReplaceAll(left.Action, walk.GoBack, goBack(d.Environment, state.Release))
		if err := c.locate(ctx, d.Scope, in.Deployment, left); err != nil {
			return err
		}
	}
	return c.Registry.Finish(ctx, in)
}

// goBack is the command that deploys again what succeeded last.
func goBack(environment, release string) string {
	if release == "" {
		return "remove everything with `nestor destroy --env " + environment + "`"
	}
	return fmt.Sprintf("go back with `nestor rollback --env %s --to %s`", environment, orchestrator.ShortDigest(release))
}

// carried is what a deployment leaves, by node: what it says itself, and what an
// earlier one has left and it has not mended. That is a node which it did not come
// to, or which is still not as the release has it that succeeded last. A node that
// nobody has listed, and that is not whole, is listed as well.
func (c *Control) carried(ctx context.Context, d orchestrator.Deployment, in contract.FinishInput) ([]orchestrator.Residue, error) {
	if in.Status == orchestrator.StatusSucceeded || d.Kind == orchestrator.KindAdopt || d.StartedAt.IsZero() {
		return in.Residue, nil
	}
	earlier, found, err := c.Registry.LastActed(ctx, d.Scope, d.N)
	if err != nil || !found {
		return in.Residue, err
	}
	if earlier.Status == orchestrator.StatusSucceeded {
		earlier.Residue = nil // snapshots that nobody needs, which the heads list
	}
	heads, err := c.Registry.Heads(ctx, d.Scope)
	if err != nil {
		return nil, err
	}
	deployed, err := c.deployed(ctx, d.Scope)
	if err != nil {
		return nil, err
	}
	own, known := byNode(in.Residue), byNode(earlier.Residue)
	_, unlisted := known[registry.MoreNodes]
	all := slices.Clone(in.Residue)
	for _, head := range heads {
		if head.Forgotten {
			continue // by a person's word it is nobody's any more
		}
		before, listed := known[head.Node]
		elsewhere := head.LastDeployment != d.ID // what d acted on, it has judged itself
		unnamed := elsewhere && (unlisted || !head.Whole())
		if _, named := own[head.Node]; named || !listed && !unnamed {
			continue
		}
		left, err := c.still(ctx, head, deployed)
		if err != nil {
			return nil, err
		}
		switch {
		case listed && (left != nil || elsewhere && !head.ActedOnSince(earlier)):
			before.Since = cmp.Or(before.Since, earlier.ID)
			all = append(all, before)
		case !listed && left != nil:
			all = append(all, *left)
		}
	}
	slices.SortStableFunc(all, func(a, b orchestrator.Residue) int { return strings.Compare(a.Node, b.Node) })
	return all, nil
}

func byNode(all []orchestrator.Residue) map[string]orchestrator.Residue {
	nodes := make(map[string]orchestrator.Residue, len(all))
	for _, r := range all {
		nodes[r.Node] = r
	}
	return nodes
}

// deployed is the graph of what succeeded last; an empty one where nothing did.
func (c *Control) deployed(ctx context.Context, scope orchestrator.Scope) (composer.Graph, error) {
	state, err := c.Registry.Scope(ctx, scope)
	if err != nil || state.Graph == "" {
		return composer.Graph{}, err
	}
	return c.Graphs.Get(ctx, state.Graph)
}

// still says what is wrong with a node, by its head, whoever left it so; nil where
// it is as the deployed graph has it, or was adopted since.
func (c *Control) still(ctx context.Context, head orchestrator.NodeHead, deployed composer.Graph) (*orchestrator.Residue, error) {
	left := &orchestrator.Residue{Node: head.Node, Action: "apply again, or " + walk.GoBack, Since: head.LastDeployment}
	if !head.Whole() {
		left.Reason = "its last step did not succeed, and nothing has made it whole since"
		return left, nil
	}
	graph, err := c.Graphs.Get(ctx, head.GraphDigest)
	if err != nil {
		return nil, err
	}
	now, known := graph.Node(head.Node)
	shall, wanted := deployed.Node(head.Node)
	if known && wanted && now.DescribedLike(shall) {
		return nil, nil //nolint:nilnil // it is as it should be
	}
	by, err := c.Registry.GetDeployment(ctx, head.LastDeployment)
	if errors.Is(err, store.ErrNotFound) || err == nil && by.Kind == orchestrator.KindAdopt {
		return nil, nil //nolint:nilnil // taken over beside what is deployed
	}
	left.Reason = "it is not as the release that succeeded last has it"
	if release := graph.ReleaseOf(now); release != "" {
		left.Reason += ": it is at release " + orchestrator.ShortDigest(release)
	}
	return left, err
}

// locate says where a node is that was left: by its head, with the resource
// that its error names, or, where it has none any more, by the graph of the
// deployment.
func (c *Control) locate(ctx context.Context, scope orchestrator.Scope, deployment string, left *orchestrator.Residue) error {
	head, err := c.Registry.Head(ctx, scope, left.Node)
	if err == nil {
		left.Engine, left.Address = head.Engine, head.Address
		if head.Error != nil {
			left.Resource = head.Error.Resource
		}
		return nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	left.Address = address(scope, left.Node)
	d, err := c.Registry.GetDeployment(ctx, deployment)
	if err != nil || d.GraphDigest == "" {
		return err
	}
	graph, err := c.Graphs.Get(ctx, d.GraphDigest)
	if err != nil {
		return err
	}
	if described, found := graph.Node(left.Node); found {
		left.Engine = described.Engine
	}
	return nil
}

// cutOff lists the nodes that a deployment was at work on when its workflow
// ended without a word.
func (c *Control) cutOff(ctx context.Context, d orchestrator.Deployment) ([]orchestrator.Residue, error) {
	heads, err := c.Registry.Heads(ctx, d.Scope)
	if err != nil {
		return nil, err
	}
	var residue []orchestrator.Residue
	for _, head := range heads {
		if head.LastDeployment == d.ID && !atRest(head.Status) {
			left := orchestrator.Residue{Node: head.Node, Reason: "its step was cut off", Action: "apply or destroy again"}
			if d.Kind == orchestrator.KindAdopt {
				left.Action = "adopt it again"
			}
			residue = append(residue, left)
		}
	}
	return residue, nil
}

// atRest says that no step was cut off.
func atRest(s orchestrator.NodeStatus) bool {
	return s == orchestrator.NodeReady || s == orchestrator.NodeReverted || s == orchestrator.NodeForgotten
}
