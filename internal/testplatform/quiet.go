// SPDX-License-Identifier: Apache-2.0

package testplatform

import (
	enumspb "go.temporal.io/api/enums/v1"
)

// useExisting lets a second deploy reach the Application that runs.
const useExisting = enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING

// quiet is a Temporal client's logger that says nothing.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
