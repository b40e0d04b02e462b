// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/walk"
)

const (
	// maxPreviews bounds the previews of one plan that run at once.
	maxPreviews = 50
	// previewTimeout bounds one preview.
	previewTimeout = 15 * time.Minute
)

// Plan previews every node of a graph, each after what it depends on, so that
// it knows which of its inputs are not known yet. It changes nothing. Its id is
// "plan/<plan>". However it ends, it closes the plan's record, unless it is
// terminated: then whoever reads the record finds that out (see package api).
func Plan(ctx workflow.Context, in contract.PlanInput) error {
	p := &plan{in: in, running: map[walk.Step]time.Time{}, unserved: map[string]bool{}}
	if err := p.setup(ctx); err != nil {
		return p.finish(message(err))
	}
	return p.run()
}

// plan is the state of the workflow. The walk is a deployment's, with previews
// for steps: what fails blocks what needs it, and all else goes on.
type plan struct {
	in       contract.PlanInput
	walk     *walk.Walk
	target   map[string]contract.GraphNode
	previous map[string]contract.GraphNode

	root     workflow.Context // outlives a cancellation of the workflow
	previews workflow.Context // is canceled with it
	unserved map[string]bool  // queues that no worker serves
	running  map[walk.Step]time.Time
	finished []finished
	done     int // previews that ended in this run
}

func (p *plan) setup(ctx workflow.Context) error {
	p.previews = ctx
	p.root, _ = workflow.NewDisconnectedContext(ctx)
	target, err := loadGraph(p.root, p.in.GraphDigest)
	if err != nil {
		return err
	}
	previous, err := loadGraph(p.root, p.in.PreviousGraphDigest)
	if err != nil {
		return err
	}
	kind := orchestrator.KindApply
	if p.in.GraphDigest == "" {
		kind = orchestrator.KindDestroy
	}
	p.target, p.previous = byID(target), byID(previous)
	options := walk.Options{Kind: kind, OnFailure: orchestrator.OnFailureContinue, MaxInFlight: maxPreviews}
	if before := p.in.Resume; before != nil {
		snapshot, err := unpack(before.Walk)
		if err != nil {
			return err
		}
		p.walk, err = walk.Resume(walkNodes(target), walkNodes(previous), options, snapshot)
		return err
	}
	p.walk, err = walk.New(walkNodes(target), walkNodes(previous), options)
	return err
}

func (p *plan) run() error {
	for !p.walk.Done() {
		if p.previews.Err() != nil {
			return p.finish("canceled")
		}
		draining := drain(p.root, p.running, p.done)
		if draining && p.walk.InFlight() == 0 {
			return p.continueAsNew()
		}
		if !draining {
			for _, step := range p.walk.Next() {
				p.start(step)
			}
		}
		if err := workflow.Await(p.previews, func() bool { return len(p.finished) > 0 }); err != nil {
			return p.finish("canceled")
		}
		for _, f := range p.finished {
			delete(p.running, f.step)
			p.done++
			if err := p.walk.Complete(f.step, f.outcome); err != nil {
				return p.finish(err.Error())
			}
		}
		p.finished = nil
	}
	return p.finish("")
}

// start runs a preview in a coroutine of its own.
func (p *plan) start(step walk.Step) {
	p.running[step] = workflow.Now(p.root)
	workflow.Go(p.previews, func(ctx workflow.Context) {
		outcome := p.preview(ctx, step)
		p.finished = append(p.finished, finished{step: step, outcome: outcome})
	})
}

func (p *plan) continueAsNew() error {
	snapshot, err := p.walk.Snapshot()
	if err != nil {
		return p.finish(err.Error())
	}
	packed, err := pack(snapshot)
	if err != nil {
		return p.finish(err.Error())
	}
	next := p.in
	next.Resume = &contract.PlanResume{Walk: packed}
	return workflow.NewContinueAsNewError(p.root, contract.WorkflowPlan, next)
}

func (p *plan) preview(ctx workflow.Context, step walk.Step) walk.Outcome {
	node, in := p.describe(step)
	for {
		if p.unserved[node.Queue] {
			return walk.Outcome{Verdict: walk.Failed, Message: contract.NoWorker(node.Queue)}
		}
		var res contract.PlanNodeResult
		err := workflow.ExecuteActivity(p.withPreview(ctx, step, node), contract.ActivityPlanNode, in).Get(ctx, &res)
		switch {
		case err == nil && res.Error != "":
			return walk.Outcome{Verdict: walk.Failed, Message: res.Error}
		case err == nil:
			return walk.Outcome{}
		case !notTaken(err):
			return walk.Outcome{Verdict: walk.Failed, Message: message(err)}
		}
		// It waited long. Workers may be busy, or there is none.
		if err := p.look(ctx, node.Queue); err != nil {
			return walk.Outcome{Verdict: walk.Failed, Message: message(err)}
		}
	}
}

// notTaken says that no worker took an activity up in time.
func notTaken(err error) bool {
	var timeout *temporal.TimeoutError
	return errors.As(err, &timeout) && timeout.TimeoutType() == enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START
}

// look finds out whether a worker serves a queue.
func (p *plan) look(ctx workflow.Context, queue string) error {
	var res contract.ServedResult
	in := contract.ServedInput{Queue: queue}
	if err := workflow.ExecuteActivity(withControl(ctx), contract.ActivityServed, in).Get(ctx, &res); err != nil {
		return err
	}
	p.unserved[queue] = !res.Served
	return nil
}

// describe finds the node and the graph that a preview is about.
func (p *plan) describe(step walk.Step) (contract.GraphNode, contract.PlanNodeInput) {
	node := p.target[step.Node]
	in := contract.PlanNodeInput{Plan: p.in.Plan, Node: step.Node, GraphDigest: p.in.GraphDigest, Drift: p.in.Drift}
	if step.Previous {
		node = p.previous[step.Node]
		in.GraphDigest, in.Remove = p.in.PreviousGraphDigest, true
	}
	return node, in
}

func (p *plan) withPreview(ctx workflow.Context, step walk.Step, node contract.GraphNode) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              node.Queue,
		ScheduleToStartTimeout: cmp.Or(p.in.Patience, contract.PlanPatience),
		StartToCloseTimeout:    previewTimeout,
		HeartbeatTimeout:       10 * time.Second,
		Summary:                fmt.Sprintf("preview %s (%s)", step.Node, node.Definition),
		Priority:               fair(p.in.Team),
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval: time.Second, BackoffCoefficient: 2, MaximumAttempts: contract.StepFailures,
		},
	})
}

// finish closes the plan. What failed goes with it: a preview that never
// answered has recorded nothing.
func (p *plan) finish(failure string) error {
	in := contract.FinishPlanInput{Plan: p.in.Plan, Error: contract.Cut(failure, contract.MaxMessage), Principal: p.in.Principal}
	if p.walk != nil {
		failures := p.walk.Failures()
		for _, f := range failures[:min(len(failures), contract.MaxPlanFailures)] {
			in.Failures = append(in.Failures, contract.PlanFailure{Node: f.Node, Message: contract.Cut(f.Message, maxReason)})
		}
	}
	return record(p.root, contract.ActivityFinishPlan, in, nil)
}
