// SPDX-License-Identifier: Apache-2.0

package problem

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/internal/manifest"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/store"
)

// UnavailableError says that something the server needs cannot be reached. Its
// message is shown to the caller, the wrapped cause only in the log.
type UnavailableError struct {
	// What is down, in words: "the Temporal server at 127.0.0.1:7233".
	What string
	// Hint says what to do about it.
	Hint string
	Err  error
}

func (e *UnavailableError) Error() string {
	if e.Err == nil {
		return e.What + " is unavailable"
	}
	return fmt.Sprintf("%s is unavailable: %v", e.What, e.Err)
}

// Unwrap gives the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }

// placed is a validation error that knows places in a file.
type placed interface{ Problems() []manifest.Problem }

// invalid is a domain error about what was sent, without a place in a file.
type invalid interface{ Invalid() bool }

// From turns any error into a problem document. What is not known here is an
// internal mistake: its text stays in the server's log.
func From(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		clone := *p
		return &clone
	}
	if mistakes := mistakesOf(err); len(mistakes) > 0 {
		return Invalid(mistakes)
	}
	if found := fromLimits(err); found != nil {
		return found
	}
	if found := fromDomain(err); found != nil {
		return found
	}
	return New(TypeInternal, "this is not your mistake; report it with the instance below")
}

func fromDomain(err error) *Problem {
	var immutable *catalog.ImmutableError
	var refusal *orchestrator.Refusal
	var sent invalid
	switch {
	case errors.As(err, &immutable):
		return New(TypeImmutable, "%s", immutable.Error())
	case errors.As(err, &refusal):
		return New(TypeConflict, "%s", refusal.Error())
	case errors.Is(err, store.ErrNotFound), errors.Is(err, catalog.ErrNotFound):
		return New(TypeNotFound, "%s", err.Error())
	case errors.Is(err, store.ErrConflict):
		return New(TypeConflict, "somebody else changed it at the same time; read it again and repeat the request")
	case errors.As(err, &sent) && sent.Invalid():
		return New(TypeInvalid, "%s", err.Error())
	default:
		return fromCatalog(err)
	}
}

// fromCatalog knows the catalog's complaints about a name, a range, a filter
// or a message in the request.
func fromCatalog(err error) *Problem {
	var name *catalog.NameError
	var versions *catalog.RangeError
	var filter *catalog.FilterError
	switch {
	case errors.As(err, &name), errors.As(err, &versions), errors.As(err, &filter), errors.Is(err, catalog.ErrDeprecation):
		return New(TypeBadRequest, "%s", err.Error())
	default:
		return nil
	}
}

func fromLimits(err error) *Problem {
	var down *UnavailableError
	var body *http.MaxBytesError
	switch {
	case errors.As(err, &down):
		detail := down.What + " is unavailable; nothing was changed"
		if down.Hint != "" {
			detail = down.What + " is unavailable; " + down.Hint
		}
		return New(TypeUnavailable, "%s", detail)
	case errors.As(err, &body):
		return New(TypeTooLarge, "the body has more than %d bytes, the limit of this path", body.Limit)
	case errors.Is(err, store.ErrLimit):
		return New(TypeTooLarge, "%s; make it smaller", err.Error())
	case errors.Is(err, context.DeadlineExceeded):
		return New(TypeUnavailable, "the server could not answer in time; repeat the request")
	case errors.Is(err, context.Canceled):
		return New(TypeUnavailable, "the request was cut off")
	default:
		return nil
	}
}

// mistakesOf finds the places an error knows.
func mistakesOf(err error) []manifest.Problem {
	var problems manifest.Problems
	if errors.As(err, &problems) {
		return problems.Sorted()
	}
	var one placed
	if errors.As(err, &one) {
		return manifest.Problems(one.Problems()).Sorted()
	}
	return nil
}

// Invalid is the problem of a file with mistakes.
func Invalid(mistakes []manifest.Problem) *Problem {
	p := New(TypeInvalid, "%s", summary(mistakes))
	p.Problems = mistakes
	return p
}

func summary(mistakes []manifest.Problem) string {
	if len(mistakes) == 1 {
		return "1 mistake has to be corrected; nothing was changed"
	}
	return fmt.Sprintf("%d mistakes have to be corrected; nothing was changed", len(mistakes))
}
