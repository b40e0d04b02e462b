// SPDX-License-Identifier: Apache-2.0

package walk

import (
	"context"
	"fmt"
	"time"

	"github.com/HatiCode/nestor/bench"
	"github.com/HatiCode/nestor/bench/live"
)

// The programs of a platform that work during a walk.
const (
	serverProgram = "temporal"
	workerProgram = "nestor-worker"
)

// processor tells how much processor time a resource costs, in Temporal's server
// and in Nestor's worker, beside what Temporal alone costs for the same graph.
// Steps take no time; where the server is busy all the time, this is what bounds
// how many a second there can be.
func processor(ctx context.Context, p *live.Platform, bare *bareTemporal) ([]bench.Measurement, error) {
	var found []bench.Measurement
	for i, s := range []shape{chain(100), wide(300)} {
		var alone, ours map[string]time.Duration
		for round := range rounds {
			used, err := spent(p, func() error {
				_, err := bare.run(ctx, s, 0)
				return err
			})
			if err != nil {
				return nil, err
			}
			alone = least(alone, used)
			used, err = spent(p, func() error {
				_, err := deploy(ctx, p, fmt.Sprintf("processor-%d-%d", i, round), s, quick)
				return err
			})
			if err != nil {
				return nil, err
			}
			ours = least(ours, used)
		}
		each := time.Duration(s.nodes)
		note := fmt.Sprintf("%s; the least of %d; the fake engine's files are in it", s.name, rounds)
		found = append(found,
			bench.Compare("processor time per resource / Temporal alone, server, "+s.name,
				ours[serverProgram]/each, alone[serverProgram]/each, 0, s.name),
			bench.AtMost("processor time per resource, worker, "+s.name, ours[workerProgram]/each, 0, note))
	}
	return found, nil
}

// spent is the processor time that the platform's programs use for something.
func spent(p *live.Platform, something func() error) (map[string]time.Duration, error) {
	before, err := p.Processor()
	if err != nil {
		return nil, err
	}
	if err := something(); err != nil {
		return nil, err
	}
	after, err := p.Processor()
	for program := range after {
		after[program] -= before[program]
	}
	return after, err
}

// least of two, by program.
func least(a, b map[string]time.Duration) map[string]time.Duration {
	for program, used := range a {
		b[program] = min(used, b[program])
	}
	return b
}
