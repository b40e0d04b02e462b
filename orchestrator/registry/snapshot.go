// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"fmt"
	"slices"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/store"
)

// RecordSnapshot writes a snapshot of the attempt's node: first that it is about
// to be taken, with its inputs, then that it is, with its outputs; and why its
// destruction failed. Nil values leave those that are there. Like Commit it
// fails with ErrFenced.
func (r *Registry) RecordSnapshot(
	ctx context.Context, a *Attempt, s orchestrator.Snapshot, inputs, outputs []OutputValue,
) error {
	return r.changeSnapshots(ctx, a, func(b *batch, all []orchestrator.Snapshot) ([]orchestrator.Snapshot, error) {
		for which, values := range map[string][]OutputValue{inputsDocument: inputs, outputsDocument: outputs} {
			if values == nil {
				continue
			}
			if err := r.putValues(ctx, b, a.Scope, a.Run.Node, snapshotDocument(s, which), values); err != nil {
				return nil, err
			}
		}
		at := slices.IndexFunc(all, func(o orchestrator.Snapshot) bool { return o.Deployment == s.Deployment })
		if at < 0 {
			return append(all, s), nil
		}
		all[at] = s
		return all, nil
	})
}

// DropSnapshot forgets a snapshot that is proven gone.
func (r *Registry) DropSnapshot(ctx context.Context, a *Attempt, s orchestrator.Snapshot) error {
	return r.changeSnapshots(ctx, a, func(b *batch, all []orchestrator.Snapshot) ([]orchestrator.Snapshot, error) {
		b.deleteSnapshot(a.Scope, a.Run.Node, s)
		return slices.DeleteFunc(all, func(o orchestrator.Snapshot) bool { return o.Deployment == s.Deployment }), nil
	})
}

// changeSnapshots rewrites the head's list, in the store and in the attempt.
func (r *Registry) changeSnapshots(
	ctx context.Context, a *Attempt, change func(*batch, []orchestrator.Snapshot) ([]orchestrator.Snapshot, error),
) error {
	var head orchestrator.NodeHead
	if _, err := r.read(ctx, headKey(a.Scope, a.Run.Node), "head of "+a.Run.Node, &head); err != nil {
		return err
	}
	b := r.batch(a.principal)
	b.check(fenceKey(a.Scope, a.Run.Node), a.Run.Fence)
	var err error
	if head.Snapshots, err = change(b, head.Snapshots); err != nil {
		return err
	}
	b.put(headKey(a.Scope, a.Run.Node), head)
	if err := b.fenced(ctx, a.Run); err != nil {
		return fmt.Errorf("record the snapshots of %s: %w", a.Run.Node, err)
	}
	if a.Head != nil {
		before := *a.Head
		before.Snapshots = head.Snapshots
		a.Head = &before
	}
	return nil
}

// RevealSnapshot returns what a snapshot was taken with and what it gives,
// decrypted, for activities only.
func (r *Registry) RevealSnapshot(
	ctx context.Context, head orchestrator.NodeHead, s orchestrator.Snapshot,
) (inputs, outputs []OutputValue, err error) {
	if inputs, err = r.values(ctx, head, snapshotDocument(s, inputsDocument), true); err != nil {
		return nil, nil, err
	}
	outputs, err = r.values(ctx, head, snapshotDocument(s, outputsDocument), true)
	return inputs, outputs, err
}

// snapshotDocument names a document of values beside those of the node. A
// deployment takes at most one snapshot of it.
func snapshotDocument(s orchestrator.Snapshot, which string) string {
	_, n, err := ParseDeploymentID(s.Deployment)
	if err != nil {
		return "snapshot/" + s.Deployment + "/" + which
	}
	return "snapshot/" + sortable(n) + "/" + which
}

func (b *batch) deleteSnapshot(scope orchestrator.Scope, node string, s orchestrator.Snapshot) {
	for _, which := range []string{inputsDocument, outputsDocument} {
		key := valuesKey(scope, node, snapshotDocument(s, which))
		b.ops = append(b.ops, store.Delete(key))
	}
}

// ForgetSnapshot records a person's word that nothing of a snapshot of a node
// counts any more, as after its creation was cut off and it was looked for by
// hand. The node stays as it is, and nothing is asked of an engine. The snapshot
// that is returned is what was known of it. A node at work is refused with
// *orchestrator.Refusal, and a snapshot that nobody knows is not found.
func (r *Registry) ForgetSnapshot(ctx context.Context, st Statement, n int64) (orchestrator.Snapshot, error) {
	var s orchestrator.Snapshot
	err := retry(ctx, func() error {
		var err error
		s, err = r.forgetSnapshot(ctx, st, n)
		return err
	})
	if err != nil {
		return s, fmt.Errorf("forget %s: %w", orchestrator.SnapshotName(st.Node, n), err)
	}
	return s, nil
}

func (r *Registry) forgetSnapshot(ctx context.Context, st Statement, n int64) (orchestrator.Snapshot, error) {
	head, err := r.idle(ctx, st)
	if err != nil {
		return orchestrator.Snapshot{}, err
	}
	id := orchestrator.DeploymentID(st.Scope, n)
	at := slices.IndexFunc(head.Snapshots, func(o orchestrator.Snapshot) bool { return o.Deployment == id })
	if at < 0 {
		return orchestrator.Snapshot{}, fmt.Errorf("no snapshot of %s is recorded for deployment %s: %w", st.Node, id, store.ErrNotFound)
	}
	var fence fenceRecord
	revision, err := r.readOrZero(ctx, fenceKey(st.Scope, st.Node), "fence of "+st.Node, &fence)
	if err != nil {
		return orchestrator.Snapshot{}, err
	}
	gone := head.Snapshots[at]
	head.Snapshots = slices.Delete(slices.Clone(head.Snapshots), at, at+1)
	b := r.batch(st.Principal)
	b.replace(fenceKey(st.Scope, st.Node), revision, fence) // who began with it on record may not write it back
	b.replace(headKey(st.Scope, st.Node), head.Revision, head)
	b.deleteSnapshot(st.Scope, st.Node, gone)
	b.event(orchestrator.Event{Deployment: head.LastDeployment, Type: orchestrator.EventSnapshotForgotten, Node: st.Node}, map[string]any{
		"snapshot": gone.Address, "taken": gone.Taken, "reason": st.Reason,
	})
	return gone, b.commit(ctx)
}
