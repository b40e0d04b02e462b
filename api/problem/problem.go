// SPDX-License-Identifier: Apache-2.0

// Package problem is the one place where an error becomes an answer of the
// REST API: application/problem+json after RFC 9457.
//
// It holds the document, which the client reads too, and the mapping from the
// errors of the domains to it. It writes no response and knows no framework.
package problem

import (
	"strings"

	"github.com/HatiCode/nestor/internal/manifest"
)

// ContentType of a problem document.
const ContentType = "application/problem+json"

// Problem is a problem document. It is an error, so that a client returns it
// as it came.
type Problem struct { //nolint:errname // RFC 9457 calls it so, and callers read it as a document first
	// Type is stable and tells the kind of error; see the constants.
	Type string `json:"type"`
	// Title is the kind of error in words, the same for each occurrence.
	Title string `json:"title"`
	// Status is the HTTP status.
	Status int `json:"status"`
	// Detail says what was wrong this time, and what to do next.
	Detail string `json:"detail,omitempty"`
	// Instance names this occurrence; the server's log has it.
	Instance string `json:"instance,omitempty"`
	// Problems lists every mistake found in the request or in a file of it.
	Problems []manifest.Problem `json:"problems,omitempty"`
}

// Error is the detail, and every mistake on a line of its own.
func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Title)
	if p.Detail != "" {
		b.Reset()
		b.WriteString(p.Detail)
	}
	for _, m := range p.Problems {
		b.WriteString("\n" + m.String())
	}
	return b.String()
}
