// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/catalog/bundle"
	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/internal/testplatform"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/compile"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/store"
)

// slotDefinition keeps a worker's slot for a moment.
const slotDefinition = `apiVersion: catalog.nestor.io/v1
kind: ResourceDefinition
metadata: {name: slot, version: "1.0.0"}
spec:
  provider: aws
  category: test
  resourceType: slot
  engines: [fake]
  implementations: {fake: {settings: {latency: 20ms}}}
`

// TestFairness: while one team has hundreds of steps in the queue of a worker
// with four slots, each step of another team waits for a few of them only. What
// is counted is whose steps were done: no clock is asked.
func TestFairness(t *testing.T) {
	t.Parallel()
	const slots, queued, wide, most = 4, 400, 1000, 120
	p := testplatform.New(t, testplatform.StartTemporal(t, "fairness"), "fairness")
	p.Config.Slots = slots
	f := &fairness{Platform: p, t: t}
	f.publish(queued)
	p.StartWorker()

	large := f.begin("alpha", "large", wide, nil)
	testplatform.Eventually(t, patience, "the large deployment to fill the queue", func() error {
		if done := f.done(large, time.Time{}, time.Now()); done < slots {
			return fmt.Errorf("%d steps are done", done)
		}
		return nil
	})
	small := p.Await(f.begin("beta", "small", 3, []string{"n0000 -> n0001", "n0001 -> n0002"}), patience, orchestrator.StatusSucceeded)
	between := f.done(large, small.StartedAt, small.FinishedAt)
	t.Logf("three steps of one team took %s, in which %d of another were done", small.FinishedAt.Sub(small.StartedAt), between)
	// First come, first served: each of the three waits for the whole queue.
	if between > most {
		t.Errorf("%d steps of the large deployment came before three of the small one, want at most %d", between, most)
	}
	d, err := p.Registry.GetDeployment(t.Context(), large)
	if err != nil || d.Status != orchestrator.StatusRunning {
		t.Errorf("the large deployment is %s (%v), so there was no queue to wait in", d.Status, err)
	}
}

// fairness is a platform with one environment and a definition that takes time.
type fairness struct {
	*testplatform.Platform
	t *testing.T
}

func (f *fairness) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fairness) publish(inFlight int) {
	f.t.Helper()
	ctx := f.t.Context()
	definitions, err := catalog.ParseDefinitions("slot.yaml", []byte(slotDefinition))
	f.must(err)
	_, _, err = f.Catalog.Publish(ctx, "user:platform", definitions[0], bundle.Bundle{})
	f.must(err)
	_, err = f.Registry.PutEnvironment(ctx, "user:platform", orchestrator.Environment{
		APIVersion: orchestrator.APIVersion, Kind: orchestrator.KindEnvironment,
		Metadata: orchestrator.EnvironmentMetadata{Name: "staging"},
		Spec:     orchestrator.EnvironmentSpec{Provider: "aws", Engines: []string{"fake"}, MaxInFlight: inFlight},
	}, -1)
	f.must(err)
}

// begin deploys an application of one composition and returns the deployment.
func (f *fairness) begin(team, application string, nodes int, dependencies []string) string {
	f.t.Helper()
	ctx := f.t.Context()
	c := composer.Composition{
		APIVersion: composer.APIVersion, Kind: composer.KindComposition,
		Metadata: composer.CompositionMetadata{Name: application, Team: team},
		Spec:     composer.CompositionSpec{Dependencies: dependencies},
	}
	for i := range nodes {
		c.Spec.Resources = append(c.Spec.Resources, composer.Resource{Name: fmt.Sprintf("n%04d", i), CatalogRef: "slot"})
	}
	_, _, err := f.Compositions.PutComposition(ctx, store.Principal("user:"+team), c, -1)
	f.must(err)
	release, _, err := f.Compiler.CreateRelease(ctx, store.Principal("user:"+team), compile.ReleaseRequest{
		Team: team, Application: application,
		Claims: []composer.Claim{{Instance: "it", Composition: application, File: "main.go", Line: 1}},
	})
	f.must(err)
	id, err := f.Deploy(contract.DeployRequest{
		Scope: orchestrator.Scope{Team: team, Application: application, Environment: "staging"},
		Kind:  orchestrator.KindApply, Release: release.Digest, AutoApprove: true,
	})
	f.must(err)
	return id
}

// done counts the steps of a deployment that ended in some time.
func (f *fairness) done(deployment string, from, to time.Time) int {
	f.t.Helper()
	runs, err := f.Registry.NodeStates(f.t.Context(), deployment)
	f.must(err)
	n := 0
	for _, run := range runs {
		if run.FinishedAt.After(from) && run.FinishedAt.Before(to) {
			n++
		}
	}
	return n
}
