// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

// remove takes a node out that its graph no longer has: destroyed, or left to
// itself where its definition says retain.
func (s *Steps) remove(ctx context.Context, j *job) (registry.Commit, contract.StepResult, error) {
	if digest, err := s.removalApproved(ctx, j); err != nil {
		return registry.Commit{ChangeDigest: digest}, contract.StepResult{}, err
	}
	if j.node.DeletionPolicy != catalog.RetainPolicy {
		return s.destroy(ctx, j)
	}
	if head := j.attempt.Head; head != nil {
		for _, snapshot := range head.Snapshots {
			j.log.sayf("its snapshot %s stays with it", snapshot.Address)
		}
	}
	return registry.Commit{Status: orchestrator.NodeRetained, DeleteHead: true},
		contract.StepResult{Status: orchestrator.NodeRetained, Exists: true}, nil
}

// destroy removes everything of a node; the engine proves that it is gone.
func (s *Steps) destroy(ctx context.Context, j *job) (commit registry.Commit, res contract.StepResult, err error) {
	if j.untried() && !j.forgottenGoes() {
		commit.Status = orchestrator.NodeDestroyed
		j.dropHead(&commit)
		return commit, contract.StepResult{Status: orchestrator.NodeDestroyed}, nil
	}
	ctx, cancel := withTimeout(ctx, j.node.Timeouts.Destroy)
	defer cancel()
	defer func() { err = overTime(ctx, s.Engine.Name(), err) }()
	req, err := s.last(ctx, j)
	if err != nil {
		return registry.Commit{}, contract.StepResult{}, err
	}
	if j.forgottenGoes() {
		return s.destroyForgotten(ctx, j, req)
	}
	commit = registry.Commit{Status: orchestrator.NodeDestroyed, Changed: true}
	j.dropHead(&commit)
	req.Destroy = true
	if err := s.intendRemoval(ctx, j, req); err != nil {
		return registry.Commit{}, contract.StepResult{}, err
	}
	if err := s.destroyProven(ctx, req); err != nil {
		return registry.Commit{Changed: true}, contract.StepResult{}, err
	}
	all := func(orchestrator.Snapshot) bool { return commit.DeleteHead }
	if err := s.destroySnapshots(ctx, j, all); err != nil {
		return registry.Commit{Changed: true}, contract.StepResult{}, err
	}
	return commit, contract.StepResult{Status: orchestrator.NodeDestroyed, Changed: true}, nil
}

// observe finds out what is there of a node, and changes nothing.
func (s *Steps) observe(ctx context.Context, j *job) (registry.Commit, contract.StepResult, error) {
	if j.untried() {
		commit := registry.Commit{Status: orchestrator.NodeDestroyed}
		j.dropHead(&commit)
		return commit, contract.StepResult{Status: orchestrator.NodeDestroyed}, nil
	}
	req, err := s.last(ctx, j)
	if err != nil {
		return registry.Commit{}, contract.StepResult{}, err
	}
	seen, err := s.Engine.Observe(ctx, req)
	if err != nil {
		return registry.Commit{}, contract.StepResult{}, err
	}
	if err := s.sameState(ctx, j, seen.State); err != nil {
		return registry.Commit{}, contract.StepResult{}, err
	}
	run := j.attempt.Run
	res := contract.StepResult{
		Status: orchestrator.NodeObserved, Exists: seen.Exists, Created: run.Created, Replaced: run.Replaced && !j.allThere(seen),
		Snapshotted: j.snapshotted(),
	}
	if res.Untouched, err = s.untouched(ctx, j, seen); err != nil {
		return registry.Commit{}, contract.StepResult{}, err
	}
	commit := registry.Commit{}
	switch {
	case !seen.Exists:
		// A node that this deployment's graph brought, and of which nothing is
		// there, is no node any more.
		res.Status = orchestrator.NodeDestroyed
		head := j.attempt.Head
		if head != nil && (j.attempt.Run.Forgotten || head.GraphDigest == j.in.GraphDigest && len(head.Snapshots) == 0) {
			j.dropHead(&commit)
		}
	case !run.Created && run.BeforeRef == "":
		// It was there before any graph knew of it, and is let go again: no
		// later removal may take it for ours.
		j.dropHead(&commit)
	}
	commit.Status = res.Status
	return commit, res, nil
}

// untried says that no engine was ever asked to act on the node, so nothing of
// it is ours. There are no inputs either with which an engine could look.
func (j *job) untried() bool {
	head := j.attempt.Head
	return head == nil || head.InputsRef == "" && head.Intended == ""
}

// last is a request for what was applied last: with the inputs that were
// recorded then, since what they came from may be gone by now.
func (s *Steps) last(ctx context.Context, j *job) (engine.Request, error) {
	return s.asApplied(ctx, j, j.node, j.in.GraphDigest)
}

// asApplied is the same for the description of the node in a given graph.
func (s *Steps) asApplied(ctx context.Context, j *job, node composer.Node, graph string) (engine.Request, error) {
	req, err := s.request(ctx, node, j.deployment.Scope, j.environment, j.log)
	j.mask.request(req)
	if err != nil {
		return req, err
	}
	req.Workspace = s.workspace(j.deployment.Scope, j.in.Node, "nodes")
	j.known(&req)
	head := j.attempt.Head
	if head == nil {
		return req, nil
	}
	req.Address, req.StateRef, req.Backend = head.Address, head.StateRef, s.backend(head.Backend)
	if err := s.announced(ctx, j, &req); err != nil {
		return req, err
	}
	inputs, err := s.Registry.RevealInputs(ctx, *head, graph)
	if err != nil {
		return req, err
	}
	for _, in := range inputs {
		give(&req, in)
	}
	j.mask.request(req)
	return req, nil
}
