// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/HatiCode/nestor/activities"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// TestOpenDeployments: what is not over is taken up, by environment, in the
// order of the numbers, and behind what runs.
func TestOpenDeployments(t *testing.T) {
	t.Parallel()
	f := setup(t)
	none, err := control[contract.OpenDeploymentsResult](f, contract.ActivityOpenDeployments, contract.OpenDeploymentsInput{Team: "alpha", Application: "shop"})
	f.must(err)
	if len(none.Lanes) > 0 {
		t.Errorf("of an application that was never deployed: %v", none.Lanes)
	}
	accept := func(application, environment string) {
		_, err := f.Registry.Accept(t.Context(), contract.DeployRequest{
			RequestID: uuid.NewString(), Principal: ada, Kind: orchestrator.KindApply,
			Scope: orchestrator.Scope{Team: "alpha", Application: application, Environment: environment},
		}, "")
		f.must(err)
	}
	for range 12 {
		accept("shop", "staging")
	}
	accept("shop", "production")
	accept("shopping", "staging")
	f.must(f.Registry.Finish(t.Context(), contract.FinishInput{Deployment: "alpha/shop/staging/1", Status: orchestrator.StatusFailed, Principal: ada}))
	f.must(f.Registry.Finish(t.Context(), contract.FinishInput{Deployment: "alpha/shop/staging/4", Status: orchestrator.StatusCanceled, Principal: ada}))
	f.must(f.Registry.SetStatus(t.Context(), contract.StatusInput{Deployment: "alpha/shop/staging/3", Status: orchestrator.StatusRunning, Principal: ada}))
	f.must(f.Registry.SetStatus(t.Context(), contract.StatusInput{Deployment: "alpha/shop/staging/3", Status: orchestrator.StatusPaused, Principal: ada}))
	f.must(f.Registry.SetStatus(t.Context(), contract.StatusInput{Deployment: "alpha/shop/production/1", Status: orchestrator.StatusAwaitingApproval, Principal: ada}))

	got, err := control[contract.OpenDeploymentsResult](f, contract.ActivityOpenDeployments, contract.OpenDeploymentsInput{Team: "alpha", Application: "shop"})
	f.must(err)
	s := "alpha/shop/staging/"
	want := map[string]*contract.Lane{
		"staging": {
			Current: s + "3", Started: true,
			Queue: []string{s + "2", s + "5", s + "6", s + "7", s + "8", s + "9", s + "10", s + "11", s + "12"},
		},
		"production": {Queue: []string{"alpha/shop/production/1"}},
	}
	if diff := cmp.Diff(want, got.Lanes); diff != "" {
		t.Errorf("lanes (-want +got):\n%s", diff)
	}
}

// polled stands for Temporal: when somebody last asked a queue for work, by
// kind.
type polled map[enumspb.TaskQueueType]time.Time

var _ activities.QueueDescriber = polled{}

// DescribeTaskQueue implements activities.QueueDescriber.
func (p polled) DescribeTaskQueue(
	_ context.Context, queue string, kind enumspb.TaskQueueType,
) (*workflowservice.DescribeTaskQueueResponse, error) {
	if queue == "broken" {
		return nil, errors.New("no answer")
	}
	res := &workflowservice.DescribeTaskQueueResponse{}
	if at, known := p[kind]; known && queue == "nestor-engine-tiny" {
		res.Pollers = []*taskqueuepb.PollerInfo{{LastAccessTime: timestamppb.New(at), Identity: "worker"}}
	}
	return res, nil
}

func TestServed(t *testing.T) {
	t.Parallel()
	const activity, workflow = enumspb.TASK_QUEUE_TYPE_ACTIVITY, enumspb.TASK_QUEUE_TYPE_WORKFLOW
	for name, tc := range map[string]struct {
		polled polled
		queue  string
		want   bool
		reason string
	}{
		"asks":       {polled{activity: time.Now()}, "nestor-engine-tiny", true, "it is there"},
		"long poll":  {polled{activity: time.Now().Add(-time.Minute)}, "nestor-engine-tiny", true, "it asked a minute ago and still waits for the answer"},
		"busy":       {polled{activity: time.Now().Add(-time.Hour), workflow: time.Now()}, "nestor-engine-tiny", true, "all its slots are taken"},
		"gone":       {polled{activity: time.Now().Add(-2 * time.Minute), workflow: time.Now().Add(-2 * time.Minute)}, "nestor-engine-tiny", false, "it has not asked for long"},
		"never came": {polled{}, "nestor-engine-tiny", false, "nobody asked"},
		"elsewhere":  {polled{activity: time.Now()}, "nestor-engine-pulumi", false, "another engine's worker is no help"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := activities.Control{Queues: tc.polled}
			got, err := c.Served(t.Context(), contract.ServedInput{Queue: tc.queue})
			if err != nil || got.Served != tc.want {
				t.Errorf("%s: %v, %v", tc.reason, got.Served, err)
			}
		})
	}
	c := activities.Control{Queues: polled{}}
	if _, err := c.Served(t.Context(), contract.ServedInput{Queue: "broken"}); err == nil {
		t.Error("what cannot be told was told")
	}
}
