// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

// keptSnapshots is how many snapshots of a node stay: one of what it was before,
// to go back to, and one more.
const keptSnapshots = 2

// prune destroys the snapshots that nobody needs any more, now that this
// deployment has succeeded and has its own; see superfluous.
func (s *Steps) prune(ctx context.Context, j *job) (registry.Commit, error) {
	ctx, cancel := withTimeout(ctx, j.node.Timeouts.Destroy)
	defer cancel()
	chosen, err := s.superfluous(ctx, j)
	if err == nil {
		err = s.destroySnapshots(ctx, j, chosen)
	}
	run := j.attempt.Run
	commit := registry.Commit{
		Status: orchestrator.NodeReady, Changed: run.Changed, Counts: run.Counts, ChangeDigest: run.ChangeDigest,
	}
	if head := j.attempt.Head; head != nil {
		after := *head
		after.Status = orchestrator.NodeReady
		commit.Head = &after
	}
	return commit, overTime(ctx, s.Engine.Name(), err)
}

// superfluous chooses the snapshots that go. Those stay that the node can be made
// anew from when it goes back: of each of the two descriptions that it left last,
// the newest. One that was begun and not taken goes, and so does one whose
// destruction was begun.
func (s *Steps) superfluous(ctx context.Context, j *job) (func(orchestrator.Snapshot) bool, error) {
	if j.attempt.Head == nil {
		return func(orchestrator.Snapshot) bool { return false }, nil
	}
	var left []composer.Node
	kept := map[string]bool{}
	for _, snapshot := range slices.Backward(j.attempt.Head.Snapshots) {
		if !snapshot.Usable() || len(left) == keptSnapshots {
			continue
		}
		before, err := s.node(ctx, snapshot.GraphDigest, j.in.Node)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(left, before.DescribedLike) {
			left = append(left, before)
			kept[snapshot.Deployment] = true
		}
	}
	return func(o orchestrator.Snapshot) bool { return !kept[o.Deployment] }, nil
}

// destroySnapshots destroys those that are chosen, and goes on after a failure.
// What is still there has its error in the node's head.
func (s *Steps) destroySnapshots(ctx context.Context, j *job, chosen func(orchestrator.Snapshot) bool) error {
	if j.attempt.Head == nil {
		return nil
	}
	var first error
	for _, snapshot := range slices.Clone(j.attempt.Head.Snapshots) {
		if !chosen(snapshot) {
			continue
		}
		err := s.destroySnapshot(ctx, j, snapshot)
		if err == nil {
			continue
		}
		snapshot.Error = j.mask.nodeError(err).Message
		first = cmp.Or(first, error(&engine.Error{
			Class: cmp.Or(engine.ClassOf(err), engine.Transient), Engine: s.Engine.Name(), Resource: snapshot.Address,
			Message: "the snapshot could not be destroyed: " + strings.TrimSpace(snapshot.Error), Err: err,
		}))
		if err := s.Registry.RecordSnapshot(context.WithoutCancel(ctx), &j.attempt, snapshot, nil, nil); err != nil {
			return errors.Join(first, err)
		}
	}
	return first
}

func (s *Steps) destroySnapshot(ctx context.Context, j *job, snapshot orchestrator.Snapshot) error {
	before, err := s.node(ctx, snapshot.GraphDigest, j.in.Node)
	if err != nil {
		return err
	}
	req, err := s.snapshotRequest(ctx, j, before, snapshot)
	if err != nil {
		return err
	}
	j.log.sayf("destroying the snapshot %s", snapshot.Address)
	if err := s.destroyProven(ctx, req); err != nil {
		return err
	}
	return s.Registry.DropSnapshot(ctx, &j.attempt, snapshot)
}
