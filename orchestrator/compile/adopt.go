// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/internal/suggest"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// checkAdopt refuses an adoption that cannot succeed as things stand. A request
// that was made before gets its first answer, whatever came after that.
func (c *Compiler) checkAdopt(ctx context.Context, req contract.DeployRequest) error {
	known, err := c.registry.Requested(ctx, req.Scope, req.RequestID)
	if err != nil || known {
		return err
	}
	graph, err := c.target(ctx, req.Scope, req.Kind, req.Release)
	if err != nil {
		return err
	}
	return c.adoptable(ctx, req.Scope, graph, req.Adoption)
}

// adopting is what is known of an adoption when its turn has come. It has no
// plan; what its approvals are about is its change digest.
func (c *Compiler) adopting(ctx context.Context, d orchestrator.Deployment, graph composer.Graph) (planning, error) {
	p := planning{plan: orchestrator.Plan{ChangeDigest: d.ChangeDigest}}
	err := c.adoptable(ctx, d.Scope, graph, d.Adoption)
	if why, refused := Refused(err); refused {
		p.refused, err = why, nil
	}
	return p, err
}

// adoptable refuses to adopt into a node that is not the graph's, that an
// engine was asked for already, or whose inputs cannot be known yet.
func (c *Compiler) adoptable(ctx context.Context, scope orchestrator.Scope, graph composer.Graph, a *orchestrator.Adoption) error {
	if a == nil || a.Node == "" || a.State == (a.Reference != "") {
		return &orchestrator.Refusal{
			Reason: "an adoption needs a node, and either a state or a reference to what exists", Hint: "name one of the two",
		}
	}
	node, found := graph.Node(a.Node)
	if !found {
		return unknownNode(graph, a.Node)
	}
	if err := c.untaken(ctx, scope, a); err != nil {
		return err
	}
	missing, err := c.undeployed(ctx, scope, node)
	if err != nil || len(missing) == 0 {
		return err
	}
	return &orchestrator.Refusal{
		Reason: fmt.Sprintf("%s takes inputs from what is not deployed in %s: %s", a.Node, scope.Environment, strings.Join(missing, ", ")),
		Hint:   "adopt or deploy that first",
	}
}

func unknownNode(graph composer.Graph, name string) error {
	const most = 20
	names := make([]string, 0, len(graph.Nodes))
	for _, n := range graph.Nodes {
		names = append(names, n.ID)
	}
	hint := "its nodes are " + strings.Join(names[:min(most, len(names))], ", ")
	if len(names) > most {
		hint += fmt.Sprintf(" and %d more", len(names)-most)
	}
	if near, ok := suggest.Nearest(name, names); ok {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return &orchestrator.Refusal{
		Reason: fmt.Sprintf("%s has no node %q in %s", graph.Application, name, graph.Environment), Hint: hint,
	}
}

// untaken refuses a node that an engine was asked for already, and one whose
// place is known to be another than that of what is to be adopted.
func (c *Compiler) untaken(ctx context.Context, scope orchestrator.Scope, a *orchestrator.Adoption) error {
	node := a.Node
	head, err := c.registry.Head(ctx, scope, node)
	switch {
	case isNotFound(err):
		return nil
	case err != nil:
		return err
	case head.InputsRef != "":
		return &orchestrator.Refusal{
			Reason: fmt.Sprintf("%s is deployed in %s already (deployment %s)", node, scope.Environment, head.LastDeployment),
			Hint:   "nothing can be adopted into it",
		}
	case head.Intended != "" && !head.Adopting:
		return &orchestrator.Refusal{
			Reason: fmt.Sprintf("deployment %s has begun to make %s and has not succeeded", head.LastDeployment, node),
			Hint:   "apply or destroy it first",
		}
	case head.Forgotten && head.StateRef != "" && head.StateRef != a.Reference:
		return &orchestrator.Refusal{
			Reason: fmt.Sprintf("%s was forgotten, and where it was, %s, is still its place", node, head.StateRef),
			Hint:   fmt.Sprintf("adopt that, or state that nothing is there with `nestor forget %s --env %s --gone`", node, scope.Environment),
		}
	}
	return nil
}

// undeployed lists the nodes that give inputs of a node and are not there, each
// once.
func (c *Compiler) undeployed(ctx context.Context, scope orchestrator.Scope, node composer.Node) ([]string, error) {
	var missing []string
	for _, in := range node.Inputs {
		for _, ref := range in.Value.References() {
			from, name := scope, ref.Node
			if ref.External() {
				from.Team, from.Application = ref.Team, ref.Application
				name = fmt.Sprintf("%s of %s/%s", ref.Node, ref.Team, ref.Application)
			}
			head, err := c.registry.Head(ctx, from, ref.Node)
			if err != nil && !isNotFound(err) {
				return nil, err
			}
			if (err != nil || head.OutputsRef == "") && !slices.Contains(missing, name) {
				missing = append(missing, name)
			}
		}
	}
	return missing, nil
}

// only makes out of a prepared deployment that of one node, with nothing before
// it.
func only(out *contract.Prepared, graph composer.Graph, node string) {
	out.Input.Adopt, out.Input.PreviousGraphDigest, out.Input.Partial = node, "", nil
	out.Nodes = 1
	if n, found := graph.Node(node); found {
		out.Queues = []string{n.Queue}
	}
}
