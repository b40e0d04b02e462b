// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"

	"github.com/HatiCode/nestor/internal/manifest"
	"github.com/HatiCode/nestor/orchestrator"
)

// ParseEnvironment reads a file with exactly one environment; see
// orchestrator.ParseEnvironments. An error is manifest.Problems.
func ParseEnvironment(file string, data []byte) (orchestrator.Environment, error) {
	environments, err := orchestrator.ParseEnvironments(file, data)
	if err != nil {
		return orchestrator.Environment{}, err
	}
	if len(environments) != 1 {
		return orchestrator.Environment{}, manifest.Problems{{
			File: file, Line: 1, Column: 1,
			Message: fmt.Sprintf("the file holds %d environments, expected one", len(environments)),
			Hint:    "send one request per environment",
		}}
	}
	return environments[0], nil
}
