// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/HatiCode/nestor/activities/engine/fake"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/catalog/bundle"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/internal/driftschedule"
	"github.com/HatiCode/nestor/internal/parts"
	"github.com/HatiCode/nestor/internal/testplatform"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/compile"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/workers"
)

// TestDrift: what is changed behind Nestor's back is found, told and repaired,
// by hand and on schedule.
func TestDrift(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*site){
		"drift-found-and-repaired": driftFoundAndRepaired,
		"drift-unreadable":         driftUnreadable,
		"drift-overtaken":          driftOvertaken,
		"drift-on-schedule":        driftOnSchedule,
		"drift-needs-approval":     driftNeedsApproval,
		"drift-after-a-failure":    driftAfterAFailure,
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

// settle deploys the two nodes with success.
func (s *site) settle() composer.Release {
	s.t.Helper()
	r := s.sized(s.application, "3")
	s.wantStatus(s.Await(s.apply(r), patience), orchestrator.StatusSucceeded)
	return r
}

// tamper gives the cache another size behind everybody's back.
func (s *site) tamper(size int) {
	s.t.Helper()
	s.must(fake.Tamper(s.world(), s.scope("staging").String()+"/"+cache, "size", size))
}

// startDrift asks for a check the way the API does.
func (s *site) startDrift(repair bool) orchestrator.Drift {
	s.t.Helper()
	d, created, err := s.Compiler.Drift(s.t.Context(), compile.DriftRequest{
		Scope: s.scope("staging"), Trigger: orchestrator.TriggerManual, Repair: repair,
		RequestID: uuid.NewString(), Principal: "user:ada",
	})
	s.must(err)
	if !created {
		s.t.Fatalf("check %s runs already", d.ID)
	}
	_, err = s.Temporal.ExecuteWorkflow(s.t.Context(), client.StartWorkflowOptions{
		ID: orchestrator.DriftWorkflowID(d.Scope, d.ID), TaskQueue: contract.QueueControl,
	}, contract.WorkflowDrift, contract.DriftInput{
		Drift: d.ID, Scope: d.Scope, GraphDigest: d.GraphDigest, Principal: d.Principal,
	})
	s.must(err)
	return d
}

// drift checks and waits for the report.
func (s *site) drift(repair bool) orchestrator.Drift {
	s.t.Helper()
	return s.report(s.startDrift(repair).ID, repair)
}

// report waits for the end of a check and, if a repair is wanted, for what
// became of that.
func (s *site) report(id string, repair bool) orchestrator.Drift {
	s.t.Helper()
	var d orchestrator.Drift
	testplatform.Eventually(s.t, patience, "the drift check "+id, func() error {
		var err error
		if d, err = s.Registry.GetDrift(s.t.Context(), s.scope("staging"), id); err != nil {
			return err
		}
		settled := !repair || d.Status != orchestrator.DriftDrifted || d.Repaired != "" || d.Unrepaired != ""
		if d.Status == orchestrator.DriftRunning || !settled {
			return errNotYet
		}
		return nil
	})
	return d
}

func (s *site) wantDrift(d orchestrator.Drift, status orchestrator.DriftStatus, nodes ...string) {
	s.t.Helper()
	var got []string
	for _, n := range d.Nodes {
		var line strings.Builder
		fmt.Fprintf(&line, "%s %s", n.Node, n.State)
		for _, c := range n.Changes {
			fmt.Fprintf(&line, ": %s", c.Action)
			for _, a := range c.Attributes {
				fmt.Fprintf(&line, " %s %v -> %v", a.Path, a.Before, a.After)
			}
		}
		got = append(got, line.String())
	}
	if d.Status != status {
		s.t.Errorf("the check ended %s (%s), want %s", d.Status, d.Error, status)
	}
	if diff := cmp.Diff(nodes, got); diff != "" {
		s.t.Errorf("nodes (-want +got):\n%s", diff)
	}
}

func driftFoundAndRepaired(s *site) {
	r := s.settle()
	s.wantDrift(s.drift(false), orchestrator.DriftInSync)
	s.tamper(9)
	found := s.drift(false)
	s.wantDrift(found, orchestrator.DriftDrifted, "web.cache drifted: update size 9 -> 3")
	if found.Summary.Update != 1 || found.Tally != (orchestrator.DriftTally{Nodes: 2, InSync: 1, Differs: 1}) {
		s.t.Errorf("counts %+v, nodes %+v", found.Summary, found.Tally)
	}
	if found.Repaired != "" || found.Release != r.Digest || found.Fingerprint == "" {
		s.t.Errorf("a report alone: %+v", found)
	}
	repaired := s.drift(true)
	if repaired.Fingerprint != found.Fingerprint {
		s.t.Error("the same drift has another fingerprint")
	}
	d := s.Await(repaired.Repaired, patience)
	s.wantStatus(d, orchestrator.StatusSucceeded)
	if d.Trigger != orchestrator.TriggerDrift || d.Principal != "user:ada" || d.PlanID != repaired.ID || d.Release != r.Digest {
		s.t.Errorf("the repair is %+v", d)
	}
	s.record("drift-repaired", orchestrator.DriftWorkflowID(repaired.Scope, repaired.ID))
	s.wantDrift(s.drift(true), orchestrator.DriftInSync)
}

// driftAfterAFailure: a deployment that stops between two releases is told of, by
// every deployment that does not mend it and by the check, until one does.
func driftAfterAFailure(s *site) {
	before, after := s.settle(), s.sized(s.application, "4")
	s.must(fake.Inject(s.world(), s.scope("staging").String()+"/"+database, fake.Fault{Verb: fake.VerbUpdate, Times: -1}))
	req := contract.DeployRequest{
		Scope: s.scope("staging"), Kind: orchestrator.KindApply, Release: after.Digest, AutoApprove: true, OnFailure: orchestrator.OnFailureStop,
	}
	stopped, err := s.Deploy(req)
	s.must(err)
	s.wantLeft(s.Await(stopped, patience), orchestrator.StatusFailed, "web.cache", "web.database")
	again := s.Await(s.apply(after), patience)
	s.wantLeft(again, orchestrator.StatusRolledBack, "web.cache")
	back := "nestor rollback --env staging --to " + orchestrator.ShortDigest(before.Digest)
	if left := again.Residue[0]; left.Since != stopped || !strings.Contains(left.Action, back) {
		s.t.Errorf("carried on is %+v, want what %s left, and %s", left, stopped, back)
	}

	d := s.drift(true)
	s.wantDrift(d, orchestrator.DriftDrifted, "web.cache elsewhere")
	if d.Unsettled != again.ID || d.Nodes[0].Release != after.Digest || !strings.Contains(d.Unrepaired, back) {
		s.t.Errorf("the report: %+v", d)
	}

	req.Kind, req.Release, req.OnFailure = orchestrator.KindRollback, before.Digest, orchestrator.OnFailureRollback
	mended, err := s.Deploy(req)
	s.must(err)
	s.wantLeft(s.Await(mended, patience), orchestrator.StatusSucceeded)
	s.wantDrift(s.drift(false), orchestrator.DriftInSync)
}

// wantLeft fails unless a deployment ended so, and lists these nodes.
func (s *site) wantLeft(d orchestrator.Deployment, status orchestrator.Status, nodes ...string) {
	s.t.Helper()
	s.wantStatus(d, status)
	var left []string
	for _, r := range d.Residue {
		left = append(left, r.Node)
	}
	if diff := cmp.Diff(nodes, left); diff != "" {
		s.t.Errorf("deployment %s left (-want +got):\n%s", d.ID, diff)
	}
}

// stateOf is the file in which the fake engine keeps a node's state.
func (s *site) stateOf(node string) string {
	address := strings.ReplaceAll(s.scope("staging").String()+"/"+node, "/", "%2F")
	return filepath.Join(s.world(), "state", address+".json")
}

func driftUnreadable(s *site) {
	s.settle()
	s.tamper(9)
	s.must(os.WriteFile(s.stateOf(database), []byte(`{"serial": 1, "lin`), 0o600))
	d := s.drift(true)
	s.wantDrift(d, orchestrator.DriftDrifted, "web.cache drifted: update size 9 -> 3", "web.database unreadable")
	if d.Repaired != "" || !strings.Contains(d.Unrepaired, "some of it is not known: web.database: ") {
		s.t.Errorf("it must not be repaired blindly: %q %q", d.Repaired, d.Unrepaired)
	}
}

// driftOvertaken: a deployment that begins while a check runs makes its report
// void, and none can begin while one is at work.
func driftOvertaken(s *site) {
	r := s.settle()
	d, _, err := s.Compiler.Drift(s.t.Context(), compile.DriftRequest{
		Scope: s.scope("staging"), Trigger: orchestrator.TriggerManual, RequestID: "held", Principal: "user:ada",
	})
	s.must(err)
	s.wantStatus(s.Await(s.apply(r), patience), orchestrator.StatusSucceeded)
	closed, err := s.Registry.FinishDrift(s.t.Context(), "user:ada", d.Scope, d.ID, "")
	s.must(err)
	if closed.Status != orchestrator.DriftOvertaken || !strings.Contains(closed.Error, "a deployment ended while the check ran") {
		s.t.Errorf("it ended %s: %s", closed.Status, closed.Error)
	}
}

// policy sets what follows from drift that is found on schedule.
func (s *site) policy(action orchestrator.DriftAction, approvals int) {
	s.t.Helper()
	e, _, err := s.Registry.GetEnvironment(s.t.Context(), "staging")
	s.must(err)
	e.Spec.Approvals.Required = approvals
	e.Spec.Drift = &orchestrator.DriftPolicy{
		Schedule: orchestrator.DriftSchedule{Every: catalog.Duration(24 * 3600 * 1e9)}, Policy: action,
	}
	_, err = s.Registry.PutEnvironment(s.t.Context(), "user:platform", e, -1)
	s.must(err)
	s.must(driftschedule.Reconcile(s.t.Context(), s.Temporal.ScheduleClient(), e))
}

// round triggers the environment's schedule and waits for the report that is
// not among those known.
func (s *site) round(repair bool) orchestrator.Drift {
	s.t.Helper()
	before, err := s.Registry.ListDrifts(s.t.Context(), s.scope("staging"))
	s.must(err)
	handle := s.Temporal.ScheduleClient().GetHandle(s.t.Context(), driftschedule.ID("staging"))
	// The round before may be about to end.
	s.must(handle.Trigger(s.t.Context(), client.ScheduleTriggerOptions{
		Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ONE,
	}))
	var id string
	testplatform.Eventually(s.t, patience, "the round to check", func() error {
		now, err := s.Registry.ListDrifts(s.t.Context(), s.scope("staging"))
		if err != nil {
			return err
		}
		if len(now) == len(before) {
			return errNotYet
		}
		id = now[0].ID
		return nil
	})
	return s.report(id, repair)
}

// recordRound records the schedule's last round.
func (s *site) recordRound() {
	s.t.Helper()
	schedule, err := s.Temporal.ScheduleClient().GetHandle(s.t.Context(), driftschedule.ID("staging")).Describe(s.t.Context())
	s.must(err)
	rounds := schedule.Info.RecentActions
	if len(rounds) == 0 {
		s.t.Fatal("the schedule has begun no round")
	}
	s.record("round-one-page", rounds[len(rounds)-1].StartWorkflowResult.WorkflowID)
}

func driftOnSchedule(s *site) {
	s.settle()
	s.policy(orchestrator.DriftReport, 0)
	s.tamper(9)
	d := s.round(false)
	s.wantDrift(d, orchestrator.DriftDrifted, "web.cache drifted: update size 9 -> 3")
	if d.Trigger != orchestrator.TriggerSchedule || d.Principal != "drift:staging" || d.Repaired != "" {
		s.t.Errorf("a report by policy: %+v", d)
	}
	s.recordRound()
	s.policy(orchestrator.DriftRepair, 0)
	for n := range 3 {
		d = s.round(true)
		repair := s.Await(d.Repaired, patience)
		s.wantStatus(repair, orchestrator.StatusSucceeded)
		if repair.Principal != "drift:staging" || repair.Trigger != orchestrator.TriggerDrift {
			s.t.Errorf("repair %d is %+v", n, repair)
		}
		s.tamper(10 + n) // somebody is at it again, with another value
	}
	d = s.round(true)
	if d.Repaired != "" || !strings.Contains(d.Unrepaired, "the same drift came back after 3 repairs") {
		s.t.Errorf("a repair loop: %q %q", d.Repaired, d.Unrepaired)
	}
	e, _, err := s.Registry.GetEnvironment(s.t.Context(), "staging")
	s.must(err)
	e.Spec.Drift = nil
	s.must(driftschedule.Reconcile(s.t.Context(), s.Temporal.ScheduleClient(), e))
	if _, err := s.Temporal.ScheduleClient().GetHandle(s.t.Context(), driftschedule.ID("staging")).Describe(s.t.Context()); err == nil {
		s.t.Error("the schedule is still there without a policy")
	}
}

// driftNeedsApproval: an environment that asks for approvals is not changed
// without them by a policy either.
func driftNeedsApproval(s *site) {
	s.settle()
	s.policy(orchestrator.DriftRepair, 1)
	s.tamper(9)
	first := s.round(true)
	d := s.Await(first.Repaired, patience, orchestrator.StatusAwaitingApproval)
	if d.PlanID != first.ID || !strings.Contains(d.Reason, "1 more approval(s), from others than drift:staging") {
		s.t.Errorf("it waits with plan %s because %q", d.PlanID, d.Reason)
	}
	second := s.round(true)
	if second.Repaired != "" || !strings.Contains(second.Unrepaired, d.ID+" is awaiting_approval") {
		s.t.Errorf("another repair while one waits: %q %q", second.Repaired, second.Unrepaired)
	}
	s.signal(contract.SignalApprove, contract.DecisionSignal{Deployment: d.ID, Principal: "user:eve"})
	s.wantStatus(s.Await(d.ID, patience), orchestrator.StatusSucceeded)
	s.wantDrift(s.drift(false), orchestrator.DriftInSync)
}

// TestDriftOfOpenTofu: a file that was changed, and one that was deleted, behind
// OpenTofu's back.
func TestDriftOfOpenTofu(t *testing.T) {
	t.Parallel()
	s := &site{
		Platform: testplatform.New(t, testplatform.StartTemporal(t, "drift-tofu"), "drift-tofu"),
		t:        t, team: "alpha", application: "drift-tofu",
	}
	s.Config.Roles, s.Config.Slots = []string{workers.RoleControl, workers.RoleTerraform}, 2
	s.Config.MirrorDir = parts.Mirror(t)
	definitions, err := catalog.ParseDefinitions("file.yaml", s.read("catalog/file.yaml"))
	s.must(err)
	files, err := bundle.Pack(os.DirFS("testdata/catalog"), []string{"modules/file"})
	s.must(err)
	_, _, err = s.Catalog.Publish(t.Context(), "user:platform", definitions[0], files)
	s.must(err)
	compositions, err := composer.ParseComposition("page.yaml", s.read("page.yaml"))
	s.must(err)
	_, _, err = s.Compositions.PutComposition(t.Context(), "user:alpha", compositions[0], -1)
	s.must(err)
	s.environments()
	s.StartWorker()
	path := filepath.Join(t.TempDir(), "page")
	r, _, err := s.Compiler.CreateRelease(t.Context(), "user:ada", compile.ReleaseRequest{
		Team: s.team, Application: s.application, Claims: []composer.Claim{{
			Instance: "web", Composition: "page", Parameters: map[string]string{"path": path}, File: "main.go", Line: 1,
		}},
	})
	s.must(err)
	s.wantStatus(s.Await(s.apply(r), patience), orchestrator.StatusSucceeded)
	s.must(os.WriteFile(path, []byte("by hand"), 0o600))

	found := s.drift(true)
	if found.Status != orchestrator.DriftDrifted || len(found.Nodes) != 1 || found.Nodes[0].Node != "web.file" {
		t.Fatalf("the check ended %s (%s) with %+v", found.Status, found.Error, found.Nodes)
	}
	node := found.Nodes[0]
	if len(node.Changes) != 1 || !strings.Contains(node.Changes[0].Address, "local_file.it") || !strings.Contains(node.Changes[0].Reason, "somebody else") {
		t.Errorf("it must say which resource, and that somebody else was at it: %+v", node.Changes)
	}
	s.wantStatus(s.Await(found.Repaired, patience), orchestrator.StatusSucceeded)
	if data, err := os.ReadFile(path); err != nil || string(data) != "as it was" {
		t.Errorf("after the repair the file has %q (%v)", data, err)
	}
	s.must(os.Remove(path + ".copy"))
	gone := s.drift(false)
	if diff := cmp.Diff([]string{"module.node.local_file.it"}, gone.Nodes[0].Deleted); diff != "" || gone.Nodes[0].Node != "web.copy" {
		t.Errorf("what was deleted is named (-want +got):\n%s", diff)
	}
}
