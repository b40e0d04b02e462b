// SPDX-License-Identifier: Apache-2.0

// Package engines measures what Nestor adds to each real engine: the time of one
// resource over that of the bare program on the same files, and a deployment
// without a change over the bare program's run without one.
//
// Both contestants run in turn, so that both meet the same machine; what is told
// are medians. A contestant is one file here; the bare side does what a person
// would do by hand, no more.
package engines

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/HatiCode/nestor/bench"
	"github.com/HatiCode/nestor/bench/live"
	"github.com/HatiCode/nestor/bench/walk"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/catalog/bundle"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
)

// The design's budgets.
const (
	noopBudget  = 1.15
	medianLimit = 15 * time.Millisecond
	p99Limit    = 40 * time.Millisecond
)

// Samples, unless a contestant takes others.
const (
	defaultChains = 4
	defaultGaps   = 5
	defaultNoops  = 9
)

// setup is what a contestant may use.
type setup struct {
	bin string // the built programs
	dir string // for itself; removed at the end
}

// contestant is one engine, with Nestor and without.
type contestant struct {
	definition catalog.Definition
	files      bundle.Bundle
	// environment completes that of the deployments.
	environment func(*orchestrator.EnvironmentSpec)
	// worker variables beside the usual ones.
	variables []string
	// inputs of the resource that has a name of its own.
	inputs func(name string) map[string]any
	// bare makes a resource by hand, or finds that it is there already.
	bare func(ctx context.Context, name string) error
	// same makes a resource by hand with the very calls that Nestor makes; nil
	// where they are the bare ones.
	same func(ctx context.Context, name string) error
	// chains are deployed one after the other; each has one resource more than
	// gaps between the ends of resources. noops are those of both in turn. Zero
	// means the default.
	chains, gaps, noops int
	// note says what the bare side does.
	note string
	// stop what the contestant started; nil: nothing.
	stop func() error
}

// Terraform measures OpenTofu.
func Terraform(ctx context.Context, bin string) ([]bench.Measurement, error) {
	return run(ctx, bin, orchestrator.EngineTerraform, terraform)
}

// Pulumi measures Pulumi.
func Pulumi(ctx context.Context, bin string) ([]bench.Measurement, error) {
	return run(ctx, bin, orchestrator.EnginePulumi, pulumi)
}

// Crossplane measures composites of Crossplane.
func Crossplane(ctx context.Context, bin string) ([]bench.Measurement, error) {
	return run(ctx, bin, orchestrator.EngineCrossplane, crossplane)
}

// Helm measures Helm charts.
func Helm(ctx context.Context, bin string) ([]bench.Measurement, error) {
	return run(ctx, bin, orchestrator.EngineHelm, helm)
}

// run an engine's contest.
func run(ctx context.Context, bin, engine string, prepare func(context.Context, setup) (contestant, error)) (found []bench.Measurement, err error) {
	dir, err := os.MkdirTemp("", "nestor-bench-"+engine+"-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	c, err := prepare(ctx, setup{bin: bin, dir: dir})
	if c.stop != nil {
		defer func() { err = errors.Join(err, c.stop()) }()
	}
	if err != nil {
		return nil, err
	}
	c.chains, c.gaps, c.noops = cmp.Or(c.chains, defaultChains), cmp.Or(c.gaps, defaultGaps), cmp.Or(c.noops, defaultNoops)
	p, err := live.Start(ctx, bin, dir, "control,"+engine, c.variables...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Stop()) }()
	if err := p.Publish(ctx, c.definition, c.files); err != nil {
		return nil, err
	}
	if err := p.Environment(ctx, func(spec *orchestrator.EnvironmentSpec) {
		spec.Engines = []string{engine}
		if c.environment != nil {
			c.environment(spec)
		}
	}); err != nil {
		return nil, err
	}
	resources, err := perResource(ctx, p, c, engine)
	if err != nil {
		return nil, err
	}
	unchanged, err := noop(ctx, p, c, engine)
	return append(resources, unchanged...), err
}

// deploy resources, each of which needs the one before it.
func deploy(ctx context.Context, p *live.Platform, c contestant, application string, names ...string) (orchestrator.Deployment, string, error) {
	release, err := freeze(ctx, p, c, application, names...)
	if err != nil {
		return orchestrator.Deployment{}, "", err
	}
	d, err := p.Deploy(ctx, application, release)
	return d, release, err
}

// begin to deploy the same.
func begin(ctx context.Context, p *live.Platform, c contestant, application string, names ...string) (string, error) {
	release, err := freeze(ctx, p, c, application, names...)
	if err != nil {
		return "", err
	}
	return p.Begin(ctx, application, release)
}

// freeze a release of such a chain.
func freeze(ctx context.Context, p *live.Platform, c contestant, application string, names ...string) (string, error) {
	var spec composer.CompositionSpec
	before := ""
	for _, name := range names {
		spec.Resources = append(spec.Resources, composer.Resource{Name: name, CatalogRef: c.definition.Metadata.Name, Config: c.inputs(name)})
		if before != "" {
			spec.Dependencies = append(spec.Dependencies, before+" -> "+name)
		}
		before = name
	}
	return p.Release(ctx, application, spec)
}

// perResource compares the time between the ends of neighbours in a chain with
// the bare program's for one.
func perResource(ctx context.Context, p *live.Platform, c contestant, engine string) ([]bench.Measurement, error) {
	var ours, bare, own, beside []time.Duration
	for chain := range c.chains {
		names := make([]string, c.gaps+1)
		for i := range names {
			names[i] = fmt.Sprintf("r%d-%d", chain, i)
		}
		d, _, err := deploy(ctx, p, c, fmt.Sprintf("chain-%d", chain), names...)
		if err != nil {
			return nil, err
		}
		took, err := walk.Gaps(ctx, p, d.ID)
		if err != nil {
			return nil, err
		}
		floor, err := times(ctx, c.gaps, fmt.Sprintf("bare%d", chain), c.bare)
		if err != nil {
			return nil, err
		}
		ours, bare = append(ours, took...), append(bare, floor...)
		own = append(own, less(took, floor)...)
		if c.same != nil {
			if floor, err = times(ctx, c.gaps, fmt.Sprintf("same%d", chain), c.same); err != nil {
				return nil, err
			}
			beside = append(beside, less(took, floor)...)
		}
	}
	note := fmt.Sprintf("%s; %d resources in chains of %d", c.note, len(own), c.gaps+1)
	found := []bench.Measurement{
		bench.Compare("time per resource / bare, "+engine, bench.Median(ours), bench.Median(bare), 0, note),
		bench.AtMost("own time per resource, "+engine+", median", bench.Median(own), medianLimit, note),
		bench.AtMost("own time per resource, "+engine+", p99", bench.Quantile(own, 0.99), p99Limit,
			fmt.Sprintf("%s; over the bare one's median %s, whose own p99 is %s",
				note, bench.Median(bare).Round(time.Millisecond), bench.Quantile(bare, 0.99).Round(time.Millisecond))),
	}
	if c.same != nil {
		found = append(found, bench.AtMost("of that beside the program's calls, "+engine+", median", bench.Median(beside), 0,
			"over all calls that Nestor makes of the program, made by hand"))
	}
	return found, nil
}

// times of so many runs, each of which makes a resource of its own.
func times(ctx context.Context, runs int, prefix string, run func(context.Context, string) error) ([]time.Duration, error) {
	var took []time.Duration
	for i := range runs {
		began := time.Now()
		if err := run(ctx, fmt.Sprintf("%s-%d", prefix, i)); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
	}
	return took, nil
}

// less takes the median of the runs beside them off each.
func less(took, floor []time.Duration) []time.Duration {
	typical := bench.Median(slices.Clone(floor))
	left := slices.Clone(took)
	for i := range left {
		left[i] -= typical
	}
	return left
}

// noop compares the deployment of one unchanged resource with the bare
// program's run of one.
func noop(ctx context.Context, p *live.Platform, c contestant, engine string) ([]bench.Measurement, error) {
	const application, name, bareName = "noop", "same", "bare-same"
	_, release, err := deploy(ctx, p, c, application, name)
	if err != nil {
		return nil, err
	}
	if err := c.bare(ctx, bareName); err != nil {
		return nil, err
	}
	var ours, steps, bare []time.Duration
	for range c.noops {
		d, err := p.Deploy(ctx, application, release)
		if err != nil {
			return nil, err
		}
		began := time.Now()
		if err := c.bare(ctx, bareName); err != nil {
			return nil, err
		}
		bare = append(bare, time.Since(began))
		ours = append(ours, d.FinishedAt.Sub(d.StartedAt))
		step, err := p.StepTime(ctx, d.ID)
		if err != nil {
			return nil, err
		}
		steps = append(steps, step)
	}
	floor := bench.Median(bare)
	return []bench.Measurement{
		bench.Compare("no-op deployment / bare, "+engine, bench.Median(ours), floor, noopBudget, c.note+"; one resource"),
		bench.Compare("no-op step / bare, "+engine, bench.Median(steps), floor, 0, c.note+"; of that deployment, the step alone"),
	}, nil
}

// under is a directory of a contestant.
func (s setup) under(path ...string) string {
	return filepath.Join(append([]string{s.dir}, path...)...)
}
