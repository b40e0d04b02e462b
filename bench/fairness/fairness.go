// SPDX-License-Identifier: Apache-2.0

// Package fairness measures how long a small deployment of one team waits while
// a large one of another team has hundreds of steps in the queue of a worker
// with few slots. The engine is the fake one, whose steps keep their slot for a
// moment.
package fairness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/HatiCode/nestor/bench"
	"github.com/HatiCode/nestor/bench/live"
	"github.com/HatiCode/nestor/bench/walk"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
)

const (
	definition = "slot"
	step       = 20 * time.Millisecond
	slots      = 4
	// claims of a composition of so many nodes, none of which needs another.
	claims, wide = 100, 100
	// small is a chain of three.
	small  = 3
	rounds = 5
	other  = "other"
	// budget is the small deployment's time beside the large one over its time
	// alone. Its steps wait for a slot, of which one is free every 5 ms, and for
	// the cores, which the large one keeps busy. First come, first served would
	// be a ratio of 50 and more: 500 steps before each of the three.
	budget = 5
)

// Run starts a platform and measures.
func Run(ctx context.Context, bin string) (found []bench.Measurement, err error) {
	dir, err := os.MkdirTemp("", "nestor-bench-fairness-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p, err := live.Start(ctx, bin, dir, "control,fake", fmt.Sprintf("NESTOR_SLOTS=%d", slots))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Stop()) }()
	if err := walk.Prepare(ctx, p, map[string]time.Duration{definition: step}); err != nil {
		return nil, err
	}
	if err := p.Compose(ctx, other, "small", walk.Chain(small, definition)); err != nil {
		return nil, err
	}
	alone, err := median(ctx, p, "alone")
	if err != nil {
		return nil, err
	}
	large, err := saturate(ctx, p)
	if err != nil {
		return nil, err
	}
	beside, err := median(ctx, p, "beside")
	if err != nil {
		return nil, err
	}
	d, err := p.Registry.GetDeployment(ctx, large)
	if err != nil {
		return nil, err
	}
	if d.Status != orchestrator.StatusRunning {
		return nil, fmt.Errorf("the large deployment is %s: there was nothing to wait for", d.Status)
	}
	return []bench.Measurement{bench.Compare("small deployment beside another team's large one / alone", beside, alone, budget,
		fmt.Sprintf("%d steps of %s one after the other; %d slots, %d nodes of another team", small, step, slots, claims*wide))}, nil
}

// median of the times that the small application takes, each as a new one.
func median(ctx context.Context, p *live.Platform, name string) (time.Duration, error) {
	var took []time.Duration
	for round := range rounds {
		application := fmt.Sprintf("%s-%d", name, round)
		release, err := p.Freeze(ctx, other, application, []composer.Claim{
			{Instance: "it", Composition: "small", File: "main.go", Line: 1},
		})
		if err != nil {
			return 0, err
		}
		id, err := p.Ask(ctx, other, application, orchestrator.KindApply, release)
		if err != nil {
			return 0, err
		}
		d, err := p.Succeed(ctx, id)
		if err != nil {
			return 0, err
		}
		took = append(took, d.FinishedAt.Sub(d.StartedAt))
	}
	return bench.Median(took), nil
}

// saturate begins the large deployment and returns when its steps are done one
// after the other.
func saturate(ctx context.Context, p *live.Platform) (id string, err error) {
	spec := composer.CompositionSpec{}
	for i := range wide {
		spec.Resources = append(spec.Resources, composer.Resource{Name: fmt.Sprintf("n%03d", i), CatalogRef: definition})
	}
	if err := p.Compose(ctx, live.Team, "large", spec); err != nil {
		return "", err
	}
	all := make([]composer.Claim, claims)
	for i := range all {
		all[i] = composer.Claim{Instance: fmt.Sprintf("c%03d", i), Composition: "large", File: "main.go", Line: i + 1}
	}
	release, err := p.Freeze(ctx, live.Team, "large", all)
	if err != nil {
		return "", err
	}
	if id, err = p.Ask(ctx, live.Team, "large", orchestrator.KindApply, release); err != nil {
		return "", err
	}
	for {
		runs, err := p.Registry.NodeStates(ctx, id)
		if err != nil || len(runs) > 2*slots {
			return id, err
		}
		if err := remote.Wait(ctx, step); err != nil {
			return id, err
		}
	}
}
