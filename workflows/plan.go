// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"
	"slices"
	"time"

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
// "plan/<plan>".
func Plan(ctx workflow.Context, in contract.PlanInput) error {
	p := &plan{in: in, unknown: map[string][]string{}}
	if err := p.setup(ctx); err != nil {
		return p.finish(ctx, message(err))
	}
	return p.run(ctx)
}

// plan is the state of the workflow. The walk is a deployment's, with previews
// for steps: what fails blocks what needs it, and all else goes on.
type plan struct {
	in       contract.PlanInput
	walk     *walk.Walk
	target   map[string]contract.GraphNode
	previous map[string]contract.GraphNode
	unknown  map[string][]string // outputs that will or may change, by node
	finished []finished
}

func (p *plan) setup(ctx workflow.Context) error {
	target, err := loadGraph(ctx, p.in.GraphDigest)
	if err != nil {
		return err
	}
	previous, err := loadGraph(ctx, p.in.PreviousGraphDigest)
	if err != nil {
		return err
	}
	kind := orchestrator.KindApply
	if p.in.GraphDigest == "" {
		kind = orchestrator.KindDestroy
	}
	p.target, p.previous = byID(target), byID(previous)
	p.walk, err = walk.New(walkNodes(target), walkNodes(previous), walk.Options{
		Kind: kind, OnFailure: orchestrator.OnFailureContinue, MaxInFlight: maxPreviews,
	})
	return err
}

func (p *plan) run(ctx workflow.Context) error {
	for !p.walk.Done() {
		for _, step := range p.walk.Next() {
			workflow.Go(ctx, func(ctx workflow.Context) {
				outcome := p.preview(ctx, step)
				p.finished = append(p.finished, finished{step: step, outcome: outcome})
			})
		}
		if err := workflow.Await(ctx, func() bool { return len(p.finished) > 0 }); err != nil {
			record, _ := workflow.NewDisconnectedContext(ctx)
			return p.finish(record, "canceled")
		}
		for _, f := range p.finished {
			if err := p.walk.Complete(f.step, f.outcome); err != nil {
				return p.finish(ctx, err.Error())
			}
		}
		p.finished = nil
	}
	failure := ""
	if skipped := p.walk.Result().Skipped; len(skipped) > 0 {
		failure = fmt.Sprintf("%d nodes could not be previewed, since what they need failed: %v", len(skipped), skipped)
	}
	return p.finish(ctx, failure)
}

func (p *plan) preview(ctx workflow.Context, step walk.Step) walk.Outcome {
	node := p.target[step.Node]
	in := contract.PlanNodeInput{Plan: p.in.Plan, Node: step.Node, GraphDigest: p.in.GraphDigest}
	if step.Previous {
		node = p.previous[step.Node]
		in.GraphDigest, in.Remove = p.in.PreviousGraphDigest, true
	} else {
		in.Unknown = p.unknownOf(node)
	}
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           node.Queue,
		StartToCloseTimeout: previewTimeout,
		HeartbeatTimeout:    10 * time.Second,
		Summary:             fmt.Sprintf("preview %s (%s)", step.Node, node.Definition),
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval: time.Second, BackoffCoefficient: 2, MaximumAttempts: contract.StepFailures,
		},
	})
	var res contract.PlanNodeResult
	if err := workflow.ExecuteActivity(ctx, contract.ActivityPlanNode, in).Get(ctx, &res); err != nil {
		return walk.Outcome{Verdict: walk.Failed, Message: message(err)}
	}
	if res.Error != "" {
		return walk.Outcome{Verdict: walk.Failed, Message: res.Error}
	}
	p.unknown[step.Node] = res.Unknown
	return walk.Outcome{Changed: len(res.Unknown) > 0}
}

// unknownOf gathers what a node's dependencies will or may change.
func (p *plan) unknownOf(node contract.GraphNode) map[string][]string {
	out := map[string][]string{}
	for _, dependency := range node.Dependencies {
		if outputs := p.unknown[dependency]; len(outputs) > 0 {
			out[dependency] = slices.Clone(outputs)
		}
	}
	return out
}

func (p *plan) finish(ctx workflow.Context, failure string) error {
	in := contract.FinishPlanInput{Plan: p.in.Plan, Error: failure, Principal: p.in.Principal}
	return record(ctx, contract.ActivityFinishPlan, in, nil)
}
