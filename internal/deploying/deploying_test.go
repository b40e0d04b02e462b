// SPDX-License-Identifier: Apache-2.0

package deploying_test

import (
	"testing"

	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/mocks"

	"github.com/HatiCode/nestor/internal/deploying"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// TestQueueStartsTheWorkflowFairly: whoever asks first, the application's
// workflow has its team's share for as long as it lives.
func TestQueueStartsTheWorkflowFairly(t *testing.T) {
	t.Parallel()
	c, handle := mocks.NewClient(t), mocks.NewWorkflowUpdateHandle(t)
	request := contract.DeployRequest{RequestID: "r", Scope: orchestrator.Scope{Team: "alpha", Application: "shop", Environment: "staging"}}
	fairly := mock.MatchedBy(func(o client.StartWorkflowOptions) bool {
		return o.ID == "alpha/shop" && o.TaskQueue == contract.QueueControl && o.Priority.FairnessKey == "alpha"
	})
	input := contract.ApplicationInput{Team: "alpha", Application: "shop"}
	c.On("NewWithStartWorkflowOperation", fairly, contract.WorkflowApplication, input).Return(nil)
	c.On("UpdateWithStartWorkflow", mock.Anything, mock.MatchedBy(func(o client.UpdateWithStartWorkflowOptions) bool {
		return o.UpdateOptions.UpdateID == request.UpdateID() && o.UpdateOptions.UpdateName == contract.UpdateDeploy
	})).Return(handle, nil)
	handle.On("Get", mock.Anything, mock.Anything).Run(func(args mock.Arguments) {
		if accepted, ok := args.Get(1).(*contract.DeployAccepted); ok {
			accepted.Deployment = "alpha/shop/staging/1"
		}
	}).Return(nil)
	accepted, err := deploying.Queue(t.Context(), c, request)
	if err != nil || accepted.Deployment != "alpha/shop/staging/1" {
		t.Fatalf("answered %+v, %v", accepted, err)
	}
}
