// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"os"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/HatiCode/nestor/orchestrator/contract"
)

// nextDeployment is the Deployment of a made-up next release, which waits a
// moment before it begins. That is guarded as versions.go asks for, unless the
// test wants to see what happens without.
func nextDeployment(ctx workflow.Context, in contract.DeploymentInput) (contract.DeploymentResult, error) {
	guarded := os.Getenv("NESTOR_TEST_UNGUARDED") == ""
	if !guarded || workflow.GetVersion(ctx, "changeMomentFirst", workflow.DefaultVersion, 1) == 1 {
		if err := workflow.Sleep(ctx, time.Millisecond); err != nil {
			return contract.DeploymentResult{}, err
		}
	}
	return Deployment(ctx, in)
}
