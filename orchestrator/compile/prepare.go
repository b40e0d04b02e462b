// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"context"
	"errors"
	"fmt"

	"github.com/HatiCode/nestor/internal/manifest"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// Prepare freezes what a deployment at the head of its queue will walk, and
// says whether it may run now. It can be called again until the deployment
// runs.
func (c *Compiler) Prepare(ctx context.Context, id, principal string) (contract.Prepared, error) {
	d, err := c.registry.GetDeployment(ctx, id)
	if err != nil {
		return contract.Prepared{}, err
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
	previous, err := c.Previous(ctx, d.Scope)
	if err != nil {
		return contract.Prepared{}, err
	}
	state, err := c.registry.Scope(ctx, d.Scope)
	if err != nil {
		return contract.Prepared{}, err
	}
	changes, why, err := c.planned(ctx, d, target.Digest)
	if err != nil || why != "" {
		return contract.Prepared{Refused: why}, err
	}
	if err := c.registry.SetGraphs(ctx, id, principal, target.Digest, previous, changes, state.Basis); err != nil {
		return contract.Prepared{}, err
	}
	p := contract.Prepared{Input: contract.DeploymentInput{
		Deployment: id, Scope: d.Scope, Kind: d.Kind, Release: d.Release,
		GraphDigest: target.Digest, PreviousGraphDigest: previous,
		OnFailure: d.OnFailure, Principal: d.Principal, MaxInFlight: environment.InFlight(),
	}, Nodes: len(target.Nodes)}
	if d.Kind == orchestrator.KindDestroy && previous != "" {
		gone, err := c.registry.GetGraph(ctx, previous)
		if err != nil {
			return contract.Prepared{}, err
		}
		p.Nodes = len(gone.Nodes)
	}
	p.ApprovalsMissing = missing(environment, d)
	if p.ApprovalsMissing > 0 {
		p.Reason = fmt.Sprintf("%s asks for %d more approval(s), from others than %s",
			d.Environment, p.ApprovalsMissing, d.Principal)
	}
	return p, nil
}

// planned checks the plan that a deployment was approved with against what has
// happened since. A basis that has moved is no refusal as such: each step
// compares what it is about to do with what was approved.
func (c *Compiler) planned(ctx context.Context, d orchestrator.Deployment, graph string) (changes, refused string, err error) {
	if d.PlanID == "" {
		return "", "", nil
	}
	plan, err := c.registry.GetPlan(ctx, d.PlanID)
	if err != nil {
		return "", "", err
	}
	if d.AutoApprove {
		return plan.ChangeDigest, "", nil
	}
	if plan.GraphDigest != graph {
		return "", "the environment or its engines have changed since the plan was made; plan and apply again", nil
	}
	return plan.ChangeDigest, "", nil
}

// missing counts the approvals that an environment still wants: distinct
// principals other than the one who asked.
func missing(e orchestrator.Environment, d orchestrator.Deployment) int {
	have := map[string]bool{}
	for _, a := range d.Approvals {
		if a.Approved && a.Principal != d.Principal {
			have[a.Principal] = true
		}
	}
	return max(0, e.Spec.Approvals.Required-len(have))
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
