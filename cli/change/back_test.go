// SPDX-License-Identifier: Apache-2.0

package change_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/HatiCode/nestor/api/client"
	"github.com/HatiCode/nestor/cli/change"
	"github.com/HatiCode/nestor/cli/clitest"
	"github.com/HatiCode/nestor/orchestrator"
)

// TestBack: without a release, the way back leads to the one that succeeded last
// only where the environment does not stand there.
func TestBack(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 1, 2, 15, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		last   orchestrator.Deployment
		want   string
		reason string
	}{
		"failed": {
			orchestrator.Deployment{Status: orchestrator.StatusFailed, StartedAt: began}, "present", "it stands between two releases",
		},
		"rolled back":          {orchestrator.Deployment{Status: orchestrator.StatusRolledBack, StartedAt: began}, "before", "it is at the present one"},
		"canceled, all undone": {orchestrator.Deployment{Status: orchestrator.StatusCanceled, StartedAt: began}, "before", "it is at the present one"},
		"canceled, not undone": {
			orchestrator.Deployment{Status: orchestrator.StatusCanceled, StartedAt: began, OnFailure: orchestrator.OnFailureStop},
			"present", "it stands where it stopped",
		},
		"canceled, residue": {
			orchestrator.Deployment{Status: orchestrator.StatusCanceled, StartedAt: began, Residue: []orchestrator.Residue{{Node: "a"}}},
			"present", "something was not undone",
		},
		"never began": {orchestrator.Deployment{Status: orchestrator.StatusCanceled}, "before", "it is at the present one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.last.OnFailure == "" {
				tc.last.OnFailure = orchestrator.OnFailureRollback
			}
			all := []orchestrator.Deployment{
				tc.last,
				{Status: orchestrator.StatusSucceeded, StartedAt: began, Release: "present"},
				{Status: orchestrator.StatusSucceeded, StartedAt: began, Release: "before"},
			}
			c := clitest.NewCommand(t, &clitest.Server{Server: lists(t, all)}, t.TempDir(), false, "")
			back, err := change.New(c.Factory)
			if err != nil {
				t.Fatal(err)
			}
			scope := orchestrator.Scope{Team: "alpha", Application: "shop", Environment: "staging"}
			request, err := back.Back(t.Context(), scope, "")
			if err != nil || request.Release != tc.want || request.Kind != orchestrator.KindRollback {
				t.Errorf("goes to %q (%v), want %q: %s", request.Release, err, tc.want, tc.reason)
			}
		})
	}
}

// lists serves deployments, newest first.
func lists(t *testing.T, all []orchestrator.Deployment) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var list client.DeploymentList
		for _, d := range all {
			if status := r.URL.Query().Get("status"); status == "" || status == string(d.Status) {
				list.Items = append(list.Items, d)
			}
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(list); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return server
}
