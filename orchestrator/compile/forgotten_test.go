// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/compile"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

const forgotten = "web.database"

// forget is a person's statement about the database of dev, which is deployed.
func (f *fixture) forget() (release string) {
	f.t.Helper()
	r := f.release("shop", "small")
	f.run(deploy(in("dev"), r.Digest), orchestrator.StatusSucceeded)
	_, err := f.Registry.Forget(f.t.Context(), registry.Statement{Scope: in("dev"), Node: forgotten, Principal: ada, Reason: "its state was lost"})
	f.must(err)
	return r.Digest
}

func (f *fixture) plan(kind orchestrator.Kind, release string) orchestrator.Plan {
	f.t.Helper()
	plan, err := f.Compiler.Plan(f.t.Context(), ada, compile.PlanRequest{Scope: in("dev"), Kind: kind, Release: release})
	f.must(err)
	return plan
}

// TestForgottenIsNotThere for a deployment that brings it, which then takes back
// what it makes; whoever takes everything out has to look for it.
func TestForgottenIsNotThere(t *testing.T) {
	t.Parallel()
	f := setup(t)
	release := f.forget()
	applied := f.plan(orchestrator.KindApply, release)
	if diff := cmp.Diff([]string{"web.deployment"}, ids(f.graph(applied.PreviousGraphDigest))); diff != "" {
		t.Errorf("what is there for an apply (-want +got):\n%s", diff)
	}
	destroyed := f.plan(orchestrator.KindDestroy, "")
	if diff := cmp.Diff([]string{forgotten, "web.deployment"}, ids(f.graph(destroyed.PreviousGraphDigest))); diff != "" {
		t.Errorf("what is there for a destruction (-want +got):\n%s", diff)
	}
	d, err := f.Registry.Accept(t.Context(), deploy(in("dev"), release), "")
	f.must(err)
	prepared, err := f.Compiler.Prepare(t.Context(), d.ID, ada)
	f.must(err)
	if prepared.Input.PreviousGraphDigest != applied.PreviousGraphDigest || len(prepared.Input.Partial) > 0 {
		t.Errorf("what is walked: %+v", prepared)
	}
}

// TestDriftOfWhatWasForgotten is reported, can be repaired by somebody who looks,
// and is not repaired by a policy.
func TestDriftOfWhatWasForgotten(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.environment("dev", "", repairing)
	f.forget()
	d := f.drifted(orchestrator.TriggerSchedule, orchestrator.NodeNotKnown)
	d, err := f.Registry.GetDrift(t.Context(), d.Scope, d.ID)
	f.must(err)
	if d.Status != orchestrator.DriftDrifted || len(d.Nodes) != 1 || d.Nodes[0].State != orchestrator.NodeNotKnown {
		t.Errorf("the report: %s, %+v", d.Status, d.Nodes)
	}
	if why := f.repair(d); !strings.Contains(why, "web.database was forgotten") {
		t.Errorf("a policy repairs it: %q", why)
	}
	if why := f.repair(f.drifted(orchestrator.TriggerManual, orchestrator.NodeNotKnown)); why != "" {
		t.Errorf("nobody can repair it: %s", why)
	}
}

// TestAdoptIntoWhatWasForgotten: its place is known, and is not left behind by
// accident.
func TestAdoptIntoWhatWasForgotten(t *testing.T) {
	t.Parallel()
	f := setup(t)
	release := f.release("shop", "small")
	f.must(f.place(release.Digest, "legacy/db"))
	adopt := func(ref string) error {
		req := deploy(in("dev"), release.Digest)
		req.Kind, req.Adoption = orchestrator.KindAdopt, &orchestrator.Adoption{Node: forgotten, Reference: ref}
		return f.Compiler.CheckDeploy(t.Context(), req)
	}
	wantRefusal(t, "another place", adopt("legacy/other"), "web.database was forgotten", "legacy/db", "nestor forget web.database --env dev --gone")
	if err := adopt("legacy/db"); err != nil {
		t.Errorf("its own place is refused: %v", err)
	}
}

// place makes the database of dev one that was adopted at a place, and forgotten.
func (f *fixture) place(release, ref string) error {
	f.t.Helper()
	d := f.run(deploy(in("dev"), release), orchestrator.StatusSucceeded)
	head, err := f.Registry.Head(f.t.Context(), in("dev"), forgotten)
	f.must(err)
	head.StateRef = ref
	run := orchestrator.NodeRun{Deployment: d.ID, Node: forgotten, Action: orchestrator.StepApply, Attempt: 2}
	a, err := f.Registry.Begin(f.t.Context(), ada, in("dev"), run, head)
	f.must(err)
	f.must(f.Registry.Commit(f.t.Context(), a, registry.Commit{Head: &head, Inputs: []registry.OutputValue{}, Status: orchestrator.NodeReady}))
	_, err = f.Registry.Forget(f.t.Context(), registry.Statement{Scope: in("dev"), Node: forgotten, Principal: ada})
	return err
}
