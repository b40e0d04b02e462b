// SPDX-License-Identifier: Apache-2.0

package scale

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/api/enums/v1"

	"github.com/HatiCode/nestor/bench/live"
	"github.com/HatiCode/nestor/orchestrator"
)

// Programs of a platform, as the kernel calls them: 15 characters.
const (
	worker   = "nestor-worker"
	api      = "nestor-api"
	temporal = "temporal"
)

func mib(bytes uint64) float64 { return float64(bytes) / (1 << 20) }

// watch samples what the platform's programs have in memory, until it is
// stopped, and keeps the largest of each.
func watch(p *live.Platform) (peak func() map[string]uint64, stop func()) {
	const interval = 250 * time.Millisecond
	var mu sync.Mutex
	largest := map[string]uint64{}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			// A program that ends meanwhile is missed once.
			if now, err := p.Memory(); err == nil {
				mu.Lock()
				for name, bytes := range now {
					largest[name] = max(largest[name], bytes)
				}
				mu.Unlock()
			}
			select {
			case <-done:
				return
			case <-ticker.C:
			}
		}
	}()
	return func() map[string]uint64 {
			mu.Lock()
			defer mu.Unlock()
			return largest
		}, func() {
			close(done)
			<-ended
		}
}

// history counts the events of a deployment's workflow over all its runs, and
// the runs.
func history(ctx context.Context, p *live.Platform, d orchestrator.Deployment) (events int64, runs int, err error) {
	for run := ""; ; {
		description, err := p.Temporal.DescribeWorkflowExecution(ctx, d.WorkflowID, run)
		if err != nil {
			return 0, 0, err
		}
		info := description.GetWorkflowExecutionInfo()
		events += info.GetHistoryLength()
		runs++
		first := p.Temporal.GetWorkflowHistory(ctx, d.WorkflowID, info.GetExecution().GetRunId(), false,
			enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		event, err := first.Next()
		if err != nil {
			return 0, 0, fmt.Errorf("first event of run %s: %w", info.GetExecution().GetRunId(), err)
		}
		run = event.GetWorkflowExecutionStartedEventAttributes().GetContinuedExecutionRunId()
		if run == "" {
			return events, runs, nil
		}
	}
}
