// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/HatiCode/nestor/chaos/site"
	"github.com/HatiCode/nestor/chaos/story"
	"github.com/HatiCode/nestor/cli/remote"
)

const (
	// mostPoints of one deployment.
	mostPoints = 3
	// jitter is how long after an event a point may come, so that it hits the
	// inside of steps.
	jitter = 100 * time.Millisecond
	// rest bounds the wait for progress before the next point.
	rest = 4 * time.Second
	// hasty is the share of points that wait for nothing: the next comes while
	// the site still recovers.
	hasty = 0.3
)

// planned is a point of a deployment that is yet to come.
type planned struct {
	at    float64 // share of the deployment's events
	after time.Duration
	kind  site.Kind
	seed  uint64
}

// plan spreads points over a step. The same seed gives the same plan.
func plan(seed uint64, s story.Story, step int) []planned {
	source := rand.New(rand.NewPCG(seed, uint64(s.N)<<16|uint64(step)+1)) //nolint:gosec // points shall come again
	points := make([]planned, 1+source.IntN(mostPoints))
	for i := range points {
		kinds := site.Kinds()
		if !s.Real { // there is no engine to disturb
			kinds = slices.DeleteFunc(kinds, func(k site.Kind) bool { return k == site.KillEngine || k == site.PauseEngine })
		} else {
			kinds = append(kinds, slices.Repeat([]site.Kind{site.KillEngine, site.KillEngine, site.PauseEngine}, 4)...)
		}
		points[i] = planned{
			at: source.Float64(), after: time.Duration(source.Float64() * float64(jitter)),
			kind: kinds[source.IntN(len(kinds))], seed: source.Uint64(),
		}
	}
	slices.SortFunc(points, func(a, b planned) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return 0
	})
	return points
}

// point is one that has come.
type point struct {
	site.Disturbance
	N     int
	Where string // deployment and share
}

// injector does one disturbance at a time.
type injector struct {
	site  *site.Site
	limit int
	until time.Time

	turn sync.Mutex // held by the disturbance at work

	mu      sync.Mutex
	begun   int
	points  []point
	watches map[*watch]bool
}

func newInjector(s *site.Site, o Options) *injector {
	i := &injector{site: s, limit: o.Points, watches: map[*watch]bool{}}
	if o.For > 0 {
		i.until = time.Now().Add(o.For)
	}
	return i
}

// over says that no more points come.
func (i *injector) over() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.limit > 0 && i.begun >= i.limit || !i.until.IsZero() && time.Now().After(i.until)
}

// take counts a point, unless there are no more.
func (i *injector) take() (n int, ok bool) {
	if i.over() {
		return 0, false
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.begun++
	return i.begun, true
}

// strike does a planned disturbance, once it is its turn, unless the deployment
// is over by then. It returns the point, or nil.
func (i *injector) strike(ctx context.Context, p planned, w *watch, where string) (*point, error) {
	i.turn.Lock()
	defer i.turn.Unlock()
	if w.over() {
		return nil, nil
	}
	n, ok := i.take()
	if !ok {
		return nil, nil
	}
	source := rand.New(rand.NewPCG(p.seed, 1)) //nolint:gosec // it shall come again
	d, err := i.site.Disturb(ctx, source, p.kind)
	if errors.Is(err, site.ErrNobody) {
		d, err = i.site.Disturb(ctx, source, site.KillWorker)
	}
	if err != nil {
		return nil, err
	}
	done := point{Disturbance: d, N: n, Where: where}
	i.mu.Lock()
	i.points = append(i.points, done)
	i.mu.Unlock()
	if source.Float64() < hasty {
		return &done, nil
	}
	return &done, i.settle(ctx, d.Over)
}

// settle waits until every deployment has gone on since, within bounds.
func (i *injector) settle(ctx context.Context, since time.Time) error {
	deadline := time.Now().Add(rest)
	for time.Now().Before(deadline) && !i.moved(since) {
		if err := remote.Wait(ctx, poll); err != nil {
			return err
		}
	}
	return nil
}

func (i *injector) moved(since time.Time) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	for w := range i.watches {
		if !w.over() && !w.last().After(since) {
			return false
		}
	}
	return true
}

func (i *injector) add(w *watch) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.watches[w] = true
}

func (i *injector) remove(w *watch) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.watches, w)
}

// done are the points so far, in the order in which they began.
func (i *injector) done() []point {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.points)
}
