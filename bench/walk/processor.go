// SPDX-License-Identifier: Apache-2.0

package walk

import (
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

// processor is the processor time that rounds of a walk have used, by program:
// the least, since everything else on the machine only adds to it.
type processor struct{ ours, alone map[string]time.Duration }

// perResource is what a resource costs in Temporal's server, beside what Temporal
// alone costs for the same graph in the same time, and in Nestor's worker. Both
// walks wait for the same steps, so that the server's timers come due in both.
func (used processor) perResource(s shape) []bench.Measurement {
	each := time.Duration(s.nodes)
	return []bench.Measurement{
		bench.Compare("processor time per resource / Temporal alone, server, "+s.name,
			used.ours[serverProgram]/each, used.alone[serverProgram]/each, 0, fmt.Sprintf("the least of %d", rounds)),
		bench.AtMost("processor time per resource, worker, "+s.name, used.ours[workerProgram]/each, 0,
			fmt.Sprintf("the least of %d; the fake engine's files are in it", rounds)),
	}
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
