// SPDX-License-Identifier: Apache-2.0

package walk

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/HatiCode/nestor/bench/live"
	"github.com/HatiCode/nestor/workers"
)

// Names of what bare Temporal is measured with.
const (
	bareControl  = "bench-control"
	bareSteps    = "bench-steps"
	bareWorkflow = "BenchWalk"
	bareActivity = "BenchStep"
)

// bareWalk is a graph whose steps only wait.
type bareWalk struct {
	Nodes int
	Edges [][2]int
	Step  time.Duration
}

// bareTemporal is what a walk costs that is nothing but Temporal: a workflow
// that starts an activity the moment its last need is done, on the server, with
// the worker options, with the two task queues and the activity options of
// Nestor, and nothing that Nestor does.
type bareTemporal struct {
	client  client.Client
	control worker.Worker
	steps   worker.Worker
}

func startBare(p *live.Platform) (*bareTemporal, error) {
	options := workers.Options()
	options.MaxConcurrentActivityExecutionSize = inFlight
	b := &bareTemporal{
		client:  p.Temporal,
		control: worker.New(p.Temporal, bareControl, workers.Options()),
		steps:   worker.New(p.Temporal, bareSteps, options),
	}
	b.control.RegisterWorkflowWithOptions(walkBare, workflow.RegisterOptions{Name: bareWorkflow})
	b.steps.RegisterActivityWithOptions(waitBare, activity.RegisterOptions{Name: bareActivity})
	if err := b.control.Start(); err != nil {
		return nil, err
	}
	if err := b.steps.Start(); err != nil {
		b.control.Stop()
		return nil, err
	}
	return b, nil
}

func (b *bareTemporal) stop() {
	b.steps.Stop()
	b.control.Stop()
}

// run walks a shape and tells how long it took, by the server's clock, from the
// first event of the workflow to its last.
func (b *bareTemporal) run(ctx context.Context, s shape, step time.Duration) (time.Duration, error) {
	run, err := b.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: bareControl}, bareWorkflow,
		bareWalk{Nodes: s.nodes, Edges: s.edges, Step: step})
	if err != nil {
		return 0, err
	}
	if err := run.Get(ctx, nil); err != nil {
		return 0, err
	}
	description, err := b.client.DescribeWorkflowExecution(ctx, run.GetID(), run.GetRunID())
	if err != nil {
		return 0, err
	}
	info := description.GetWorkflowExecutionInfo()
	return info.GetCloseTime().AsTime().Sub(info.GetStartTime().AsTime()), nil
}

func walkBare(ctx workflow.Context, in bareWalk) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           bareSteps,
		StartToCloseTimeout: time.Hour,
		HeartbeatTimeout:    2 * time.Second,
		WaitForCancellation: true,
		Summary:             "apply it.n00000 (slow)",
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: 100 * time.Millisecond},
	})
	waiting, needed := make([]int, in.Nodes), make([][]int, in.Nodes)
	for _, edge := range in.Edges {
		waiting[edge[1]]++
		needed[edge[0]] = append(needed[edge[0]], edge[1])
	}
	done := 0
	var failed error
	var start func(i int)
	start = func(i int) {
		workflow.Go(ctx, func(ctx workflow.Context) {
			if err := workflow.ExecuteActivity(ctx, bareActivity, resource(i), in.Step).Get(ctx, nil); err != nil {
				failed = err
				return
			}
			done++
			for _, next := range needed[i] {
				if waiting[next]--; waiting[next] == 0 {
					start(next)
				}
			}
		})
	}
	for i, needs := range slices.Clone(waiting) {
		if needs == 0 {
			start(i)
		}
	}
	if err := workflow.Await(ctx, func() bool { return done == in.Nodes || failed != nil }); err != nil {
		return err
	}
	if failed != nil {
		return fmt.Errorf("a bare step: %w", failed)
	}
	return nil
}

// waitBare waits. A step of Nestor of this length does not beat either.
func waitBare(ctx context.Context, _ string, step time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(step):
		return nil
	}
}
