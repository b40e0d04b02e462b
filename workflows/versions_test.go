// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/workflow"

	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/workflows"
)

// registered remembers what was registered, and how.
type registered map[string]workflow.VersioningBehavior

func (registered) RegisterWorkflow(any) {
	panic("register it with options: they say what a new version means to it")
}

func (r registered) RegisterWorkflowWithOptions(_ any, o workflow.RegisterOptions) {
	r[o.Name] = o.VersioningBehavior
}

func (registered) RegisterDynamicWorkflow(any, workflow.DynamicRegisterOptions) {
	panic("there are no dynamic workflows")
}

// TestEveryWorkflowHasABehavior: a workflow without one keeps a worker that is
// of a version from starting.
func TestEveryWorkflowHasABehavior(t *testing.T) {
	t.Parallel()
	got := registered{}
	workflows.Register(got)
	for name, behavior := range got {
		if behavior == workflow.VersioningBehaviorUnspecified {
			t.Errorf("%s does not say what a new version of the workers means to it", name)
		}
	}
	want := registered{
		contract.WorkflowApplication: workflow.VersioningBehaviorAutoUpgrade,
		contract.WorkflowDeployment:  workflow.VersioningBehaviorPinned,
		contract.WorkflowPlan:        workflow.VersioningBehaviorPinned,
	}
	for name, behavior := range want {
		if diff := cmp.Diff(behavior, got[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
