// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/HatiCode/nestor/bench"
	"github.com/HatiCode/nestor/bench/live"
	"github.com/HatiCode/nestor/bench/stall"
	"github.com/HatiCode/nestor/orchestrator"
)

// Stall measures how long a deployment with OpenTofu stands still when its
// worker is killed: the next attempt needs the proof that the engine of the last
// one is dead, and starts the engine again. For information: what the engine
// itself takes for its step once more is in it.
func Stall(ctx context.Context, bin string) (found []bench.Measurement, err error) {
	const kills, nodes, before = 4, 6, 2
	dir, err := os.MkdirTemp("", "nestor-bench-stall-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	c, err := terraform(ctx, setup{bin: bin, dir: dir})
	if err != nil {
		return nil, err
	}
	p, err := live.Start(ctx, bin, dir, "control,"+orchestrator.EngineTerraform)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Stop()) }()
	if err := p.Publish(ctx, c.definition, c.files); err != nil {
		return nil, err
	}
	if err := p.Enable(ctx, nodes, orchestrator.EngineTerraform); err != nil {
		return nil, err
	}
	var stalls, typical []time.Duration
	killed := map[int]bool{}
	for i := range kills {
		names := make([]string, nodes)
		for n := range names {
			names[n] = fmt.Sprintf("s%d-%d", i, n)
		}
		id, err := begin(ctx, p, c, fmt.Sprintf("stall-%d", i), names...)
		if err != nil {
			return nil, err
		}
		gaps, err := stall.Kill(ctx, p, id, before, 150*time.Millisecond*time.Duration(i), killed)
		if err != nil {
			return nil, err
		}
		longest, usual := slices.Max(gaps), bench.Median(gaps)
		stalls, typical = append(stalls, longest-usual), append(typical, usual)
	}
	note := fmt.Sprintf("%d kills in chains of %d with OpenTofu; a step takes %s", kills, nodes, bench.Median(typical).Round(time.Millisecond))
	return []bench.Measurement{
		bench.AtMost("stall after SIGKILL of the worker, terraform, median", bench.Median(stalls), 0, note),
		bench.AtMost(fmt.Sprintf("stall after SIGKILL of the worker, terraform, longest of %d", kills), bench.Quantile(stalls, 1), 0, note),
	}, nil
}
