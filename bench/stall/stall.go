// SPDX-License-Identifier: Apache-2.0

// Package stall measures how long a deployment stands still when its worker is
// killed: `nestor dev` starts the next one, as any supervisor would, and the
// time of that counts.
package stall

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/HatiCode/nestor/bench"
	"github.com/HatiCode/nestor/bench/live"
	"github.com/HatiCode/nestor/bench/walk"
	"github.com/HatiCode/nestor/cli/remote"
	"github.com/HatiCode/nestor/orchestrator"
)

const (
	definition = "step"
	step       = 100 * time.Millisecond
	nodes      = 30
	kills      = 10
	// before a kill, so many nodes are done.
	before = 5
	// limit is the design's, for the 99th percentile.
	limit = 3 * time.Second
	// healthy is how long a worker runs before the next kill; `nestor dev` then
	// starts it again without a growing delay.
	healthy = 6 * time.Second
	poll    = 10 * time.Millisecond
)

// Run starts a platform and kills its worker in the middle of deployments.
func Run(ctx context.Context, bin string) (measurements []bench.Measurement, err error) {
	dir, err := os.MkdirTemp("", "nestor-bench-stall-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p, err := live.Start(ctx, bin, dir, "control,fake", live.ManySlots)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Stop()) }()
	if err := walk.Prepare(ctx, p, map[string]time.Duration{definition: step}); err != nil {
		return nil, err
	}
	var stalls, typical []time.Duration
	killed := map[int]bool{}
	for i := range kills {
		if err := remote.Wait(ctx, healthy); err != nil {
			return nil, err
		}
		// Each kill hits another moment of a step.
		moment := step * time.Duration(i) / kills
		gaps, err := once(ctx, p, fmt.Sprintf("stall-%d", i), moment, killed)
		if err != nil {
			return nil, err
		}
		longest, usual := slices.Max(gaps), bench.Median(gaps)
		stalls, typical = append(stalls, longest-usual), append(typical, usual)
	}
	note := fmt.Sprintf("%d kills in chains of %d; a step takes %s", kills, nodes, bench.Median(typical).Round(time.Millisecond))
	return []bench.Measurement{
		bench.AtMost("stall after SIGKILL of the worker, median", bench.Median(stalls), 0, note),
		// So few kills have no 99th percentile; the longest is judged in its place.
		bench.AtMost(fmt.Sprintf("stall after SIGKILL of the worker, longest of %d", kills), bench.Quantile(stalls, 1), limit, note),
	}, nil
}

// once deploys a chain, and kills the worker in the middle of it.
func once(ctx context.Context, p *live.Platform, application string, moment time.Duration, killed map[int]bool) ([]time.Duration, error) {
	release, err := p.Release(ctx, application, walk.Chain(nodes, definition))
	if err != nil {
		return nil, err
	}
	id, err := p.Begin(ctx, application, release)
	if err != nil {
		return nil, err
	}
	return Kill(ctx, p, id, before, moment, killed)
}

// Kill the worker in the middle of a deployment, that long after so many nodes
// have ended. It returns the times between the ends of the nodes, when the
// deployment has succeeded, and adds the worker to killed.
func Kill(ctx context.Context, p *live.Platform, id string, before int, moment time.Duration, killed map[int]bool) ([]time.Duration, error) {
	for done := 0; done < before; {
		var err error
		if err := remote.Wait(ctx, poll); err != nil {
			return nil, err
		}
		if done, err = finished(ctx, p, id); err != nil {
			return nil, err
		}
	}
	pid, err := p.WorkerPID(ctx, killed)
	if err != nil {
		return nil, err
	}
	if err := remote.Wait(ctx, moment); err != nil {
		return nil, err
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return nil, fmt.Errorf("kill the worker: %w", err)
	}
	killed[pid] = true
	if _, err := p.Succeed(ctx, id); err != nil {
		return nil, err
	}
	return walk.Gaps(ctx, p, id)
}

func finished(ctx context.Context, p *live.Platform, id string) (int, error) {
	events, err := p.Events(ctx, id)
	done := 0
	for _, event := range events {
		if event.Type == orchestrator.EventNodeDone {
			done++
		}
	}
	return done, err
}
