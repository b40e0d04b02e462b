// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"net/http"
	"testing"

	"github.com/HatiCode/nestor/api/gen"
	"github.com/HatiCode/nestor/api/problem"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// TestStatusTellsOfACancel that a deployment has heard of, all that was said is
// kept, and what did not get there is told nowhere.
func TestStatusTellsOfACancel(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.deployed()
	running := contract.StatusInput{
		Deployment: "alpha/shop/staging/1", Status: orchestrator.StatusRunning, Reason: "no worker serves tiny", Principal: "w",
	}
	check(t, h.records.SetStatus(t.Context(), running))
	h.temporal.clear()
	cancel := func(reason string) answer {
		return h.post(alphaToken, shopPath+"/cancel", map[string]string{"phase": "apply", "reason": reason})
	}
	reason := func() string {
		t.Helper()
		return decode[gen.ApplicationStatus](h.get(alphaToken, statusPath).want(http.StatusOK)).Reason
	}
	h.temporal.setDown(true)
	cancel("lost").problem(http.StatusServiceUnavailable, problem.TypeUnavailable)
	h.temporal.setDown(false)
	if got := reason(); got != "no worker serves tiny" {
		t.Errorf("of a cancel that nobody got, the status says %q", got)
	}
	for _, word := range []string{"one", "two", "three"} {
		cancel(word).want(http.StatusAccepted)
	}
	if got := reason(); got != "stopping: canceled by user:ada: three; no worker serves tiny" {
		t.Errorf("the status says %q", got)
	}
	recorded := decode[orchestrator.Deployment](h.get(alphaToken, shopPath).want(http.StatusOK))
	if len(recorded.Cancellations) != 3 || recorded.Cancellations[0].Reason != "one" || recorded.Cancellations[1].Reason != "two" {
		t.Errorf("recorded is %+v, want all that was said", recorded.Cancellations)
	}
	h.post(alphaToken, shopPath+"/cancel", map[string]string{"phase": "rollback"}).want(http.StatusAccepted)
	if n := len(h.temporal.seen()); n != 3 {
		t.Errorf("%d cancels were sent, want three: that of another phase does nothing", n)
	}
}
