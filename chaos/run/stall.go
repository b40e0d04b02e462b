// SPDX-License-Identifier: Apache-2.0

package run

import (
	"time"

	"github.com/HatiCode/nestor/bench"
	"github.com/HatiCode/nestor/chaos/site"
	"github.com/HatiCode/nestor/chaos/story"
)

// stall is how long a deployment stood still after a disturbance was over.
type stall struct {
	point int
	kind  site.Kind
	// real says that OpenTofu's nodes are among those that it waited for.
	real bool
	time time.Duration
}

// measure finds the stalls of a deployment that has ended.
func (r *runner) measure(s story.Story, w *watch) {
	found := stalls(r.points.done(), w.times(), s.Real)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stalls = append(r.stalls, found...)
}

// stalls are, for each point, the longest time between two events of a
// deployment after the point was over and before the next began, less the time
// that usually passes. A time into which the next point falls is that one's.
func stalls(points []point, events []time.Time, withReal bool) []stall {
	if len(events) < 2 {
		return nil
	}
	var gaps []time.Duration
	for i := 1; i < len(events); i++ {
		gaps = append(gaps, events[i].Sub(events[i-1]))
	}
	usual := bench.Median(gaps)
	var found []stall
	for i, p := range points {
		var next time.Time
		if i+1 < len(points) {
			next = points[i+1].Began
		}
		if d, hit := longest(p, next, events); hit {
			found = append(found, stall{point: p.N, kind: p.Kind, real: withReal, time: max(d-usual, 0)})
		}
	}
	return found
}

// longest time between two events, the later of which comes after the point was
// over; hit is false when the point did not fall into the deployment.
func longest(p point, next time.Time, events []time.Time) (d time.Duration, hit bool) {
	if p.Began.After(events[len(events)-1]) || p.Over.Before(events[0]) {
		return 0, false
	}
	for i := 1; i < len(events); i++ {
		from, to := events[i-1], events[i]
		if from.Before(p.Over) {
			from = p.Over
		}
		if !to.After(from) {
			continue // before the point was over
		}
		if !next.IsZero() && to.After(next) {
			break
		}
		d, hit = max(d, to.Sub(from)), true
	}
	return d, hit
}
