// SPDX-License-Identifier: Apache-2.0

package client

import (
	"fmt"

	"github.com/HatiCode/nestor/api/problem"
)

// answer is what the generated answers of all operations have in common.
type answer interface {
	StatusCode() int
	Status() string
	GetApplicationProblemJSONDefault() *ProblemAnswer
}

// Err is nil for an answer that tells a success, and otherwise a
// *problem.Problem: the server's own, or one that quotes the status line where
// something other than Nestor answered.
func Err(a answer) error {
	if code := a.StatusCode(); code >= 200 && code < 300 {
		return nil
	}
	return asError(a.StatusCode(), a.Status(), a.GetApplicationProblemJSONDefault())
}

func asError(code int, status string, p *problem.Problem) error {
	if p != nil && p.Type != "" {
		return p
	}
	return &problem.Problem{
		Type:   problem.TypeUnexpected,
		Title:  "unexpected answer",
		Status: code,
		Detail: fmt.Sprintf("the server answered %q without saying why; check that the address is that of nestor-api", status),
	}
}
