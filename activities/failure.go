// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"cmp"
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/HatiCode/nestor/activities/engine"
	"github.com/HatiCode/nestor/activities/secret"
	"github.com/HatiCode/nestor/internal/manifest"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/orchestrator/contract"
	"github.com/HatiCode/nestor/orchestrator/registry"
	"github.com/HatiCode/nestor/store"
)

// toTemporal is the one place where an error of the control activities becomes
// Temporal's, with an explicit answer to whether another try can help. Causes
// stay here: Temporal would keep their texts, which nobody has looked through
// for secrets.
func toTemporal(err error) error {
	var refused *orchestrator.Refusal
	var problems manifest.Problems
	var app *temporal.ApplicationError
	switch {
	case err == nil, errors.As(err, &app):
		return err
	case errors.Is(err, store.ErrNotFound):
		return temporal.NewNonRetryableApplicationError(err.Error(), contract.ErrorNotFound, nil)
	case errors.As(err, &refused), errors.As(err, &problems), errors.Is(err, store.ErrLimit),
		errors.Is(err, registry.ErrDeploymentID), errors.Is(err, registry.ErrPlanClosed), errors.Is(err, errTaken):
		return temporal.NewNonRetryableApplicationError(err.Error(), contract.ErrorInvalid, nil)
	case errors.Is(err, registry.ErrFenced):
		return temporal.NewNonRetryableApplicationError(err.Error(), contract.ErrorFenced, nil)
	default:
		return temporal.NewApplicationError(contract.Cut(err.Error(), contract.MaxMessage), "internal")
	}
}

// notApprovedError says that a step found a change set that nobody approved.
type notApprovedError struct {
	digest  string
	message string
}

func (e *notApprovedError) Error() string { return e.message }

// nodeError is a failure as it is recorded and shown: an engine may say more
// than a record holds.
func nodeError(err error) *orchestrator.NodeError {
	ne := classified(err)
	ne.Message = contract.Cut(ne.Message, contract.MaxMessage)
	return ne
}

func classified(err error) *orchestrator.NodeError {
	var failed *engine.Error
	if errors.As(err, &failed) {
		return &orchestrator.NodeError{
			Class: string(failed.Class), Retryable: failed.Class.Retryable(),
			Resource: failed.Resource, Message: failed.Message,
		}
	}
	if ne := fenceError(err); ne != nil {
		return ne
	}
	var unapproved *notApprovedError
	if errors.As(err, &unapproved) {
		return &orchestrator.NodeError{Class: contract.ErrorNotApproved, Message: unapproved.message}
	}
	if errors.Is(err, context.Canceled) {
		return &orchestrator.NodeError{Class: string(engine.Canceled), Message: "canceled"}
	}
	if errors.Is(err, secret.ErrUnreachable) {
		return &orchestrator.NodeError{Class: string(engine.Transient), Retryable: true, Message: err.Error()}
	}
	var wrong *inputError
	if errors.As(err, &wrong) {
		return &orchestrator.NodeError{Class: string(engine.Invalid), Message: wrong.Error()}
	}
	return &orchestrator.NodeError{Class: "internal", Retryable: true, Message: err.Error()}
}

// inputError is a value that a node cannot be given: no try helps until
// somebody changes it.
type inputError struct{ err error }

func (e *inputError) Error() string { return e.err.Error() }
func (e *inputError) Unwrap() error { return e.err }

// stepFailure is a step's error as Temporal sees it; failures counts this one,
// and backoff is how long the first one waits.
func stepFailure(err error, ne orchestrator.NodeError, failures int, backoff time.Duration) error {
	var unapproved *notApprovedError
	switch {
	case errors.As(err, &unapproved):
		return temporal.NewNonRetryableApplicationError(ne.Message, contract.ErrorNotApproved, nil, unapproved.digest)
	case ne.Class == string(engine.Canceled):
		return temporal.NewCanceledError()
	case errors.Is(err, registry.ErrFenced):
		return temporal.NewNonRetryableApplicationError(err.Error(), contract.ErrorFenced, nil)
	case !ne.Retryable || failures >= contract.StepFailures:
		return temporal.NewNonRetryableApplicationError(describe(ne), ne.Class, nil)
	}
	return temporal.NewApplicationErrorWithOptions(describe(ne), ne.Class, temporal.ApplicationErrorOptions{
		NextRetryDelay: cmp.Or(backoff, time.Second) << (failures - 1),
	})
}

func describe(ne orchestrator.NodeError) string {
	if ne.Resource == "" {
		return ne.Message
	}
	return contract.Cut(ne.Resource+": "+ne.Message, contract.MaxMessage)
}
