// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/HatiCode/nestor/bench"
	"github.com/HatiCode/nestor/bench/live"
	"github.com/HatiCode/nestor/bench/memory"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
)

// memoryLimit is the promise for twenty nodes of Terraform at once.
const (
	memoryLimit = 2_000_000_000
	twenty      = 20
)

// Memory measures what a worker and everything it started take together while
// twenty nodes of Terraform are ready: with the budgets that come from the
// machine, and with room for all of them at the same moment.
func Memory(ctx context.Context, bin string) ([]bench.Measurement, error) {
	var found []bench.Measurement
	for _, c := range []struct {
		name, note string
		variables  []string
	}{
		{"20 Terraform nodes, default budget", "as many at once as the machine's default allows", nil},
		{"20 Terraform nodes at once", "all at the same moment", []string{
			"NESTOR_TERRAFORM_SLOTS=20", "NESTOR_TERRAFORM_CPU=20", "NESTOR_TERRAFORM_STEP_MEMORY=100MiB", "NESTOR_TERRAFORM_MEMORY=2000MiB",
		}},
	} {
		peak, err := peak(ctx, bin, c.variables)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		const mb = 1e6
		found = append(found, bench.Count("memory, "+c.name, float64(peak.Resident)/mb, "MB", memoryLimit/mb,
			fmt.Sprintf("%s; %d processes; %.0f MB with shared pages once", c.note, peak.Processes, float64(peak.Proportional)/mb)))
	}
	return found, nil
}

// peak deploys twenty resources that need nothing of each other, and watches the
// worker.
func peak(ctx context.Context, bin string, variables []string) (peak memory.Usage, err error) {
	dir, err := os.MkdirTemp("", "nestor-bench-memory-")
	if err != nil {
		return peak, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	c, err := terraform(ctx, setup{bin: bin, dir: dir})
	if err != nil {
		return peak, err
	}
	p, err := live.Start(ctx, bin, dir, "control,"+orchestrator.EngineTerraform, variables...)
	if err != nil {
		return peak, err
	}
	defer func() { err = errors.Join(err, p.Stop()) }()
	if err := p.Publish(ctx, c.definition, c.files); err != nil {
		return peak, err
	}
	if err := p.Enable(ctx, 0, orchestrator.EngineTerraform); err != nil {
		return peak, err
	}
	var spec composer.CompositionSpec
	for i := range twenty {
		name := fmt.Sprintf("file-%02d", i)
		spec.Resources = append(spec.Resources, composer.Resource{Name: name, CatalogRef: c.definition.Metadata.Name, Config: c.inputs(name)})
	}
	release, err := p.Release(ctx, "twenty", spec)
	if err != nil {
		return peak, err
	}
	pid, err := p.WorkerPID(ctx, nil)
	if err != nil {
		return peak, err
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	type result struct {
		usage memory.Usage
		err   error
	}
	done := make(chan result, 1)
	go func() {
		usage, err := memory.Peak(watching, pid)
		done <- result{usage, err}
	}()
	_, err = p.Deploy(ctx, "twenty", release)
	stop()
	r := <-done
	return r.usage, errors.Join(err, r.err)
}
