// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
)

// again is how often a queue that waits for memory looks whether there is some.
const again = 250 * time.Millisecond

// Names of the metrics, which carry the worker's tags (its task queue among
// them).
const (
	metricSteps  = "nestor_admission_steps"
	metricMemory = "nestor_admission_memory_bytes"
	metricCPU    = "nestor_admission_cpu_cores"
	metricFree   = "nestor_admission_free_steps"
)

// Queue admits the steps of one engine's queue. The Temporal SDK asks it for a
// slot before it asks the server for a task.
type Queue struct {
	name   string
	weight Weight
	steps  int
	pool   *Pool
	logger *slog.Logger

	mu      sync.Mutex
	issued  int
	running int
	free    chan struct{} // closed and made anew when a slot is given back
	scarce  bool          // memory was refused, and not given since
}

var _ worker.SlotSupplier = (*Queue)(nil)

// NewQueue admits what the budget holds, out of a pool that other queues of the
// process share.
func NewQueue(name string, b Budget, w Weight, pool *Pool, logger *slog.Logger) (*Queue, error) {
	steps, err := b.Steps(w)
	if err != nil {
		return nil, err
	}
	return &Queue{name: name, weight: w, steps: steps, pool: pool, logger: logger, free: make(chan struct{})}, nil
}

// ReserveSlot waits until the budget has room for a step.
func (q *Queue) ReserveSlot(ctx context.Context, info worker.SlotReservationInfo) (*worker.SlotPermit, error) {
	for {
		permit, freed := q.try(info.MetricsHandler())
		if permit != nil {
			return permit, nil
		}
		timer := time.NewTimer(again)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("wait for room on %s: %w", q.name, ctx.Err())
		case <-freed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// TryReserveSlot takes a slot if there is room now.
func (q *Queue) TryReserveSlot(info worker.SlotReservationInfo) *worker.SlotPermit {
	permit, _ := q.try(info.MetricsHandler())
	return permit
}

// try takes a slot, or returns a channel that is closed when one is given back.
// The first step of a queue is always admitted: without one, nothing of this
// process would ever give memory back.
func (q *Queue) try(metrics client.MetricsHandler) (*worker.SlotPermit, <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.issued >= q.steps {
		return nil, q.free
	}
	h := &held{}
	var available uint64
	if q.weight.Memory > 0 {
		h.promise, available = q.pool.promise(q.weight.Memory, q.issued == 0)
	}
	if q.weight.Memory > 0 && h.promise == nil {
		if !q.scarce {
			q.logger.Warn("memory is scarce; further steps wait for it", "queue", q.name,
				"running", q.running, "available", Bytes(available), "step", Bytes(q.weight.Memory))
		}
		q.scarce = true
		return nil, q.free
	}
	if q.scarce && q.issued > 0 {
		q.logger.Info("there is memory again", "queue", q.name, "available", Bytes(available))
		q.scarce = false
	}
	q.issued++
	q.report(metrics)
	return &worker.SlotPermit{UserData: h}, nil
}

// held is what a permit stands for.
type held struct {
	promise *promise // nil when steps weigh no memory
	running bool
}

// MarkSlotUsed says that a step begins.
func (q *Queue) MarkSlotUsed(info worker.SlotMarkUsedInfo) {
	h, ours := info.Permit().UserData.(*held)
	if !ours {
		return
	}
	if h.promise != nil {
		q.pool.begun(h.promise)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	h.running = true
	q.running++
	q.report(info.MetricsHandler())
}

// ReleaseSlot gives back what a step took.
func (q *Queue) ReleaseSlot(info worker.SlotReleaseInfo) {
	h, ours := info.Permit().UserData.(*held)
	if !ours {
		return
	}
	if h.promise != nil {
		q.pool.end(h.promise)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.issued--
	if h.running {
		q.running--
	}
	close(q.free)
	q.free = make(chan struct{})
	q.report(info.MetricsHandler())
}

// MaxSlots is the number of steps that the budget holds.
func (q *Queue) MaxSlots() int { return q.steps }

// report what the running steps take of the budget.
func (q *Queue) report(metrics client.MetricsHandler) {
	running := float64(q.running)
	metrics.Gauge(metricSteps).Update(running)
	metrics.Gauge(metricFree).Update(float64(q.steps) - running)
	metrics.Gauge(metricMemory).Update(running * float64(q.weight.Memory))
	metrics.Gauge(metricCPU).Update(running * q.weight.CPU)
}

// Tuner gives the SDK this queue for activities, and its usual suppliers for the
// rest.
func (q *Queue) Tuner() (worker.WorkerTuner, error) {
	// Of these, an engine's worker uses none, except workflow tasks to be seen.
	const others = 2
	fixed, err := worker.NewFixedSizeTuner(worker.FixedSizeTunerOptions{
		NumWorkflowSlots: others, NumActivitySlots: others, NumLocalActivitySlots: others, NumNexusSlots: others,
	})
	if err != nil {
		return nil, err
	}
	return worker.NewCompositeTuner(worker.CompositeTunerOptions{
		WorkflowSlotSupplier:        fixed.GetWorkflowTaskSlotSupplier(),
		ActivitySlotSupplier:        q,
		LocalActivitySlotSupplier:   fixed.GetLocalActivitySlotSupplier(),
		NexusSlotSupplier:           fixed.GetNexusSlotSupplier(),
		SessionActivitySlotSupplier: fixed.GetSessionActivitySlotSupplier(),
	})
}
