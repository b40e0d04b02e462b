// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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

// maxSnapshots of a node may be on record before another is taken; keptOfOne are how
// many of one description deployments leave that fail one after the other. It is
// more than one, since what a failure has left may be in the newest.
const (
	maxSnapshots = 32
	keptOfOne    = 3
)

// prune destroys the snapshots that nobody needs any more, now that this
// deployment has succeeded and has its own; see superfluous.
func (s *Steps) prune(ctx context.Context, j *job) (registry.Commit, error) {
	ctx, cancel := withTimeout(ctx, j.node.Timeouts.Destroy)
	defer cancel()
	chosen, err := s.superfluous(ctx, j, keptSnapshots, 1)
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
// anew from when it goes back: of each of the descriptions that it left last, as
// many as given, the newest few. One that was begun and not taken goes, and so does
// one whose destruction was begun.
func (s *Steps) superfluous(ctx context.Context, j *job, descriptions, each int) (func(orchestrator.Snapshot) bool, error) {
	if j.attempt.Head == nil {
		return func(orchestrator.Snapshot) bool { return false }, nil
	}
	type description struct {
		composer.Node
		kept int
	}
	var left []*description
	kept := map[string]bool{}
	for _, snapshot := range slices.Backward(j.attempt.Head.Snapshots) {
		if !snapshot.Usable() {
			continue
		}
		before, err := s.node(ctx, snapshot.GraphDigest, j.in.Node)
		if err != nil {
			return nil, err
		}
		at := slices.IndexFunc(left, func(d *description) bool { return before.DescribedLike(d.Node) })
		if at < 0 && len(left) < descriptions {
			at, left = len(left), append(left, &description{Node: before})
		}
		if at >= 0 && left[at].kept < each {
			left[at].kept++
			kept[snapshot.Deployment] = true
		}
	}
	return func(o orchestrator.Snapshot) bool { return !kept[o.Deployment] }, nil
}

// makeRoom destroys snapshots before another is taken, since deployments that fail
// never come to prune: those of one description but the newest few, and what was
// left half-way. What cannot be destroyed has its error on record and hinders nothing,
// until there are too many.
func (s *Steps) makeRoom(ctx context.Context, j *job) error {
	each := keptOfOne
	if head := j.attempt.Head; head.Intended != "" || head.Removing {
		each = maxSnapshots // what it held when it was whole may be in an older one
	}
	chosen, err := s.superfluous(ctx, j, maxSnapshots, each)
	if err != nil {
		return err
	}
	if err := s.destroySnapshots(ctx, j, chosen); err != nil {
		if errors.Is(err, registry.ErrFenced) || ctx.Err() != nil {
			return err
		}
		j.log.sayf("%s", j.mask.nodeError(err).Message)
	}
	if n := len(j.attempt.Head.Snapshots); n >= maxSnapshots {
		oldest := orchestrator.SnapshotName(j.in.Node, number(j.attempt.Head.Snapshots[0].Deployment))
		return &engine.Error{
			Class: engine.Rejected, Engine: s.Engine.Name(),
			Message: fmt.Sprintf("%d snapshots of it are on record, and no more are taken. See in `nestor status` which; destroy by hand those that "+
				"could not be destroyed, and say so with `nestor forget %s --env %s` and so on", n, oldest, j.deployment.Environment),
		}
	}
	return nil
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
	if snapshot.Usable() { // until now: half of it may be gone if this is cut off
		snapshot.Error = "its destruction was begun, and its end is not known"
		if err := s.Registry.RecordSnapshot(ctx, &j.attempt, snapshot, nil, nil); err != nil {
			return err
		}
	}
	if err := s.destroyProven(ctx, req); err != nil {
		return err
	}
	return s.Registry.DropSnapshot(ctx, &j.attempt, snapshot)
}
