// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/HatiCode/nestor/activities/engine/fake"
	"github.com/HatiCode/nestor/internal/testplatform"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
	"github.com/HatiCode/nestor/workers"
)

// TestWorkerFrozen: a worker that was frozen in the middle of a creation, and
// comes back when another one has its step, changes nothing any more.
func TestWorkerFrozen(t *testing.T) {
	t.Parallel()
	program := testplatform.Binary(t, "nestor-worker")
	temporal := testplatform.StartTemporal(t, "frozen")
	s := &site{Platform: testplatform.New(t, temporal, "frozen"), t: t, team: "alpha", application: "frozen"}
	s.Config.Roles = []string{workers.RoleControl, workers.RoleFake}
	s.fakes()
	open := s.shut()
	frozen := s.StartWorkerProcess(program)
	id := s.apply(s.things("small"))
	s.eventuallyMade(1)
	s.kill(frozen, syscall.SIGSTOP)

	s.StartWorkerProcess(program)
	s.eventuallyRetried(id, "web.thing")
	s.kill(frozen, syscall.SIGCONT)
	testplatform.Eventually(t, patience, "the late worker to say that it came late", func() error {
		chunks, err := s.Registry.Logs(t.Context(), id, "web.thing", 0)
		if err != nil {
			return err
		}
		for _, c := range chunks {
			if strings.Contains(c.Text, "attempt 1 ") && strings.Contains(c.Text, "came late") {
				return nil
			}
		}
		return errNotYet
	})
	open()
	s.wantStatus(s.Await(id, patience), orchestrator.StatusSucceeded)

	run, err := s.Registry.Run(t.Context(), id, "web.thing")
	s.must(err)
	if run.Status != orchestrator.NodeReady || run.Attempt < 2 || run.Lease == nil || run.Lease.PID == frozen.PID() {
		t.Errorf("the result is not the later attempt's: %+v", run)
	}
	ended := 0
	for doc, err := range store.All(t.Context(), s.Store, store.Query{Partition: registry.EventStream(id)}) {
		s.must(err)
		var e orchestrator.Event
		s.must(doc.Decode(&e))
		if e.Type == orchestrator.EventNodeDone {
			ended++
		}
	}
	if ended != 1 {
		t.Errorf("the step has %d results", ended)
	}
	s.eventuallyMade(1)
	tenures, err := s.Registry.Tenures(t.Context(), s.scope("staging"))
	s.must(err)
	if len(tenures) > 0 {
		t.Errorf("a lease is left: %+v", tenures)
	}
}

func (s *site) kill(w *testplatform.WorkerProcess, sig syscall.Signal) {
	s.t.Helper()
	s.must(syscall.Kill(w.PID(), sig))
}

// eventuallyMade waits until the fake engine's world has seen so many effects,
// and fails when it has seen more.
func (s *site) eventuallyMade(effects int) {
	s.t.Helper()
	testplatform.Eventually(s.t, patience, fmt.Sprintf("%d effects in the world", effects), func() error {
		ledger, err := fake.Ledger(s.Config.DataDir + "/fake")
		if err != nil {
			return err
		}
		if len(ledger) > effects {
			s.t.Fatalf("there are duplicates: %v", ledger)
		}
		if len(ledger) < effects {
			return errNotYet
		}
		return nil
	})
}
