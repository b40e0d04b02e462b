// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

const (
	// watchInterval is how often a running deployment is looked at, for the end
	// that sends no signal (a termination).
	watchInterval = 30 * time.Second
	// firstPause, doubled up to maxPause, is how long a deployment waits until
	// it is looked again whether there are workers for it.
	firstPause = 250 * time.Millisecond
	maxPause   = 5 * time.Second
)

// lane brings the deployments of one environment through, one by one. Its
// state survives continue-as-new; where it waits, it can be left and taken up
// again.
type lane struct {
	app         *application
	environment string
	state       *contract.Lane
}

func (l *lane) run(ctx workflow.Context) {
	for {
		err := workflow.Await(ctx, func() bool {
			return l.app.draining || l.state.Current != "" || len(l.state.Queue) > 0
		})
		if err != nil || l.app.draining {
			return
		}
		if l.state.Current == "" {
			l.state.Current = l.state.Queue[0]
			l.state.Queue = slices.Delete(l.state.Queue, 0, 1)
			l.app.show()
		}
		over, err := l.bring(ctx, l.state.Current)
		if err != nil {
			workflow.GetLogger(ctx).Error("a deployment could not be brought through", "deployment", l.state.Current, "error", err)
		}
		if !over {
			return // left for the next run
		}
		delete(l.app.decided, l.state.Current)
		*l.state = contract.Lane{Queue: l.state.Queue}
		l.app.show()
	}
}

// bring takes a deployment from the head of the queue to its end. It is not
// over when the application drains before that.
func (l *lane) bring(ctx workflow.Context, id string) (over bool, err error) {
	if !l.state.Started {
		prepared, found, err := l.prepare(ctx, id)
		switch {
		case err != nil:
			return true, err
		case found == mayRun:
			if err := l.start(ctx, prepared); err != nil {
				return true, l.end(ctx, id, orchestrator.StatusFailed, "its workflow could not be started: "+err.Error())
			}
			l.state.Started = true
			if signal := l.state.Canceled; signal != nil {
				// It came while the workflow was being started.
				l.app.forward(ctx, id, contract.SignalCancel, *signal)
			}
		default:
			return found == hasEnded, nil
		}
	}
	return l.watch(ctx, id)
}

// readiness of a deployment at the head of the queue.
type readiness int

const (
	mayRun   readiness = iota // its graph is frozen and nothing is missing, or it runs already
	hasEnded                  // refused, rejected or canceled, and closed as such
	isLeft                    // the application drains; the next run takes it up
)

// prepare freezes the deployment's graph and waits for what it still needs.
func (l *lane) prepare(ctx workflow.Context, id string) (contract.Prepared, readiness, error) {
	principal := "workflow:" + contract.WorkflowApplication
	var told contract.StatusInput
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		var p contract.Prepared
		if signal := l.state.Canceled; signal != nil {
			return p, hasEnded, l.end(ctx, id, orchestrator.StatusCanceled, canceledBy(*signal))
		}
		seen := l.app.decided[id]
		in := contract.PrepareInput{Deployment: id, Principal: principal}
		if err := l.app.act(ctx, contract.ActivityPrepareDeployment, in, &p); err != nil {
			p.Refused = message(err)
		}
		waiting := contract.StatusInput{
			Deployment: id, Status: orchestrator.StatusAwaitingApproval, Reason: p.Reason, Principal: principal,
		}
		switch {
		case p.Started:
			return p, mayRun, nil
		case l.state.Canceled != nil:
			continue // it came while the deployment was being prepared
		case p.Refused != "":
			return p, hasEnded, l.end(ctx, id, orchestrator.StatusFailed, p.Refused)
		case p.Waiting != "":
			waiting.Status, waiting.Reason = orchestrator.StatusQueued, p.Waiting
		case p.Replan != nil:
			if err := l.replan(ctx, *p.Replan); err != nil {
				return p, isLeft, err
			}
			if l.app.draining {
				return p, isLeft, nil
			}
			continue
		case p.ApprovalsMissing == 0:
			return p, mayRun, nil
		}
		if waiting.Status != told.Status || waiting.Reason != told.Reason {
			if err := l.app.record(ctx, contract.ActivitySetStatus, waiting, nil); err != nil {
				return p, isLeft, err
			}
			told = waiting
		}
		err := l.wait(ctx, p.Waiting != "", pause, func() bool {
			return l.app.draining || l.state.Canceled != nil || l.app.decided[id] > seen
		})
		if err != nil || l.app.draining {
			return p, isLeft, err
		}
	}
}

// wait until a condition holds, or until it is time to look again.
func (l *lane) wait(ctx workflow.Context, again bool, pause time.Duration, until func() bool) error {
	if !again {
		return workflow.Await(ctx, until)
	}
	_, err := workflow.AwaitWithTimeout(ctx, pause, until)
	return err
}

func canceledBy(s contract.CancelSignal) string {
	text := "canceled by " + s.Principal + " before it began"
	if s.Reason != "" {
		text += ": " + s.Reason
	}
	return text
}

// start begins the Deployment workflow. It is a child only so that the Web UI
// shows where it came from: it is abandoned to itself.
func (l *lane) start(ctx workflow.Context, p contract.Prepared) error {
	if p.Started {
		return nil // by an earlier run of this application
	}
	l.app.busy++
	defer func() { l.app.busy-- }()
	in := p.Input
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            in.Deployment,
		TaskQueue:             contract.QueueControl,
		WorkflowTaskTimeout:   min(contract.WorkflowTaskTimeout+time.Duration(p.Nodes)*contract.ReplayTime, contract.MaxWorkflowTaskTimeout),
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_ABANDON,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		Priority:              fair(in.Team),
		StaticSummary:         fmt.Sprintf("%s %s to %s by %s", in.Kind, in.Application, in.Environment, in.Principal),
		Memo: map[string]any{
			"principal": in.Principal, "kind": in.Kind, "release": in.Release,
			"graph": in.GraphDigest, "onFailure": in.OnFailure,
		},
		TypedSearchAttributes: attributes(in),
	})
	err := workflow.ExecuteChildWorkflow(ctx, contract.WorkflowDeployment, in).
		GetChildWorkflowExecution().Get(ctx, nil)
	var already *temporal.ChildWorkflowExecutionAlreadyStartedError
	if errors.As(err, &already) {
		return nil // the same, and it has not said so yet
	}
	return err
}

func attributes(in contract.DeploymentInput) temporal.SearchAttributes {
	set := func(name, value string) temporal.SearchAttributeUpdate {
		return temporal.NewSearchAttributeKeyKeyword(name).ValueSet(value)
	}
	return temporal.NewSearchAttributes(
		set(contract.AttributeTeam, in.Team),
		set(contract.AttributeApplication, in.Application),
		set(contract.AttributeEnvironment, in.Environment),
		set(contract.AttributeRelease, in.Release),
		set(contract.AttributeStatus, string(orchestrator.StatusQueued)),
	)
}

// watch waits for a running deployment's end: its signal, or what a look at it
// now and then finds.
func (l *lane) watch(ctx workflow.Context, id string) (over bool, err error) {
	for {
		_, err := workflow.AwaitWithTimeout(ctx, watchInterval, func() bool {
			return l.app.draining || l.state.Ended
		})
		if err != nil || l.state.Ended || l.app.draining {
			return l.state.Ended, err
		}
		var res contract.DescribeResult
		if err := l.app.act(ctx, contract.ActivityDescribeRun, contract.DescribeInput{Deployment: id}, &res); err != nil {
			workflow.GetLogger(ctx).Warn("the deployment could not be looked at", "deployment", id, "error", err)
			continue
		}
		if res.Ended {
			return true, nil
		}
	}
}

// end closes a deployment that never ran.
func (l *lane) end(ctx workflow.Context, id string, status orchestrator.Status, why string) error {
	return l.app.record(ctx, contract.ActivityFinishDeployment, contract.FinishInput{
		Deployment: id, Status: status, Error: why, Principal: "workflow:" + contract.WorkflowApplication,
	}, nil)
}

// record runs a local activity during which the application does not continue
// as new.
func (a *application) record(ctx workflow.Context, activity string, in, result any) error {
	a.busy++
	defer func() { a.busy-- }()
	return record(ctx, activity, in, result)
}

// act runs an activity on the control queue, during which the application does
// not continue as new.
func (a *application) act(ctx workflow.Context, activity string, in, result any) error {
	a.busy++
	defer func() { a.busy-- }()
	return workflow.ExecuteActivity(withControl(ctx), activity, in).Get(ctx, result)
}

// keys of a map, in no order: sort them before they matter.
func keys[V any](m map[string]V) iter.Seq[string] {
	return func(yield func(string) bool) {
		//workflowcheck:ignore every caller sorts what comes out
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}
