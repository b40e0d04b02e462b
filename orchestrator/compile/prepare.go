// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"context"
	"errors"

	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/internal/manifest"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

// Prepare freezes what a deployment at the head of its queue will walk, and
// says whether it may run now, or needs a new plan or approvals first, or has
// to wait for another that runs. It can be called again until the deployment
// runs; for one that is over it is refused, and one that runs it leaves alone.
func (c *Compiler) Prepare(ctx context.Context, id, principal string) (contract.Prepared, error) {
	d, err := c.registry.GetDeployment(ctx, id)
	if err != nil {
		return contract.Prepared{}, err
	}
	if p, now, err := c.turn(ctx, d); err != nil || !now {
		return p, err
	}
	environment, _, err := c.registry.GetEnvironment(ctx, d.Environment)
	if isNotFound(err) {
		return contract.Prepared{Refused: err.Error()}, nil
	}
	if err != nil {
		return contract.Prepared{}, err
	}
	target, err := c.target(ctx, d.Scope, d.Kind, d.Release)
	if why, refused := Refused(err); refused {
		return contract.Prepared{Refused: why}, nil
	}
	if err != nil {
		return contract.Prepared{}, err
	}
	previous, err := c.before(ctx, d.Scope, target)
	if err != nil {
		return contract.Prepared{}, err
	}
	state, err := c.registry.Scope(ctx, d.Scope)
	if err != nil {
		return contract.Prepared{}, err
	}
	now := graphs{target: target.Digest, previous: previous, basis: state.Basis}
	var p planning
	if d.Kind == orchestrator.KindAdopt {
		p, err = c.adopting(ctx, d, target)
	} else {
		p, err = c.planned(ctx, d, environment, now, principal)
	}
	if err != nil || p.refused != "" || p.anew != nil {
		return contract.Prepared{Refused: p.refused, Replan: p.anew}, err
	}
	if err := c.registry.Freeze(ctx, id, principal, registry.Frozen{
		Graph: target.Digest, Previous: previous, Basis: state.Basis,
		ChangeDigest: p.plan.ChangeDigest, ApprovalsRequired: environment.Spec.Approvals.Required,
	}); err != nil {
		return contract.Prepared{}, err
	}
	missing, reason, err := c.consent(ctx, d, environment, p.plan)
	if err != nil {
		return contract.Prepared{}, err
	}
	out := contract.Prepared{Input: contract.DeploymentInput{
		Deployment: id, Scope: d.Scope, Kind: d.Kind, Release: d.Release,
		GraphDigest: target.Digest, PreviousGraphDigest: previous,
		OnFailure: d.OnFailure, Principal: d.Principal, MaxInFlight: environment.InFlight(),
		ApprovalsRequired: environment.Spec.Approvals.Required,
	}, Nodes: len(target.Nodes), ApprovalsMissing: missing, Reason: reason}
	var gone composer.Graph
	if previous != "" {
		if gone, err = c.registry.GetGraph(ctx, previous); err != nil {
			return contract.Prepared{}, err
		}
	}
	if out.Input.Partial, err = c.partial(ctx, d.Scope, gone); err != nil {
		return contract.Prepared{}, err
	}
	if d.Kind == orchestrator.KindDestroy {
		out.Nodes = len(gone.Nodes)
	}
	out.Queues = queues(target, gone)
	if d.Kind == orchestrator.KindAdopt {
		only(&out, target, d.Adoption.Node)
	}
	return out, nil
}

// Refused says whether an error of a Compiler is an answer, not a fault: trying
// again as things stand gives the same. why is the answer.
func Refused(err error) (why string, refused bool) {
	var r *orchestrator.Refusal
	var problems manifest.Problems
	if errors.As(err, &r) || errors.As(err, &problems) || isNotFound(err) {
		return err.Error(), true
	}
	return "", false
}
