// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"fmt"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

// forgotten says that somebody has stated that nothing recorded of the node
// holds, and that no engine was asked to change it since. Nothing is known to
// exist of it, and its head says where to look.
func (j *job) forgotten() bool { return j.attempt.Head != nil && j.attempt.Head.Forgotten }

// forgottenGoes says that such a node is to be taken out.
func (j *job) forgottenGoes() bool { return j.forgotten() && j.in.Action == orchestrator.StepRemove }

// dropHead ends what the deployment knows of a node. One that had been forgotten
// before is so again: where its state lives, and its snapshots, stay on record.
func (j *job) dropHead(c *registry.Commit) {
	again := j.in.Action != orchestrator.StepRemove && j.attempt.Run.Forgotten
	c.ForgetHead, c.DeleteHead = again, !again
}

// destroyForgotten takes out a node that was forgotten, if nothing is found where
// it was: its snapshots, and then what is recorded of it.
func (s *Steps) destroyForgotten(
	ctx context.Context, j *job, req engine.Request,
) (registry.Commit, contract.StepResult, error) {
	if err := s.nothingThere(ctx, req, *j.attempt.Head); err != nil {
		return registry.Commit{}, contract.StepResult{}, err
	}
	changed := len(j.attempt.Head.Snapshots) > 0
	all := func(orchestrator.Snapshot) bool { return true }
	if err := s.destroySnapshots(ctx, j, all); err != nil {
		return registry.Commit{Changed: changed}, contract.StepResult{}, err
	}
	return registry.Commit{Status: orchestrator.NodeDestroyed, DeleteHead: true, Changed: changed},
		contract.StepResult{Status: orchestrator.NodeDestroyed, Changed: changed}, nil
}

// nothingThere looks where a node was that is forgotten, and refuses to take it
// out if something is there: nobody has said whose that is.
func (s *Steps) nothingThere(ctx context.Context, req engine.Request, head orchestrator.NodeHead) error {
	seen, err := s.Engine.Observe(ctx, req)
	if err != nil || !seen.Exists {
		return err
	}
	return &engine.Error{
		Class: engine.Rejected, Engine: s.Engine.Name(),
		Message: fmt.Sprintf("it was forgotten, and something is there where it was (%s), of which nobody has said that it is the node's; "+
			"nothing was destroyed. `nestor apply --env %s` takes it over, so that it can be destroyed; if it is to stay, "+
			"let go of it with `nestor forget %s --env %s --gone`", stateOf(head), head.Environment, head.Node, head.Environment),
	}
}
