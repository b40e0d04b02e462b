// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/HatiCode/nestor/api"
	"github.com/HatiCode/nestor/orchestrator"
)

// TestPlanOfAGoneWorkflow: a plan whose workflow was terminated is closed when
// somebody asks for it, so that nobody waits for ever.
func TestPlanOfAGoneWorkflow(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		grace  time.Duration
		ending string
		down   bool
		want   orchestrator.PlanStatus
		reason string
	}{
		"gone":        {time.Nanosecond, "its workflow ended as Terminated", false, orchestrator.PlanFailed, "nobody else closes it"},
		"at work":     {time.Nanosecond, "", false, orchestrator.PlanRunning, "it takes its time"},
		"just begun":  {time.Hour, "its workflow is gone", false, orchestrator.PlanRunning, "the record comes before the workflow"},
		"no Temporal": {time.Nanosecond, "its workflow ended as Terminated", true, orchestrator.PlanRunning, "nobody can tell, and the record can be read all the same"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarnessWith(t, api.Config{Version: "test", PlanGrace: tc.grace}, tokensYAML)
			h.platform()
			plan := decode[orchestrator.Plan](h.post(alphaToken, "/api/v1/plans", map[string]any{
				"team": "alpha", "application": "shop", "environment": "staging", "kind": "apply", "release": h.release().Digest,
			}).want(http.StatusAccepted))
			h.temporal.end(plan.ID, tc.ending)
			h.temporal.setDown(tc.down)
			for range 2 {
				got := decode[orchestrator.Plan](h.get(alphaToken, "/api/v1/plans/"+plan.ID).want(http.StatusOK))
				if got.Status != tc.want {
					t.Errorf("%s: it is %s (%s), want %s", tc.reason, got.Status, got.Error, tc.want)
				}
				if tc.want == orchestrator.PlanFailed && !strings.Contains(got.Error, tc.ending) {
					t.Errorf("%s: error %q", tc.reason, got.Error)
				}
			}
		})
	}
}

// TestCancelPlan: a plan that is being made is stopped by whoever may see it; one that
// is made stays as it is.
func TestCancelPlan(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.platform()
	plan := decode[orchestrator.Plan](h.post(alphaToken, "/api/v1/plans", map[string]any{
		"team": "alpha", "application": "shop", "environment": "staging", "kind": "apply", "release": h.release().Digest,
	}).want(http.StatusAccepted))
	asked := func() (times int) {
		for _, sent := range h.temporal.seen() {
			if sent == canceled(plan.ID) {
				times++
			}
		}
		return times
	}
	h.post(betaToken, "/api/v1/plans/"+plan.ID+"/cancel", nil).want(http.StatusNotFound)
	if asked() != 0 {
		t.Error("another team has stopped it")
	}
	h.post(alphaToken, "/api/v1/plans/"+plan.ID+"/cancel", nil).want(http.StatusAccepted)
	if asked() != 1 {
		t.Errorf("it was asked to stop %d times", asked())
	}
	if err := h.records.FinishPlan(t.Context(), "user:alpha", plan.ID, "canceled"); err != nil {
		t.Fatal(err)
	}
	got := decode[orchestrator.Plan](h.post(alphaToken, "/api/v1/plans/"+plan.ID+"/cancel", nil).want(http.StatusAccepted))
	if asked() != 1 || got.Status != orchestrator.PlanFailed {
		t.Errorf("it was over, is %s, and was asked to stop %d times", got.Status, asked())
	}
}
