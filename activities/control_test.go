// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/catalog/bundle"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/compile"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// control runs an activity of the control queue.
func control[T any](f *fixture, name string, in any) (T, error) {
	f.t.Helper()
	var res T
	value, err := f.environment().ExecuteActivity(name, in)
	if err == nil && value.HasValue() {
		f.must(value.Get(&res))
	}
	return res, err
}

func TestLoadGraph(t *testing.T) {
	t.Parallel()
	f := setup(t)
	g := composer.Graph{Digest: "sha256:wide"}
	for i := range 10_000 {
		g.Nodes = append(g.Nodes, composer.Node{ID: fmt.Sprintf("web.n%05d", i), Dependencies: []string{"web.n00000"}, Engine: "tiny"})
	}
	f.must(f.Registry.PutGraph(t.Context(), g))
	var ids int
	for page := 0; ; page++ {
		res, err := control[contract.LoadGraphResult](f, contract.ActivityLoadGraph, contract.LoadGraphInput{Digest: g.Digest, Page: page})
		f.must(err)
		ids += len(res.Nodes)
		if !res.More {
			break
		}
	}
	if ids != len(g.Nodes) {
		t.Errorf("%d nodes came, want %d", ids, len(g.Nodes))
	}
	_, err := control[contract.LoadGraphResult](f, contract.ActivityLoadGraph, contract.LoadGraphInput{Digest: "sha256:none"})
	if failed := failure(t, err); failed.Type() != contract.ErrorNotFound {
		t.Errorf("no such graph: %v", failed)
	}
}

func TestFinishNamesWhereTheResidueIs(t *testing.T) {
	t.Parallel()
	f := setup(t)
	id := f.deployment("")
	f.done(id, f.graph(nil), database, orchestrator.StepApply)
	_, err := control[any](f, contract.ActivityFinishDeployment, contract.FinishInput{
		Deployment: id, Status: orchestrator.StatusFailed, Error: "why", Principal: ada,
		Residue: []orchestrator.Residue{{Node: database, Reason: "r", Action: "a"}, {Node: "web.unknown", Address: "alpha/shop/staging/web.unknown", Reason: "r", Action: "a"}},
	})
	f.must(err)
	d, err := f.Registry.GetDeployment(t.Context(), id)
	f.must(err)
	want := []orchestrator.Residue{
		{Node: database, Engine: "tiny", Address: "alpha/shop/staging/web.database", Reason: "r", Action: "a"},
		{Node: "web.unknown", Address: "alpha/shop/staging/web.unknown", Reason: "r", Action: "a"},
	}
	if diff := cmp.Diff(want, d.Residue); diff != "" {
		t.Errorf("residue (-want +got):\n%s", diff)
	}
	res, err := control[contract.DescribeResult](f, contract.ActivityDescribeRun, contract.DescribeInput{Deployment: id})
	f.must(err)
	if !res.Ended || res.Status != orchestrator.StatusFailed {
		t.Errorf("an ended deployment needs no look at Temporal: %+v", res)
	}
	_, err = control[any](f, contract.ActivityFinishDeployment, contract.FinishInput{Deployment: "nonsense", Status: orchestrator.StatusFailed, Principal: ada})
	if failed := failure(t, err); failed.Type() != contract.ErrorInvalid {
		t.Errorf("a malformed id: %v", failed)
	}
}

func TestAcceptDeploymentTwice(t *testing.T) {
	t.Parallel()
	f := setup(t)
	req := contract.DeployRequest{RequestID: "one", Scope: scope(), Kind: orchestrator.KindApply, AutoApprove: true, Principal: ada}
	for range 2 {
		res, err := control[contract.AcceptResult](f, contract.ActivityAcceptDeployment, req)
		if err != nil || res != (contract.AcceptResult{Deployment: "alpha/shop/staging/1"}) {
			t.Errorf("got %+v, %v", res, err)
		}
	}
	other := req
	other.Release = "sha256:other"
	_, err := control[contract.AcceptResult](f, contract.ActivityAcceptDeployment, other)
	if failed := failure(t, err); failed.Type() != contract.ErrorInvalid {
		t.Errorf("another request with the same id: %v", failed)
	}
	f.must(f.Registry.Finish(t.Context(), contract.FinishInput{
		Deployment: "alpha/shop/staging/1", Status: orchestrator.StatusFailed, Principal: ada,
	}))
	res, err := control[contract.AcceptResult](f, contract.ActivityAcceptDeployment, req)
	if err != nil || res != (contract.AcceptResult{Deployment: "alpha/shop/staging/1", Ended: true}) {
		t.Errorf("once it is over: %+v, %v", res, err)
	}
}

const definition = `apiVersion: catalog.nestor.io/v1
kind: ResourceDefinition
metadata: {name: db, version: "1.0.0"}
spec:
  provider: local
  category: database
  resourceType: db
  engines: [fake]
  implementations: {fake: {}}
`

const composition = `apiVersion: composer.nestor.io/v1
kind: ComposedResource
metadata: {name: stack, team: alpha}
spec:
  resources: [{name: database, catalogRef: db}]
`

// environmentOf makes staging one of a provider, with the engine fake.
func (f *fixture) environmentOf(provider string) {
	f.t.Helper()
	_, err := f.Registry.PutEnvironment(f.t.Context(), ada, orchestrator.Environment{
		Metadata: orchestrator.EnvironmentMetadata{Name: "staging"},
		Spec:     orchestrator.EnvironmentSpec{Provider: provider, Engines: []string{"fake"}},
	}, -1)
	f.must(err)
}

// promotion of a real release to staging, as the API writes it.
func (f *fixture) promotion() string {
	f.t.Helper()
	ctx := f.t.Context()
	f.environmentOf("local")
	definitions, err := catalog.ParseDefinitions("db.yaml", []byte(definition))
	f.must(err)
	_, _, err = f.Catalog.Publish(ctx, ada, definitions[0], bundle.Bundle{})
	f.must(err)
	compositions, err := composer.ParseComposition("stack.yaml", []byte(composition))
	f.must(err)
	_, _, err = f.Compositions.PutComposition(ctx, ada, compositions[0], -1)
	f.must(err)
	release, _, err := f.Compiler.CreateRelease(ctx, ada, compile.ReleaseRequest{
		Team: "alpha", Application: "shop", Claims: []composer.Claim{{Instance: "web", Composition: "stack", File: "main.go", Line: 1}},
	})
	f.must(err)
	f.must(f.Registry.CreatePromotion(ctx, ada, orchestrator.Promotion{
		ID: "p1", Team: "alpha", Application: "shop", From: "dev", To: "staging", Release: release.Digest,
		AutoApprove: true, OnFailure: orchestrator.OnFailureRollback, Principal: ada,
	}))
	return "p1"
}

func TestAcceptPromotion(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		promotion orchestrator.Promotion
		want      string
		reason    string
	}{
		"unknown release": {
			orchestrator.Promotion{Release: "sha256:" + strings.Repeat("0", 64), AutoApprove: true, OnFailure: orchestrator.OnFailureStop},
			"release 000000000000", "it is gone, and the record says so",
		},
		"nobody saw it": {
			orchestrator.Promotion{Release: "sha256:" + strings.Repeat("0", 64), OnFailure: orchestrator.OnFailureStop},
			"needs a plan", "an answer, not a fault",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			p := tc.promotion
			p.ID, p.Team, p.Application, p.From, p.To, p.Principal = "p1", "alpha", "shop", "dev", "staging", ada
			f.must(f.Registry.CreatePromotion(t.Context(), ada, p))
			for range 2 {
				res, err := control[contract.AcceptPromotionResult](f, contract.ActivityAcceptPromotion, contract.PromoteSignal{Promotion: "p1", Principal: ada})
				f.must(err)
				if res.Deployment != "" || res.Refused == "" {
					t.Errorf("%s: %+v", tc.reason, res)
				}
			}
			stored, err := f.Registry.GetPromotion(t.Context(), "p1")
			f.must(err)
			if !strings.Contains(stored.Refused, tc.want) || stored.Deployment != "" {
				t.Errorf("%s: %+v", tc.reason, stored)
			}
		})
	}
	t.Run("another provider", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		promotion := f.promotion()
		f.environmentOf("mars")
		res, err := control[contract.AcceptPromotionResult](f, contract.ActivityAcceptPromotion, contract.PromoteSignal{Promotion: promotion})
		f.must(err)
		stored, err := f.Registry.GetPromotion(t.Context(), promotion)
		f.must(err)
		if !strings.Contains(stored.Refused, "mars") || res.Refused != stored.Refused {
			t.Errorf("whoever follows the record would wait for ever: %+v", stored)
		}
	})
	t.Run("accepted", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		promotion := f.promotion()
		want := contract.AcceptPromotionResult{Deployment: "alpha/shop/staging/1", Environment: "staging"}
		for range 2 {
			res, err := control[contract.AcceptPromotionResult](f, contract.ActivityAcceptPromotion, contract.PromoteSignal{Promotion: promotion})
			f.must(err)
			if diff := cmp.Diff(want, res); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
			// What changes now comes too late for a promotion that was taken up.
			f.environmentOf("mars")
		}
		stored, err := f.Registry.GetPromotion(t.Context(), promotion)
		f.must(err)
		if stored.Deployment != want.Deployment || stored.Refused != "" {
			t.Errorf("record: %+v", stored)
		}
		f.must(f.Registry.Finish(t.Context(), contract.FinishInput{Deployment: want.Deployment, Status: orchestrator.StatusFailed, Principal: ada}))
		res, err := control[contract.AcceptPromotionResult](f, contract.ActivityAcceptPromotion, contract.PromoteSignal{Promotion: promotion})
		want.Ended = true
		if diff := cmp.Diff(want, res); err != nil || diff != "" {
			t.Errorf("once it is over (%v) (-want +got):\n%s", err, diff)
		}
	})
	t.Run("no record", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		_, err := control[contract.AcceptPromotionResult](f, contract.ActivityAcceptPromotion, contract.PromoteSignal{Promotion: "none"})
		if failed := failure(t, err); failed.Type() != contract.ErrorNotFound {
			t.Errorf("got %v", failed)
		}
	})
}
