// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"

	"github.com/HatiCode/nestor/activities"
	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/internal/manifest"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

func TestToTemporal(t *testing.T) {
	t.Parallel()
	already := temporal.NewNonRetryableApplicationError("told", "told", nil)
	for name, tc := range map[string]struct {
		err    error
		kind   string
		retry  bool
		reason string
	}{
		"not found":     {fmt.Errorf("plan x: %w", store.ErrNotFound), contract.ErrorNotFound, false, "it will not appear"},
		"refusal":       {fmt.Errorf("x: %w", &orchestrator.Refusal{Reason: "no"}), contract.ErrorInvalid, false, "an answer"},
		"problems":      {fmt.Errorf("x: %w", manifest.Problems{{Message: "no"}}), contract.ErrorInvalid, false, "an answer"},
		"deployment id": {fmt.Errorf("x: %w", registry.ErrDeploymentID), contract.ErrorInvalid, false, "it stays malformed"},
		"limit":         {fmt.Errorf("x: %w", store.ErrLimit), contract.ErrorInvalid, false, "it stays too large"},
		"conflict":      {fmt.Errorf("x: %w", store.ErrConflict), "internal", true, "somebody else was faster"},
		"anything":      {errors.New("disk on fire"), "internal", true, "perhaps it passes"},
		"told already":  {already, "told", false, "it is Temporal's already"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var app *temporal.ApplicationError
			if err := activities.ToTemporal(tc.err); !errors.As(err, &app) {
				t.Fatalf("%s: got %v", tc.reason, err)
			}
			if app.Type() != tc.kind || app.NonRetryable() == tc.retry || app.Message() == "" {
				t.Errorf("%s: type %s, retryable %v, %q", tc.reason, app.Type(), !app.NonRetryable(), app.Message())
			}
		})
	}
	if err := activities.ToTemporal(nil); err != nil {
		t.Errorf("no error became %v", err)
	}
}

func engineError(class engine.Class) error {
	return fmt.Errorf("apply: %w", &engine.Error{Class: class, Engine: "tiny", Resource: "db.main", Message: "it said so"})
}

func TestNodeError(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err    error
		want   orchestrator.NodeError
		reason string
	}{
		"transient":    {engineError(engine.Transient), orchestrator.NodeError{Class: "transient", Retryable: true, Resource: "db.main", Message: "it said so"}, "another try can help"},
		"rejected":     {engineError(engine.Rejected), orchestrator.NodeError{Class: "rejected", Resource: "db.main", Message: "it said so"}, "no try helps"},
		"unreadable":   {engineError(engine.Unreadable), orchestrator.NodeError{Class: "unreadable", Resource: "db.main", Message: "it said so"}, "the node stops"},
		"not approved": {activities.NotApproved("sha256:x", "nobody saw that"), orchestrator.NodeError{Class: contract.ErrorNotApproved, Message: "nobody saw that"}, "somebody must look"},
		"canceled":     {fmt.Errorf("wait: %w", context.Canceled), orchestrator.NodeError{Class: "canceled", Message: "canceled"}, "it was asked to stop"},
		"input":        {activities.InputError(errors.New("no such secret")), orchestrator.NodeError{Class: "invalid", Message: "no such secret"}, "somebody must change it"},
		"anything":     {errors.New("disk on fire"), orchestrator.NodeError{Class: "internal", Retryable: true, Message: "disk on fire"}, "perhaps it passes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(&tc.want, activities.NodeError(tc.err)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestStepFailure(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err      error
		failures int
		kind     string
		message  string
		delay    time.Duration // of a retry; 0: none
		reason   string
	}{
		"first":        {engineError(engine.Transient), 1, "transient", "db.main: it said so", time.Second, "soon again"},
		"fourth":       {engineError(engine.Transient), 4, "transient", "db.main: it said so", 8 * time.Second, "later and later"},
		"last":         {engineError(engine.Transient), contract.StepFailures, "transient", "db.main: it said so", 0, "enough"},
		"rejected":     {engineError(engine.Rejected), 1, "rejected", "db.main: it said so", 0, "what cannot help is not tried"},
		"internal":     {errors.New("disk on fire"), 2, "internal", "disk on fire", 2 * time.Second, "perhaps it passes"},
		"fenced":       {fmt.Errorf("commit: %w", registry.ErrFenced), 1, contract.ErrorFenced, "commit: a later attempt owns this node", 0, "the later attempt goes on"},
		"not approved": {activities.NotApproved("sha256:x", "nobody saw that"), 1, contract.ErrorNotApproved, "nobody saw that", 0, "the node pauses"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var app *temporal.ApplicationError
			if err := activities.StepFailure(tc.err, tc.failures); !errors.As(err, &app) {
				t.Fatalf("%s: got %v", tc.reason, err)
			}
			if app.Type() != tc.kind || app.Message() != tc.message || app.NextRetryDelay() != tc.delay || app.NonRetryable() != (tc.delay == 0) {
				t.Errorf("%s: type %s, %q, again after %s, non-retryable %v", tc.reason, app.Type(), app.Message(), app.NextRetryDelay(), app.NonRetryable())
			}
		})
	}
	if err := activities.StepFailure(engineError(engine.Canceled), 1); !temporal.IsCanceledError(err) {
		t.Errorf("canceled became %v", err)
	}
	var digest string
	var app *temporal.ApplicationError
	if err := activities.StepFailure(activities.NotApproved("sha256:x", "m"), 1); !errors.As(err, &app) || app.Details(&digest) != nil || digest != "sha256:x" {
		t.Errorf("the digest to approve is %q: %v", digest, err)
	}
}

// TestWhoStopped: an engine knows only that it was stopped; the step knows why.
func TestWhoStopped(t *testing.T) {
	t.Parallel()
	stopped := engineError(engine.Canceled)
	for name, tc := range map[string]struct {
		cause  error
		err    error
		says   string
		reason string
	}{
		"asked":       {temporal.NewCanceledError(), stopped, stopped.Error(), "somebody did"},
		"not heard":   {serviceerror.NewNotFound("no such activity"), stopped, "did not reach Temporal in time", "Temporal has given the attempt up"},
		"failed":      {serviceerror.NewNotFound("no such activity"), engineError(engine.Rejected), "it said so", "it has failed before that"},
		"not its own": {serviceerror.NewNotFound("no such activity"), context.Canceled, context.Canceled.Error(), "no engine was at work"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(tc.cause)
			if err := activities.Explain(ctx, tc.err); !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%s: %q is not in %q", tc.reason, tc.says, err)
			}
		})
	}
}
