// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/walk"
)

const (
	// stepHeartbeat is how long a worker may be silent before its step is
	// given to another. Steps beat four times in it.
	stepHeartbeat = 2 * time.Second
	// stepGrace is added to a definition's timeout: the engine itself keeps
	// the timeout and stops cleanly, the workflow only guards it.
	stepGrace = 2 * time.Minute
)

// start runs a step in a coroutine of its own.
func (d *deployment) start(step walk.Step) {
	d.running[step] = workflow.Now(d.root)
	ctx := d.forward
	if d.walk.Phase().Compensating() {
		ctx = d.compensation
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		outcome := d.perform(ctx, step)
		d.finished = append(d.finished, finished{step: step, outcome: outcome})
	})
}

// perform runs a step, and runs it again after a pause that was approved.
func (d *deployment) perform(ctx workflow.Context, step walk.Step) walk.Outcome {
	node, graph := d.describe(step)
	in := contract.StepInput{
		Deployment: d.in.Deployment, Node: step.Node, Action: step.Action, GraphDigest: graph, Run: d.in.Run + 1,
	}
	for {
		d.steps++
		in.Step = d.steps
		var res contract.StepResult
		d.queued(node.Queue)
		err := workflow.ExecuteActivity(d.withStep(ctx, step, node), contract.ActivityRunStep, in).Get(ctx, &res)
		d.served(node.Queue)
		if err == nil {
			return walk.Outcome{
				Verdict: walk.Succeeded, Changed: res.Changed, Exists: res.Exists,
				Created: res.Created, Replaced: res.Replaced, Snapshotted: res.Snapshotted,
				Untouched: res.Untouched, Differs: res.Differs,
			}
		}
		digest, notApproved := unapproved(err)
		if !notApproved {
			return outcomeOf(err)
		}
		verdict, err := d.pause(ctx, step.Node, digest, message(err))
		if err != nil {
			return walk.Outcome{Verdict: walk.Canceled, Message: "canceled while it waited for a decision"}
		}
		if !verdict.approved {
			return walk.Outcome{Verdict: walk.Failed, Message: verdict.refusal()}
		}
		in.Approved = digest
	}
}

// describe finds the node and the graph that a step is about.
func (d *deployment) describe(step walk.Step) (contract.GraphNode, string) {
	if step.Previous {
		return d.gone[step.Node], d.in.PreviousGraphDigest
	}
	return d.nodes[step.Node], d.in.GraphDigest
}

func (d *deployment) withStep(ctx workflow.Context, step walk.Step, node contract.GraphNode) workflow.Context {
	seconds := node.Timeout
	if a := step.Action; a == orchestrator.StepDestroy || a == orchestrator.StepRemove || a == orchestrator.StepPrune {
		seconds = node.Destroy
	}
	timeout := contract.DefaultStepTimeout
	if seconds > 0 {
		timeout = time.Duration(seconds) * time.Second
	}
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           node.Queue,
		StartToCloseTimeout: timeout + stepGrace,
		HeartbeatTimeout:    stepHeartbeat,
		WaitForCancellation: true,
		Summary:             fmt.Sprintf("%s %s (%s)", step.Action, step.Node, node.Definition),
		Priority:            fair(d.in.Team),
		// The step itself says when another try cannot help, and after how
		// long one can; what is retried here without end is a worker's death.
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:    100 * time.Millisecond,
			BackoffCoefficient: 2,
			MaximumInterval:    30 * time.Second,
		},
	})
}

// unapproved returns the digest of the change set that a step found and that
// nobody approved.
func unapproved(err error) (digest string, ok bool) {
	var app *temporal.ApplicationError
	if !errors.As(err, &app) || app.Type() != contract.ErrorNotApproved {
		return "", false
	}
	return digest, app.Details(&digest) == nil
}

func outcomeOf(err error) walk.Outcome {
	if temporal.IsCanceledError(err) {
		return walk.Outcome{Verdict: walk.Canceled, Changed: true, Message: "canceled"}
	}
	// What a failed step has changed is not known: assume that it has.
	return walk.Outcome{Verdict: walk.Failed, Changed: true, Message: message(err)}
}

// message is what a person needs of an activity's error.
func message(err error) string {
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		return contract.Cut(app.Message(), contract.MaxMessage)
	}
	var timeout *temporal.TimeoutError
	if errors.As(err, &timeout) {
		return "timed out (" + timeout.TimeoutType().String() + ")"
	}
	return contract.Cut(err.Error(), contract.MaxMessage)
}
