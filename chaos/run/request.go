// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	api "github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/chaos/check"
	"github.com/HatiCode/nestor/chaos/site"
	"github.com/HatiCode/nestor/chaos/story"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/cli/sse"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/compile"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

// requestPatience is how long a request is repeated, with its key.
const requestPatience = 90 * time.Second

// persist repeats a request while the API or what it needs is away, as a user
// with the command does.
func persist(ctx context.Context, request func() error) error {
	deadline := time.Now().Add(requestPatience)
	for attempt := 1; ; attempt++ {
		err := request()
		var away *remote.UnreachableError
		var answer *remote.Error
		again := errors.As(err, &away) || errors.As(err, &answer) && answer.Problem.Status >= 500
		if err == nil || !again || time.Now().After(deadline) {
			return err
		}
		if err := remote.Wait(ctx, remote.Backoff(attempt)); err != nil {
			return err
		}
	}
}

// request asks for a step's deployment and returns its id.
func (r *runner) request(ctx context.Context, s story.Story, n int) (string, error) {
	step := s.Steps[n]
	key := fmt.Sprintf("%s-%d", s.Application, n)
	if step.Kind == orchestrator.KindPromote {
		return r.promote(ctx, s, step, key)
	}
	release := ""
	if step.Graph != nil {
		var err error
		if release, err = r.release(ctx, s, step.Graph); err != nil {
			return "", err
		}
	}
	var accepted api.DeployAccepted
	err := persist(ctx, func() (err error) {
		//nolint:bodyclose // Decode closes it
		accepted, err = remote.Decode[api.DeployAccepted](r.site.API.CreateDeployment(ctx,
			&api.CreateDeploymentParams{IdempotencyKey: &key},
			api.CreateDeploymentJSONRequestBody{
				Team: site.Team, Application: s.Application, Environment: step.Environment,
				Kind: step.Kind, Release: release, AutoApprove: true,
			}))
		return err
	})
	if err != nil {
		return "", fmt.Errorf("ask for the %s: %w", step.Name, err)
	}
	return accepted.Deployment, nil
}

// release freezes a graph.
func (r *runner) release(ctx context.Context, s story.Story, g story.Graph) (string, error) {
	if _, _, err := r.site.Compositions.PutComposition(ctx, site.Principal, composer.Composition{
		APIVersion: composer.APIVersion, Kind: composer.KindComposition,
		Metadata: composer.CompositionMetadata{Name: s.Application, Team: site.Team},
		Spec:     g.Composition(s.Application, r.Dir),
	}, -1); err != nil {
		return "", fmt.Errorf("put the composition: %w", err)
	}
	release, _, err := r.site.Compiler.CreateRelease(ctx, site.Principal, compile.ReleaseRequest{
		Team: site.Team, Application: s.Application,
		Claims: []composer.Claim{{Instance: story.Instance, Composition: s.Application, File: "main.go", Line: 1}},
	})
	if err != nil {
		return "", fmt.Errorf("make the release: %w", err)
	}
	return release.Digest, nil
}

// promote asks for a promotion and waits for its deployment.
func (r *runner) promote(ctx context.Context, s story.Story, step story.Step, key string) (string, error) {
	var asked api.Promotion
	err := persist(ctx, func() (err error) {
		//nolint:bodyclose // Decode closes it
		asked, err = remote.Decode[api.Promotion](r.site.API.CreatePromotion(ctx,
			&api.CreatePromotionParams{IdempotencyKey: &key},
			api.CreatePromotionJSONRequestBody{
				Team: site.Team, Application: s.Application, From: site.Staging, To: step.Environment, AutoApprove: true,
			}))
		return err
	})
	if err != nil {
		return "", fmt.Errorf("ask for the promotion: %w", err)
	}
	deadline := time.Now().Add(requestPatience)
	for {
		p, err := r.site.Registry.GetPromotion(ctx, asked.ID)
		switch {
		case err != nil:
			return "", err
		case p.Deployment != "":
			return p.Deployment, nil
		case p.Refused != "":
			return "", fmt.Errorf("the promotion %s was refused: %s", p.ID, p.Refused)
		case time.Now().After(deadline):
			return "", fmt.Errorf("the promotion %s was not taken up within %s", p.ID, requestPatience)
		}
		if err := remote.Wait(ctx, poll); err != nil {
			return "", err
		}
	}
}

// stream follows a deployment's events over the API, across its restarts, and
// returns their sequences. What they say is looked through for the secret.
func (r *runner) stream(ctx context.Context, id string) ([]int64, error) {
	scope, n, err := registry.ParseDeploymentID(id)
	if err != nil {
		return nil, err
	}
	var got []int64
	err = r.site.API.Subscribe(ctx, remote.Subscription{
		Open: func(ctx context.Context, after int64) (*remote.Response, error) {
			params := &api.StreamDeploymentEventsParams{}
			if after > 0 {
				params.LastEventID = &after
			}
			return r.site.API.StreamDeploymentEvents(ctx, scope.Team, scope.Application, scope.Environment, n, params, remote.Stream) //nolint:bodyclose // Subscribe closes it
		},
		Event: func(e sse.Event) (bool, error) {
			var event orchestrator.Event
			if err := json.Unmarshal([]byte(e.Data), &event); err != nil {
				return false, fmt.Errorf("an event of %s: %w", id, err)
			}
			sequence, err := strconv.ParseInt(e.ID, 10, 64)
			if err != nil {
				return false, fmt.Errorf("the id of an event of %s: %w", id, err)
			}
			got = append(got, sequence)
			r.add(check.Text(r.canary, "the stream of "+id, []byte(e.Data)))
			return event.Type == orchestrator.EventFinished, nil
		},
	})
	return got, err
}
