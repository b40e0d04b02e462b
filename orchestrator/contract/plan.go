// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"time"

	"github.com/HatiCode/nestor/orchestrator"
)

// PlanInput starts a Plan workflow; its id is "plan/<id>".
type PlanInput struct {
	Plan string `json:"plan"`
	orchestrator.Scope
	GraphDigest         string `json:"graphDigest,omitempty"`
	PreviousGraphDigest string `json:"previousGraphDigest,omitempty"`
	Principal           string `json:"principal"`
	// Patience is how long a preview may wait for a worker, before somebody
	// looks whether there is one; 0 means PlanPatience.
	Patience time.Duration `json:"patience,omitempty"`
	// Drift makes it a drift check's; see PlanNodeInput.
	Drift bool `json:"drift,omitempty"`
	// Resume is what the run before has found out; continue-as-new carries it.
	Resume *PlanResume `json:"resume,omitempty"`
}

// PlanPatience is the default of PlanInput.Patience.
const PlanPatience = time.Minute

// PlanResume is a Plan workflow's state between two runs.
type PlanResume struct {
	Walk []byte `json:"walk"` // the walk's snapshot
}

// ServedInput asks whether a worker serves a queue.
type ServedInput struct {
	Queue string `json:"queue"`
}

// ServedResult answers it.
type ServedResult struct {
	Served bool `json:"served"`
}

// PlanNodeInput previews one node. What its dependencies will or may change
// before it is applied, their previews have recorded.
type PlanNodeInput struct {
	Plan        string `json:"plan"`
	Node        string `json:"node"`
	GraphDigest string `json:"graphDigest"`
	Remove      bool   `json:"remove,omitempty"`
	// Drift asks in what state the node is, too. One that cannot be read is
	// recorded as such, and fails nobody.
	Drift bool `json:"drift,omitempty"`
}

// PlanNodeResult is small: everything else is recorded with the plan.
type PlanNodeResult struct {
	// Error of the preview, cut to MaxMessage.
	Error string `json:"error,omitempty"`
}

// FinishPlanInput closes a plan. It is ready when there is no Error and no
// failure, and every node of its graphs has a preview.
type FinishPlanInput struct {
	Plan string `json:"plan"`
	// Error that is no node's.
	Error string `json:"error,omitempty"`
	// Failures of previews, at most MaxPlanFailures, and their texts cut.
	Failures  []PlanFailure `json:"failures,omitempty"`
	Principal string        `json:"principal"`
}

// PlanFailure says why a node could not be previewed.
type PlanFailure struct {
	Node    string `json:"node"`
	Message string `json:"message"`
}

// MaxPlanFailures bounds FinishPlanInput.Failures.
const MaxPlanFailures = 100
