// SPDX-License-Identifier: Apache-2.0

// Package scale measures what large deployments and many applications take:
// the time, the events of a node, the runs of the workflow, and what worker, API
// and Temporal have in memory. The engine is the fake one, whose steps take no
// time; all else is real.
package scale

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/HatiCode/nestor/bench"
	"github.com/HatiCode/nestor/bench/live"
	"github.com/HatiCode/nestor/bench/walk"
	"github.com/HatiCode/nestor/orchestrator"
)

// quick names the definition of steps that take no time.
const quick = "quick"

// most resources that one deployment is to have, by the design.
const most = 10_000

// wideEvents is the design's budget of events per node.
const wideEvents = 3.8

// Run starts a platform for each of the measurements.
func Run(ctx context.Context, bin string) ([]bench.Measurement, error) {
	var all []bench.Measurement
	for _, measure := range []func(context.Context, *live.Platform) ([]bench.Measurement, error){large, crowd, flat} {
		found, err := on(ctx, bin, measure)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// on measures on a platform of its own.
func on(
	ctx context.Context, bin string, measure func(context.Context, *live.Platform) ([]bench.Measurement, error),
) (found []bench.Measurement, err error) {
	dir, err := os.MkdirTemp("", "nestor-bench-scale-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p, err := live.Start(ctx, bin, dir, "control,fake", live.ManySlots)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Stop()) }()
	if err := walk.Prepare(ctx, p, map[string]time.Duration{quick: 0}); err != nil {
		return nil, err
	}
	return measure(ctx, p)
}

// large deploys applications of 10,000 nodes.
func large(ctx context.Context, p *live.Platform) ([]bench.Measurement, error) {
	var all []bench.Measurement
	for _, a := range []application{layers(100, 10, 10), tangle(10, 1000)} {
		found, err := deploy(ctx, p, a)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a.title, err)
		}
		all = append(all, found...)
	}
	return all, nil
}

func deploy(ctx context.Context, p *live.Platform, a application) ([]bench.Measurement, error) {
	began := time.Now()
	if err := p.Compose(ctx, live.Team, a.name, a.composition); err != nil {
		return nil, err
	}
	release, err := p.Freeze(ctx, live.Team, a.name, a.annotations())
	if err != nil {
		return nil, err
	}
	frozen := time.Since(began)
	id, err := p.Ask(ctx, live.Team, a.name, orchestrator.KindApply, release)
	if err != nil {
		return nil, err
	}
	peak, stop := watch(p)
	d, err := p.Succeed(ctx, id)
	stop()
	if err != nil {
		return nil, err
	}
	took := d.FinishedAt.Sub(d.StartedAt)
	events, runs, err := history(ctx, p, d)
	if err != nil {
		return nil, err
	}
	n := float64(a.nodes())
	all := []bench.Measurement{
		bench.AtMost("time to freeze, "+a.title, frozen, 0, "composition and release through the API"),
		bench.AtMost("time to deploy, "+a.title, took, 0,
			fmt.Sprintf("%.0f nodes a second; %s in the queue", n/took.Seconds(), d.StartedAt.Sub(d.QueuedAt).Round(time.Millisecond))),
		bench.Count("history events per node, "+a.title, float64(events)/n, "events", wideEvents,
			fmt.Sprintf("%d events in %d runs", events, runs)),
	}
	all = append(all, bench.None("resources short of 10,000, "+a.title, float64(most-a.nodes()), "resources",
		fmt.Sprintf("%.0f in one deployment that succeeded", n)))
	for _, program := range []string{worker, api, temporal} {
		all = append(all, bench.Count("memory of "+program+" at its peak, "+a.title, mib(peak()[program]), "MiB", 0, ""))
	}
	return all, nil
}
