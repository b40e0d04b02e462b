// SPDX-License-Identifier: Apache-2.0

package run

import (
	"slices"
	"time"

	"github.com/HatiCode/nestor/bench"
	"github.com/HatiCode/nestor/chaos/site"
	"github.com/HatiCode/nestor/chaos/story"
)

// course of one deployment that has ended: when its events were.
type course struct {
	id     string
	real   bool // OpenTofu's nodes are among those that it waited for
	events []time.Time
}

// stall is how long a deployment stood still after a disturbance was over.
type stall struct {
	course string
	point  point
	real   bool
	// time from the end of the disturbance, or the last event since, to the next
	// event, less the time that usually passes.
	time time.Duration
	// inside are later points that began meanwhile.
	inside []point
	// uncut is the longest of all such times of the point.
	uncut time.Duration
}

// own is the stall without the time in which later disturbances lasted: a store
// that is held, or a process that is stopped, lets nothing go on.
func (s stall) own() time.Duration {
	d := s.time
	for _, p := range s.inside {
		d -= p.Over.Sub(p.Began)
	}
	return max(d, 0)
}

// restarts says that Temporal was killed at the point or before its stall ended.
func (s stall) restarts() bool {
	return s.point.Kind.Restarts() || slices.ContainsFunc(s.inside, func(p point) bool { return p.Kind.Restarts() })
}

// measure keeps the course of a deployment that has ended.
func (r *runner) measure(id string, s story.Story, w *watch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.courses = append(r.courses, course{id: id, real: s.Real, events: w.times()})
}

// stalls are, for each point, the longest own time between two events of a
// deployment after the point was over, less the time that usually passes. A time
// that begins before the next point is this one's until there is progress: the
// next does not cut it, and has of its own what is left from its own end on.
func stalls(points []point, c course) []stall {
	if len(c.events) < 2 {
		return nil
	}
	var gaps []time.Duration
	for i := 1; i < len(c.events); i++ {
		gaps = append(gaps, c.events[i].Sub(c.events[i-1]))
	}
	usual := bench.Median(gaps)
	var found []stall
	for i, p := range points {
		var worst stall
		all := times(p, points[i+1:], c.events)
		for n, g := range all {
			s := stall{course: c.id, point: p, real: c.real, time: max(g.to.Sub(g.from)-usual, 0), uncut: worst.uncut}
			for _, later := range points[i+1:] {
				if later.Began.Before(g.to) && later.Over.After(g.from) {
					s.inside = append(s.inside, within(later, g.to))
				}
			}
			s.uncut = max(s.uncut, s.time)
			if n == 0 || s.own() > worst.own() {
				worst = s
			}
			worst.uncut = s.uncut
		}
		if len(all) > 0 {
			found = append(found, worst)
		}
	}
	return found
}

// within is a point of which no more counts than what was before an event.
func within(p point, to time.Time) point {
	if p.Over.After(to) {
		p.Over = to
	}
	return p
}

// gap is a time without an event.
type gap struct{ from, to time.Time }

// times without an event after a point was over: the first, and those that begin
// before the next point. There are none when the point did not fall into the
// deployment.
func times(p point, later []point, events []time.Time) (found []gap) {
	if p.Began.After(events[len(events)-1]) || p.Over.Before(events[0]) {
		return nil
	}
	for i := 1; i < len(events); i++ {
		g := gap{from: events[i-1], to: events[i]}
		if g.from.Before(p.Over) {
			g.from = p.Over
		}
		if !g.to.After(g.from) {
			continue // before the point was over
		}
		if len(found) > 0 && len(later) > 0 && !g.from.Before(later[0].Began) {
			break
		}
		found = append(found, g)
	}
	return found
}

// figures are the longest stalls of the points that are chosen, one for each
// point, by what counts of a stall.
func figures(stalls []stall, count func(stall) time.Duration, chosen func(stall) bool) []time.Duration {
	worst := map[int]time.Duration{}
	for _, s := range stalls {
		if chosen(s) {
			worst[s.point.N] = max(worst[s.point.N], count(s))
		}
	}
	times := make([]time.Duration, 0, len(worst))
	for _, d := range worst {
		times = append(times, d)
	}
	return times
}

// kindOf chooses the stalls of a kind.
func kindOf(kind site.Kind, mixed bool) func(stall) bool {
	return func(s stall) bool { return s.point.Kind == kind && s.real == mixed }
}

// judged are stalls of control work and the fake engine while Temporal serves.
func judged(s stall) bool { return !s.real && !s.restarts() }

// restarted are those in which Temporal was killed.
func restarted(s stall) bool { return !s.real && s.restarts() }

func whole(s stall) time.Duration { return s.uncut }
func own(s stall) time.Duration   { return s.own() }
