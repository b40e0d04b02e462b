// SPDX-License-Identifier: Apache-2.0

package problem

import (
	"fmt"
	"net/http"
)

// kind is what all problems of one type have in common.
type kind struct {
	title  string
	status int
}

func kindOf(typ string) kind {
	switch typ {
	case TypeInvalid:
		return kind{"what was sent is not valid", http.StatusUnprocessableEntity}
	case TypeBadRequest:
		return kind{"the request is malformed", http.StatusBadRequest}
	case TypeUnauthorized:
		return kind{"a valid token is needed", http.StatusUnauthorized}
	case TypeForbidden:
		return kind{"not allowed", http.StatusForbidden}
	case TypeNotFound:
		return kind{"not found", http.StatusNotFound}
	case TypeMethodNotAllowed:
		return kind{"the path does not take this method", http.StatusMethodNotAllowed}
	case TypeImmutable:
		return kind{"a published version never changes", http.StatusConflict}
	case TypeConflict:
		return kind{"it does not fit what is there now", http.StatusConflict}
	case TypePreconditionFailed:
		return kind{"somebody else changed it", http.StatusPreconditionFailed}
	case TypeTooLarge:
		return kind{"over a limit", http.StatusRequestEntityTooLarge}
	case TypeUnsupportedMediaType:
		return kind{"the body has an unsupported type", http.StatusUnsupportedMediaType}
	case TypeUnavailable:
		return kind{"something the server needs is down", http.StatusServiceUnavailable}
	default:
		return kind{"the server made a mistake", http.StatusInternalServerError}
	}
}

// New makes a problem of one of this package's types. The detail says what was
// wrong and what to do next; it is shown to the caller.
func New(typ, format string, args ...any) *Problem {
	k := kindOf(typ)
	return &Problem{Type: typ, Title: k.title, Status: k.status, Detail: fmt.Sprintf(format, args...)}
}

// FromStatus makes a problem for a status alone, as a framework reports it.
func FromStatus(status int, detail string) *Problem {
	for _, typ := range []string{
		TypeBadRequest, TypeUnauthorized, TypeForbidden, TypeNotFound, TypeMethodNotAllowed, TypeConflict,
		TypePreconditionFailed, TypeTooLarge, TypeUnsupportedMediaType, TypeInvalid, TypeUnavailable,
	} {
		if kindOf(typ).status == status {
			return New(typ, "%s", detail)
		}
	}
	if status >= http.StatusBadRequest && status < http.StatusInternalServerError {
		p := New(TypeBadRequest, "%s", detail)
		p.Status = status
		return p
	}
	return New(TypeInternal, "%s", detail)
}
