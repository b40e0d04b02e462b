// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
)

// status moves a deployment on, as its workflow does.
func (f *fixture) status(id string, s orchestrator.Status, reason string) orchestrator.Deployment {
	f.tb.Helper()
	f.must(f.SetStatus(f.tb.Context(), contract.StatusInput{Deployment: id, Status: s, Reason: reason, Principal: "w"}))
	d, err := f.GetDeployment(f.tb.Context(), id)
	f.must(err)
	return d
}

// cancel asks a deployment to stop, as the API does, and says whether it meant
// anything.
func (f *fixture) cancel(id, principal, phase, reason string) bool {
	f.tb.Helper()
	c := orchestrator.Cancellation{Principal: principal, Phase: phase, Reason: reason}
	known, err := f.Cancel(f.tb.Context(), id, c)
	f.must(err)
	if known {
		f.must(f.CancelSent(f.tb.Context(), id, c))
	}
	return known
}

// TestCancellation: who canceled a deployment, and why, is what people read first
// of its rollback and of its end, and no other reason is lost by that.
func TestCancellation(t *testing.T) {
	t.Parallel()
	f := open(t)
	id := f.accept("one").ID
	if d := f.status(id, orchestrator.StatusRunning, ""); d.Stopping() != "" {
		t.Errorf("nobody has asked it to stop, and it is %q", d.Stopping())
	}
	for _, reason := range []string{"one", "wrong size", "wrong size"} { // saying it again is no third event
		f.cancel(id, "user:ada", "apply", reason)
	}
	const why = "canceled by user:ada: wrong size"
	if d := f.status(id, orchestrator.StatusPaused, "web.store waits"); d.Stopping() != "stopping: "+why || d.Reason != "web.store waits" {
		t.Errorf("it is %q, because %q", d.Stopping(), d.Reason)
	}
	d := f.status(id, orchestrator.StatusRollingBack, "apply of web.store failed; no worker serves tiny")
	if want := why + "; apply of web.store failed; no worker serves tiny"; d.Reason != want || d.Stopping() != "" {
		t.Errorf("the rollback is explained by %q and is %q", d.Reason, d.Stopping())
	}
	f.cancel(id, "user:bob", orchestrator.PhaseRollback, "")
	d = f.status(id, orchestrator.StatusRollingBack, "")
	if d.Stopping() != "stopping: canceled by user:bob" || d.Reason != why {
		t.Errorf("the canceled rollback is %q, because %q", d.Stopping(), d.Reason)
	}
	f.must(f.Finish(t.Context(), contract.FinishInput{
		Deployment: id, Status: orchestrator.StatusCanceled, Principal: "w", Error: "apply of web.store: stopped as asked",
	}))
	if f.cancel(id, "user:eve", "", "late") {
		t.Error("what is over can be canceled")
	}
	d, err := f.GetDeployment(t.Context(), id)
	f.must(err)
	if d.Reason != why || d.Canceled(true) != "canceled by user:bob" || d.Stopping() != "" {
		t.Errorf("ended with the reason %q and %+v", d.Reason, d.Cancellations)
	}
	var words []string
	for _, c := range d.Cancellations {
		words = append(words, c.String())
	}
	want := []string{"canceled by user:ada: one", why, "canceled by user:bob"}
	if diff := cmp.Diff(want, words); diff != "" {
		t.Errorf("what was said (-want +got):\n%s", diff)
	}
	told := slices.DeleteFunc(f.events(id), func(e string) bool { return e != "deployment.cancel" })
	if len(told) != len(want) {
		t.Errorf("%d events of %d words", len(told), len(want))
	}
}

// TestCancelOfAnotherPhase: a word that changes nothing explains nothing.
func TestCancelOfAnotherPhase(t *testing.T) {
	t.Parallel()
	for status, phase := range map[orchestrator.Status]string{
		orchestrator.StatusQueued:      orchestrator.PhaseRollback,
		orchestrator.StatusRunning:     orchestrator.PhaseRollback,
		orchestrator.StatusRollingBack: "apply",
	} {
		f := open(t)
		id := f.accept("one").ID
		f.status(id, status, "")
		if f.cancel(id, "user:ada", phase, "late") {
			t.Errorf("a cancel of %q does something while it is %s", phase, status)
		}
		d := f.status(id, orchestrator.StatusRollingBack, "apply of web.store failed")
		if len(d.Cancellations) > 0 || d.Reason != "apply of web.store failed" || slices.Contains(f.events(id), "deployment.cancel") {
			t.Errorf("%s: recorded is %+v, the reason is %q", status, d.Cancellations, d.Reason)
		}
	}
}

// TestCancelThatCameTooLate: a deployment that succeeded all the same does not say
// that it was canceled, and what was said stays on record.
func TestCancelThatCameTooLate(t *testing.T) {
	t.Parallel()
	f := open(t)
	req := request("one")
	req.Kind, req.Release = orchestrator.KindDestroy, ""
	accepted, err := f.Accept(t.Context(), req, "")
	f.must(err)
	id := accepted.ID
	f.status(id, orchestrator.StatusRunning, "")
	f.cancel(id, "user:ada", "apply", "wrong size")
	f.must(f.Finish(t.Context(), contract.FinishInput{Deployment: id, Status: orchestrator.StatusSucceeded, Principal: "w"}))
	d, err := f.GetDeployment(t.Context(), id)
	f.must(err)
	if d.Reason != "" || d.Error != "" || d.Stopping() != "" {
		t.Errorf("it succeeded, with the reason %q and the error %q, and is %q", d.Reason, d.Error, d.Stopping())
	}
	if len(d.Cancellations) != 1 || d.Canceled(false) != "canceled by user:ada: wrong size" {
		t.Errorf("recorded is %+v", d.Cancellations)
	}
}

// TestCancelThatDidNotGetThere leaves no trace, and none that was sent is lost.
func TestCancelThatDidNotGetThere(t *testing.T) {
	t.Parallel()
	f := open(t)
	id := f.accept("one").ID
	f.status(id, orchestrator.StatusRunning, "")
	f.cancel(id, "user:ada", "apply", "sent")
	lost := orchestrator.Cancellation{Principal: "user:ada", Phase: "apply", Reason: "lost"}
	_, err := f.Cancel(t.Context(), id, lost)
	f.must(err)
	if d := f.status(id, orchestrator.StatusRunning, ""); d.Stopping() != "" {
		t.Errorf("it is %q before anybody knows that it was told", d.Stopping())
	}
	f.must(f.CancelLost(t.Context(), id, lost))
	if d := f.status(id, orchestrator.StatusRunning, ""); len(d.Cancellations) != 1 || d.Canceled(false) != "canceled by user:ada: sent" {
		t.Errorf("recorded is %+v", d.Cancellations)
	}
}

// TestCancellationsAreBounded: the latest words of both phases stay.
func TestCancellationsAreBounded(t *testing.T) {
	t.Parallel()
	f := open(t)
	id := f.accept("one").ID
	f.status(id, orchestrator.StatusRunning, "")
	f.cancel(id, "user:ada", "apply", "forward")
	f.status(id, orchestrator.StatusRollingBack, "")
	for n := range 20 {
		f.cancel(id, "user:bob", orchestrator.PhaseRollback, strconv.Itoa(n)+strings.Repeat("x", 4000))
	}
	d, err := f.GetDeployment(t.Context(), id)
	f.must(err)
	if len(d.Cancellations) > 8 || d.Canceled(false) != "canceled by user:ada: forward" || !strings.HasPrefix(d.Canceled(true), "canceled by user:bob: 19") {
		t.Errorf("%d are kept; the last words are %.60q and %.60q", len(d.Cancellations), d.Canceled(false), d.Canceled(true))
	}
}
