// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

// adopt asks to take a release of Helm over into a node.
func adopt(scope orchestrator.Scope, release, node string) contract.DeployRequest {
	req := deploy(scope, release)
	req.Kind, req.Adoption = orchestrator.KindAdopt, &orchestrator.Adoption{Node: node, Reference: "shop/db"}
	return req
}

// adopted carries an adoption out as the workflow does.
func (f *fixture) adopted(req contract.DeployRequest, status orchestrator.Status) {
	f.t.Helper()
	ctx := f.t.Context()
	f.must(f.Compiler.CheckDeploy(ctx, req))
	d, err := f.Registry.Accept(ctx, req, "")
	f.must(err)
	p := f.prepare(d.ID)
	if p.Refused != "" || p.ApprovalsMissing > 0 {
		f.t.Fatalf("the adoption cannot run: %+v", p)
	}
	f.must(f.Registry.SetStatus(ctx, contract.StatusInput{Deployment: d.ID, Status: orchestrator.StatusRunning, Principal: ada}))
	if status == orchestrator.StatusSucceeded {
		n, found := f.graph(p.Input.GraphDigest).Node(req.Adoption.Node)
		if !found {
			f.t.Fatalf("%s is not in the graph", req.Adoption.Node)
		}
		f.given(d, p.Input.GraphDigest, n)
	}
	f.must(f.Registry.Finish(ctx, contract.FinishInput{Deployment: d.ID, Status: status, Principal: ada}))
}

// given is step with outputs.
func (f *fixture) given(d orchestrator.Deployment, graph string, n composer.Node) {
	f.t.Helper()
	head := orchestrator.NodeHead{
		Scope: d.Scope, Node: n.ID, Engine: n.Engine, GraphDigest: graph, InputDigest: n.InputDigest, StateRef: "shop/db",
		Definition: n.Definition, DefinitionDigest: n.DefinitionDigest, Status: orchestrator.NodeReady,
	}
	run := orchestrator.NodeRun{Deployment: d.ID, Node: n.ID, Action: orchestrator.StepAdopt, Attempt: 1}
	a, err := f.Registry.Begin(f.t.Context(), ada, d.Scope, run, head)
	f.must(err)
	f.must(f.Registry.Commit(f.t.Context(), a, registry.Commit{
		Head: &head, Status: orchestrator.NodeReady, Inputs: []registry.OutputValue{},
		Outputs: []registry.OutputValue{{Name: "endpoint", Type: "string", Value: "db.example"}},
	}))
}

func TestPrepareAdoption(t *testing.T) {
	t.Parallel()
	f := setup(t)
	release := f.release("shop", "small")
	d, err := f.Registry.Accept(t.Context(), adopt(in("dev"), release.Digest, "web.database"), "")
	f.must(err)
	p := f.prepare(d.ID)
	want := contract.Prepared{Input: contract.DeploymentInput{
		Deployment: d.ID, Scope: in("dev"), Kind: orchestrator.KindAdopt, Release: release.Digest,
		GraphDigest: p.Input.GraphDigest, OnFailure: orchestrator.OnFailureRollback, Principal: ada,
		MaxInFlight: orchestrator.DefaultMaxInFlight, Adopt: "web.database",
	}, Nodes: 1, Queues: []string{"nestor-engine-fake"}}
	if diff := cmp.Diff(want, p); diff != "" || p.Input.GraphDigest == "" {
		t.Errorf("prepared (-want +got):\n%s", diff)
	}
}

// After an adoption the environment is at the release it was at, and the next
// graph has what was adopted before it.
func TestAdoptionInBetween(t *testing.T) {
	t.Parallel()
	f := setup(t)
	release := f.release("shop", "small")
	f.adopted(adopt(in("dev"), release.Digest, "web.database"), orchestrator.StatusSucceeded)
	if diff := cmp.Diff([]string{"web.database"}, ids(f.graph(f.previous(in("dev"))))); diff != "" {
		t.Errorf("what is there (-want +got):\n%s", diff)
	}
	state, err := f.Registry.Scope(t.Context(), in("dev"))
	f.must(err)
	if state.Release != "" || len(state.Exercised) > 0 || state.Basis != 1 {
		t.Errorf("the scope after an adoption: %+v", state)
	}
	_, _, err = f.Compiler.Promotable(t.Context(), "alpha", "shop", "dev", "staging")
	wantRefusal(t, "an adoption is no deployment that could be promoted", err, "nothing of shop is deployed in dev", "nestor apply --env dev")

	// What needs its outputs can be adopted now.
	f.adopted(adopt(in("dev"), release.Digest, "web.deployment"), orchestrator.StatusSucceeded)
	f.run(deploy(in("dev"), release.Digest), orchestrator.StatusSucceeded)
	promotable := func(reason string) {
		t.Helper()
		got, _, err := f.Compiler.Promotable(t.Context(), "alpha", "shop", "dev", "staging")
		if err != nil || got != release.Digest {
			t.Errorf("%s: %q, %v", reason, got, err)
		}
	}
	promotable("a deployment after adoptions")

	// One that failed and left nothing behind does not matter, and none hides
	// what went before.
	other := f.release("other", "small")
	scope := orchestrator.Scope{Team: "alpha", Application: "other", Environment: "dev"}
	f.run(deploy(scope, other.Digest), orchestrator.StatusSucceeded, "web.database")
	f.adopted(adopt(scope, other.Digest, "web.deployment"), orchestrator.StatusRolledBack)
	if _, _, err := f.Compiler.Promotable(t.Context(), "alpha", "other", "dev", "staging"); err != nil {
		t.Errorf("after a failed adoption: %v", err)
	}
	f.run(deploy(scope, other.Digest), orchestrator.StatusFailed, "web.database")
	f.adopted(adopt(scope, other.Digest, "web.deployment"), orchestrator.StatusSucceeded)
	_, _, err = f.Compiler.Promotable(t.Context(), "alpha", "other", "dev", "staging")
	wantRefusal(t, "an adoption does not mend a deployment", err, "ended failed")
}

func TestAdoptionRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(f *fixture, req *contract.DeployRequest)
		want   []string
		reason string
	}{
		"no such node": {
			change: func(_ *fixture, req *contract.DeployRequest) { req.Adoption.Node = "web.databse" },
			want:   []string{`shop has no node "web.databse" in dev`, `did you mean "web.database"?`}, reason: "a misspelt node",
		},
		"far from any": {
			change: func(_ *fixture, req *contract.DeployRequest) { req.Adoption.Node = "x" },
			want:   []string{"its nodes are web.database, web.deployment"}, reason: "another application's node",
		},
		"needs outputs": {
			change: func(_ *fixture, req *contract.DeployRequest) { req.Adoption.Node = "web.deployment" },
			want:   []string{"web.deployment takes inputs from what is not deployed in dev: web.database", "adopt or deploy that first"}, reason: "its inputs are not known",
		},
		"deployed": {
			change: func(f *fixture, req *contract.DeployRequest) {
				f.run(deploy(in("dev"), req.Release), orchestrator.StatusSucceeded)
			},
			want: []string{"web.database is deployed in dev already (deployment alpha/shop/dev/1)"}, reason: "there is a state already",
		},
		"nothing to adopt": {
			change: func(_ *fixture, req *contract.DeployRequest) { req.Adoption.Reference = "" },
			want:   []string{"either a state or a reference"}, reason: "what would it be",
		},
		"two things": {
			change: func(f *fixture, req *contract.DeployRequest) {
				req.Adoption.State = true
				_, err := f.Registry.PutSource(f.t.Context(), req.Scope, req.RequestID, registry.Source{State: json.RawMessage(`{}`)})
				f.must(err)
			},
			want: []string{"either a state or a reference"}, reason: "which one",
		},
		"no adoption": {
			change: func(_ *fixture, req *contract.DeployRequest) { req.Adoption = nil },
			want:   []string{"an adoption needs a node"}, reason: "of what",
		},
		"no release": {
			change: func(_ *fixture, req *contract.DeployRequest) { req.Release = "" },
			want:   []string{"adopt needs a release"}, reason: "nodes are a release's",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			req := adopt(in("dev"), f.release("shop", "small").Digest, "web.database")
			tc.change(f, &req)
			wantRefusal(t, tc.reason, f.Compiler.CheckDeploy(t.Context(), req), tc.want...)
			d, err := f.Registry.Accept(t.Context(), req, "")
			f.must(err)
			if p := f.prepare(d.ID); p.Refused == "" {
				t.Errorf("%s: it may run: %+v", tc.reason, p)
			}
			if err := f.Compiler.CheckDeploy(t.Context(), req); err != nil {
				t.Errorf("%s: a repeated request gets its first answer, not %v", tc.reason, err)
			}
		})
	}
}

// An adoption needs the approvals that its environment asks for.
func TestAdoptionNeedsApproval(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.environment("dev", "", func(s *orchestrator.EnvironmentSpec) { s.Approvals.Required = 1 })
	req := adopt(in("dev"), f.release("shop", "small").Digest, "web.database")
	f.must(f.Compiler.CheckDeploy(t.Context(), req))
	d, err := f.Registry.Accept(t.Context(), req, "")
	f.must(err)
	if p := f.prepare(d.ID); p.ApprovalsMissing != 1 || p.Replan != nil || p.Refused != "" {
		t.Fatalf("prepared %+v, want that one approval is missing", p)
	}
	approve := func(who string) {
		f.must(f.Registry.SetStatus(t.Context(), contract.StatusInput{
			Deployment: d.ID, Principal: who, Approvals: []orchestrator.Approval{{Principal: who, Approved: true}},
		}))
	}
	approve(ada)
	if p := f.prepare(d.ID); p.ApprovalsMissing != 1 {
		t.Errorf("its own principal's approval counts: %+v", p)
	}
	approve("user:bo")
	if p := f.prepare(d.ID); p.ApprovalsMissing != 0 || p.Input.Adopt != "web.database" || p.Input.ApprovalsRequired != 1 {
		t.Errorf("approved: %+v", p)
	}
}
