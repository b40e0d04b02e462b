// SPDX-License-Identifier: Apache-2.0

package scale

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/HatiCode/nestor/bench"
	"github.com/HatiCode/nestor/bench/live"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
)

const (
	// applications that are there at once, each with its long-lived workflow.
	applications = 1000
	// callers ask for their deployments at once.
	callers = 8
	// further deployments are timed once all are there.
	further = 5
	// finished deployments between the two looks at the memory: the first after
	// so many, the second after four times as many.
	finished = 100
	// rolling is how many resources each of them has: one more and one less than
	// the one before.
	rolling = 20
	// flatBudget is what memory may be after four times as many deployments. The
	// caches of the store, of Temporal's client and of the runtime fill first.
	flatBudget = 1.3
)

// one is a claim of a composition.
func one(composition string) []composer.Claim {
	return []composer.Claim{{Instance: "it", Composition: composition, File: "main.go", Line: 1}}
}

// small deploys the claim of a composition as an application and waits for it.
func small(ctx context.Context, p *live.Platform, application, composition string) (time.Duration, error) {
	began := time.Now()
	release, err := p.Freeze(ctx, live.Team, application, one(composition))
	if err != nil {
		return 0, err
	}
	id, err := p.Ask(ctx, live.Team, application, orchestrator.KindApply, release)
	if err != nil {
		return 0, err
	}
	d, err := p.Succeed(ctx, id)
	return d.FinishedAt.Sub(began), err
}

// many deploys so many applications, numbered from first.
func many(ctx context.Context, p *live.Platform, name, composition string, first, count int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(callers)
	for i := first; i < first+count; i++ {
		group.Go(func() error {
			_, err := small(ctx, p, fmt.Sprintf("%s-%d", name, i), composition)
			return err
		})
	}
	return group.Wait()
}

// crowd measures a thousand applications, and a deployment beside them.
func crowd(ctx context.Context, p *live.Platform) ([]bench.Measurement, error) {
	if err := p.Compose(ctx, live.Team, "one", resources(1)); err != nil {
		return nil, err
	}
	before, err := latency(ctx, p, "before")
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := many(ctx, p, "app", "one", 0, applications); err != nil {
		return nil, err
	}
	took := time.Since(began)
	memory, err := p.Memory()
	if err != nil {
		return nil, err
	}
	after, err := latency(ctx, p, "after")
	if err != nil {
		return nil, err
	}
	all := []bench.Measurement{
		bench.AtMost(fmt.Sprintf("time to deploy %d applications", applications), took, 0,
			fmt.Sprintf("one node each, %d at a time, %.0f a second", callers, applications/took.Seconds())),
		bench.Compare(fmt.Sprintf("a further deployment beside %d applications / before them", applications), after, before, 0,
			"from the request for its release to its end"),
	}
	for _, program := range []string{worker, api, temporal} {
		all = append(all, bench.Count(fmt.Sprintf("memory of %s with %d applications", program, applications),
			mib(memory[program]), "MiB", 0, ""))
	}
	return all, nil
}

// latency is the median of a few deployments.
func latency(ctx context.Context, p *live.Platform, name string) (time.Duration, error) {
	var took []time.Duration
	for i := range further {
		d, err := small(ctx, p, fmt.Sprintf("%s-%d", name, i), "one")
		if err != nil {
			return 0, err
		}
		took = append(took, d)
	}
	return bench.Median(took), nil
}

// flat measures whether memory grows with the deployments that are over: always
// new releases and graphs, of one size, of a few applications.
func flat(ctx context.Context, p *live.Platform) ([]bench.Measurement, error) {
	const kept = 10
	deployed := 0
	round := func(count int) (map[string]uint64, error) {
		for end := deployed + count; deployed < end; deployed++ {
			name := fmt.Sprintf("flat-%d", deployed%kept)
			if err := p.Compose(ctx, live.Team, name, resourcesFrom(deployed/kept, rolling)); err != nil {
				return nil, err
			}
			if _, err := small(ctx, p, name, name); err != nil {
				return nil, err
			}
		}
		return p.Memory()
	}
	first, err := round(finished)
	if err != nil {
		return nil, err
	}
	last, err := round(3 * finished)
	if err != nil {
		return nil, err
	}
	var all []bench.Measurement
	for _, program := range []string{worker, api} {
		m := bench.Count(fmt.Sprintf("memory of %s after %d deployments / after %d", program, 4*finished, finished),
			mib(last[program]), "MiB", 0, "resident; each deployment has a graph of its own")
		m.Floor, m.Budget = mib(first[program]), flatBudget
		if m.Floor > 0 {
			m.Ratio = m.Value / m.Floor
		}
		all = append(all, m)
	}
	return all, nil
}
