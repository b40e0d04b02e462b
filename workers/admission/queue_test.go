// SPDX-License-Identifier: Apache-2.0

package admission_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/HatiCode/nestor/workers/admission"
)

// asked, used and released are what the SDK tells a supplier; only what the
// supplier looks at is there.
type (
	asked struct {
		worker.SlotReservationInfo
		metrics client.MetricsHandler
	}
	used struct {
		worker.SlotMarkUsedInfo
		metrics client.MetricsHandler
		permit  *worker.SlotPermit
	}
	released struct {
		worker.SlotReleaseInfo
		metrics client.MetricsHandler
		permit  *worker.SlotPermit
	}
)

func (a asked) MetricsHandler() client.MetricsHandler    { return a.metrics }
func (u used) MetricsHandler() client.MetricsHandler     { return u.metrics }
func (r released) MetricsHandler() client.MetricsHandler { return r.metrics }
func (u used) Permit() *worker.SlotPermit                { return u.permit }
func (r released) Permit() *worker.SlotPermit            { return r.permit }

// machine has so much memory available.
type machine struct {
	available atomic.Uint64
	broken    error
}

func (m *machine) Memory() (total, available uint64, err error) {
	return 64 * gib, m.available.Load(), m.broken
}

func with(available uint64) *machine {
	m := &machine{}
	m.available.Store(available)
	return m
}

// queue is one under test, with the SDK's side of it.
type queue struct {
	*admission.Queue
	t       *testing.T
	metrics client.MetricsHandler
}

func newQueue(t *testing.T, budget admission.Budget, weight admission.Weight, pool *admission.Pool) queue {
	t.Helper()
	q, err := admission.NewQueue(t.Name(), budget, weight, pool, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return queue{Queue: q, t: t, metrics: client.MetricsNopHandler}
}

func (q queue) try() *worker.SlotPermit { return q.TryReserveSlot(asked{metrics: q.metrics}) }

// take a slot that must be there.
func (q queue) take() *worker.SlotPermit {
	q.t.Helper()
	permit := q.try()
	if permit == nil {
		q.t.Fatal("no slot")
	}
	return permit
}

// begin a step that must be admitted.
func (q queue) begin() {
	q.t.Helper()
	permit := q.take()
	q.MarkSlotUsed(used{metrics: q.metrics, permit: permit})
}

func (q queue) end(permit *worker.SlotPermit) {
	q.ReleaseSlot(released{metrics: q.metrics, permit: permit})
}

// full fails if there is another slot.
func (q queue) full(reason string) {
	q.t.Helper()
	if q.try() != nil {
		q.t.Errorf("a slot was given although %s", reason)
	}
}

func TestQueueIsNeverOverItsBudget(t *testing.T) {
	t.Parallel()
	const steps, pollers, rounds = 5, 16, 200
	q := newQueue(t, admission.Budget{Memory: steps * mib}, admission.Weight{Memory: mib}, admission.NewPool(with(64*gib)))
	if q.MaxSlots() != steps {
		t.Fatalf("%d steps at once, want %d", q.MaxSlots(), steps)
	}
	var running, most atomic.Int64
	var wait sync.WaitGroup
	for range pollers {
		wait.Go(func() {
			for range rounds {
				permit, err := q.ReserveSlot(t.Context(), asked{metrics: q.metrics})
				if err != nil {
					t.Error(err)
					return
				}
				now := running.Add(1)
				for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
				}
				q.MarkSlotUsed(used{metrics: q.metrics, permit: permit})
				running.Add(-1)
				q.end(permit)
			}
		})
	}
	wait.Wait()
	if most.Load() > steps {
		t.Errorf("%d at once, want at most %d", most.Load(), steps)
	}
	for range steps {
		q.take()
	}
	q.full("all of the budget is taken")
}

func TestQueueStopsWaiting(t *testing.T) {
	t.Parallel()
	q := newQueue(t, admission.Budget{Slots: 1}, admission.Weight{}, admission.NewPool(with(0)))
	q.take()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if permit, err := q.ReserveSlot(ctx, asked{metrics: q.metrics}); permit != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("a worker that stops got %v, %v", permit, err)
	}
}

func TestQueueLooksAtRealMemory(t *testing.T) {
	t.Parallel()
	budget, weight := admission.Budget{Slots: 10}, admission.Weight{Memory: 256 * mib}
	tests := map[string]func(*testing.T){
		"the first is always admitted": func(t *testing.T) {
			t.Helper()
			q := newQueue(t, budget, weight, admission.NewPool(with(0)))
			q.begin()
			q.full("there is no memory for a second")
		},
		"a promise counts until the step has grown": func(t *testing.T) {
			t.Helper()
			q := newQueue(t, budget, weight, admission.NewPool(with(700*mib)))
			q.begin()
			q.begin()
			q.full("what is available was promised to the two")
			// They turned out to take next to nothing.
			time.Sleep(6 * time.Second) //nolint:forbidigo // the clock of the bubble
			q.begin()
		},
		"a slot that waits for a task keeps its promise": func(t *testing.T) {
			t.Helper()
			q := newQueue(t, budget, weight, admission.NewPool(with(700*mib)))
			q.take()
			idle := q.take()
			time.Sleep(time.Hour) //nolint:forbidigo // the clock of the bubble
			q.full("a task may come at any time")
			q.end(idle)
			q.take()
		},
		"queues share a pool": func(t *testing.T) {
			t.Helper()
			pool := admission.NewPool(with(700 * mib))
			one, other := newQueue(t, budget, weight, pool), newQueue(t, budget, weight, pool)
			one.begin()
			other.begin()
			one.full("the other's steps take memory, too")
			other.full("the other's steps take memory, too")
		},
		"memory that comes back wakes who waits": func(t *testing.T) {
			t.Helper()
			m := with(0)
			q := newQueue(t, budget, weight, admission.NewPool(m))
			q.begin()
			got := make(chan error, 1)
			go func() {
				_, err := q.ReserveSlot(t.Context(), asked{metrics: q.metrics})
				got <- err
			}()
			synctest.Wait()
			m.available.Store(4 * gib)
			began := time.Now()
			if err := <-got; err != nil || time.Since(began) > time.Second {
				t.Errorf("it waited %s and got %v", time.Since(began), err)
			}
		},
		"a machine that does not tell bounds nothing": func(t *testing.T) {
			t.Helper()
			q := newQueue(t, budget, weight, admission.NewPool(&machine{broken: errors.ErrUnsupported}))
			for range 10 {
				q.begin()
			}
			q.full("the slots are taken all the same")
		},
		"what weighs nothing needs no memory": func(t *testing.T) {
			t.Helper()
			q := newQueue(t, budget, admission.Weight{}, admission.NewPool(with(0)))
			for range 10 {
				q.begin()
			}
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, test)
		})
	}
}

// gauges remembers the last value of each.
type gauges struct {
	client.MetricsHandler
	mu   sync.Mutex
	last map[string]float64
}

type gauge struct {
	of   *gauges
	name string
}

func (g *gauges) Gauge(name string) client.MetricsGauge { return gauge{g, name} }

func (g gauge) Update(v float64) {
	g.of.mu.Lock()
	defer g.of.mu.Unlock()
	g.of.last[g.name] = v
}

func TestQueueReports(t *testing.T) {
	t.Parallel()
	g := &gauges{last: map[string]float64{}}
	q := newQueue(t, admission.Budget{Slots: 4}, admission.Weight{Memory: mib, CPU: 0.5}, admission.NewPool(with(gib)))
	q.metrics = g
	wants := func(when string, want map[string]float64) {
		t.Helper()
		for name, value := range want {
			if g.last["nestor_admission_"+name] != value {
				t.Errorf("%s: %s is %v, want %v", when, name, g.last["nestor_admission_"+name], value)
			}
		}
	}
	permit := q.take()
	wants("while it waits for a task", map[string]float64{"steps": 0, "free_steps": 4, "memory_bytes": 0, "cpu_cores": 0})
	q.MarkSlotUsed(used{metrics: g, permit: permit})
	wants("in a step", map[string]float64{"steps": 1, "free_steps": 3, "memory_bytes": mib, "cpu_cores": 0.5})
	q.end(permit)
	wants("after it", map[string]float64{"steps": 0, "free_steps": 4, "memory_bytes": 0, "cpu_cores": 0})
}

func TestQueueWarnsOnce(t *testing.T) {
	t.Parallel()
	var said strings.Builder
	m := with(0)
	q, err := admission.NewQueue("nestor-engine-x", admission.Budget{Slots: 9}, admission.Weight{Memory: gib},
		admission.NewPool(m), slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	info := asked{metrics: client.MetricsNopHandler}
	for range 5 {
		q.TryReserveSlot(info)
	}
	m.available.Store(64 * gib)
	for range 3 {
		q.TryReserveSlot(info)
	}
	for _, want := range []string{"memory is scarce; further steps wait for it", "there is memory again"} {
		if strings.Count(said.String(), want) != 1 {
			t.Errorf("%q was not said once:\n%s", want, said.String())
		}
	}
}
