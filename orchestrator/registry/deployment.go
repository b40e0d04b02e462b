// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/HatiCode/nestor/internal/canonical"
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
// the scope's next number. The same request id gets the same deployment again;
// asking for something else with it is refused.
func (r *Registry) Accept(ctx context.Context, req contract.DeployRequest, promotion string) (orchestrator.Deployment, error) {
	var d orchestrator.Deployment
	err := retry(ctx, func() error {
		var known indexRecord
		_, err := r.read(ctx, requestKey(req.Scope, req.RequestID), "request", &known)
		if err == nil {
			if d, err = r.GetDeployment(ctx, known.Deployment); err == nil && !answers(d, req) {
				err = &orchestrator.Refusal{
					Reason: fmt.Sprintf("the request id %q was used for another request, which became deployment %s", req.RequestID, d.ID),
					Hint:   "send another Idempotency-Key",
				}
			}
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

// answers says whether a deployment is what a request asks for.
func answers(d orchestrator.Deployment, req contract.DeployRequest) bool {
	return d.Kind == req.Kind && d.Release == req.Release && cmp.Or(d.ReplacedPlanID, d.PlanID) == req.PlanID &&
		sameAdoption(d.Adoption, req.Adoption) && d.AutoApprove == req.AutoApprove && d.OnFailure == req.OnFailure && d.Principal == req.Principal
}

func sameAdoption(a, b *orchestrator.Adoption) bool {
	if a == nil || b == nil {
		return a == b
	}
	x, y := *a, *b
	x.Source, y.Source = "", "" // no part of a request
	return x == y
}

func (r *Registry) create(ctx context.Context, req contract.DeployRequest, promotion string) (orchestrator.Deployment, error) {
	if err := r.room(ctx, req.Scope); err != nil {
		return orchestrator.Deployment{}, err
	}
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
		WorkflowID: id, QueuedAt: r.now(), Promotion: promotion, Adoption: req.Adoption,
	}
	queued := map[string]any{"kind": d.Kind, "release": d.Release, "principal": d.Principal}
	if d.Adoption != nil {
		// There is no plan: what is approved is the adoption itself, with what was
		// handed in.
		if d.Adoption, err = r.bindSource(ctx, req); err != nil {
			return d, err
		}
		if d.ChangeDigest, err = canonical.Digest(d.Adoption); err != nil {
			return d, fmt.Errorf("digest of the adoption: %w", err)
		}
		queued["node"] = d.Adoption.Node
	}
	repair := false
	if d.PlanID != "" {
		plan, err := r.GetPlanRecord(ctx, d.PlanID)
		if err != nil {
			return d, err
		}
		d.ChangeDigest = plan.ChangeDigest
		repair = plan.Drift
	}
	b := r.batch(d.Principal)
	if repair {
		if err := r.repairs(ctx, b, &d); err != nil {
			return d, err
		}
	}
	b.replace(scopeKey(req.Scope), revision, state)
	b.replace(deploymentKey(req.Scope, d.N), 0, d)
	b.replace(requestKey(req.Scope, req.RequestID), 0, indexRecord{Deployment: id})
	b.put(deploymentIndexKey(req.Team, d.QueuedAt, id), indexRecord{Deployment: id})
	b.put(openKey(req.Scope, d.N), indexRecord{Deployment: id})
	b.event(orchestrator.Event{Deployment: id, Type: orchestrator.EventQueued}, queued)
	return d, b.commit(ctx)
}

// room refuses another deployment of an application that has contract.MaxOpen of
// them.
func (r *Registry) room(ctx context.Context, s orchestrator.Scope) error {
	page, err := r.store.Query(ctx, store.Query{Partition: openPartition(s.Team, s.Application), Limit: contract.MaxOpen})
	if err != nil {
		return fmt.Errorf("count the open deployments of %s: %w", s, err)
	}
	if len(page.Documents) < contract.MaxOpen {
		return nil
	}
	return &orchestrator.Refusal{
		Reason: fmt.Sprintf("%d deployments of %s of team %s wait already", contract.MaxOpen, s.Application, s.Team),
		Hint:   "wait until they are through, or cancel those that nobody needs any more",
	}
}

// Requested says whether a request id has led to a deployment of a scope.
func (r *Registry) Requested(ctx context.Context, s orchestrator.Scope, request string) (bool, error) {
	revision, err := r.readOrZero(ctx, requestKey(s, request), "request", &indexRecord{})
	return revision > 0, err
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

// SetStatus moves a deployment to a status that is not final, and records
// decisions, with the events that tell of it. Setting the status it has, or any
// status after a final one, changes nothing, and the same decision counts once.
func (r *Registry) SetStatus(ctx context.Context, in contract.StatusInput) error {
	return r.update(ctx, in.Deployment, in.Principal, func(d *orchestrator.Deployment, b *batch) {
		for _, a := range in.Approvals {
			r.decide(d, b, a)
		}
		if in.RunID != "" {
			d.RunID = in.RunID
		}
		reason := because(*d, in.Status, in.Reason)
		same := d.Status == in.Status && d.Reason == reason && slices.Equal(d.Paused, in.Paused)
		if in.Status == "" || same {
			return
		}
		if in.Status == orchestrator.StatusRunning && d.StartedAt.IsZero() {
			d.StartedAt = r.now()
		}
		d.Status, d.Reason, d.Paused = in.Status, reason, in.Paused
		b.event(orchestrator.Event{Deployment: d.ID, Type: orchestrator.EventStatus}, map[string]any{
			"status": in.Status, "reason": reason,
		})
	})
}

// decide records somebody's yes or no. One about the plan is about the plan
// that the deployment has now, unless it says otherwise.
func (r *Registry) decide(d *orchestrator.Deployment, b *batch, a orchestrator.Approval) {
	if a.Node == "" && a.ChangeDigest == "" {
		a.ChangeDigest = d.ChangeDigest
	}
	a.Time = time.Time{}
	known := slices.ContainsFunc(d.Approvals, func(have orchestrator.Approval) bool {
		have.Time, have.Comment = a.Time, a.Comment
		return have == a
	})
	if known {
		return
	}
	a.Time = r.now()
	d.Approvals = boundedApprovals(append(d.Approvals, a))
	b.event(orchestrator.Event{Deployment: d.ID, Type: orchestrator.EventApproval, Node: a.Node}, a)
}

// Frozen is what a deployment will walk, and what it needs for that.
type Frozen struct {
	Graph, Previous   string // digests of the graphs
	ChangeDigest      string // of its plan
	Basis             int64
	ApprovalsRequired int
}

// Freeze records what a deployment will walk, before it starts; afterwards it
// changes nothing.
func (r *Registry) Freeze(ctx context.Context, id, principal string, f Frozen) error {
	return r.update(ctx, id, principal, func(d *orchestrator.Deployment, _ *batch) {
		if !d.StartedAt.IsZero() {
			return
		}
		d.GraphDigest, d.PreviousGraphDigest, d.ChangeDigest, d.Basis = f.Graph, f.Previous, f.ChangeDigest, f.Basis
		d.ApprovalsRequired = f.ApprovalsRequired
	})
}

// Replan gives a deployment that waits a plan that is yet to be made, and
// writes that plan's record. What was approved stays approved for the change
// set that it was about.
func (r *Registry) Replan(ctx context.Context, id, principal string, plan orchestrator.Plan) error {
	return r.update(ctx, id, principal, func(d *orchestrator.Deployment, b *batch) {
		b.replace(planKey(plan.ID), 0, plan)
		d.ReplacedPlanID = cmp.Or(d.ReplacedPlanID, d.PlanID)
		d.PlanID = plan.ID
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
		if d.Adoption != nil {
			// Before the record says that it is over: nobody would come back.
			if err := r.DropSource(ctx, d.Scope, d.RequestID); err != nil {
				return err
			}
		}
		d.Status, d.Error, d.FinishedAt = in.Status, in.Error, r.now()
		if d.Residue, err = boundedResidue(in.Residue, in.MoreResidue); err != nil {
			return err
		}
		skipped, err := boundedNames(in.Skipped, in.MoreSkipped)
		if err != nil {
			return err
		}
		d.Reason, d.Paused = because(d, d.Status, ""), nil
		if err := r.settle(ctx, &state, d); err != nil {
			return err
		}
		b := r.batch(in.Principal)
		b.replace(deploymentKey(d.Scope, d.N), revision, d)
		b.replace(scopeKey(d.Scope), stateRevision, state)
		b.delete(openKey(d.Scope, d.N))
		b.index(d)
		b.put(retentionKey(d.FinishedAt, d.ID), indexRecord{Deployment: d.ID})
		b.event(orchestrator.Event{Deployment: d.ID, Type: orchestrator.EventFinished}, map[string]any{
			"status": d.Status, "reason": d.Reason, "error": d.Error, "residue": d.Residue, "skipped": skipped,
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
	if d.Status != orchestrator.StatusSucceeded || d.Kind == orchestrator.KindAdopt {
		return nil // what is deployed is still what was
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
