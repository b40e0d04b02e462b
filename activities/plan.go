// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"errors"
	"slices"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/store"
)

// PlanNode previews one node and records what it would change. It changes
// nothing and takes no fence.
func (s *Steps) PlanNode(ctx context.Context, in contract.PlanNodeInput) (contract.PlanNodeResult, error) {
	stop := Beat(ctx, s.Beat)
	defer stop()
	plan, err := s.Registry.GetPlanRecord(ctx, in.Plan)
	if err != nil {
		return contract.PlanNodeResult{}, toTemporal(err)
	}
	node, err := s.node(ctx, in.GraphDigest, in.Node)
	if err != nil {
		return contract.PlanNodeResult{}, toTemporal(err)
	}
	hidden := newMask()
	if in.Drift {
		return s.driftNode(ctx, plan.Scope, node, in, hidden)
	}
	np := orchestrator.NodePlan{
		Node: in.Node, Engine: node.Engine, Definition: node.Definition, Version: node.Version,
		Remove: in.Remove, Retain: in.Remove && node.DeletionPolicy == catalog.RetainPolicy,
	}
	preview, err := s.preview(ctx, plan.Scope, node, in, hidden)
	if err == nil && plan.Kind == orchestrator.KindRollback {
		preview, err = s.goesBack(ctx, plan.Scope, node, in, &np, preview, hidden)
	}
	if ctx.Err() != nil {
		return contract.PlanNodeResult{}, ctx.Err()
	}
	np.Changes = hidden.changes(preview.Changes)
	var res contract.PlanNodeResult
	if err != nil {
		ne := hidden.nodeError(err)
		if ne.Retryable {
			return res, stepFailure(err, *ne, 1, s.Backoff)
		}
		np.Error = describe(*ne)
		res.Error = np.Error
		if engine.Class(ne.Class) == engine.Unreadable {
			np.Changes = nil // made from a state that is not the node's
		}
	}
	if np.Rollback, err = s.plannedClass(ctx, plan.Scope, node); err != nil {
		return res, toTemporal(err)
	}
	recorded, headErr := s.recorded(ctx, plan.Scope, in.Node)
	if headErr != nil {
		return res, toTemporal(headErr)
	}
	err = s.Registry.PutNodePlan(ctx, store.Principal(principal(s.Engine)), in.Plan, np, changing(node, preview, recorded))
	return res, toTemporal(err)
}

// plannedClass is the class of a node where it is not revertible: forward-only
// as soon as the graph it is on says so, too, and snapshot-first only where what
// is there says how it is saved.
func (s *Steps) plannedClass(ctx context.Context, scope orchestrator.Scope, node composer.Node) (string, error) {
	class := node.RollbackClass
	head, err := s.Registry.Head(ctx, scope, node.ID)
	if err == nil {
		before, err := s.node(ctx, head.GraphDigest, node.ID)
		if err != nil {
			return "", err
		}
		switch {
		case before.RollbackClass == catalog.ForwardOnly:
			class = catalog.ForwardOnly
		case class == catalog.SnapshotFirst && before.Implementation.Snapshot == nil:
			class = catalog.Revertible
		}
	} else if !errors.Is(err, store.ErrNotFound) {
		return "", err
	}
	if class == catalog.Revertible {
		return "", nil
	}
	return string(class), nil
}

// recorded are the types of the outputs that a node's dependents can have now,
// by name. A node that was never whole has none, also when there is nothing left
// to change.
func (s *Steps) recorded(ctx context.Context, scope orchestrator.Scope, node string) (map[string]string, error) {
	head, err := s.Registry.Head(ctx, scope, node)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	values, err := s.Registry.Outputs(ctx, head)
	if err != nil {
		return nil, err
	}
	types := make(map[string]string, len(values))
	for _, v := range values {
		types[v.Name] = v.Type
	}
	return types, nil
}

// changing lists the outputs that will or may have another value after the
// preview is applied: those that it may change, and those that are not there
// yet as the definition declares them, since it is a new one.
func changing(n composer.Node, p engine.Preview, recorded map[string]string) []string {
	var out []string
	for _, o := range n.Outputs {
		kept := p.Empty() || slices.Contains(p.OutputsKept, o.Name)
		if !kept || recorded[o.Name] != string(o.Type) {
			out = append(out, o.Name)
		}
	}
	return out
}

func (s *Steps) preview(
	ctx context.Context, scope orchestrator.Scope, node composer.Node, in contract.PlanNodeInput, hidden *mask,
) (engine.Preview, error) {
	if in.Remove && node.DeletionPolicy == catalog.RetainPolicy {
		return engine.Preview{}, nil
	}
	unknown, err := s.unknownTo(ctx, in.Plan, node)
	if err != nil {
		return engine.Preview{}, err
	}
	req, head, err := s.previewRequest(ctx, scope, node, in, unknown, hidden)
	if err != nil {
		return engine.Preview{}, err
	}
	if in.Remove && head.Forgotten {
		return engine.Preview{}, s.nothingThere(ctx, req, head)
	}
	p, err := s.previewOf(ctx, req, head)
	if err != nil || in.Remove {
		return p, err
	}
	return p, s.unclaimed(ctx, scope, in.Node, req)
}

// previewOf asks the engine, and refuses a state that is not the head's, or one
// that the last step has left in doubt: what was begun there, the step's own
// workspace may know, but a plan's does not.
func (s *Steps) previewOf(ctx context.Context, req engine.Request, head orchestrator.NodeHead) (engine.Preview, error) {
	if last := head.Error; last != nil && last.Class == string(engine.Uncertain) && head.Intended != "" {
		return engine.Preview{}, &engine.Error{
			Class: engine.Uncertain, Engine: s.Engine.Name(), Resource: last.Resource, Message: last.Message,
		}
	}
	p, err := s.Engine.Preview(ctx, req)
	if err == nil {
		_, err = s.compareState(head, p.State)
	}
	return p, err
}

// previewRequest is the engine's view of a node that is to be previewed, and the
// node's head; a zero one where there is none. unknown are the outputs of other
// nodes that are not known yet.
func (s *Steps) previewRequest(
	ctx context.Context, scope orchestrator.Scope, node composer.Node, in contract.PlanNodeInput,
	unknown map[string][]string, hidden *mask,
) (engine.Request, orchestrator.NodeHead, error) {
	environment, _, err := s.Registry.GetEnvironment(ctx, scope.Environment)
	if err != nil {
		return engine.Request{}, orchestrator.NodeHead{}, err
	}
	req, err := s.request(ctx, node, scope, environment, discard{})
	hidden.request(req)
	if err != nil {
		return req, orchestrator.NodeHead{}, err
	}
	req.Workspace = s.workspace(scope, in.Node, "plans")
	req.Destroy, req.Plan = in.Remove, true
	head, err := s.Registry.Head(ctx, scope, in.Node)
	switch {
	case err == nil:
		req.Address, req.StateRef, req.Backend = head.Address, head.StateRef, s.backend(head.Backend)
	case !errors.Is(err, store.ErrNotFound):
		return req, head, err
	}
	if req.Settled, err = s.Registry.Settled(ctx, scope, in.Node, head); err != nil {
		return req, head, err
	}
	if in.Remove {
		err = s.recordedInputs(ctx, head, &req)
	} else {
		err = s.plannedInputs(ctx, scope, node, unknown, &req, hidden)
	}
	hidden.request(req)
	return req, head, err
}

// plannedInputs renders what can be known before the deployment: not the
// outputs that the previews of the nodes before this one say will change.
func (s *Steps) plannedInputs(
	ctx context.Context, scope orchestrator.Scope, node composer.Node, unknown map[string][]string,
	req *engine.Request, hidden *mask,
) error {
	live := s.liveOutputs(ctx, scope)
	from := parts{mask: hidden, req: req, live: live, secret: s.secret(ctx, scope.Team)}
	known := func(ref composer.Reference) bool {
		return ref.External() || !slices.Contains(unknown[ref.Node], ref.Output)
	}
	for _, in := range node.Inputs {
		in.Sensitive = sensitive(in) || live.sensitive(in.Value)
		if in.Sensitive {
			req.Sensitive[in.Name] = true
		}
		if !in.Value.Known(known) {
			req.Unknown[in.Name] = "known after " + firstUnknown(in.Value, known)
			continue
		}
		v, err := from.resolve(in)
		if err != nil {
			return err
		}
		req.Inputs[in.Name] = v
	}
	return nil
}

// unknownTo gathers, of the nodes whose outputs a node takes, those that will or
// may change.
func (s *Steps) unknownTo(ctx context.Context, plan string, node composer.Node) (map[string][]string, error) {
	unknown := map[string][]string{}
	for _, in := range node.Inputs {
		for _, ref := range in.Value.References() {
			if _, asked := unknown[ref.Node]; asked || ref.External() {
				continue
			}
			outputs, err := s.Registry.UnknownOutputs(ctx, plan, ref.Node)
			if err != nil {
				return nil, err
			}
			unknown[ref.Node] = outputs
		}
	}
	return unknown, nil
}

func firstUnknown(e composer.Expression, known func(composer.Reference) bool) string {
	for _, ref := range e.References() {
		if !known(ref) {
			return ref.Node
		}
	}
	return "apply"
}

// recordedInputs are those of the last apply.
func (s *Steps) recordedInputs(ctx context.Context, head orchestrator.NodeHead, req *engine.Request) error {
	inputs, err := s.Registry.RevealInputs(ctx, head, head.GraphDigest)
	if err != nil {
		return err
	}
	for _, in := range inputs {
		give(req, in)
	}
	return nil
}
