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

// terminated finishes a deployment whose workflow somebody has ended in Temporal,
// and returns the nodes that its record lists.
func (f *fixture) terminated(id string) []string {
	f.t.Helper()
	c := &activities.Control{
		Registry: f.Registry, Compiler: f.Compiler, Graphs: f.steps.Graphs,
		Temporal: describer(func(string) (enumspb.WorkflowExecutionStatus, error) {
			return enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, nil
		}),
	}
	_, err := c.DescribeRun(f.t.Context(), contract.DescribeInput{Deployment: id})
	f.must(err)
	d, err := f.Registry.GetDeployment(f.t.Context(), id)
	f.must(err)
	var listed []string
	for _, r := range d.Residue {
		if r.Since != "" {
			f.t.Errorf("%s was left by the deployment itself: %+v", r.Node, r)
		}
		listed = append(listed, r.Node)
	}
	return listed
}

// TestWhatATerminatedDeploymentChanged is listed, since nobody has judged it; also
// by a deployment after it that is undone, so that nobody takes the environment for
// one that is as its release.
func TestWhatATerminatedDeploymentChanged(t *testing.T) {
	t.Parallel()
	f := setup(t)
	small, large := f.graph(saved("small")), f.graph(saved("large"))
	first := f.running(small)
	f.done(first, small, database, orchestrator.StepApply)
	f.done(first, small, app, orchestrator.StepApply)
	f.finish(first, orchestrator.StatusSucceeded)
	second := f.running(large)
	f.done(second, large, database, orchestrator.StepApply)
	f.done(second, large, app, orchestrator.StepApply) // which is the same in both
	if diff := cmp.Diff([]string{database}, f.terminated(second)); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
	third := f.finish(f.running(large), orchestrator.StatusRolledBack)
	if len(third) != 1 || third[0].Node != database || third[0].Since != second {
		t.Errorf("the one after it lists %+v", third)
	}
}

// TestAFirstDeploymentThatWasTerminated: what it made belongs to no release that has
// succeeded.
func TestAFirstDeploymentThatWasTerminated(t *testing.T) {
	t.Parallel()
	f := setup(t)
	small := f.graph(saved("small"))
	first := f.running(small)
	f.done(first, small, database, orchestrator.StepApply)
	if diff := cmp.Diff([]string{database}, f.terminated(first)); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
}
