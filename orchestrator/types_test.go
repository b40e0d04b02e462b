// SPDX-License-Identifier: Apache-2.0

package orchestrator_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/composer"
	"github.com/HatiCode/nestor/orchestrator"
)

func TestFinal(t *testing.T) {
	t.Parallel()
	for status, want := range map[orchestrator.Status]bool{
		orchestrator.StatusQueued: false, orchestrator.StatusAwaitingApproval: false, orchestrator.StatusRunning: false,
		orchestrator.StatusPaused: false, orchestrator.StatusRollingBack: false,
		orchestrator.StatusSucceeded: true, orchestrator.StatusRolledBack: true,
		orchestrator.StatusFailed: true, orchestrator.StatusCanceled: true,
		"": false,
	} {
		if status.Final() != want {
			t.Errorf("%q is final: %v", status, !want)
		}
	}
}

func TestCounts(t *testing.T) {
	t.Parallel()
	var changes []orchestrator.Change
	for action, n := range map[orchestrator.Action]int{
		orchestrator.ActionCreate: 1, orchestrator.ActionUpdate: 2, orchestrator.ActionReplace: 3, orchestrator.ActionDelete: 4,
	} {
		for range n {
			changes = append(changes, orchestrator.Change{Action: action})
		}
	}
	counts := orchestrator.CountChanges(changes)
	if diff := cmp.Diff(orchestrator.Counts{Create: 1, Update: 2, Replace: 3, Delete: 4}, counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	double := counts.Add(counts)
	if diff := cmp.Diff(orchestrator.Counts{Create: 2, Update: 4, Replace: 6, Delete: 8}, double); diff != "" {
		t.Errorf("sum (-want +got):\n%s", diff)
	}
	if counts.Total() != 10 || double.Total() != 20 || (orchestrator.Counts{}).Total() != 0 {
		t.Errorf("totals %d, %d", counts.Total(), double.Total())
	}
}

func TestInFlight(t *testing.T) {
	t.Parallel()
	for given, want := range map[int]int{-1: 200, 0: 200, 1: 1, 500: 500, 501: 500} {
		e := orchestrator.Environment{Spec: orchestrator.EnvironmentSpec{MaxInFlight: given}}
		if got := e.InFlight(); got != want {
			t.Errorf("maxInFlight %d gives %d, want %d", given, got, want)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	all, err := orchestrator.ParseEnvironments("e.yaml", []byte(staging))
	if err != nil {
		t.Fatal(err)
	}
	want := composer.EnvironmentSettings{
		Name: "staging", Provider: "aws", Region: "us-west-2", Cluster: "main",
		AllowedProviders: []string{"aws", "gcp"}, AllowedRegions: []string{"us-west-2", "us-central1"},
		SharedProviders: []string{"kubernetes"}, Engines: []string{"terraform"},
		Shared: []string{"alpha/network"}, Labels: map[string]string{"tier": "test"},
	}
	if diff := cmp.Diff(want, all[0].Settings()); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestIDs(t *testing.T) {
	t.Parallel()
	s := orchestrator.Scope{Team: "alpha", Application: "shop", Environment: "staging"}
	if got := orchestrator.DeploymentID(s, 7); got != "alpha/shop/staging/7" {
		t.Errorf("deployment id %q", got)
	}
	if got := orchestrator.ApplicationWorkflowID(s.Team, s.Application); got != "alpha/shop" {
		t.Errorf("workflow id %q", got)
	}
}

func TestRefusal(t *testing.T) {
	t.Parallel()
	for want, refusal := range map[string]orchestrator.Refusal{
		"no":              {Reason: "no"},
		"no; do this now": {Reason: "no", Hint: "do this now"},
	} {
		if got := refusal.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestDeploymentJSON(t *testing.T) {
	t.Parallel()
	// The scope's fields stand beside the deployment's own, and times that have
	// not come are left out: clients read it so.
	data, err := json.Marshal(orchestrator.Deployment{ID: "a/b/c/1", Scope: orchestrator.Scope{Team: "a", Application: "b", Environment: "c"}})
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"team", "application", "environment"} {
		if fields[name] == nil {
			t.Errorf("no %s in %s", name, data)
		}
	}
	for _, name := range []string{"startedAt", "finishedAt", "residue", "error"} {
		if _, there := fields[name]; there {
			t.Errorf("%s is written although it is empty: %s", name, data)
		}
	}
}
