// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"

	"github.com/HatiCode/nestor/orchestrator"
)

// LastActed is the last deployment before the nth that is over, had started and
// was no adoption: what it left is what its scope is in. found is false where
// there is none.
func (r *Registry) LastActed(ctx context.Context, s orchestrator.Scope, n int64) (d orchestrator.Deployment, found bool, err error) {
	for n--; n > 0; n-- {
		d, err := r.GetDeployment(ctx, orchestrator.DeploymentID(s, n))
		if err != nil {
			return d, false, err
		}
		if d.Status.Final() && !d.StartedAt.IsZero() && d.Kind != orchestrator.KindAdopt {
			return d, true, nil
		}
	}
	return orchestrator.Deployment{}, false, nil
}
