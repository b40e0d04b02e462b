// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

func (f *fixture) prepare(id string) contract.Prepared {
	f.t.Helper()
	p, err := f.Compiler.Prepare(f.t.Context(), id, ada)
	f.must(err)
	return p
}

func TestPrepare(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.environment("dev", "", func(s *orchestrator.EnvironmentSpec) { s.MaxInFlight = 900 })
	small, large := f.release("shop", "small"), f.release("shop", "large")
	first := f.run(deploy(in("dev"), small.Digest), orchestrator.StatusSucceeded)
	plan := f.readyPlan(in("dev"), orchestrator.KindApply, large.Digest, "")
	req := deploy(in("dev"), large.Digest)
	req.PlanID, req.AutoApprove = plan.ID, false
	d, err := f.Registry.Accept(t.Context(), req, "")
	f.must(err)

	want := contract.Prepared{Input: contract.DeploymentInput{
		Deployment: d.ID, Scope: in("dev"), Kind: orchestrator.KindApply, Release: large.Digest,
		GraphDigest: plan.GraphDigest, PreviousGraphDigest: f.deployment(first.ID).GraphDigest,
		OnFailure: orchestrator.OnFailureRollback, Principal: ada, MaxInFlight: orchestrator.LimitMaxInFlight,
	}, Nodes: 2, Queues: []string{"nestor-engine-fake"}}
	for range 2 {
		if diff := cmp.Diff(want, f.prepare(d.ID)); diff != "" {
			t.Errorf("prepared (-want +got):\n%s", diff)
		}
	}
	recorded := f.deployment(d.ID)
	if recorded.GraphDigest != plan.GraphDigest || recorded.ChangeDigest != plan.ChangeDigest || recorded.Basis != 1 ||
		recorded.PreviousGraphDigest != want.Input.PreviousGraphDigest {
		t.Errorf("the record: %+v", recorded)
	}
}

func crossplaneOnly(s *orchestrator.EnvironmentSpec) { s.Engines = []string{"crossplane"} }

func TestPrepareRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		auto   bool
		change func(f *fixture)
		want   string
		reason string
	}{
		"nothing that matters": {
			change: func(f *fixture) {
				f.environment("dev", "", func(s *orchestrator.EnvironmentSpec) { s.Engines = []string{"terraform", "helm", "fake"} })
				f.compose(strings.NewReplacer("TEAM", "alpha", "default: small", "default: huge").Replace(webApp))
				f.publish(strings.ReplaceAll(definitions, "1.0.0", "1.2.0"))
			},
			reason: "neither more engines nor a new composition nor new versions change a frozen release",
		},
		"other provider": {
			change: func(f *fixture) {
				f.environment("dev", "", func(s *orchestrator.EnvironmentSpec) { s.Provider = "mars" })
			},
			want: "environment dev now has mars", reason: "the release was made for another provider",
		},
		"no engine": {
			auto: true,
			change: func(f *fixture) {
				f.environment("dev", "", func(s *orchestrator.EnvironmentSpec) { s.Engines = []string{"helm"} })
			},
			want: "no engine for", reason: "what --yes allows must still be possible",
		},
		"plan for another graph": {
			change: func(f *fixture) { f.environment("dev", "", crossplaneOnly) },
			want:   "plan and apply again", reason: "the environment prefers another engine by now",
		},
		"the same with --yes": {auto: true, change: func(f *fixture) { f.environment("dev", "", crossplaneOnly) }, reason: "whoever says yes to all takes what is there"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			f.publish(strings.NewReplacer("1.0.0", "1.1.0", "[fake]", "[fake, crossplane]", "{fake: {}}",
				"{fake: {}, crossplane: {settings: {object: {apiVersion: v1, kind: Claim}}}}").Replace(definitions))
			release := f.release("shop", "small")
			req := deploy(in("dev"), release.Digest)
			req.PlanID, req.AutoApprove = f.readyPlan(in("dev"), orchestrator.KindApply, release.Digest, "").ID, tc.auto
			d, err := f.Registry.Accept(t.Context(), req, "")
			f.must(err)
			tc.change(f)
			p := f.prepare(d.ID)
			if tc.want == "" && p.Refused != "" || !strings.Contains(p.Refused, tc.want) {
				t.Errorf("%s: refused %q, want %q", tc.reason, p.Refused, tc.want)
			}
			if frozen := f.deployment(d.ID).GraphDigest != ""; frozen != (tc.want == "") {
				t.Errorf("%s: graph frozen: %v", tc.reason, frozen)
			}
		})
	}
}

func TestPrepareWithoutItsEnvironment(t *testing.T) {
	t.Parallel()
	f := setup(t)
	// The API checks first; a record can still outlive its environment.
	d, err := f.Registry.Accept(t.Context(), deploy(in("moon"), f.release("shop", "small").Digest), "")
	f.must(err)
	if p := f.prepare(d.ID); !strings.Contains(p.Refused, "environment moon") {
		t.Errorf("prepared: %+v", p)
	}
	lost, err := f.Registry.Accept(t.Context(), deploy(in("dev"), "sha256:"+strings.Repeat("0", 64)), "")
	f.must(err)
	if p := f.prepare(lost.ID); !strings.Contains(p.Refused, "release 0000") {
		t.Errorf("prepared: %+v", p)
	}
}
