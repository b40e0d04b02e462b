// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// TestCancellation: who canceled a deployment, and why, is what people read of
// its rollback and of its end, whatever that came to in the nodes.
func TestCancellation(t *testing.T) {
	t.Parallel()
	f := open(t)
	id := f.accept("one").ID
	status := func(s orchestrator.Status, reason string) orchestrator.Deployment {
		t.Helper()
		f.must(f.SetStatus(t.Context(), contract.StatusInput{Deployment: id, Status: s, Reason: reason, Principal: "w"}))
		d, err := f.GetDeployment(t.Context(), id)
		f.must(err)
		return d
	}
	status(orchestrator.StatusRunning, "")
	asked := orchestrator.Cancellation{Principal: "user:ada", Phase: "apply", Reason: "wrong size"}
	for range 2 { // saying it again is no second event
		f.must(f.Cancel(t.Context(), id, asked))
	}
	const why = "canceled by user:ada: wrong size"
	if d := status(orchestrator.StatusRollingBack, "apply of web.store failed"); d.Reason != why {
		t.Errorf("the rollback is explained by %q", d.Reason)
	}
	stop := orchestrator.Cancellation{Principal: "user:bob", Phase: orchestrator.PhaseRollback}
	f.must(f.Cancel(t.Context(), id, stop))
	f.must(f.Finish(t.Context(), contract.FinishInput{
		Deployment: id, Status: orchestrator.StatusCanceled, Principal: "w", Error: "apply of web.store: stopped as asked",
	}))
	f.must(f.Cancel(t.Context(), id, orchestrator.Cancellation{Principal: "user:eve", Reason: "late"}))
	d, err := f.GetDeployment(t.Context(), id)
	f.must(err)
	if d.Reason != why || d.Canceled(true) != "canceled by user:bob" || len(d.Cancellations) != 2 {
		t.Errorf("ended with the reason %q and %+v", d.Reason, d.Cancellations)
	}
	told := slices.DeleteFunc(f.events(id), func(e string) bool { return e != "deployment.cancel" })
	if diff := cmp.Diff([]string{"deployment.cancel", "deployment.cancel"}, told); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}
