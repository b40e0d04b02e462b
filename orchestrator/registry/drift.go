// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/internal/canonical"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/store"
)

// KeptDrifts is how many reports of a scope are kept.
const KeptDrifts = 20

// driftHead is what is true of the drift checks of a scope. All of their writes
// go through it, so that one runs at a time.
type driftHead struct {
	Running string `json:"running,omitempty"`
}

// BeginDrift writes the records of a drift check and of its plan. While another
// check of the scope runs, and for a request id that is known, there is no new
// one: created is false and the report is that one's.
func (r *Registry) BeginDrift(
	ctx context.Context, d orchestrator.Drift, plan orchestrator.Plan,
) (report orchestrator.Drift, created bool, err error) {
	err = retry(ctx, func() error {
		kept, err := r.ListDrifts(ctx, d.Scope)
		if err != nil {
			return err
		}
		for _, known := range kept {
			if known.RequestID == d.RequestID {
				report, created = known, false
				return nil
			}
		}
		head, revision, err := r.driftHead(ctx, d.Scope)
		if err != nil {
			return err
		}
		if head.Running != "" {
			report, err = r.DriftRecord(ctx, d.Scope, head.Running)
			created = false
			return err
		}
		b := r.batch(d.Principal)
		b.replace(driftHeadKey(d.Scope), revision, driftHead{Running: d.ID})
		b.replace(driftKey(d.Scope, d.ID), 0, d)
		b.replace(planKey(d.ID), 0, plan)
		report, created = d, true
		return b.commit(ctx)
	})
	if err != nil {
		return orchestrator.Drift{}, false, fmt.Errorf("begin a drift check of %s: %w", d.Scope, err)
	}
	return report, created, nil
}

func (r *Registry) driftHead(ctx context.Context, s orchestrator.Scope) (driftHead, int64, error) {
	var head driftHead
	revision, err := r.readOrZero(ctx, driftHeadKey(s), "drift checks of "+s.String(), &head)
	return head, revision, err
}

// DriftRecord returns a report without its nodes.
func (r *Registry) DriftRecord(ctx context.Context, s orchestrator.Scope, id string) (orchestrator.Drift, error) {
	d, _, err := r.drift(ctx, s, id)
	return d, err
}

func (r *Registry) drift(ctx context.Context, s orchestrator.Scope, id string) (orchestrator.Drift, int64, error) {
	var d orchestrator.Drift
	revision, err := r.read(ctx, driftKey(s, id), fmt.Sprintf("drift report %s of %s", id, s), &d)
	return d, revision, err
}

// GetDrift returns a report with the nodes that are not in sync. A check that
// runs has none yet.
func (r *Registry) GetDrift(ctx context.Context, s orchestrator.Scope, id string) (orchestrator.Drift, error) {
	d, err := r.DriftRecord(ctx, s, id)
	if err != nil || d.Status == orchestrator.DriftRunning {
		return d, err
	}
	nodes, _, err := r.driftNodes(ctx, d)
	if err != nil {
		return d, err
	}
	d.Nodes = slices.DeleteFunc(nodes, func(n orchestrator.NodeDrift) bool { return n.State == orchestrator.NodeInSync })
	return d, nil
}

// ListDrifts returns the reports of a scope that are kept, newest first, without
// their nodes.
func (r *Registry) ListDrifts(ctx context.Context, s orchestrator.Scope) ([]orchestrator.Drift, error) {
	all, err := collect[orchestrator.Drift](ctx, r.store, "drifts/"+s.String(), "")
	if err != nil {
		return nil, fmt.Errorf("list drift reports of %s: %w", s, err)
	}
	slices.Reverse(all)
	return all, nil
}

// FinishDrift closes a report with what its plan has found out; failure is a
// reason that is no node's. It prunes older reports. Finishing it again changes
// nothing and returns what it was closed with.
func (r *Registry) FinishDrift(
	ctx context.Context, p store.Principal, s orchestrator.Scope, id, failure string,
) (orchestrator.Drift, error) {
	// Nobody else closes a plan whose workflow is gone; of one that is closed
	// nothing changes.
	if err := r.FinishPlan(ctx, p, id, failure); err != nil {
		return orchestrator.Drift{}, err
	}
	var closed orchestrator.Drift
	err := retry(ctx, func() error {
		d, revision, err := r.drift(ctx, s, id)
		closed = d
		if err != nil || d.Status != orchestrator.DriftRunning {
			return err
		}
		if err := r.conclude(ctx, &d, failure); err != nil {
			return err
		}
		head, headRevision, err := r.driftHead(ctx, s)
		if err != nil {
			return err
		}
		if head.Running == id {
			head.Running = ""
		}
		closed = d
		b := r.batch(string(p))
		b.replace(driftKey(s, id), revision, d)
		b.replace(driftHeadKey(s), headRevision, head)
		return b.commit(ctx)
	})
	if err != nil {
		return closed, fmt.Errorf("finish drift check %s of %s: %w", id, s, err)
	}
	return closed, r.pruneDrifts(ctx, p, s)
}

// conclude fills in what a check has come to.
func (r *Registry) conclude(ctx context.Context, d *orchestrator.Drift, failure string) error {
	nodes, ended, err := r.driftNodes(ctx, *d)
	if err != nil {
		return err
	}
	d.FinishedAt = r.now()
	unknown, err := sum(d, nodes)
	if err != nil {
		return err
	}
	if failure = cmp.Or(failure, ended); failure != "" {
		unknown = append([]string{failure}, unknown...)
	}
	lines, err := boundedProblems(unknown)
	if err != nil {
		return err
	}
	d.Error = strings.Join(lines, "\n")
	overtaken, err := r.overtaken(ctx, *d)
	if err != nil {
		return err
	}
	switch {
	case overtaken != "":
		d.Status, d.Error = orchestrator.DriftOvertaken, overtaken
	case d.Tally.Differs > 0:
		d.Status = orchestrator.DriftDrifted
	case d.Error != "":
		d.Status = orchestrator.DriftFailed
	default:
		d.Status = orchestrator.DriftInSync
	}
	return nil
}

// sum counts the nodes and takes the fingerprint of what differs. It returns a
// line for each node that nobody knows about.
func sum(d *orchestrator.Drift, nodes []orchestrator.NodeDrift) (unknown []string, err error) {
	type place struct {
		Node    string              `json:"node"`
		Address string              `json:"address"`
		Action  orchestrator.Action `json:"action"`
		Paths   []string            `json:"paths"`
	}
	var places []place
	for _, n := range nodes {
		d.Tally.Add(n.State)
		if n.State.Unknown() {
			unknown = append(unknown, n.Node+": "+n.Error)
		}
		if !n.State.Differs() {
			continue
		}
		d.Summary = d.Summary.Add(orchestrator.CountChanges(n.Changes))
		for _, c := range n.Changes {
			at := place{Node: n.Node, Address: c.Address, Action: c.Action, Paths: []string{}}
			for _, a := range c.Attributes {
				at.Paths = append(at.Paths, a.Path)
			}
			places = append(places, at)
		}
	}
	if len(places) > 0 {
		d.Fingerprint, err = canonical.Digest(places)
	}
	return unknown, err
}

// overtaken says which deployment came between a check's beginning and now;
// empty when none did.
func (r *Registry) overtaken(ctx context.Context, d orchestrator.Drift) (string, error) {
	state, err := r.Scope(ctx, d.Scope)
	if err != nil {
		return "", err
	}
	if state.Basis != d.Basis {
		return "a deployment ended while the check ran; what differs may be its work", nil
	}
	open, err := r.OpenDeployments(ctx, d.Team, d.Application, d.Environment)
	if err != nil {
		return "", err
	}
	for _, other := range open {
		if !other.StartedAt.IsZero() {
			return fmt.Sprintf("deployment %s began while the check ran; what differs may be its work", other.ID), nil
		}
	}
	return "", nil
}

// LeaveUnrepaired records why drift is not repaired although that was wanted.
// A repair that was queued stays.
func (r *Registry) LeaveUnrepaired(ctx context.Context, p store.Principal, s orchestrator.Scope, id, why string) error {
	err := retry(ctx, func() error {
		d, revision, err := r.drift(ctx, s, id)
		if err != nil || d.Repaired != "" || d.Unrepaired != "" {
			return err
		}
		d.Unrepaired = why
		op, err := replace(driftKey(s, id), revision, d)
		if err != nil {
			return err
		}
		_, err = r.write(ctx, p, op)
		return err
	})
	if err != nil {
		return fmt.Errorf("record why drift %s of %s is not repaired: %w", id, s, err)
	}
	return nil
}

// repairs notes in a batch that a deployment repairs what a drift check found.
func (r *Registry) repairs(ctx context.Context, b *batch, d *orchestrator.Deployment) error {
	d.Trigger = orchestrator.TriggerDrift
	report, revision, err := r.drift(ctx, d.Scope, d.PlanID)
	if errors.Is(err, store.ErrNotFound) {
		return nil // pruned
	}
	if err != nil {
		return err
	}
	report.Repaired, report.Unrepaired = d.ID, ""
	b.replace(driftKey(d.Scope, report.ID), revision, report)
	return nil
}

// pruneDrifts deletes the reports beyond those that are kept. The plan of one
// that was repaired stays: approvals are about it.
func (r *Registry) pruneDrifts(ctx context.Context, p store.Principal, s orchestrator.Scope) error {
	all, err := r.ListDrifts(ctx, s)
	if err != nil || len(all) <= KeptDrifts {
		return err
	}
	for _, old := range all[KeptDrifts:] {
		if old.Status == orchestrator.DriftRunning {
			continue
		}
		keys := []store.Key{driftKey(s, old.ID)}
		if old.Repaired == "" {
			q := store.Query{Partition: planKey(old.ID).Partition, Limit: store.MaxPage}
			for doc, err := range store.All(ctx, r.store, q) {
				if err != nil {
					return fmt.Errorf("prune drift report %s of %s: %w", old.ID, s, err)
				}
				keys = append(keys, doc.Key)
			}
			slices.Reverse(keys) // the report last: what is cut off is found again
		}
		if err := r.deleteAll(ctx, p, keys); err != nil {
			return fmt.Errorf("prune drift report %s of %s: %w", old.ID, s, err)
		}
	}
	return nil
}

func (r *Registry) deleteAll(ctx context.Context, p store.Principal, keys []store.Key) error {
	for some := range slices.Chunk(keys, store.MaxTransactionOps) {
		ops := make([]store.Op, len(some))
		for i, key := range some {
			ops[i] = store.Delete(key)
		}
		if _, err := r.write(ctx, p, ops...); err != nil {
			return err
		}
	}
	return nil
}

// DeployedPage lists a page of the scopes that are deployed in an environment,
// by team and application. An empty next says that it is the last.
func (r *Registry) DeployedPage(
	ctx context.Context, environment, cursor string, limit int,
) (scopes []orchestrator.Scope, next string, err error) {
	found, err := r.store.Query(ctx, store.Query{Partition: "deployed/" + environment, After: cursor, Limit: limit})
	if err != nil {
		return nil, "", fmt.Errorf("list what is deployed in %s: %w", environment, err)
	}
	for _, doc := range found.Documents {
		var s orchestrator.Scope
		if err := doc.Decode(&s); err != nil {
			return nil, "", err
		}
		scopes = append(scopes, s)
	}
	return scopes, found.Next, nil
}

// index keeps the list of what is deployed in an environment up to a deployment
// that has just ended.
func (b *batch) index(d orchestrator.Deployment) {
	switch {
	case d.Status != orchestrator.StatusSucceeded || d.Kind == orchestrator.KindAdopt:
	case d.Kind == orchestrator.KindDestroy:
		b.delete(deployedKey(d.Scope))
	default:
		b.put(deployedKey(d.Scope), d.Scope)
	}
}
