// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/HatiCode/nestor/api/problem"
	"github.com/HatiCode/nestor/internal/deploying"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// Bounds of one call.
const (
	checkTimeout  = 2 * time.Second
	callTimeout   = 5 * time.Second
	updateTimeout = 20 * time.Second
	// pollerFresh is how long a worker counts as being there after it last
	// asked: a long poll takes up to a minute.
	pollerFresh = 90 * time.Second
)

// TemporalClient implements Temporal over the SDK's client.
type TemporalClient struct {
	client  client.Client
	address string // for messages
	now     func() time.Time
}

var _ Temporal = (*TemporalClient)(nil)

// NewTemporalClient wraps a client, which may be a lazy one. The address is
// named in messages.
func NewTemporalClient(c client.Client, address string, now func() time.Time) *TemporalClient {
	return &TemporalClient{client: c, address: address, now: now}
}

// Deploy implements Temporal with an update-with-start.
func (t *TemporalClient) Deploy(ctx context.Context, request contract.DeployRequest) (contract.DeployAccepted, error) {
	if err := t.Ready(ctx); err != nil {
		return contract.DeployAccepted{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, updateTimeout)
	defer cancel()
	accepted, err := deploying.Queue(ctx, t.client, request)
	if err != nil {
		return contract.DeployAccepted{}, t.explain(err, "it may still be accepted; repeat the request with the same Idempotency-Key")
	}
	return accepted, nil
}

// Promote implements Temporal with a signal-with-start.
func (t *TemporalClient) Promote(ctx context.Context, team, application string, signal contract.PromoteSignal) error {
	return t.signal(ctx, team, application, contract.SignalPromote, signal)
}

// Approve implements Temporal.
func (t *TemporalClient) Approve(ctx context.Context, team, application string, signal contract.DecisionSignal) error {
	return t.signal(ctx, team, application, contract.SignalApprove, signal)
}

// Reject implements Temporal.
func (t *TemporalClient) Reject(ctx context.Context, team, application string, signal contract.DecisionSignal) error {
	return t.signal(ctx, team, application, contract.SignalReject, signal)
}

// Cancel implements Temporal.
func (t *TemporalClient) Cancel(ctx context.Context, team, application string, signal contract.CancelSignal) error {
	return t.signal(ctx, team, application, contract.SignalCancel, signal)
}

// signal starts the workflow where it is gone: it takes up what is under way.
func (t *TemporalClient) signal(ctx context.Context, team, application, name string, payload any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := t.client.SignalWithStartWorkflow(ctx, orchestrator.ApplicationWorkflowID(team, application),
		name, payload, deploying.Options(team, application), contract.WorkflowApplication,
		contract.ApplicationInput{Team: team, Application: application})
	return t.explain(err, "repeat the request")
}

// StartPlan implements Temporal.
func (t *TemporalClient) StartPlan(ctx context.Context, input contract.PlanInput) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := t.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                       planWorkflowID(input.Plan),
		TaskQueue:                contract.QueueControl,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		Priority:                 temporal.Priority{FairnessKey: input.Team},
		StaticSummary:            "plan of " + input.String(),
	}, contract.WorkflowPlan, input)
	return t.explain(err, "repeat the request")
}

// CancelPlan implements Temporal.
func (t *TemporalClient) CancelPlan(ctx context.Context, plan string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := t.client.CancelWorkflow(ctx, planWorkflowID(plan), "")
	if gone := (*serviceerror.NotFound)(nil); errors.As(err, &gone) {
		return nil
	}
	return t.explain(err, "repeat the request")
}

// PlanEnding implements Temporal.
func (t *TemporalClient) PlanEnding(ctx context.Context, plan string) (string, error) {
	return t.ending(ctx, planWorkflowID(plan))
}

// ending says how a workflow ended; empty while it runs.
func (t *TemporalClient) ending(ctx context.Context, workflowID string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := t.client.DescribeWorkflowExecution(ctx, workflowID, "")
	var gone *serviceerror.NotFound
	if errors.As(err, &gone) {
		return "its workflow is gone from Temporal, or was never started", nil
	}
	if err != nil {
		return "", t.explain(err, "repeat the request")
	}
	switch status := answer.GetWorkflowExecutionInfo().GetStatus(); status {
	case enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW,
		enumspb.WORKFLOW_EXECUTION_STATUS_PAUSED, enumspb.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED:
		return "", nil
	default:
		return "its workflow ended as " + status.String(), nil
	}
}

func planWorkflowID(plan string) string { return "plan/" + plan }

// Pollers implements Temporal: workflow and activity pollers together, by
// identity, without those not seen lately.
func (t *TemporalClient) Pollers(ctx context.Context, queue string) ([]Poller, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	seen := map[string]time.Time{}
	for _, kind := range []enumspb.TaskQueueType{enumspb.TASK_QUEUE_TYPE_WORKFLOW, enumspb.TASK_QUEUE_TYPE_ACTIVITY} {
		answer, err := t.client.DescribeTaskQueue(ctx, queue, kind)
		if err != nil {
			return nil, t.explain(err, "repeat the request")
		}
		for _, p := range answer.GetPollers() {
			at := p.GetLastAccessTime().AsTime()
			if t.now().Sub(at) < pollerFresh && at.After(seen[p.GetIdentity()]) {
				seen[p.GetIdentity()] = at
			}
		}
	}
	pollers := make([]Poller, 0, len(seen))
	for identity, at := range seen {
		pollers = append(pollers, Poller{Identity: identity, LastSeen: at})
	}
	slices.SortFunc(pollers, func(a, b Poller) int { return strings.Compare(a.Identity, b.Identity) })
	return pollers, nil
}

// Check implements Temporal.
func (t *TemporalClient) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	_, err := t.client.CheckHealth(ctx, &client.CheckHealthRequest{})
	if err != nil {
		return t.down(err, "")
	}
	return nil
}

// Ready implements Temporal. An update without a worker would wait, and nobody
// could tell for how long.
func (t *TemporalClient) Ready(ctx context.Context) error {
	if err := t.Check(ctx); err != nil {
		return err
	}
	pollers, err := t.Pollers(ctx, contract.QueueControl)
	if err != nil {
		return err
	}
	if len(pollers) == 0 {
		return &problem.UnavailableError{
			What: "a worker of the queue " + contract.QueueControl,
			Hint: "nothing was changed; start nestor-worker and repeat the request",
		}
	}
	return nil
}

// explain tells a server that cannot be reached from a workflow that refuses.
func (t *TemporalClient) explain(err error, hint string) error {
	if err == nil {
		return nil
	}
	var application *temporal.ApplicationError
	if errors.As(err, &application) {
		switch application.Type() {
		case contract.ErrorNotFound:
			return problem.New(problem.TypeNotFound, "%s", application.Message())
		case contract.ErrorInvalid, contract.ErrorNotApproved, contract.ErrorFenced:
			return problem.New(problem.TypeConflict, "%s", application.Message())
		default:
			return fmt.Errorf("the workflow failed: %w", err)
		}
	}
	if t.unreachable(err) {
		return t.down(err, hint)
	}
	return fmt.Errorf("temporal: %w", err)
}

func (t *TemporalClient) unreachable(err error) bool {
	var unavailable *serviceerror.Unavailable
	var deadline *serviceerror.DeadlineExceeded
	var exhausted *serviceerror.ResourceExhausted
	var canceled *serviceerror.Canceled
	var timeout *client.WorkflowUpdateServiceTimeoutOrCanceledError
	return errors.As(err, &unavailable) || errors.As(err, &deadline) || errors.As(err, &exhausted) ||
		errors.As(err, &canceled) || errors.As(err, &timeout) || errors.Is(err, context.DeadlineExceeded)
}

func (t *TemporalClient) down(err error, hint string) error {
	return &problem.UnavailableError{What: "the Temporal server at " + t.address, Hint: hint, Err: err}
}
