// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/internal/testplatform"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/compile"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/store"
)

// TestAdoption: what exists becomes a node with no change, in the plan, in the
// next apply and in the world; an adoption that would change it leaves nothing.
func TestAdoption(t *testing.T) {
	t.Parallel()
	const application = "adoption"
	temporal := testplatform.StartTemporal(t, application)
	s := newFakeSite(t, temporal, application)
	s.StartWorker()
	elsewhere := s.sized("elsewhere", "3")
	id, err := s.Deploy(contract.DeployRequest{
		Scope: orchestrator.Scope{Team: s.team, Application: "elsewhere", Environment: "staging"},
		Kind:  orchestrator.KindApply, Release: elsewhere.Digest, AutoApprove: true,
	})
	s.must(err)
	s.wantStatus(s.Await(id, patience), orchestrator.StatusSucceeded)

	other := s.adopt(s.sized(application, "4"))
	s.wantStatus(other, orchestrator.StatusRolledBack)
	if !strings.Contains(other.Error, "adopting web.cache would change: update") || len(other.Residue) > 0 {
		t.Errorf("it ended with %q and left %v", other.Error, other.Residue)
	}
	if _, err := s.Registry.Head(t.Context(), s.scope("staging"), cache); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a head is left: %v", err)
	}
	s.record("deployment-adopt-refused", other.ID)

	r := s.sized(application, "3")
	adopted := s.adopt(r)
	s.wantStatus(adopted, orchestrator.StatusSucceeded)
	s.record("deployment-adopted", adopted.ID)
	state, err := s.Registry.Scope(t.Context(), s.scope("staging"))
	s.must(err)
	if state.Release != "" {
		t.Errorf("the adoption has become a release: %+v", state)
	}
	plan := s.plan(r)
	if want := (orchestrator.Counts{Create: 1}); plan.Status != orchestrator.PlanReady || plan.Summary != want {
		t.Fatalf("the next plan is %s with %+v (%s), want the database alone", plan.Status, plan.Summary, plan.Error)
	}
	s.wantStatus(s.Await(s.apply(r), patience), orchestrator.StatusSucceeded)
	runs, err := s.Registry.NodeStates(t.Context(), orchestrator.DeploymentID(s.scope("staging"), adopted.N+1))
	s.must(err)
	changed := map[string]bool{}
	for _, run := range runs {
		changed[run.Node] = run.Changed
	}
	if diff := cmp.Diff(map[string]bool{cache: false, database: true}, changed); diff != "" {
		t.Errorf("what the next apply changed (-want +got):\n%s", diff)
	}
	if plan := s.plan(r); plan.Summary.Total() != 0 {
		t.Errorf("afterwards a plan shows %+v", plan.Summary)
	}
}

// sized is a release of an application with two nodes.
func (s *site) sized(application, size string) composer.Release {
	s.t.Helper()
	r, _, err := s.Compiler.CreateRelease(s.t.Context(), "user:ada", compile.ReleaseRequest{
		Team: s.team, Application: application, Claims: []composer.Claim{{
			Instance: "web", Composition: "pair", Parameters: map[string]string{"size": size}, File: "main.go", Line: 1,
		}},
	})
	s.must(err)
	return r
}

// adopt takes the cache of the application elsewhere over, and waits for the end.
func (s *site) adopt(r composer.Release) orchestrator.Deployment {
	s.t.Helper()
	id, err := s.Deploy(contract.DeployRequest{
		Scope: s.scope("staging"), Kind: orchestrator.KindAdopt, Release: r.Digest, AutoApprove: true,
		Adoption: &orchestrator.Adoption{Node: cache, Reference: s.team + "/elsewhere/staging/" + cache},
	})
	s.must(err)
	return s.Await(id, patience)
}
