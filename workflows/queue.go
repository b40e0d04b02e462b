// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/walk"
)

const (
	// quiet is how long no step of a queue has ended before somebody looks
	// whether a worker serves it.
	quiet = time.Minute
	// maxQuiet is what the pause between two looks grows to. An hour-long step
	// then costs some dozens of events; a queue that is served again is known to
	// be at the first step that ends.
	maxQuiet = 10 * time.Minute
)

// queue is an engine's task queue, as far as a deployment has steps on it.
type queue struct {
	steps    int       // in flight
	since    time.Time // when a step last ended, or the first of these began
	unserved bool      // no worker asked it for work when somebody looked
}

// queued counts a step that begins.
func (d *deployment) queued(step walk.Step) {
	node, _ := d.describe(step)
	q := d.queues[node.Queue]
	if q == nil {
		q = &queue{}
		d.queues[node.Queue] = q
	}
	if q.steps == 0 {
		q.since = workflow.Now(d.root)
	}
	q.steps++
}

// served counts a step that has ended: whoever did it serves the queue.
func (d *deployment) served(step walk.Step) {
	node, _ := d.describe(step)
	q := d.queues[node.Queue]
	q.steps--
	q.since = workflow.Now(d.root)
	d.mark(q, false)
}

func (d *deployment) mark(q *queue, unserved bool) {
	if q.unserved != unserved {
		q.unserved = unserved
		d.untold = true
	}
}

// watchQueues looks now and then whether workers serve the queues on which
// nothing ends, so that a deployment does not wait silently for workers that are
// gone. It changes nothing about the steps: they keep their places. There is one
// timer at a time, whatever is in flight.
func (d *deployment) watchQueues(ctx workflow.Context) {
	for pause := quiet; ; {
		if err := workflow.Sleep(ctx, pause); err != nil {
			return // not in the root context, which nobody cancels
		}
		looked := false
		for _, name := range slices.Sorted(keys(d.queues)) {
			if q := d.queues[name]; q.steps > 0 && workflow.Now(ctx).Sub(q.since) >= quiet {
				looked = true
				d.look(ctx, name, q)
			}
		}
		pause = min(2*pause, maxQuiet)
		if !looked {
			pause = quiet
		}
	}
}

// look asks whether a worker serves a queue. Where that cannot be found out, the
// last answer stays.
func (d *deployment) look(ctx workflow.Context, name string, q *queue) {
	before := q.since
	var res contract.ServedResult
	if err := record(ctx, contract.ActivityServed, contract.ServedInput{Queue: name}, &res); err != nil {
		workflow.GetLogger(ctx).Warn("nobody knows whether a queue is served", "queue", name, "error", err)
		return
	}
	if q.steps > 0 && q.since.Equal(before) { // nothing has ended meanwhile
		d.mark(q, !res.Served)
	}
}

// because adds to the reason of a status the queues that no worker serves.
func (d *deployment) because(reason string) string {
	var all []string
	if reason != "" {
		all = append(all, reason)
	}
	for _, name := range slices.Sorted(keys(d.queues)) {
		if d.queues[name].unserved {
			all = append(all, contract.NoWorker(name))
		}
	}
	return strings.Join(all, "; ")
}
