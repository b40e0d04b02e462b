// SPDX-License-Identifier: Apache-2.0

// Package walk measures what Nestor adds to the steps of a deployment: the time
// of a whole graph over its longest path, the time beside the engine's for each
// resource, and the events that a resource leaves in a workflow's history. The
// engine is the fake one, whose steps take as long as they are told to.
package walk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/engine/fake"
	"github.com/HatiCode/nestor/bench"
	"github.com/HatiCode/nestor/bench/live"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/catalog/bundle"
	"github.com/HatiCode/nestor/orchestrator"
)

// The design's budgets.
const (
	makespanBudget = 1.05
	medianLimit    = 15 * time.Millisecond
	p99Limit       = 40 * time.Millisecond
	wideEvents     = 3.8
	chainEvents    = 6.5
)

const (
	step = 200 * time.Millisecond
	// slow and quick name the definitions with and without that step.
	slow, quick = "slow", "quick"
	rounds      = 3
	inFlight    = 500
)

// Run starts a platform and measures.
func Run(ctx context.Context, bin string) (measurements []bench.Measurement, err error) {
	dir, err := os.MkdirTemp("", "nestor-bench-walk-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p, err := live.Start(ctx, bin, dir, "control,fake", live.ManySlots)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Stop()) }()
	if err := Prepare(ctx, p, map[string]time.Duration{slow: step, quick: 0}); err != nil {
		return nil, err
	}
	bare, err := startBare(p)
	if err != nil {
		return nil, err
	}
	defer bare.stop()
	for i, s := range []shape{chain(25), wide(100), diamonds(8, 8), random(100)} {
		found, err := makespan(ctx, p, bare, fmt.Sprintf("makespan-%d", i), s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		measurements = append(measurements, found...)
	}
	own, err := ownTime(ctx, p, dir)
	if err != nil {
		return nil, err
	}
	counted, err := events(ctx, p)
	return slices.Concat(measurements, own, counted), err
}

// Prepare publishes definitions of the fake engine, each with the time that its
// steps take, and enables the engine.
func Prepare(ctx context.Context, p *live.Platform, latencies map[string]time.Duration) error {
	for name, latency := range latencies {
		if err := p.Publish(ctx, catalog.Definition{
			APIVersion: catalog.APIVersion, Kind: catalog.Kind,
			Metadata: catalog.Metadata{Name: name, Version: "1.0.0"},
			Spec: catalog.Spec{
				Provider: live.Provider, Category: "step", ResourceType: name, Engines: []string{fake.Name},
				Outputs: []catalog.Field{{Name: "id", Type: catalog.TypeString}},
				Implementations: map[string]catalog.Implementation{
					fake.Name: {Settings: map[string]any{"latency": latency.String()}},
				},
			},
		}, bundle.Bundle{}); err != nil {
			return err
		}
	}
	return p.Enable(ctx, inFlight, fake.Name)
}

// makespan deploys a shape several times, each as a new application, and
// compares the median with the longest path. In turn with it, the same graph is
// walked by Temporal alone.
func makespan(ctx context.Context, p *live.Platform, bare *bareTemporal, application string, s shape) ([]bench.Measurement, error) {
	var took, floor []time.Duration
	var processor processor
	for round := range rounds {
		used, err := spent(p, func() error {
			alone, err := bare.run(ctx, s, step)
			floor = append(floor, alone)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("bare Temporal: %w", err)
		}
		processor.alone = least(processor.alone, used)
		used, err = spent(p, func() error {
			d, err := deploy(ctx, p, fmt.Sprintf("%s-%d", application, round), s, slow)
			took = append(took, d.FinishedAt.Sub(d.StartedAt))
			return err
		})
		if err != nil {
			return nil, err
		}
		processor.ours = least(processor.ours, used)
	}
	path, note := time.Duration(s.depth())*step, fmt.Sprintf("%d steps of %s one after the other", s.depth(), step)
	return append([]bench.Measurement{
		bench.Compare("makespan / critical path, "+s.name, bench.Median(took), path, makespanBudget, note),
		bench.Compare("Temporal alone / critical path, "+s.name, bench.Median(floor), path, 0, note+"; no Nestor code, the same server and options"),
		bench.Compare("makespan / Temporal alone, "+s.name, bench.Median(took), bench.Median(floor), 0, "what Nestor adds"),
	}, processor.perResource(s)...), nil
}

func deploy(ctx context.Context, p *live.Platform, application string, s shape, definition string) (orchestrator.Deployment, error) {
	release, err := p.Release(ctx, application, s.composition(definition))
	if err != nil {
		return orchestrator.Deployment{}, err
	}
	return p.Deploy(ctx, application, release)
}

// ownTime is the time between the ends of neighbours in a chain of steps that
// take no time, less what the engine itself takes for one.
func ownTime(ctx context.Context, p *live.Platform, dir string) ([]bench.Measurement, error) {
	s := chain(100)
	d, err := deploy(ctx, p, "own-time", s, quick)
	if err != nil {
		return nil, err
	}
	gaps, err := Gaps(ctx, p, d.ID)
	if err != nil {
		return nil, err
	}
	bare, err := bareEngine(ctx, filepath.Join(dir, "bare"))
	if err != nil {
		return nil, err
	}
	for i := range gaps {
		gaps[i] = max(gaps[i]-bare, 0)
	}
	note := fmt.Sprintf("%s; the engine's own %s are taken off", s.name, bare.Round(10*time.Microsecond))
	return []bench.Measurement{
		bench.AtMost("own time per resource, median", bench.Median(gaps), medianLimit, note),
		bench.AtMost("own time per resource, p99", bench.Quantile(gaps, 0.99), p99Limit, note),
	}, nil
}

// Gaps are the times between the ends of the nodes of a deployment.
func Gaps(ctx context.Context, p *live.Platform, id string) ([]time.Duration, error) {
	all, err := p.Events(ctx, id)
	if err != nil {
		return nil, err
	}
	var gaps []time.Duration
	var last time.Time
	for _, event := range all {
		if event.Type != orchestrator.EventNodeDone {
			continue
		}
		if !last.IsZero() {
			gaps = append(gaps, event.Time.Sub(last))
		}
		last = event.Time
	}
	return gaps, nil
}

// bareEngine is the median time of the engine's preview and apply, called
// directly.
func bareEngine(ctx context.Context, dir string) (time.Duration, error) {
	e, err := fake.New(fake.Config{Dir: filepath.Join(dir, "world")})
	if err != nil {
		return 0, err
	}
	var took []time.Duration
	for i := range 100 {
		request := engine.Request{
			Address: "bench/bare/bench/" + resource(i), Node: resource(i), Workspace: filepath.Join(dir, resource(i)),
			Outputs: []engine.OutputSpec{{Name: "id", Type: "string"}}, Log: io.Discard,
		}
		began := time.Now()
		preview, err := e.Preview(ctx, request)
		if err != nil {
			return 0, err
		}
		if _, err := e.Apply(ctx, request, preview); err != nil {
			return 0, err
		}
		took = append(took, time.Since(began))
	}
	return bench.Median(took), nil
}

// events counts what a resource leaves in the history of its workflow.
func events(ctx context.Context, p *live.Platform) ([]bench.Measurement, error) {
	var measurements []bench.Measurement
	for i, c := range []struct {
		shape shape
		limit float64
	}{{wide(200), wideEvents}, {chain(100), chainEvents}} {
		d, err := deploy(ctx, p, fmt.Sprintf("events-%d", i), c.shape, quick)
		if err != nil {
			return nil, err
		}
		description, err := p.Temporal.DescribeWorkflowExecution(ctx, d.WorkflowID, "")
		if err != nil {
			return nil, err
		}
		length := float64(description.GetWorkflowExecutionInfo().GetHistoryLength())
		measurements = append(measurements, bench.Count("history events per resource, "+c.shape.name,
			length/float64(c.shape.nodes), "events", c.limit, fmt.Sprintf("%.0f events in all", length)))
	}
	return measurements, nil
}
