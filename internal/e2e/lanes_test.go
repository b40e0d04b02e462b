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
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/catalog/bundle"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/internal/testplatform"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/compile"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/workers"
)

// fakeDefinition has a gate: while the file is there, a creation is held up.
const fakeDefinition = `apiVersion: catalog.nestor.io/v1
kind: ResourceDefinition
metadata: {name: thing, version: "1.0.0"}
spec:
  provider: aws
  category: test
  resourceType: thing
  engines: [fake]
  inputs: [{name: size, type: string}]
  implementations: {fake: {settings: {hold: gate}}}
`

const fakeComposition = `apiVersion: composer.nestor.io/v1
kind: ComposedResource
metadata: {name: things, team: alpha}
spec:
  params: [{name: size, type: string, default: small}]
  resources: [{name: thing, catalogRef: thing, config: {size: "{{ .params.size }}"}}]
`

const noFakeWorker = "no worker serves the queue nestor-engine-fake; start one with NESTOR_QUEUES=fake"

// TestLanes shares one Temporal dev server, and has the fake engine.
func TestLanes(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*site){
		"application-terminated":  applicationTerminated,
		"application-canceled":    applicationCanceled,
		"cancel-after-terminate":  cancelAfterTerminate,
		"engine-without-a-worker": engineWithoutAWorker,
		"plan-without-a-worker":   planWithoutAWorker,
		"busy-worker-is-seen":     busyWorkerIsSeen,
		"request-id-per-scope":    requestIDPerScope,
	}
	temporal := testplatform.StartTemporal(t, slices.Sorted(maps.Keys(tests))...)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &site{Platform: testplatform.New(t, temporal, name), t: t, team: "alpha", application: name}
			s.Config.Roles = []string{workers.RoleControl, workers.RoleFake}
			s.fakes()
			test(s)
		})
	}
}

// fakes publishes what the fake engine makes, and two environments for it.
func (s *site) fakes() {
	s.t.Helper()
	ctx := s.t.Context()
	definitions, err := catalog.ParseDefinitions("thing.yaml", []byte(fakeDefinition))
	s.must(err)
	_, _, err = s.Catalog.Publish(ctx, "user:platform", definitions[0], bundle.Bundle{})
	s.must(err)
	compositions, err := composer.ParseComposition("things.yaml", []byte(fakeComposition))
	s.must(err)
	_, _, err = s.Compositions.PutComposition(ctx, "user:alpha", compositions[0], -1)
	s.must(err)
	for _, name := range []string{"staging", "production"} {
		_, err := s.Registry.PutEnvironment(ctx, "user:platform", orchestrator.Environment{
			APIVersion: orchestrator.APIVersion, Kind: orchestrator.KindEnvironment,
			Metadata: orchestrator.EnvironmentMetadata{Name: name},
			Spec:     orchestrator.EnvironmentSpec{Provider: "aws", Engines: []string{"fake"}},
		}, -1)
		s.must(err)
	}
}

// things is a release of one thing.
func (s *site) things(size string) composer.Release {
	s.t.Helper()
	r, _, err := s.Compiler.CreateRelease(s.t.Context(), "user:ada", compile.ReleaseRequest{
		Team: s.team, Application: s.application,
		Claims: []composer.Claim{{
			Instance: "web", Composition: "things", Parameters: map[string]string{"size": size}, File: "main.go", Line: 1,
		}},
	})
	s.must(err)
	return r
}

// shut holds creations up, until the gate is opened.
func (s *site) shut() (open func()) {
	s.t.Helper()
	world := filepath.Join(s.Config.DataDir, "fake")
	s.must(os.MkdirAll(world, 0o700))
	s.must(os.WriteFile(filepath.Join(world, "gate"), nil, 0o600))
	return func() { s.must(os.Remove(filepath.Join(world, "gate"))) }
}

// held starts a deployment that stands at the gate, and one that waits for it.
func (s *site) held() (first, second string, open func()) {
	s.t.Helper()
	open = s.shut()
	s.StartWorker()
	r := s.things("small")
	first = s.apply(r)
	s.Await(first, patience, orchestrator.StatusRunning)
	second = s.apply(r)
	return first, second, open
}

// wantOneByOne: the deployments succeeded, each after the one before it.
func (s *site) wantOneByOne(ids ...string) {
	s.t.Helper()
	var before orchestrator.Deployment
	for _, id := range ids {
		d := s.Await(id, patience)
		s.wantStatus(d, orchestrator.StatusSucceeded)
		if d.StartedAt.Before(before.FinishedAt) {
			s.t.Errorf("%s began at %s, before %s ended at %s", d.ID, d.StartedAt, before.ID, before.FinishedAt)
		}
		before = d
	}
}

// applicationTerminated: whoever terminates the Application loses nothing: the
// next request starts another, which goes on where that one was.
func applicationTerminated(s *site) {
	first, second, open := s.held()
	s.must(s.Temporal.TerminateWorkflow(s.t.Context(), s.team+"/"+s.application, "", "by the test"))
	third := s.apply(s.things("large"))
	// Its lane is known now: the first runs, and nothing else does.
	for _, id := range []string{second, third} {
		if d := s.Await(id, time.Second, orchestrator.StatusQueued); !d.StartedAt.IsZero() {
			s.t.Errorf("%s began beside %s", id, first)
		}
	}
	s.Await(first, time.Second, orchestrator.StatusRunning)
	open()
	s.wantOneByOne(first, second, third)
	s.record("application-taken-up", s.team+"/"+s.application)
}

// applicationCanceled: a cancel of the Application changes nothing.
func applicationCanceled(s *site) {
	first, second, open := s.held()
	s.must(s.Temporal.CancelWorkflow(s.t.Context(), s.team+"/"+s.application, ""))
	third := s.apply(s.things("large"))
	open()
	s.wantOneByOne(first, second, third)
}

// cancelAfterTerminate: a signal reaches a deployment although its Application
// was terminated.
func cancelAfterTerminate(s *site) {
	first, second, open := s.held()
	s.must(s.Temporal.TerminateWorkflow(s.t.Context(), s.team+"/"+s.application, "", "by the test"))
	s.signal(contract.SignalCancel, contract.CancelSignal{Deployment: second, Principal: "user:ada"})
	s.wantStatus(s.Await(second, patience), orchestrator.StatusCanceled)
	s.signal(contract.SignalCancel, contract.CancelSignal{Deployment: first, Principal: "user:ada"})
	s.wantStatus(s.Await(first, patience), orchestrator.StatusCanceled)
	open()
}

// engineWithoutAWorker: a deployment waits for the worker of its engine and
// says so; it can be canceled while it does, and begins when there is one.
func engineWithoutAWorker(s *site) {
	s.Config.Roles = []string{workers.RoleControl}
	s.StartWorker()
	first := s.apply(s.things("small"))
	second := s.apply(s.things("large"))
	waits := func(id string) {
		testplatform.Eventually(s.t, patience, id+" to say what it waits for", func() error {
			d, err := s.Registry.GetDeployment(s.t.Context(), id)
			if err == nil && (d.Status != orchestrator.StatusQueued || d.Reason != noFakeWorker) {
				err = fmt.Errorf("it is %s (%s)", d.Status, d.Reason)
			}
			return err
		})
	}
	waits(first)
	s.signal(contract.SignalCancel, contract.CancelSignal{Deployment: first, Principal: "user:ada"})
	s.wantStatus(s.Await(first, patience), orchestrator.StatusCanceled)
	waits(second)
	s.Config.Roles = []string{workers.RoleFake}
	s.StartWorker()
	d := s.Await(second, patience)
	s.wantStatus(d, orchestrator.StatusSucceeded)
	if d.Reason != "" {
		s.t.Errorf("it has ended and still says %q", d.Reason)
	}
}

func planWithoutAWorker(s *site) {
	s.Config.Roles = []string{workers.RoleControl}
	s.StartWorker()
	ctx := s.t.Context()
	plan, err := s.Compiler.Plan(ctx, "user:ada", compile.PlanRequest{
		Scope: s.scope("staging"), Kind: orchestrator.KindApply, Release: s.things("small").Digest,
	})
	s.must(err)
	run, err := s.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: "plan/" + plan.ID, TaskQueue: contract.QueueControl},
		contract.WorkflowPlan, contract.PlanInput{
			Plan: plan.ID, Scope: plan.Scope, GraphDigest: plan.GraphDigest, Principal: "user:ada", Patience: 200 * time.Millisecond,
		})
	s.must(err)
	s.must(run.Get(ctx, nil))
	plan, err = s.Registry.GetPlan(ctx, plan.ID)
	s.must(err)
	if want := "web.thing: " + noFakeWorker; plan.Status != orchestrator.PlanFailed || plan.Error != want {
		s.t.Errorf("the plan is %s with %q, want failed with %q", plan.Status, plan.Error, want)
	}
}

// busyWorkerIsSeen: an engine's worker is seen even while it asks for no
// activity, since it asks for workflows as well.
func busyWorkerIsSeen(s *site) {
	s.StartWorker()
	testplatform.Eventually(s.t, patience, "the worker to ask for workflows", func() error {
		res, err := s.Temporal.DescribeTaskQueue(s.t.Context(), contract.EngineQueue("fake"), enumspb.TASK_QUEUE_TYPE_WORKFLOW)
		if err == nil && len(res.GetPollers()) == 0 {
			err = errNotYet
		}
		return err
	})
}

// requestIDPerScope: one request id counts once in each environment, and with
// one body.
func requestIDPerScope(s *site) {
	s.StartWorker()
	req := contract.DeployRequest{
		RequestID: "one", Kind: orchestrator.KindApply, Release: s.things("small").Digest, AutoApprove: true,
	}
	for _, environment := range []string{"staging", "production"} {
		req.Scope = s.scope(environment)
		for range 2 {
			id, err := s.Deploy(req)
			s.must(err)
			if want := s.scope(environment).String() + "/1"; id != want {
				s.t.Errorf("the request became %s, want %s", id, want)
			}
			s.wantStatus(s.Await(id, patience), orchestrator.StatusSucceeded)
		}
	}
	req.Release = s.things("large").Digest
	if id, err := s.Deploy(req); err == nil || !strings.Contains(err.Error(), "send another Idempotency-Key") {
		s.t.Errorf("another request with the same id became %q (%v)", id, err)
	}
}
