// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/HatiCode/nestor/orchestrator/contract"
)

const (
	// quiet is how long no step of a queue has ended before somebody looks
	// whether a worker serves it.
	quiet = time.Minute
	// maxQuiet is what the pause between two looks grows to while a queue is
	// served, for the first hour and a half; then to an eighth of the time that
	// nothing has ended. An hour-long step then costs some dozens of events.
	maxQuiet = 10 * time.Minute
	// maxTold is what it grows to in the end, and soon for a queue of which the
	// status says that no worker serves it: one that is served again is known to
	// be at the first step that ends. A history is full after years, then.
	maxTold = 4 * time.Hour
)

// queue is an engine's task queue, as far as a deployment has steps on it. One
// that waits for a decision is on none.
type queue struct {
	steps    int           // in flight
	since    time.Time     // when a step last ended, or the first of these began
	looked   time.Time     // when somebody last looked, or since
	pause    time.Duration // from then to the next look
	unserved bool          // no worker asked it for work when somebody looked
}

// rest lets nobody look for a while: something has begun or ended.
func (q *queue) rest(now time.Time) { q.since, q.looked, q.pause = now, now, quiet }

// due is when somebody looks next.
func (q *queue) due() time.Time { return q.looked.Add(q.pause) }

// grow makes the pause longer after a look.
func (q *queue) grow(now time.Time) {
	limit := maxTold
	if !q.unserved {
		limit = min(max(maxQuiet, now.Sub(q.since)/8), maxTold)
	}
	q.looked, q.pause = now, min(2*q.pause, limit)
}

// queued counts a step that is handed to a queue.
func (d *deployment) queued(name string) {
	q := d.queues[name]
	if q == nil {
		q = &queue{}
		d.queues[name] = q
	}
	if q.steps == 0 {
		q.rest(workflow.Now(d.root))
	}
	q.steps++
}

// served counts a step that came back: whoever did it serves the queue.
func (d *deployment) served(name string) {
	q := d.queues[name]
	q.steps--
	q.rest(workflow.Now(d.root))
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
// timer at a time, whatever is in flight, and none while nothing is.
func (d *deployment) watchQueues(ctx workflow.Context) {
	for next := workflow.Now(ctx); ; {
		// What is due sooner waits for it, too, or there would be a timer for each of
		// many short steps.
		now := workflow.Now(ctx)
		soonest := now.Add(quiet)
		until := next
		if until.Before(soonest) {
			until = soonest
		}
		_, err := workflow.AwaitWithTimeout(ctx, until.Sub(now), func() bool {
			next, some := d.nextLook()
			return some && next.Before(until) && !next.Before(soonest)
		})
		if err != nil {
			return // not in the root context, which nobody cancels
		}
		for _, name := range slices.Sorted(keys(d.queues)) {
			if q := d.queues[name]; q.steps > 0 && !workflow.Now(ctx).Before(q.due()) {
				d.look(ctx, name, q)
			}
		}
		var some bool
		if err := workflow.Await(ctx, func() bool { next, some = d.nextLook(); return some }); err != nil {
			return
		}
	}
}

// nextLook is when somebody looks at a queue next; some says whether a step is in
// flight at all.
func (d *deployment) nextLook() (next time.Time, some bool) {
	for _, name := range slices.Sorted(keys(d.queues)) {
		if q := d.queues[name]; q.steps > 0 && (!some || q.due().Before(next)) {
			next, some = q.due(), true
		}
	}
	return next, some
}

// look asks whether a worker serves a queue. Where that cannot be found out, the
// last answer stays.
func (d *deployment) look(ctx workflow.Context, name string, q *queue) {
	before, known := q.since, true
	var res contract.ServedResult
	if err := recordBriefly(ctx, contract.ActivityServed, contract.ServedInput{Queue: name}, &res); err != nil {
		workflow.GetLogger(ctx).Warn("nobody knows whether a queue is served", "queue", name, "error", err)
		known = false
	}
	if q.steps == 0 || !q.since.Equal(before) {
		return // something has ended meanwhile
	}
	if known {
		d.mark(q, !res.Served)
	}
	q.grow(workflow.Now(ctx))
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
