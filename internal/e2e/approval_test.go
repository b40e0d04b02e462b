// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/activities/engine/fake"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/catalog/bundle"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/internal/testplatform"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/compile"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// The two nodes of these tests, which know nothing of each other.
const (
	cache    = "web.cache"
	database = "web.database"
)

// TestDeploymentsThatAsk: nodes that would go beyond what was approved wait for
// a decision, each for its own, by those who may decide.
func TestDeploymentsThatAsk(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*site){
		"paused-both-approved": bothApproved,
		"paused-one-rejected":  oneRejected,
		"paused-others-decide": othersDecide,
		"paused-canceled":      pausedCanceled,
	}
	temporal := testplatform.StartTemporal(t, slices.Sorted(maps.Keys(tests))...)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newFakeSite(t, temporal, name)
			s.StartWorker()
			test(s)
		})
	}
}

// newFakeSite is a site whose one environment has the fake engine.
func newFakeSite(t *testing.T, temporal *testplatform.Temporal, application string) *site {
	t.Helper()
	s := &site{Platform: testplatform.New(t, temporal, application), t: t, team: "alpha", application: application}
	definitions, err := catalog.ParseDefinitions("catalog.yaml", s.read("fake/catalog.yaml"))
	s.must(err)
	_, _, err = s.Catalog.Publish(t.Context(), "user:platform", definitions[0], bundle.Bundle{})
	s.must(err)
	compositions, err := composer.ParseComposition("pair.yaml", s.read("fake/pair.yaml"))
	s.must(err)
	_, _, err = s.Compositions.PutComposition(t.Context(), "user:alpha", compositions[0], -1)
	s.must(err)
	s.asking(0)
	return s
}

// asking sets how many others have to approve.
func (s *site) asking(required int) {
	s.t.Helper()
	_, err := s.Registry.PutEnvironment(s.t.Context(), "user:platform", orchestrator.Environment{
		APIVersion: orchestrator.APIVersion, Kind: orchestrator.KindEnvironment,
		Metadata: orchestrator.EnvironmentMetadata{Name: "staging"},
		Spec: orchestrator.EnvironmentSpec{
			Provider: "aws", Engines: []string{"fake"}, Approvals: orchestrator.Approvals{Required: required},
		},
	}, -1)
	s.must(err)
}

// drifted deploys two nodes, asks for the same again with a plan that shows no
// change, and lets the world change in between.
func (s *site) drifted(required int, auto bool) (deployment string) {
	s.t.Helper()
	r, _, err := s.Compiler.CreateRelease(s.t.Context(), "user:ada", compile.ReleaseRequest{
		Team: s.team, Application: s.application, Claims: []composer.Claim{{
			Instance: "web", Composition: "pair", Parameters: map[string]string{"size": "3"}, File: "main.go", Line: 1,
		}},
	})
	s.must(err)
	s.wantStatus(s.Await(s.apply(r), patience), orchestrator.StatusSucceeded)
	plan := s.plan(r)
	if plan.Status != orchestrator.PlanReady || plan.Summary.Total() != 0 {
		s.t.Fatalf("the plan is %s with %+v, want no change", plan.Status, plan.Summary)
	}
	s.asking(required)
	for _, node := range []string{cache, database} {
		s.must(fake.Tamper(s.world(), s.scope("staging").String()+"/"+node, "size", 9))
	}
	id, err := s.Deploy(contract.DeployRequest{
		Scope: s.scope("staging"), Kind: orchestrator.KindApply, Release: r.Digest, PlanID: plan.ID, AutoApprove: auto,
	})
	s.must(err)
	return id
}

func (s *site) world() string { return filepath.Join(s.Config.DataDir, "fake") }

// awaitPaused waits until exactly these nodes of a deployment are paused.
func (s *site) awaitPaused(id string, nodes ...string) map[string]orchestrator.NodeChange {
	s.t.Helper()
	changes := map[string]orchestrator.NodeChange{}
	testplatform.Eventually(s.t, patience, fmt.Sprintf("%v to be paused", nodes), func() error {
		d, err := s.Registry.GetDeployment(s.t.Context(), id)
		if err != nil {
			return err
		}
		clear(changes)
		for _, p := range d.Paused {
			changes[p.Node] = p.Change()
			if !strings.Contains(d.Reason, p.Node) || !strings.Contains(p.Message, "would be updated") {
				s.t.Errorf("it is paused because %q, which does not tell of %s: %q", d.Reason, p.Node, p.Message)
			}
		}
		if !slices.Equal(slices.Sorted(maps.Keys(changes)), nodes) || d.Status != orchestrator.StatusPaused {
			return fmt.Errorf("it is %s: %s", d.Status, d.Reason)
		}
		return nil
	})
	return changes
}

// decided are the decisions of a deployment without times.
func (s *site) decided(id string) []orchestrator.Approval {
	s.t.Helper()
	d, err := s.Registry.GetDeployment(s.t.Context(), id)
	s.must(err)
	for i := range d.Approvals {
		d.Approvals[i].Time = time.Time{}
	}
	return d.Approvals
}

// awaitDecisions waits until as many decisions are recorded.
func (s *site) awaitDecisions(id string, n int) {
	s.t.Helper()
	testplatform.Eventually(s.t, patience, "the decisions to be recorded", func() error {
		if got := len(s.decided(id)); got != n {
			return fmt.Errorf("there are %d of %d", got, n)
		}
		return nil
	})
}

func (s *site) wantUpdated(want ...string) {
	s.t.Helper()
	lines, err := fake.Ledger(s.world())
	s.must(err)
	var updated []string
	for _, line := range lines {
		if node, ok := strings.CutPrefix(line, "update "); ok {
			updated = append(updated, node)
		}
	}
	slices.Sort(updated)
	if diff := cmp.Diff(want, updated); diff != "" {
		s.t.Errorf("updates (-want +got):\n%s", diff)
	}
}

// The principal of a deployment may approve what it did not foresee, where
// nobody else has to.
func bothApproved(s *site) {
	id := s.drifted(0, false)
	paused := s.awaitPaused(id, cache, database)
	s.signal(contract.SignalApprove, contract.DecisionSignal{
		Deployment: id, Principal: "user:test", Changes: []orchestrator.NodeChange{paused[cache], paused[database]},
	})
	d := s.Await(id, patience)
	s.wantStatus(d, orchestrator.StatusSucceeded)
	s.record("deployment-paused-approved", id)
	if len(d.Paused) > 0 {
		s.t.Errorf("it is over, with %v paused", d.Paused)
	}
	s.wantUpdated(cache, database)
	want := []orchestrator.Approval{
		{Principal: "user:test", Approved: true, Node: cache, ChangeDigest: paused[cache].ChangeDigest},
		{Principal: "user:test", Approved: true, Node: database, ChangeDigest: paused[database].ChangeDigest},
	}
	if diff := cmp.Diff(want, s.decided(id)); diff != "" {
		s.t.Errorf("decisions (-want +got):\n%s", diff)
	}
}

// A decision is about one change set of one node, and about no other.
func oneRejected(s *site) {
	id := s.drifted(0, false)
	paused := s.awaitPaused(id, cache, database)
	decide := func(name, who, comment string, change orchestrator.NodeChange) {
		s.signal(name, contract.DecisionSignal{
			Deployment: id, Principal: who, Comment: comment, Changes: []orchestrator.NodeChange{change},
		})
	}
	// One that names nothing, and one about what is no longer true.
	s.signal(contract.SignalApprove, contract.DecisionSignal{Deployment: id, Principal: "user:eve"})
	stale := orchestrator.NodeChange{Node: cache, ChangeDigest: "sha256:older"}
	decide(contract.SignalReject, "user:eve", "", stale)
	s.awaitDecisions(id, 2)
	s.awaitPaused(id, cache, database)
	decide(contract.SignalApprove, "user:eve", "fine", paused[database])
	s.awaitPaused(id, cache)
	decide(contract.SignalApprove, "user:eve", "again", paused[database])
	decide(contract.SignalReject, "user:bob", "not like this", paused[cache])
	d := s.Await(id, patience)
	s.wantStatus(d, orchestrator.StatusRolledBack)
	s.record("deployment-paused-rejected", id)
	if !strings.Contains(d.Error, cache) || !strings.Contains(d.Error, "user:bob: not like this") {
		s.t.Errorf("who rejected what and why must be told, got %q", d.Error)
	}
	want := []orchestrator.Approval{
		{Principal: "user:eve", Approved: true, ChangeDigest: d.ChangeDigest, Void: "the deployment had begun, and it names no node"},
		{Principal: "user:eve", Node: cache, ChangeDigest: "sha256:older", Void: "the change set of " + cache + " is another by now"},
		{Principal: "user:eve", Approved: true, Comment: "fine", Node: database, ChangeDigest: paused[database].ChangeDigest},
		{
			Principal: "user:eve", Approved: true, Comment: "again", Node: database, ChangeDigest: paused[database].ChangeDigest,
			Void: database + " waits for no decision",
		},
		{Principal: "user:bob", Comment: "not like this", Node: cache, ChangeDigest: paused[cache].ChangeDigest},
	}
	if diff := cmp.Diff(want, s.decided(id)); diff != "" {
		s.t.Errorf("decisions (-want +got):\n%s", diff)
	}
}

// Where others have to approve, they do so for nodes too, and --yes does not
// speak for them.
func othersDecide(s *site) {
	id := s.drifted(2, true)
	s.Await(id, patience, orchestrator.StatusAwaitingApproval)
	for _, who := range []string{"user:eve", "user:bob"} {
		s.signal(contract.SignalApprove, contract.DecisionSignal{Deployment: id, Principal: who})
	}
	paused := s.awaitPaused(id, cache, database)
	both := []orchestrator.NodeChange{paused[cache], paused[database]}
	s.signal(contract.SignalApprove, contract.DecisionSignal{Deployment: id, Principal: "user:test", Changes: both})
	for range 2 {
		s.signal(contract.SignalApprove, contract.DecisionSignal{Deployment: id, Principal: "user:eve", Changes: both})
	}
	s.awaitDecisions(id, 6)
	s.awaitPaused(id, cache, database)
	s.wantUpdated()
	s.signal(contract.SignalApprove, contract.DecisionSignal{Deployment: id, Principal: "user:bob", Changes: both[1:]})
	s.awaitPaused(id, cache)
	s.signal(contract.SignalApprove, contract.DecisionSignal{Deployment: id, Principal: "user:ann", Changes: both[:1]})
	s.wantStatus(s.Await(id, patience), orchestrator.StatusSucceeded)
	s.wantUpdated(cache, database)
	void := 0
	for _, a := range s.decided(id) {
		if a.Principal == "user:test" && a.Void == "staging asks for approvals from others than user:test" {
			void++
		}
	}
	if void != 2 {
		s.t.Errorf("one's own approval must be recorded as void, got %+v", s.decided(id))
	}
}

func pausedCanceled(s *site) {
	id := s.drifted(0, false)
	s.awaitPaused(id, cache, database)
	s.signal(contract.SignalCancel, contract.CancelSignal{Deployment: id, Principal: "user:ada"})
	d := s.Await(id, patience)
	s.wantStatus(d, orchestrator.StatusCanceled)
	if len(d.Paused) > 0 {
		s.t.Errorf("it is over, with %v paused", d.Paused)
	}
}
