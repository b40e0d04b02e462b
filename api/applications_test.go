// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/api/gen"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

func TestStatusTellsOfTheDeploymentThatMatters(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason   string
		statuses string // of deployment 1, 2, …
		want     int64
		queued   int
	}{
		"one":                {"the only one", "queued", 1, 0},
		"over":               {"the latest", "succeeded,failed", 2, 0},
		"under way":          {"what runs hides what waits", "succeeded,running,queued,queued", 2, 2},
		"paused":             {"a paused one is under way", "paused,queued", 1, 1},
		"rolling back":       {"so is one that rolls back", "rolling_back,queued", 1, 1},
		"approval":           {"somebody has to decide", "succeeded,awaiting_approval,queued", 2, 1},
		"not begun":          {"what is there is told before what is to come", "failed,queued,queued", 1, 2},
		"canceled in line":   {"one that was canceled while another ran is over", "running,canceled", 1, 0},
		"all of them queued": {"the next one", "queued,queued", 1, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			h.platform()
			release := h.release()
			digest := release.Digest
			graph := h.graph(release).Digest
			residue := []orchestrator.Residue{{Node: node, Engine: "fake", Address: "a", Reason: "it is stuck", Action: "delete it"}}
			for i, status := range strings.Split(test.statuses, ",") {
				h.post(alphaToken, "/api/v1/deployments", deployBody(digest)).want(http.StatusAccepted)
				id, status := orchestrator.DeploymentID(shop(), int64(i+1)), orchestrator.Status(status)
				switch {
				case status == orchestrator.StatusQueued:
				case status.Final():
					check(t, h.records.Freeze(t.Context(), id, "worker:test", registry.Frozen{Graph: graph}))
					check(t, h.records.Finish(t.Context(), contract.FinishInput{
						Deployment: id, Status: status, Error: "error of " + id, Residue: residue, Principal: "worker:test",
					}))
				default:
					check(t, h.records.SetStatus(t.Context(), contract.StatusInput{
						Deployment: id, Status: status, Reason: "reason of " + id, Principal: "worker:test",
					}))
				}
			}
			want, err := h.records.GetDeployment(t.Context(), orchestrator.DeploymentID(shop(), test.want))
			check(t, err)
			got := decode[gen.ApplicationStatus](h.get(alphaToken, statusPath).want(http.StatusOK))
			if diff := cmp.Diff(gen.ApplicationStatus{
				Team: "alpha", Application: "shop", Environment: "staging", Release: digest,
				Deployment: want.ID, WorkflowID: want.WorkflowID, Status: want.Status,
				Reason: want.Reason, Error: want.Error, Residue: want.Residue,
				Queued: test.queued, Resources: []gen.ResourceStatus{},
			}, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.reason, diff)
			}
		})
	}
}

// TestStatusTellsWhatWasLeftBefore: a deployment that never started hides nothing
// of what the one before it has left.
func TestStatusTellsWhatWasLeftBefore(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.platform()
	release := h.release()
	for range 2 {
		h.post(alphaToken, "/api/v1/deployments", deployBody(release.Digest)).want(http.StatusAccepted)
	}
	first, second := orchestrator.DeploymentID(shop(), 1), orchestrator.DeploymentID(shop(), 2)
	check(t, h.records.Freeze(t.Context(), first, "worker:test", registry.Frozen{Graph: h.graph(release).Digest}))
	check(t, h.records.SetStatus(t.Context(), contract.StatusInput{Deployment: first, Status: orchestrator.StatusRunning, Principal: "worker:test"}))
	run := orchestrator.NodeRun{Deployment: first, Node: node, Action: orchestrator.StepApply, Attempt: 1}
	_, err := h.records.Begin(t.Context(), "worker:test", shop(), run, orchestrator.NodeHead{Engine: "fake", Address: "a"})
	check(t, err)
	left := orchestrator.Residue{Node: node, Engine: "fake", Address: "a", Reason: "it is stuck", Action: "delete it"}
	gone := orchestrator.Residue{Node: "web-app.gone", Reason: "it was stuck", Action: "delete it"} // it has no head any more
	check(t, h.records.Finish(t.Context(), contract.FinishInput{
		Deployment: first, Status: orchestrator.StatusFailed, Residue: []orchestrator.Residue{left, gone}, Principal: "worker:test",
	}))
	check(t, h.records.Finish(t.Context(), contract.FinishInput{Deployment: second, Status: orchestrator.StatusCanceled, Principal: "worker:test"}))
	left.Since = first
	got := decode[gen.ApplicationStatus](h.get(alphaToken, statusPath).want(http.StatusOK))
	if diff := cmp.Diff([]orchestrator.Residue{left}, got.Residue); diff != "" || got.Deployment != second {
		t.Errorf("of deployment %s (-want +got):\n%s", got.Deployment, diff)
	}
}
