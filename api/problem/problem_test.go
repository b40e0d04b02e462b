// SPDX-License-Identifier: Apache-2.0

package problem_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/HatiCode/nestor/api/problem"
	"github.com/HatiCode/nestor/catalog"
	"github.com/HatiCode/nestor/internal/manifest"
	"github.com/HatiCode/nestor/orchestrator"
	"github.com/HatiCode/nestor/store"
)

// invalidError is a domain error without a place.
type invalidError struct{}

func (invalidError) Error() string { return "it makes no sense" }
func (invalidError) Invalid() bool { return true }

// placedError knows its places.
type placedError struct{ at []manifest.Problem }

func (placedError) Error() string                  { return "wrong" }
func (e placedError) Problems() []manifest.Problem { return e.at }

func TestFrom(t *testing.T) {
	t.Parallel()
	mistake := manifest.Problem{File: "f.yaml", Line: 2, Column: 3, Field: "a", Message: "bad", Hint: "mend it"}
	tests := map[string]struct {
		reason string
		err    error
		status int
		typ    string
		detail string // a part of it
	}{
		"itself":        {"made where it was known best", problem.New(problem.TypeConflict, "no %s", "way"), 409, problem.TypeConflict, "no way"},
		"mistakes":      {"with their places", manifest.Problems{mistake}, 422, problem.TypeInvalid, "1 mistake has"},
		"several":       {"counted", manifest.Problems{mistake, {Message: "x"}}, 422, problem.TypeInvalid, "2 mistakes have"},
		"placed":        {"of another package", placedError{[]manifest.Problem{mistake}}, 422, problem.TypeInvalid, "1 mistake has"},
		"invalid":       {"without a place", invalidError{}, 422, problem.TypeInvalid, "makes no sense"},
		"immutable":     {"a published version", &catalog.ImmutableError{Name: "a", Version: "1.0.0"}, 409, problem.TypeImmutable, "publish a new version"},
		"refusal":       {"with what to do", &orchestrator.Refusal{Reason: "not now", Hint: "wait"}, 409, problem.TypeConflict, "not now; wait"},
		"not found":     {"with what was looked for", fmt.Errorf("plan x: %w", store.ErrNotFound), 404, problem.TypeNotFound, "plan x"},
		"no definition": {"the catalog's own", &catalog.NoVersionError{Name: "a", Range: "^2"}, 404, problem.TypeNotFound, "^2"},
		"conflict":      {"two at once", &store.ConflictError{}, 409, problem.TypeConflict, "repeat the request"},
		"limit":         {"of the store", fmt.Errorf("document: %w", store.ErrLimit), 413, problem.TypeTooLarge, "make it smaller"},
		"body":          {"of the path", &http.MaxBytesError{Limit: 7}, 413, problem.TypeTooLarge, "7 bytes"},
		"down":          {"named, without the cause", &problem.UnavailableError{What: "the moon", Err: errors.New("secret")}, 503, problem.TypeUnavailable, "the moon is unavailable; nothing was changed"},
		"down, hint":    {"with what to do", &problem.UnavailableError{What: "the moon", Hint: "look up"}, 503, problem.TypeUnavailable, "look up"},
		"deadline":      {"too slow", context.DeadlineExceeded, 503, problem.TypeUnavailable, "in time"},
		"canceled":      {"cut off", context.Canceled, 503, problem.TypeUnavailable, "cut off"},
		"range":         {"of a request", &catalog.RangeError{Range: "x"}, 400, problem.TypeBadRequest, "x"},
		"name":          {"of a request", &catalog.NameError{Kind: "team", Name: "X"}, 400, problem.TypeBadRequest, "DNS label"},
		"filter":        {"of a request", &catalog.FilterError{Field: "limit", Message: "too big"}, 400, problem.TypeBadRequest, "too big"},
		"unknown":       {"its text stays in the log", errors.New("password hunter2"), 500, problem.TypeInternal, "not your mistake"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, err := range []error{test.err, fmt.Errorf("wrapped: %w", test.err)} {
				p := problem.From(err)
				if p.Status != test.status || p.Type != test.typ || p.Title == "" || !strings.Contains(p.Detail, test.detail) {
					t.Errorf("%s: %+v, want %s with status %d and %q", test.reason, p, test.typ, test.status, test.detail)
				}
				if strings.Contains(p.Detail, "hunter2") || strings.Contains(p.Detail, "secret") {
					t.Errorf("the detail tells an inner cause: %q", p.Detail)
				}
			}
		})
	}
	if diff := cmp.Diff([]manifest.Problem{mistake}, problem.From(manifest.Problems{mistake}).Problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestFromLeavesTheProblemAlone(t *testing.T) {
	t.Parallel()
	original := problem.New(problem.TypeConflict, "x")
	problem.From(original).Instance = "changed"
	if original.Instance != "" {
		t.Error("From returned the problem itself; setting an instance would race")
	}
}

func TestFromStatus(t *testing.T) {
	t.Parallel()
	for status, typ := range map[int]string{
		400: problem.TypeBadRequest, 401: problem.TypeUnauthorized, 403: problem.TypeForbidden, 404: problem.TypeNotFound,
		405: problem.TypeMethodNotAllowed, 413: problem.TypeTooLarge, 415: problem.TypeUnsupportedMediaType,
		418: problem.TypeBadRequest, 500: problem.TypeInternal, 502: problem.TypeInternal, 503: problem.TypeUnavailable,
	} {
		if p := problem.FromStatus(status, "d"); p.Type != typ {
			t.Errorf("status %d gives %s, want %s", status, p.Type, typ)
		}
	}
	if p := problem.FromStatus(http.StatusTeapot, "d"); p.Status != http.StatusTeapot {
		t.Errorf("status %d, want it kept", p.Status)
	}
}

func TestError(t *testing.T) {
	t.Parallel()
	p := &problem.Problem{Title: "title"}
	if p.Error() != "title" {
		t.Errorf("without a detail: %q", p.Error())
	}
	p.Detail = "detail"
	p.Problems = []manifest.Problem{{File: "f", Line: 1, Column: 2, Message: "m"}}
	if want := "detail\nf:1:2: m"; p.Error() != want {
		t.Errorf("error %q, want %q", p.Error(), want)
	}
}
