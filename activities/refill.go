// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/store"
)

// refill adds to a step what a snapshot gives, where the step goes back and makes
// a resource anew. It returns the preview to apply, and the snapshot; nil where
// there is none to take from.
func (s *Steps) refill(
	ctx context.Context, j *job, req engine.Request, preview engine.Preview,
) (engine.Request, engine.Preview, *orchestrator.Snapshot, error) {
	if !anew(preview.Changes) {
		return req, preview, nil, nil
	}
	snapshot, err := s.takenFrom(ctx, j, preview.Changes)
	if err != nil || snapshot == nil {
		return req, preview, nil, err
	}
	filled, err := s.fill(ctx, req, *j.attempt.Head, *snapshot, j.mask)
	if err != nil {
		return req, preview, nil, err
	}
	with, err := s.Engine.Preview(ctx, filled)
	if err != nil || !takes(*j.attempt.Head, preview.Changes, with.Changes) {
		return filled, with, nil, err
	}
	j.log.sayf("%s is made anew, with what the snapshot %s holds", j.in.Node, snapshot.Address)
	return filled, with, snapshot, nil
}

// takenFrom is the snapshot that a step which goes back takes from: in the rollback
// of a deployment that failed the one that this deployment took, in a deployment
// to an earlier release the one that its plan names; nil where there is none.
func (s *Steps) takenFrom(ctx context.Context, j *job, changes []orchestrator.Change) (*orchestrator.Snapshot, error) {
	head, way := j.attempt.Head, j.attempt.Run.Compensation
	switch {
	case j.in.Action == orchestrator.StepRestore && way != nil && way.Snapshot != "":
		if head != nil { // a node may have been forgotten since
			if own, known := snapshotOf(head.Snapshots, j.in.Deployment); known && own.Taken {
				return &own, nil
			}
		}
		return nil, &inputError{fmt.Errorf("its snapshot %s is gone", way.Snapshot)}
	case j.in.Action == orchestrator.StepApply && j.deployment.Kind == orchestrator.KindRollback && head != nil:
		if stays, err := s.stays(ctx, j, changes); err != nil || stays {
			return nil, err
		}
		return s.saved(ctx, *head, j.node, j.in.Deployment)
	default:
		return nil, nil //nolint:nilnil // it does not go back
	}
}

// stays says that a step of a deployment to an earlier release replaces a node
// that is as that release has it already, such as for another node's output. What
// older snapshots hold is then not what it goes back to. An attempt that follows on
// one goes the way that was begun.
func (s *Steps) stays(ctx context.Context, j *job, changes []orchestrator.Change) (bool, error) {
	run := j.attempt.Run
	begun := run.Compensation != nil
	if begun && run.Refilled || !begun && !replacesWhole(*j.attempt.Head, changes) {
		return false, nil
	}
	return s.describedIn(ctx, run.BeforeRef, j.node)
}

// replacesWhole says that changes replace a resource of a node that no step has
// left half-way.
func replacesWhole(head orchestrator.NodeHead, changes []orchestrator.Change) bool {
	return head.InputsRef != "" && head.Intended == "" && !head.Removing && orchestrator.CountChanges(changes).Replace > 0
}

// describedIn says that a graph has a node with the same description.
func (s *Steps) describedIn(ctx context.Context, graph string, node composer.Node) (bool, error) {
	if graph == "" {
		return false, nil
	}
	there, err := s.node(ctx, graph, node.ID)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && there.DescribedLike(node), err
}

// saved finds the newest snapshot that was taken of a node while it was as it is
// described; nil where there is none. One that the deployment itself took is its
// own way back.
func (s *Steps) saved(
	ctx context.Context, head orchestrator.NodeHead, node composer.Node, deployment string,
) (*orchestrator.Snapshot, error) {
	for _, snapshot := range slices.Backward(head.Snapshots) {
		if !snapshot.Usable() || snapshot.Deployment == deployment {
			continue
		}
		then, err := s.node(ctx, snapshot.GraphDigest, node.ID)
		if err != nil {
			return nil, err
		}
		if then.DescribedLike(node) {
			return &snapshot, nil
		}
	}
	return nil, nil //nolint:nilnil // none is left
}

// fill gives a request what a snapshot holds, in the inputs that the definition
// which made the snapshot names for it. The request that it was given stays as it
// is.
func (s *Steps) fill(
	ctx context.Context, req engine.Request, head orchestrator.NodeHead, snapshot orchestrator.Snapshot, hidden *mask,
) (engine.Request, error) {
	then, err := s.node(ctx, snapshot.GraphDigest, head.Node)
	if err != nil {
		return req, err
	}
	step := then.Implementation.Snapshot
	if step == nil {
		return req, &inputError{fmt.Errorf("%s@%s says nowhere what is restored from a snapshot", then.Definition, then.Version)}
	}
	inputs, outputs, err := s.Registry.RevealSnapshot(ctx, head, snapshot)
	if err != nil {
		return req, err
	}
	hidden.values(inputs)
	hidden.values(outputs)
	req.Inputs, req.Sensitive, req.Unknown = maps.Clone(req.Inputs), maps.Clone(req.Sensitive), maps.Clone(req.Unknown)
	for input, output := range step.Restore {
		for _, v := range outputs {
			if v.Name == output {
				v.Name = input
				give(&req, v)
				delete(req.Unknown, input)
			}
		}
	}
	hidden.request(req)
	return req, nil
}

// goesBack completes the preview of a node in a plan to go back to an earlier
// release: where it makes a resource of the node anew, with what the step will
// give it.
func (s *Steps) goesBack(
	ctx context.Context, scope orchestrator.Scope, node composer.Node, in contract.PlanNodeInput, np *orchestrator.NodePlan,
	preview engine.Preview, hidden *mask,
) (engine.Preview, error) {
	if in.Remove || !anew(preview.Changes) {
		return preview, nil
	}
	unknown, err := s.unknownTo(ctx, in.Plan, node)
	if err != nil {
		return engine.Preview{}, err
	}
	req, head, err := s.previewRequest(ctx, scope, node, in, unknown, hidden)
	if err != nil {
		return engine.Preview{}, err
	}
	snapshot, err := s.wouldTake(ctx, head, node, preview.Changes)
	if err != nil {
		return engine.Preview{}, err
	}
	if snapshot == nil {
		np.Empty = node.RollbackClass == catalog.SnapshotFirst && emptied(head, preview.Changes)
		return preview, nil
	}
	filled, err := s.fill(ctx, req, head, *snapshot, hidden)
	if err != nil {
		return engine.Preview{}, err
	}
	with, err := s.previewOf(ctx, filled, head)
	if err != nil || !takes(head, preview.Changes, with.Changes) {
		return with, err
	}
	np.Restore = &orchestrator.Restoration{
		Snapshot: snapshot.Address, Deployment: snapshot.Deployment, Release: snapshot.Release, Time: snapshot.Time,
	}
	return with, nil
}

// wouldTake is takenFrom of a step that has not begun.
func (s *Steps) wouldTake(
	ctx context.Context, head orchestrator.NodeHead, node composer.Node, changes []orchestrator.Change,
) (*orchestrator.Snapshot, error) {
	if replacesWhole(head, changes) {
		if stays, err := s.describedIn(ctx, head.GraphDigest, node); err != nil || stays {
			return nil, err
		}
	}
	return s.saved(ctx, head, node, "")
}

// takes says that a node made anew takes what a snapshot holds: it holds nothing
// of its own any more, or the preview that was made with the snapshot differs from
// the one without. Neither is so where only something beside it is made.
func takes(head orchestrator.NodeHead, without, with []orchestrator.Change) bool {
	return emptied(head, without) || !reflect.DeepEqual(without, with)
}

// emptied says that after the changes a node holds nothing of what it held: they
// replace a resource, or make a node that is not there, or make again what a step
// that left it half-way had taken away.
func emptied(head orchestrator.NodeHead, changes []orchestrator.Change) bool {
	counts := orchestrator.CountChanges(changes)
	return counts.Replace > 0 || head.InputsRef == "" || head.Intended != "" && counts.Create > 0
}

// restores says in what a step that makes a resource anew would take from another
// snapshot than its plan shows; empty where it would not.
func restores(plan shown, from *orchestrator.Snapshot) string {
	planned, now := "", ""
	if plan.Restore != nil {
		planned = plan.Restore.Snapshot
	}
	if from != nil {
		now = from.Address
	}
	switch {
	case planned == now:
		return ""
	case planned == "":
		return "it would be restored from the snapshot " + now + ", the plan does not say so"
	case now == "":
		return "it would come back empty, the plan restores it from the snapshot " + planned
	default:
		return "it would be restored from the snapshot " + now + ", the plan says " + planned
	}
}
