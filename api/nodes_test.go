// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/api/gen"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/registry"
)

// made records a node that a deployment has made, with a snapshot of it.
func (h *harness) made(stateRef string, snapshot orchestrator.Snapshot) {
	h.t.Helper()
	h.platform()
	release := h.release()
	h.post(alphaToken, "/api/v1/deployments", deployBody(release.Digest)).want(http.StatusAccepted)
	id := orchestrator.DeploymentID(shop(), 1)
	snapshot.Deployment = id
	head := orchestrator.NodeHead{
		Engine: "fake", Address: shop().String() + "/" + node, StateRef: stateRef, GraphDigest: h.graph(release).Digest,
		Status: orchestrator.NodeReady, Snapshots: []orchestrator.Snapshot{snapshot},
	}
	run := orchestrator.NodeRun{Deployment: id, Node: node, Action: orchestrator.StepApply, Attempt: 1}
	attempt, err := h.records.Begin(h.t.Context(), "worker:test", shop(), run, head)
	check(h.t, err)
	check(h.t, h.records.Commit(h.t.Context(), attempt, registry.Commit{
		Head: &head, Inputs: []registry.OutputValue{}, Outputs: []registry.OutputValue{}, Status: orchestrator.NodeReady,
	}))
}

// TestForgetNode: the status says so, until somebody states that nothing is left.
func TestForgetNode(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.made("legacy/db", orchestrator.Snapshot{Address: "saved", Taken: true})
	forget := func(body map[string]any) gen.NodeStatement {
		t.Helper()
		return decode[gen.NodeStatement](h.post(alphaToken, statusPath+"/nodes/"+node+"/forget", body).want(http.StatusOK))
	}
	known := func() []gen.ResourceStatus {
		t.Helper()
		var there []gen.ResourceStatus
		for _, r := range decode[gen.ApplicationStatus](h.get(alphaToken, statusPath).want(http.StatusOK)).Resources {
			if r.Name == node {
				there = append(there, r)
			}
		}
		return there
	}
	snapshot := statusPath + "/nodes/" + orchestrator.SnapshotName(node, 1) + "/forget"
	h.post(alphaToken, snapshot, map[string]any{"gone": true}).want(http.StatusConflict)
	h.post(alphaToken, statusPath+"/nodes/"+orchestrator.SnapshotName(node, 2)+"/forget", map[string]any{}).want(http.StatusNotFound)
	if told := forget(map[string]any{"reason": "lost"}); told.Gone || !cmp.Equal([]string{"saved"}, told.Snapshots) {
		t.Errorf("the answer: %+v", told)
	}
	if now := known(); len(now) != 1 || now[0].Status != orchestrator.NodeForgotten || now[0].StateRef != "legacy/db" || len(now[0].Snapshots) != 1 {
		t.Errorf("the status: %+v", now)
	}
	if told := forget(map[string]any{"gone": true}); !told.Gone || !cmp.Equal([]string{"saved"}, told.Snapshots) {
		t.Errorf("the answer: %+v", told)
	}
	if now := known(); len(now) > 0 {
		t.Errorf("the status: %+v", now)
	}
}

// TestForgetSnapshot by the name that its errors say; its node stays as it is.
func TestForgetSnapshot(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.made("", orchestrator.Snapshot{Address: "saved"})
	name := orchestrator.SnapshotName(node, 1)
	path := statusPath + "/nodes/" + name + "/forget"
	told := decode[gen.NodeStatement](h.post(alphaToken, path, map[string]any{"reason": "looked"}).want(http.StatusOK))
	if told.Snapshot != "saved" || told.Node != name || len(told.Snapshots) > 0 {
		t.Errorf("the answer: %+v", told)
	}
	for _, r := range decode[gen.ApplicationStatus](h.get(alphaToken, statusPath).want(http.StatusOK)).Resources {
		if r.Name == node && (r.Status != orchestrator.NodeReady || len(r.UnfinishedSnapshots) > 0) {
			t.Errorf("the status: %+v", r)
		}
	}
	h.post(alphaToken, path, map[string]any{}).want(http.StatusNotFound)
}
