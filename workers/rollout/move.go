// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"

	"github.com/HatiCode/nestor/internal/temporalclient"
	"github.com/HatiCode/nestor/workflows"
)

// ErrDoesNotReplay says that a run cannot go on with this program: its code
// would not have done what the history holds. The run stays where it is.
var ErrDoesNotReplay = errors.New("its history does not replay with this program")

// Mover moves runs to the version that the calling program is. That it is that
// version's program is the caller's to see to: it replays each history with the
// workflows that it holds.
type Mover struct {
	Rollout *Rollout
	BuildID string
	// Codec that the workers' payloads are read with; nil reads clear ones only.
	Codec temporalclient.Codec
}

// Check replays the present run of a workflow. It fails with ErrDoesNotReplay
// where this program cannot go on with it, and changes nothing.
func (m Mover) Check(ctx context.Context, id string) error {
	execution, err := m.openRun(ctx, id)
	if err != nil {
		return err
	}
	return m.replay(ctx, execution)
}

// Move checks a run and moves it; what it began goes on meanwhile. It is looked
// at once more afterwards, since it may have gone on in between with the program
// that it was with: what does not replay then is put back.
func (m Mover) Move(ctx context.Context, id string) error {
	execution, err := m.openRun(ctx, id)
	if err != nil {
		return err
	}
	if err := m.replay(ctx, execution); err != nil {
		return err
	}
	serves, err := m.Rollout.serves(ctx, m.BuildID)
	if err != nil {
		return err
	}
	if !serves {
		return fmt.Errorf("move %s: no worker of version %s has served workflows; start one before", id, m.BuildID)
	}
	described, err := m.Rollout.client.DescribeWorkflowExecution(ctx, id, execution.RunID)
	if err != nil {
		return fmt.Errorf("describe %s: %w", id, err)
	}
	before := overrideOf(described.GetWorkflowExecutionInfo().GetVersioningInfo())
	version := worker.WorkerDeploymentVersion{DeploymentName: m.Rollout.name, BuildID: m.BuildID}
	if err := m.override(ctx, execution, &client.PinnedVersioningOverride{Version: version}); err != nil {
		return err
	}
	if err := m.replay(ctx, execution); err != nil {
		return errors.Join(err, m.override(context.WithoutCancel(ctx), execution, before))
	}
	return nil
}

// overrideOf is what was set for a run before; nil is nothing, and the run is
// where its workflow left it.
func overrideOf(info *workflowpb.WorkflowExecutionVersioningInfo) client.VersioningOverride {
	version := info.GetVersioningOverride().GetPinned().GetVersion()
	if version == nil {
		return nil
	}
	return &client.PinnedVersioningOverride{Version: worker.WorkerDeploymentVersion{
		DeploymentName: version.GetDeploymentName(), BuildID: version.GetBuildId(),
	}}
}

// override sets what a run's version is, whatever its workflow says; nil takes
// that back.
func (m Mover) override(ctx context.Context, execution run, to client.VersioningOverride) error {
	_, err := m.Rollout.client.UpdateWorkflowExecutionOptions(ctx, client.UpdateWorkflowExecutionOptionsRequest{
		WorkflowId: execution.ID, RunId: execution.RunID,
		WorkflowExecutionOptionsChanges: client.WorkflowExecutionOptionsChanges{
			VersioningOverride: &client.VersioningOverrideChange{Value: to},
		},
	})
	if err != nil {
		return fmt.Errorf("set the version of %s: %w", execution.ID, err)
	}
	return nil
}

// run is one run of a workflow.
type run struct{ ID, RunID string }

// openRun finds the present run of a workflow, which must be open.
func (m Mover) openRun(ctx context.Context, id string) (run, error) {
	described, err := m.Rollout.client.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		return run{}, fmt.Errorf("describe %s: %w", id, err)
	}
	info := described.GetWorkflowExecutionInfo()
	if info.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return run{}, fmt.Errorf("%s is over (%s); there is nothing to move", id, info.GetStatus())
	}
	return run{ID: id, RunID: info.GetExecution().GetRunId()}, nil
}

// replay runs the workflow's code of this program against a history.
func (m Mover) replay(ctx context.Context, execution run) error {
	history, begun, err := m.history(ctx, execution)
	if err != nil || !begun {
		return err
	}
	var options worker.WorkflowReplayerOptions
	if m.Codec != nil {
		options.DataConverter, options.FailureConverter = temporalclient.Converters(m.Codec)
	}
	replayer, err := worker.NewWorkflowReplayerWithOptions(options)
	if err != nil {
		return fmt.Errorf("replay %s: %w", execution.ID, err)
	}
	workflows.Register(replayer)
	silent := log.NewStructuredLogger(slog.New(slog.DiscardHandler))
	if err := replayer.ReplayWorkflowHistory(silent, history); err != nil {
		return fmt.Errorf("%s: %w: %w", execution.ID, ErrDoesNotReplay, err)
	}
	return nil
}

// history of a run, and whether any of its code has run so far.
func (m Mover) history(ctx context.Context, execution run) (history *historypb.History, begun bool, err error) {
	history = &historypb.History{}
	events := m.Rollout.client.GetWorkflowHistory(ctx, execution.ID, execution.RunID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return nil, false, fmt.Errorf("read the history of %s: %w", execution.ID, err)
		}
		begun = begun || event.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
		history.Events = append(history.Events, event)
	}
	return history, begun, nil
}

// Staying lists the ids of the open runs that stay with a version.
func (r *Rollout) Staying(ctx context.Context, build string) ([]string, error) {
	var ids []string
	request := &workflowservice.ListWorkflowExecutionsRequest{Namespace: r.namespace, Query: r.staying(build)}
	for {
		page, err := r.client.ListWorkflow(ctx, request)
		if err != nil {
			return nil, fmt.Errorf("list what runs on version %s: %w", build, err)
		}
		for _, e := range page.GetExecutions() {
			ids = append(ids, e.GetExecution().GetWorkflowId())
		}
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return ids, nil
		}
	}
}
