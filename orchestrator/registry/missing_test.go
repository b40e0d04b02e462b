// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"errors"
	"testing"

	"github.com/HatiCode/nestor/store"
)

// Nobody who asks for what is not there knows what a document is.
func TestMissing(t *testing.T) {
	t.Parallel()
	f := open(t)
	ctx := t.Context()
	_, deployment := f.GetDeployment(ctx, "alpha/shop/staging/7")
	_, _, environment := f.GetEnvironment(ctx, "qa")
	_, plan := f.GetPlan(ctx, "p1")
	_, promotion := f.GetPromotion(ctx, "p2")
	_, graph := f.GetGraph(ctx, "sha256:0")
	_, latest := f.LatestDeployment(ctx, scope())
	for want, err := range map[string]error{
		"there is no deployment alpha/shop/staging/7":                  deployment,
		"there is no environment qa":                                   environment,
		"there is no plan p1":                                          plan,
		"there is no promotion p2":                                     promotion,
		"there is no graph sha256:0":                                   graph,
		"application shop of team alpha was never deployed to staging": latest,
	} {
		if !errors.Is(err, store.ErrNotFound) || err.Error() != want {
			t.Errorf("got %q, want %q and store.ErrNotFound", err, want)
		}
	}
}
