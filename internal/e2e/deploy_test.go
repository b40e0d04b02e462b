// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"testing"
	"time"

	"github.com/HatiCode/nestor/internal/testplatform"
	"github.com/HatiCode/nestor/orchestrator"
)

// patience bounds a deployment of a few OpenTofu nodes on a busy machine.
const patience = 30 * time.Second

func TestDeploy(t *testing.T) {
	t.Setenv("NESTOR_SECRET_CANARY", canary)
	temporal := testplatform.StartTemporal(t)
	s := newSite(t, temporal)
	s.StartWorker()

	d := s.Await(s.apply("staging", s.release(map[string]string{"size": "3"})), patience)
	s.wantStatus(d, orchestrator.StatusSucceeded)
	s.wantOutputs("staging", "web.deployment", map[string]any{
		"address": "web-deployment:1", "upstream": "web-database:3/web-cache:1", "secret": nil,
	})
}
