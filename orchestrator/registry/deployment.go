// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/store"
)

// indexRecord points at a deployment.
type indexRecord struct {
	Deployment string `json:"deployment"`
}

// ErrDeploymentID is wrapped by complaints about a malformed deployment id.
var ErrDeploymentID = errors.New(`a deployment id is "<team>/<application>/<environment>/<number>"`)

// ParseDeploymentID splits a deployment's id.
func ParseDeploymentID(id string) (orchestrator.Scope, int64, error) {
	parts := strings.Split(id, "/")
	if len(parts) != 4 || slices.Contains(parts, "") {
		return orchestrator.Scope{}, 0, fmt.Errorf("%q: %w", id, ErrDeploymentID)
	}
	n, err := strconv.ParseInt(parts[3], 10, 64)
	if err != nil || n < 1 {
		return orchestrator.Scope{}, 0, fmt.Errorf("%q: %w", id, ErrDeploymentID)
	}
	return orchestrator.Scope{Team: parts[0], Application: parts[1], Environment: parts[2]}, n, nil
}

// Accept writes the record of a requested deployment with status queued and
// the scope's next number. The same request id gets the same deployment again.
func (r *Registry) Accept(ctx context.Context, req contract.DeployRequest, promotion string) (orchestrator.Deployment, error) {
	var d orchestrator.Deployment
	err := retry(ctx, func() error {
		var known indexRecord
		_, err := r.read(ctx, requestKey(req.Scope, req.RequestID), "request", &known)
		if err == nil {
			d, err = r.GetDeployment(ctx, known.Deployment)
			return err
		}
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		d, err = r.create(ctx, req, promotion)
		return err
	})
	if err != nil {
		return orchestrator.Deployment{}, fmt.Errorf("accept deployment to %s: %w", req.Scope, err)
	}
	return d, nil
}

func (r *Registry) create(ctx context.Context, req contract.DeployRequest, promotion string) (orchestrator.Deployment, error) {
	state, revision, err := r.scope(ctx, req.Scope)
	if err != nil {
		return orchestrator.Deployment{}, err
	}
	state.Deployments++
	id := orchestrator.DeploymentID(req.Scope, state.Deployments)
	d := orchestrator.Deployment{
		ID: id, N: state.Deployments, Scope: req.Scope, Kind: req.Kind, Release: req.Release,
		PlanID: req.PlanID, AutoApprove: req.AutoApprove, RequestID: req.RequestID,
		Principal: req.Principal, OnFailure: req.OnFailure, Status: orchestrator.StatusQueued,
		WorkflowID: id, QueuedAt: r.now(), Promotion: promotion,
	}
	b := r.batch(d.Principal)
	b.replace(scopeKey(req.Scope), revision, state)
	b.replace(deploymentKey(req.Scope, d.N), 0, d)
	b.replace(requestKey(req.Scope, req.RequestID), 0, indexRecord{Deployment: id})
	b.put(deploymentIndexKey(req.Team, d.QueuedAt, id), indexRecord{Deployment: id})
	b.event(orchestrator.Event{Deployment: id, Type: orchestrator.EventQueued}, map[string]any{
		"kind": d.Kind, "release": d.Release, "principal": d.Principal,
	})
	return d, b.commit(ctx)
}

// GetDeployment returns a deployment by its id.
func (r *Registry) GetDeployment(ctx context.Context, id string) (orchestrator.Deployment, error) {
	d, _, err := r.deployment(ctx, id)
	return d, err
}

func (r *Registry) deployment(ctx context.Context, id string) (orchestrator.Deployment, int64, error) {
	var d orchestrator.Deployment
	scope, n, err := ParseDeploymentID(id)
	if err != nil {
		return d, 0, err
	}
	revision, err := r.read(ctx, deploymentKey(scope, n), "deployment "+id, &d)
	return d, revision, err
}

// SetStatus moves a deployment to a status that is not final, with the event
// that tells of it. Setting the status it has, or any status after a final
// one, changes nothing.
func (r *Registry) SetStatus(ctx context.Context, in contract.StatusInput) error {
	return r.update(ctx, in.Deployment, in.Principal, func(d *orchestrator.Deployment, b *batch) {
		if in.Approval != nil && !approvedBy(*d, in.Approval.Principal) {
			approval := *in.Approval
			approval.Time = r.now()
			d.Approvals = append(d.Approvals, approval)
			b.event(orchestrator.Event{Deployment: d.ID, Type: orchestrator.EventApproval}, approval)
		}
		if in.RunID != "" {
			d.RunID = in.RunID
		}
		if d.Status == in.Status && d.Reason == in.Reason {
			return
		}
		if in.Status == orchestrator.StatusRunning && d.StartedAt.IsZero() {
			d.StartedAt = r.now()
		}
		d.Status, d.Reason = in.Status, in.Reason
		b.event(orchestrator.Event{Deployment: d.ID, Type: orchestrator.EventStatus}, map[string]any{
			"status": in.Status, "reason": in.Reason,
		})
	})
}

func approvedBy(d orchestrator.Deployment, principal string) bool {
	return slices.ContainsFunc(d.Approvals, func(a orchestrator.Approval) bool { return a.Principal == principal })
}

// SetGraphs records what a deployment will walk, before its workflow starts.
func (r *Registry) SetGraphs(ctx context.Context, id, principal, graph, previous, changes string, basis int64) error {
	return r.update(ctx, id, principal, func(d *orchestrator.Deployment, _ *batch) {
		d.GraphDigest, d.PreviousGraphDigest, d.ChangeDigest, d.Basis = graph, previous, changes, basis
	})
}

// update changes a deployment that is not final, in one transaction with what
// change adds to the batch.
func (r *Registry) update(
	ctx context.Context, id, principal string, change func(*orchestrator.Deployment, *batch),
) error {
	err := retry(ctx, func() error {
		d, revision, err := r.deployment(ctx, id)
		if err != nil || d.Status.Final() {
			return err
		}
		b := r.batch(principal)
		change(&d, b)
		b.replace(deploymentKey(d.Scope, d.N), revision, d)
		return b.commit(ctx)
	})
	if err != nil {
		return fmt.Errorf("update deployment %s: %w", id, err)
	}
	return nil
}

// Finish ends a deployment: its record, the state of its scope and the last
// event, at once. Finishing it again changes nothing.
func (r *Registry) Finish(ctx context.Context, in contract.FinishInput) error {
	err := retry(ctx, func() error {
		d, revision, err := r.deployment(ctx, in.Deployment)
		if err != nil || d.Status.Final() {
			return err
		}
		state, stateRevision, err := r.scope(ctx, d.Scope)
		if err != nil {
			return err
		}
		d.Status, d.Error, d.FinishedAt = in.Status, in.Error, r.now()
		if d.Residue, err = boundedResidue(in.Residue); err != nil {
			return err
		}
		skipped, err := boundedNames(in.Skipped)
		if err != nil {
			return err
		}
		d.Reason = ""
		if err := r.settle(ctx, &state, d); err != nil {
			return err
		}
		b := r.batch(in.Principal)
		b.replace(deploymentKey(d.Scope, d.N), revision, d)
		b.replace(scopeKey(d.Scope), stateRevision, state)
		b.put(retentionKey(d.FinishedAt, d.ID), indexRecord{Deployment: d.ID})
		b.event(orchestrator.Event{Deployment: d.ID, Type: orchestrator.EventFinished}, map[string]any{
			"status": d.Status, "error": d.Error, "residue": d.Residue, "skipped": skipped,
		})
		return b.commit(ctx)
	})
	if err != nil {
		return fmt.Errorf("finish deployment %s: %w", in.Deployment, err)
	}
	return nil
}

// settle brings the scope's state up to a deployment that has just ended.
func (r *Registry) settle(ctx context.Context, state *ScopeState, d orchestrator.Deployment) error {
	if !d.StartedAt.IsZero() {
		state.Basis++
	}
	if d.Status != orchestrator.StatusSucceeded {
		return nil
	}
	state.Release, state.Graph, state.Deployment = d.Release, d.GraphDigest, d.ID
	if d.Kind == orchestrator.KindDestroy {
		return nil
	}
	graph, err := r.GetGraph(ctx, d.GraphDigest)
	if err != nil {
		return err
	}
	for _, node := range graph.Nodes {
		if at, known := slices.BinarySearch(state.Exercised, node.DefinitionDigest); !known {
			state.Exercised = slices.Insert(state.Exercised, at, node.DefinitionDigest)
		}
	}
	return nil
}

// DeploymentFilter selects deployments; Team is required.
type DeploymentFilter struct {
	Team        string
	Application string
	Environment string
	Status      orchestrator.Status
	Cursor      string
	Limit       int
}

// Page of deployments, newest first. Next is the following page's cursor.
type Page struct {
	Deployments []orchestrator.Deployment
	Next        string
}

// ListDeployments returns a team's deployments, newest first.
func (r *Registry) ListDeployments(ctx context.Context, f DeploymentFilter) (Page, error) {
	limit := f.Limit
	if limit <= 0 || limit > store.MaxPage {
		limit = store.DefaultPage
	}
	var page Page
	q := store.Query{Partition: "deployment-index/" + f.Team, After: f.Cursor, Reverse: true, Limit: limit}
	for {
		found, err := r.store.Query(ctx, q)
		if err != nil {
			return Page{}, fmt.Errorf("list deployments of team %s: %w", f.Team, err)
		}
		for _, doc := range found.Documents {
			var entry indexRecord
			if err := doc.Decode(&entry); err != nil {
				return Page{}, err
			}
			d, err := r.GetDeployment(ctx, entry.Deployment)
			if err != nil {
				return Page{}, err
			}
			if !f.matches(d) {
				continue
			}
			page.Deployments = append(page.Deployments, d)
			if len(page.Deployments) == limit {
				page.Next = doc.Key.Sort
				return page, nil
			}
		}
		if found.Next == "" {
			return page, nil
		}
		q.After = found.Next
	}
}

func (f DeploymentFilter) matches(d orchestrator.Deployment) bool {
	return (f.Application == "" || f.Application == d.Application) &&
		(f.Environment == "" || f.Environment == d.Environment) &&
		(f.Status == "" || f.Status == d.Status)
}

// LatestDeployment of a scope; store.ErrNotFound when there never was one.
func (r *Registry) LatestDeployment(ctx context.Context, s orchestrator.Scope) (orchestrator.Deployment, error) {
	state, err := r.Scope(ctx, s)
	if err != nil {
		return orchestrator.Deployment{}, err
	}
	if state.Deployments == 0 {
		return orchestrator.Deployment{}, fmt.Errorf("application %s of team %s was never deployed to %s: %w",
			s.Application, s.Team, s.Environment, store.ErrNotFound)
	}
	return r.GetDeployment(ctx, orchestrator.DeploymentID(s, state.Deployments))
}
