// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/HatiCode/nestor/internal/testplatform"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/compile"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

// patience bounds a deployment of a few OpenTofu nodes on a busy machine.
const patience = 3 * time.Minute

// TestDeployments shares one Temporal dev server among its subtests; each has
// an application world of its own.
func TestDeployments(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*site){
		"outputs-flow":          outputsFlow,
		"update-in-place":       updateInPlace,
		"failure-rolls-back":    failureRollsBack,
		"first-failure-cleans":  firstFailureCleans,
		"half-made-is-cleaned":  halfMadeIsCleaned,
		"stopped-half-way":      stoppedHalfWay,
		"stopped-upstream":      stoppedUpstream,
		"one-waits-for-another": oneWaits,
		"cancel-a-running-one":  cancelRunning,
		"cancel-a-queued-one":   cancelQueued,
		"promotion":             promotion,
		"destroy":               destroy,
		"rollback-to-a-release": rollback,
		"approval":              approval,
		"terminated-workflow":   terminated,
		"plan-with-unknowns":    planWithUnknowns,
		"plan-overtaken":        planOvertaken,
		"plan-rejected":         planRejected,
		"secrets":               secretsStaySealed,
		"forgotten-node":        forgotten,
	}
	temporal := testplatform.StartTemporal(t, slices.Sorted(maps.Keys(tests))...)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, temporal, name)
			s.StartWorker()
			test(s)
		})
	}
}

func outputsFlow(s *site) {
	d := s.Await(s.apply(s.release(map[string]string{"size": "3"})), patience)
	s.wantStatus(d, orchestrator.StatusSucceeded)
	s.record("deployment-succeeded", d.ID)
	s.wantOutputs("staging", "web.deployment", map[string]any{
		"address": "web-deployment:1", "upstream": "web-database:3/web-cache:1", "secret": nil,
	})
	created := s.effects()
	if created[2] != "create web-deployment" {
		s.t.Errorf("the deployment must come after database and cache, got %v", created)
	}
	// The same again: nothing is touched.
	d = s.Await(s.apply(s.release(map[string]string{"size": "3"})), patience)
	s.wantStatus(d, orchestrator.StatusSucceeded)
	s.wantEffects(created)
	runs, err := s.Registry.NodeStates(s.t.Context(), d.ID)
	s.must(err)
	for _, run := range runs {
		if run.Changed {
			s.t.Errorf("%s was changed by a deployment of the same release", run.Node)
		}
	}
}

func updateInPlace(s *site) {
	s.wantStatus(s.Await(s.apply(s.release(map[string]string{"size": "3"})), patience), orchestrator.StatusSucceeded)
	s.wantStatus(s.Await(s.apply(s.release(map[string]string{"size": "5"})), patience), orchestrator.StatusSucceeded)
	s.wantOutputs("staging", "web.deployment", map[string]any{
		"address": "web-deployment:1", "upstream": "web-database:5/web-cache:1", "secret": nil,
	})
	if n := len(s.effects()); n != 3 {
		s.t.Errorf("an update in place creates nothing, got %v", s.effects())
	}
}

func failureRollsBack(s *site) {
	s.wantStatus(s.Await(s.apply(s.release(map[string]string{"size": "3"})), patience), orchestrator.StatusSucceeded)
	before := s.outputs("staging", "web.deployment")
	d := s.Await(s.apply(s.release(map[string]string{"size": "9", "fail": "true"})), patience)
	s.wantStatus(d, orchestrator.StatusRolledBack)
	s.record("deployment-rolled-back", d.ID)
	if !strings.Contains(d.Error, "told to fail: web-deployment") {
		s.t.Errorf("the error must be the engine's own, got %q", d.Error)
	}
	s.wantOutputs("staging", "web.deployment", before)
	s.wantOutputs("staging", "web.database", map[string]any{"address": "web-database:3", "upstream": "", "secret": nil})
	state, err := s.Registry.Scope(s.t.Context(), s.scope("staging"))
	s.must(err)
	if state.Deployment != s.scope("staging").String()+"/1" {
		s.t.Errorf("what is deployed is still the first, got %s", state.Deployment)
	}
}

func firstFailureCleans(s *site) {
	d := s.Await(s.apply(s.release(map[string]string{"fail": "true"})), patience)
	s.wantStatus(d, orchestrator.StatusRolledBack)
	s.record("deployment-first-failed", d.ID)
	s.wantBalanced()
}

// wantBalanced: as much was destroyed as was created, and no node is left.
func (s *site) wantBalanced() {
	s.t.Helper()
	heads, err := s.Registry.Heads(s.t.Context(), s.scope("staging"))
	s.must(err)
	if len(heads) > 0 {
		s.t.Errorf("everything that was created is destroyed, yet there is %v", heads)
	}
	created, destroyed := 0, 0
	for _, line := range s.effects() {
		if strings.HasPrefix(line, "create") {
			created++
		} else {
			destroyed++
		}
	}
	if created != destroyed || created == 0 {
		s.t.Errorf("as much is destroyed as was created, got %v", s.effects())
	}
}

func halfMadeIsCleaned(s *site) {
	d := s.Await(s.apply(s.release(map[string]string{"breaks": "true"})), patience)
	s.wantStatus(d, orchestrator.StatusRolledBack)
	s.record("deployment-half-made", d.ID)
	if !strings.Contains(d.Error, "broken half way") {
		s.t.Errorf("the error must be the engine's own, got %q", d.Error)
	}
	s.wantBalanced()
}

func stoppedHalfWay(s *site) {
	id, err := s.Deploy(contract.DeployRequest{
		Scope: s.scope("staging"), Kind: orchestrator.KindApply, AutoApprove: true, OnFailure: orchestrator.OnFailureStop,
		Release: s.release(map[string]string{"breaks": "true"}).Digest,
	})
	s.must(err)
	d := s.Await(id, patience)
	left := []string{"web.cache", "web.database", "web.deployment"}
	s.wantLeft(d, orchestrator.StatusFailed, left...)
	for _, r := range d.Residue {
		if r.Address == "" || r.Since != "" {
			s.t.Errorf("what is left must be named with its address, and is this deployment's: %+v", r)
		}
	}
	// A later failure cannot take the node back to what it never was, whether the
	// engine was asked for something or not. Its own comes first.
	left = []string{"web.deployment", "web.cache", "web.database"}
	for _, parameters := range []map[string]string{{"fail": "true"}, {"breaks": "true", "size": "2"}} {
		d = s.Await(s.apply(s.release(parameters)), patience)
		s.wantLeft(d, orchestrator.StatusFailed, left...)
		if d.Residue[0].Since != "" || d.Residue[2].Since != id {
			s.t.Errorf("two were made by %s, and the third is in doubt by each that comes to it: %+v", id, d.Residue)
		}
	}
	id, err = s.Deploy(contract.DeployRequest{Scope: s.scope("staging"), Kind: orchestrator.KindDestroy, AutoApprove: true})
	s.must(err)
	s.wantStatus(s.Await(id, patience), orchestrator.StatusSucceeded)
	s.wantBalanced()
}

// stoppedUpstream: a node that was made by half under two graphs, and whose
// dependent never began, can be destroyed.
func stoppedUpstream(s *site) {
	for _, size := range []string{"1", "2"} {
		id, err := s.Deploy(contract.DeployRequest{
			Scope: s.scope("staging"), Kind: orchestrator.KindApply, AutoApprove: true, OnFailure: orchestrator.OnFailureStop,
			Release: s.release(map[string]string{"databaseBreaks": "true", "size": size}).Digest,
		})
		s.must(err)
		s.wantStatus(s.Await(id, patience), orchestrator.StatusFailed)
	}
	plan := s.Plan(compile.PlanRequest{Scope: s.scope("staging"), Kind: orchestrator.KindDestroy})
	if plan.Status != orchestrator.PlanReady {
		s.t.Errorf("the plan of the destruction is %s: %s", plan.Status, plan.Error)
	}
	id, err := s.Deploy(contract.DeployRequest{Scope: s.scope("staging"), Kind: orchestrator.KindDestroy, AutoApprove: true})
	s.must(err)
	s.wantStatus(s.Await(id, patience), orchestrator.StatusSucceeded)
	s.wantBalanced()
}

func oneWaits(s *site) {
	r := s.release(map[string]string{"hold": s.hold()})
	first := s.apply(r)
	s.Await(first, patience, orchestrator.StatusRunning)
	second := s.apply(s.release(map[string]string{"size": "2"}))
	s.eventuallyEffect("create web-deployment")
	if d := s.Await(second, time.Second, orchestrator.StatusQueued); d.N != 2 {
		s.t.Errorf("the second deployment has number %d", d.N)
	}
	s.letGo()
	one, two := s.Await(first, patience), s.Await(second, patience)
	s.wantStatus(one, orchestrator.StatusSucceeded)
	s.wantStatus(two, orchestrator.StatusSucceeded)
	if two.StartedAt.Before(one.FinishedAt) {
		s.t.Errorf("the second began at %s, before the first ended at %s", two.StartedAt, one.FinishedAt)
	}
}

func cancelRunning(s *site) {
	id := s.apply(s.release(map[string]string{"hold": s.hold()}))
	s.eventuallyEffect("create web-deployment")
	s.signal(contract.SignalCancel, contract.CancelSignal{Deployment: id, Principal: "user:ada"})
	s.eventuallySignaled(id)
	s.letGo()
	d := s.Await(id, patience)
	s.wantStatus(d, orchestrator.StatusCanceled)
	s.record("deployment-canceled", d.ID)
	if len(d.Residue) > 0 {
		s.t.Errorf("everything is taken back, yet there is left %v", d.Residue)
	}
	heads, err := s.Registry.Heads(s.t.Context(), s.scope("staging"))
	s.must(err)
	if len(heads) > 0 {
		s.t.Errorf("after a canceled first deployment nothing is there, got %v", heads)
	}
}

// eventuallySignaled waits until a signal has reached a Deployment workflow: it
// comes by way of the application's.
func (s *site) eventuallySignaled(id string) {
	s.t.Helper()
	testplatform.Eventually(s.t, patience, "the signal to reach "+id, func() error {
		events := s.Temporal.GetWorkflowHistory(s.t.Context(), id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for events.HasNext() {
			event, err := events.Next()
			if err != nil {
				return err
			}
			if event.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED {
				return nil
			}
		}
		return errNotYet
	})
}

func cancelQueued(s *site) {
	first := s.apply(s.release(map[string]string{"hold": s.hold()}))
	s.eventuallyEffect("create web-deployment")
	second := s.apply(s.release(map[string]string{"size": "7"}))
	s.signal(contract.SignalCancel, contract.CancelSignal{Deployment: second, Principal: "user:ada", Reason: "not now"})
	d := s.Await(second, patience)
	s.wantStatus(d, orchestrator.StatusCanceled)
	if !strings.Contains(d.Error, "user:ada") || !strings.Contains(d.Error, "not now") {
		s.t.Errorf("who canceled and why must be told, got %q", d.Error)
	}
	s.letGo()
	s.wantStatus(s.Await(first, patience), orchestrator.StatusSucceeded)
	s.record("application-queue-canceled", s.team+"/"+s.application)
}

func promotion(s *site) {
	ctx := s.t.Context()
	req := compile.PromotionRequest{
		Team: s.team, Application: s.application, From: "staging", To: "production",
		AutoApprove: true, OnFailure: orchestrator.OnFailureRollback,
	}
	if _, err := s.Compiler.Promotion(ctx, "user:ada", req); err == nil {
		s.t.Fatal("what was never deployed was promoted")
	}
	r := s.release(map[string]string{"size": "4"})
	s.wantStatus(s.Await(s.apply(r), patience), orchestrator.StatusSucceeded)
	p, err := s.Compiler.Promotion(ctx, "user:ada", req)
	s.must(err)
	s.signal(contract.SignalPromote, contract.PromoteSignal{Promotion: p.ID, Principal: "user:ada"})
	testplatform.Eventually(s.t, patience, "the promotion to become a deployment", func() error {
		p, err = s.Registry.GetPromotion(ctx, p.ID)
		if err == nil && p.Deployment == "" {
			err = errNotYet
		}
		return err
	})
	d := s.Await(p.Deployment, patience)
	s.wantStatus(d, orchestrator.StatusSucceeded)
	s.record("application-promoted", s.team+"/"+s.application)
	if d.Release != r.Digest || d.Kind != orchestrator.KindPromote {
		s.t.Errorf("promoted %s as %s, want the very release %s", d.Release, d.Kind, r.Digest)
	}
	s.wantOutputs("production", "web.database", map[string]any{"address": "web-database:4", "upstream": "", "secret": nil})
}

func destroy(s *site) {
	s.wantStatus(s.Await(s.apply(s.release(nil)), patience), orchestrator.StatusSucceeded)
	id, err := s.Deploy(contract.DeployRequest{Scope: s.scope("staging"), Kind: orchestrator.KindDestroy, AutoApprove: true})
	s.must(err)
	s.wantStatus(s.Await(id, patience), orchestrator.StatusSucceeded)
	s.record("deployment-destroyed", id)
	lines := s.effects()
	if len(lines) != 6 || lines[3] != "destroy web-deployment" {
		s.t.Errorf("what depends on others goes first, got %v", lines)
	}
	heads, err := s.Registry.Heads(s.t.Context(), s.scope("staging"))
	s.must(err)
	if len(heads) > 0 {
		s.t.Errorf("nothing is there after a destruction, got %v", heads)
	}
}

func rollback(s *site) {
	first := s.release(map[string]string{"size": "3"})
	s.wantStatus(s.Await(s.apply(first), patience), orchestrator.StatusSucceeded)
	s.wantStatus(s.Await(s.apply(s.release(map[string]string{"size": "8"})), patience), orchestrator.StatusSucceeded)
	id, err := s.Deploy(contract.DeployRequest{
		Scope: s.scope("staging"), Kind: orchestrator.KindRollback, Release: first.Digest, AutoApprove: true,
	})
	s.must(err)
	s.wantStatus(s.Await(id, patience), orchestrator.StatusSucceeded)
	s.wantOutputs("staging", "web.database", map[string]any{"address": "web-database:3", "upstream": "", "secret": nil})
}

func approval(s *site) {
	ctx := s.t.Context()
	e, _, err := s.Registry.GetEnvironment(ctx, "staging")
	s.must(err)
	e.Spec.Approvals.Required = 1
	_, err = s.Registry.PutEnvironment(ctx, "user:platform", e, -1)
	s.must(err)
	r := s.release(nil)
	id, err := s.Deploy(contract.DeployRequest{
		Scope: s.scope("staging"), Kind: orchestrator.KindApply, Release: r.Digest, PlanID: s.plan(r).ID, AutoApprove: true,
	})
	s.must(err)
	s.Await(id, patience, orchestrator.StatusAwaitingApproval)
	// One's own approval does not count.
	s.signal(contract.SignalApprove, contract.DecisionSignal{Deployment: id, Principal: "user:test"})
	s.signal(contract.SignalApprove, contract.DecisionSignal{Deployment: id, Principal: "user:eve", Comment: "fine"})
	d := s.Await(id, patience)
	s.wantStatus(d, orchestrator.StatusSucceeded)
	s.record("application-approved", s.team+"/"+s.application)
	var who []string
	for _, a := range d.Approvals {
		who = append(who, a.Principal)
	}
	if diff := cmp.Diff([]string{"user:test", "user:eve"}, who); diff != "" {
		s.t.Errorf("approvals (-want +got):\n%s", diff)
	}
}

func terminated(s *site) {
	id := s.apply(s.release(map[string]string{"hold": s.hold()}))
	s.eventuallyEffect("create web-deployment")
	s.must(s.Temporal.TerminateWorkflow(s.t.Context(), id, "", "by the test"))
	s.letGo()
	d := s.Await(id, patience)
	s.wantStatus(d, orchestrator.StatusFailed)
	if !strings.Contains(d.Error, "Terminated") {
		s.t.Errorf("the end must be told, got %q", d.Error)
	}
	// The lane is free again, and the next deployment finds out what is there.
	// (The resource itself may be made anew: its creation was interrupted.)
	s.wantStatus(s.Await(s.apply(s.release(nil)), patience), orchestrator.StatusSucceeded)
}

func secretsStaySealed(s *site) {
	d := s.Await(s.apply(s.release(nil)), patience)
	s.wantStatus(d, orchestrator.StatusSucceeded)
	head, err := s.Registry.Head(s.t.Context(), s.scope("staging"), "web.database")
	s.must(err)
	values, err := s.Registry.RevealOutputs(s.t.Context(), head)
	s.must(err)
	if !slices.ContainsFunc(values, func(v registry.OutputValue) bool { return v.Value == canary }) {
		s.t.Fatal("the secret did not reach the engine, so that its absence elsewhere proves nothing")
	}
	s.must(filepath.WalkDir(s.Config.DataDir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || strings.Contains(path, "/state/") {
			return err // Terraform's own state is the user's backend
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(canary)) {
			s.t.Errorf("%s holds the secret in clear", path)
		}
		return err
	}))
	history := s.Temporal.GetWorkflowHistory(s.t.Context(), d.ID, "", false, 0)
	for history.HasNext() {
		event, err := history.Next()
		s.must(err)
		if strings.Contains(event.String(), canary) {
			s.t.Errorf("event %d of the history holds the secret in clear", event.GetEventId())
		}
	}
}

// signal the application's workflow, starting it if need be, as the API does.
func (s *site) signal(name string, arg any) {
	s.t.Helper()
	id := orchestrator.ApplicationWorkflowID(s.team, s.application)
	_, err := s.Temporal.SignalWithStartWorkflow(s.t.Context(), id, name, arg,
		client.StartWorkflowOptions{ID: id, TaskQueue: contract.QueueControl},
		contract.WorkflowApplication, contract.ApplicationInput{Team: s.team, Application: s.application})
	s.must(err)
}
