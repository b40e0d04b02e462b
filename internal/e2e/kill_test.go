// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"testing"
	"time"

	"github.com/HatiCode/nestor/internal/testplatform"
	"github.com/HatiCode/nestor/orchestrator"
)

// TestWorkerKilled: a worker that dies with SIGKILL while OpenTofu is in the
// middle of a creation costs time, and nothing else.
func TestWorkerKilled(t *testing.T) {
	t.Parallel()
	program := testplatform.Binary(t, "nestor-worker")
	temporal := testplatform.StartTemporal(t, "killed-held", "killed-done", "killed-twice")

	t.Run("the engine finishes after the new worker came", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, temporal, "killed-held")
		worker := s.StartWorkerProcess(program)
		id := s.apply(s.release(map[string]string{"hold": s.hold()}))
		s.eventuallyEffect("create web-deployment")
		worker.Kill()
		s.StartWorkerProcess(program)
		s.eventuallyRetried(id, "web.deployment")
		s.letGo()
		s.wantWhole(id)
	})
	t.Run("the engine finishes while there is no worker", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, temporal, "killed-done")
		worker := s.StartWorkerProcess(program)
		id := s.apply(s.release(map[string]string{"hold": s.hold()}))
		s.eventuallyEffect("create web-deployment")
		worker.Kill()
		s.letGo()
		s.StartWorkerProcess(program)
		s.wantWhole(id)
	})
	t.Run("two workers die one after the other", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, temporal, "killed-twice")
		worker := s.StartWorkerProcess(program)
		id := s.apply(s.release(map[string]string{"hold": s.hold()}))
		s.eventuallyEffect("create web-database")
		worker.Kill()
		worker = s.StartWorkerProcess(program)
		s.eventuallyEffect("create web-deployment")
		worker.Kill()
		s.StartWorkerProcess(program)
		s.letGo()
		s.wantWhole(id)
	})
}

// eventuallyRetried waits until a second attempt of a node's step has begun.
func (s *site) eventuallyRetried(deployment, node string) {
	s.t.Helper()
	testplatform.Eventually(s.t, patience, "a second attempt of "+node, func() error {
		run, err := s.Registry.Run(s.t.Context(), deployment, node)
		if err == nil && run.Attempt < 2 {
			err = errNotYet
		}
		return err
	})
}

// wantWhole: the deployment succeeded, and each of its three resources was
// created once.
func (s *site) wantWhole(id string) {
	s.t.Helper()
	s.wantStatus(s.Await(id, patience+time.Minute), orchestrator.StatusSucceeded)
	s.wantNoDuplicate()
	if n := len(s.effects()); n != 3 {
		s.t.Errorf("want three creations and nothing else, got %v", s.effects())
	}
}
