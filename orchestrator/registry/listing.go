// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"fmt"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/store"
)

// OpenDeployments lists the deployments of an application that are not over, by
// environment and number. An empty environment means all.
func (r *Registry) OpenDeployments(ctx context.Context, team, application, environment string) ([]orchestrator.Deployment, error) {
	prefix := ""
	if environment != "" {
		prefix = environment + "/"
	}
	entries, err := collect[indexRecord](ctx, r.store, openPartition(team, application), prefix)
	if err != nil {
		return nil, fmt.Errorf("list open deployments of %s of team %s: %w", application, team, err)
	}
	var open []orchestrator.Deployment
	for _, entry := range entries {
		d, err := r.GetDeployment(ctx, entry.Deployment)
		if err != nil {
			return nil, err
		}
		if !d.Status.Final() { // it may have ended since the entry was read
			open = append(open, d)
		}
	}
	return open, nil
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
		return orchestrator.Deployment{}, &store.MissingError{Message: fmt.Sprintf(
			"application %s of team %s was never deployed to %s", s.Application, s.Team, s.Environment)}
	}
	return r.GetDeployment(ctx, orchestrator.DeploymentID(s, state.Deployments))
}
