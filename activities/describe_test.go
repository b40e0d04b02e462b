// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/HatiCode/nestor/activities"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

var _ activities.Describer = describer(nil)

// describer is Temporal as far as one workflow goes.
type describer func(workflowID string) (enumspb.WorkflowExecutionStatus, error)

// DescribeWorkflowExecution implements activities.Describer.
func (d describer) DescribeWorkflowExecution(
	_ context.Context, workflowID, _ string,
) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	status, err := d(workflowID)
	if err != nil {
		return nil, err
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{
		WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{Status: status},
	}, nil
}

func TestDescribeRun(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status enumspb.WorkflowExecutionStatus
		err    error
		ended  bool
		failed bool   // the activity itself
		why    string // in the deployment's record
		reason string
	}{
		"running":    {status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, reason: "it is still at work"},
		"continued":  {status: enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW, reason: "it goes on in another run"},
		"terminated": {status: enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, ended: true, why: "its workflow ended as Terminated", reason: "somebody ended it in Temporal"},
		"failed":     {status: enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, ended: true, why: "its workflow ended as Failed", reason: "it ended without finishing its deployment"},
		"gone":       {err: serviceerror.NewNotFound("no such workflow"), ended: true, why: "is gone from Temporal", reason: "its history was deleted"},
		"away":       {err: errors.New("connection refused"), failed: true, reason: "Temporal not answering says nothing of the workflow"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			id := f.deployment("")
			c := &activities.Control{
				Registry: f.Registry, Compiler: f.Compiler, Graphs: f.steps.Graphs,
				Temporal: describer(func(workflowID string) (enumspb.WorkflowExecutionStatus, error) {
					if workflowID != id {
						t.Errorf("asked for workflow %s, want that of %s", workflowID, id)
					}
					return tc.status, tc.err
				}),
			}
			got, err := c.DescribeRun(t.Context(), contract.DescribeInput{Deployment: id})
			if (err != nil) != tc.failed {
				t.Fatalf("%s: error %v", tc.reason, err)
			}
			want, recorded := contract.DescribeResult{}, orchestrator.StatusQueued
			if tc.ended {
				want = contract.DescribeResult{Ended: true, Status: orchestrator.StatusFailed}
				recorded = orchestrator.StatusFailed
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			d, err := f.Registry.GetDeployment(t.Context(), id)
			f.must(err)
			if d.Status != recorded || !strings.Contains(d.Error, tc.why) {
				t.Errorf("%s: recorded as %s with %q, want %s with %q", tc.reason, d.Status, d.Error, recorded, tc.why)
			}
		})
	}
}
