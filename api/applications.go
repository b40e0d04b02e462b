// SPDX-License-Identifier: Apache-2.0

package api

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/HatiCode/nestor/api/gen"
	"github.com/HatiCode/nestor/orchestrator"
)

// masked stands for a sensitive output.
const masked = "(sensitive)"

// ListApplications implements GET /applications.
func (s *Server) ListApplications(ctx context.Context, r gen.ListApplicationsRequestObject) (gen.ListApplicationsResponseObject, error) {
	team, err := teamOrOwn(ctx, r.Params.Team)
	if err != nil {
		return nil, err
	}
	scopes, err := s.d.Records.Applications(ctx, team)
	if err != nil {
		return nil, err
	}
	environments, err := s.d.Records.ListEnvironments(ctx)
	if err != nil {
		return nil, err
	}
	place := map[string]int{}
	for i, e := range environments {
		place[e.Metadata.Name] = i + 1
	}
	slices.SortFunc(scopes, func(a, b orchestrator.Scope) int {
		return cmp.Or(strings.Compare(a.Application, b.Application),
			cmp.Compare(place[a.Environment], place[b.Environment]), strings.Compare(a.Environment, b.Environment))
	})
	answer := gen.ListApplications200JSONResponse{Items: []gen.ApplicationSummary{}}
	for _, scope := range scopes {
		last := len(answer.Items) - 1
		if last < 0 || answer.Items[last].Application != scope.Application {
			answer.Items = append(answer.Items, gen.ApplicationSummary{Team: team, Application: scope.Application})
			last++
		}
		answer.Items[last].Environments = append(answer.Items[last].Environments, scope.Environment)
	}
	return answer, nil
}

// GetApplicationStatus implements GET /applications/{…}/environments/{…}.
func (s *Server) GetApplicationStatus(ctx context.Context, r gen.GetApplicationStatusRequestObject) (gen.GetApplicationStatusResponseObject, error) {
	scope := orchestrator.Scope{Team: r.Team, Application: r.Application, Environment: r.Environment}
	deployment, queued, err := s.current(ctx, scope)
	if err != nil {
		return nil, err
	}
	resources, err := s.resources(ctx, scope, deployment)
	if err != nil {
		return nil, err
	}
	release := deployment.Release
	if deployment.Kind == orchestrator.KindAdopt { // it leaves what is deployed as it was
		state, err := s.d.Records.Scope(ctx, scope)
		if err != nil {
			return nil, err
		}
		release = state.Release
	}
	residue, err := s.left(ctx, deployment)
	if err != nil {
		return nil, err
	}
	drift, err := s.validDrift(ctx, scope)
	if err != nil {
		return nil, err
	}
	return gen.GetApplicationStatus200JSONResponse{
		Application: scope.Application,
		Team:        scope.Team,
		Environment: scope.Environment,
		Status:      deployment.Status,
		Release:     release,
		Deployment:  deployment.ID,
		WorkflowID:  deployment.WorkflowID,
		Reason:      joined(deployment.Stopping(), deployment.Reason),
		Error:       deployment.Error,
		Residue:     residue,
		Queued:      queued,
		Drift:       drift,
		Resources:   resources,
	}, nil
}

// joined says two things, as far as there are any and they are not one.
func joined(first, second string) string {
	if first == "" || second == "" {
		return first + second
	}
	return first + "; " + second
}

// left is what is left behind in a deployment's scope, now that it is over: what
// it lists itself, and what the last one lists that acted, if that was not it.
func (s *Server) left(ctx context.Context, d orchestrator.Deployment) ([]orchestrator.Residue, error) {
	acted := d.Kind != orchestrator.KindAdopt && !d.StartedAt.IsZero()
	if acted || !d.Status.Final() {
		return d.Residue, nil
	}
	earlier, found, err := s.d.Records.LastActed(ctx, d.Scope, d.N)
	if err != nil || !found {
		return d.Residue, err
	}
	heads, err := s.d.Records.Heads(ctx, d.Scope)
	if err != nil {
		return nil, err
	}
	// Adoptions alone have acted since.
	before, err := earlier.StillLeft(heads, func(h orchestrator.NodeHead) (bool, error) { return h.Whole(), nil })
	if err != nil {
		return nil, err
	}
	residue := slices.Clone(d.Residue)
	for _, left := range before {
		if !slices.ContainsFunc(residue, func(r orchestrator.Residue) bool { return r.Node == left.Node }) {
			residue = append(residue, left)
		}
	}
	return residue, nil
}

// current is the deployment that tells how a scope stands, and how many others
// are queued: the one that is under way, else the one that waits for an
// approval, else the latest that has left the queue, else the next in it.
func (s *Server) current(ctx context.Context, scope orchestrator.Scope) (d orchestrator.Deployment, queued int, err error) {
	latest, err := s.d.Records.LatestDeployment(ctx, scope)
	if err != nil {
		return d, 0, err
	}
	open, err := s.d.Records.OpenDeployments(ctx, scope.Team, scope.Application, scope.Environment)
	if err != nil {
		return d, 0, err
	}
	waiting := 0
	var active *orchestrator.Deployment
	for i, o := range open {
		switch {
		case o.Status == orchestrator.StatusQueued:
			waiting++
		case active == nil || active.Status == orchestrator.StatusAwaitingApproval:
			active = &open[i]
		}
	}
	switch {
	case active != nil:
		return *active, waiting, nil
	case latest.Status != orchestrator.StatusQueued:
		return latest, waiting, nil
	}
	for n := latest.N - 1; n > 0; n-- {
		d, err := s.d.Records.GetDeployment(ctx, orchestrator.DeploymentID(scope, n))
		if err != nil || d.Status != orchestrator.StatusQueued {
			return d, waiting, err
		}
		latest = d
	}
	return latest, max(waiting-1, 0), nil
}

// resources are the nodes that are there, and those that the deployment will
// make, by id.
func (s *Server) resources(ctx context.Context, scope orchestrator.Scope, d orchestrator.Deployment) ([]gen.ResourceStatus, error) {
	heads, err := s.d.Records.Heads(ctx, scope)
	if err != nil {
		return nil, err
	}
	holders, err := s.holders(ctx, scope)
	if err != nil {
		return nil, err
	}
	resources := make([]gen.ResourceStatus, 0, len(heads))
	there := map[string]bool{}
	for _, head := range heads {
		outputs, err := s.outputs(ctx, head)
		if err != nil {
			return nil, err
		}
		there[head.Node] = true
		resources = append(resources, gen.ResourceStatus{
			Name: head.Node, Engine: head.Engine, Definition: head.Definition, Version: head.Version,
			Status: head.Status, StateRef: head.StateRef, Outputs: outputs, Holder: holders[head.Node],
			Snapshots: head.SnapshotAddresses(), UnfinishedSnapshots: head.UnfinishedSnapshots(),
		})
	}
	if !d.Status.Final() && d.GraphDigest != "" {
		graph, err := s.d.Records.GetGraph(ctx, d.GraphDigest)
		if err != nil {
			return nil, err
		}
		for _, node := range graph.Nodes {
			if !there[node.ID] && d.About(node.ID) {
				resources = append(resources, gen.ResourceStatus{
					Name: node.ID, Engine: node.Engine, Definition: node.Definition, Version: node.Version,
					Status: orchestrator.NodePending, Outputs: map[string]any{},
				})
			}
		}
	}
	slices.SortFunc(resources, func(a, b gen.ResourceStatus) int { return strings.Compare(a.Name, b.Name) })
	return resources, nil
}

func (s *Server) outputs(ctx context.Context, head orchestrator.NodeHead) (map[string]any, error) {
	values, err := s.d.Records.Outputs(ctx, head)
	if err != nil {
		return nil, err
	}
	outputs := make(map[string]any, len(values))
	for _, v := range values {
		outputs[v.Name] = v.Value
		if v.Sensitive {
			outputs[v.Name] = masked
		}
	}
	return outputs, nil
}

// holders are the workers that hold nodes for longer than a moment, by node.
func (s *Server) holders(ctx context.Context, scope orchestrator.Scope) (map[string]*orchestrator.Tenure, error) {
	tenures, err := s.d.Records.Tenures(ctx, scope)
	if err != nil {
		return nil, err
	}
	holders := make(map[string]*orchestrator.Tenure, len(tenures))
	for _, t := range tenures {
		if !t.Ended() {
			holders[t.Node] = &t
		}
	}
	return holders, nil
}
