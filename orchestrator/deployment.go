// SPDX-License-Identifier: Apache-2.0

package orchestrator

import (
	"fmt"
	"time"
)

// Kind says what a deployment does.
type Kind string

// The kinds of deployments.
const (
	KindApply    Kind = "apply"
	KindPromote  Kind = "promote"
	KindRollback Kind = "rollback" // to an earlier release, after success
	KindDestroy  Kind = "destroy"
)

// Status of a deployment.
type Status string

// The statuses. The last four are final.
const (
	StatusQueued           Status = "queued"
	StatusAwaitingApproval Status = "awaiting_approval"
	StatusRunning          Status = "running"
	StatusPaused           Status = "paused"
	StatusRollingBack      Status = "rolling_back"
	StatusSucceeded        Status = "succeeded"
	StatusRolledBack       Status = "rolled_back"
	StatusFailed           Status = "failed"
	StatusCanceled         Status = "canceled"
)

// Final says that the status never changes again.
func (s Status) Final() bool {
	switch s {
	case StatusSucceeded, StatusRolledBack, StatusFailed, StatusCanceled:
		return true
	default:
		return false
	}
}

// OnFailure says what follows when a node fails for good.
type OnFailure string

// The choices; OnFailureRollback is the default.
const (
	OnFailureRollback OnFailure = "rollback" // undo what this deployment did
	OnFailureStop     OnFailure = "stop"     // start nothing new, leave what is there
	OnFailureContinue OnFailure = "continue" // go on with independent nodes, undo nothing
)

// Scope names one application in one environment.
type Scope struct {
	Team        string `json:"team"`
	Application string `json:"application"`
	Environment string `json:"environment"`
}

func (s Scope) String() string { return s.Team + "/" + s.Application + "/" + s.Environment }

// Deployment is one run of a graph (or of its destruction) in an environment.
type Deployment struct {
	ID string `json:"id"` // "<team>/<application>/<environment>/<n>"; also the workflow id
	N  int64  `json:"n"`  // from 1, per scope
	Scope
	Kind    Kind   `json:"kind"`
	Release string `json:"release,omitempty"` // digest; empty for destroy
	// GraphDigest is what shall be (empty for destroy); PreviousGraphDigest is
	// what was when this deployment began (empty when nothing was).
	GraphDigest         string `json:"graphDigest,omitempty"`
	PreviousGraphDigest string `json:"previousGraphDigest,omitempty"`
	// Basis is the scope's head revision that the plan was made on.
	Basis  int64  `json:"basis"`
	PlanID string `json:"planId,omitempty"`
	// ChangeDigest is the approved change set's; empty with AutoApprove.
	ChangeDigest string     `json:"changeDigest,omitempty"`
	AutoApprove  bool       `json:"autoApprove,omitempty"`
	RequestID    string     `json:"requestId"` // one per scope and intent: the Idempotency-Key
	Principal    string     `json:"principal"`
	Approvals    []Approval `json:"approvals,omitempty"`
	OnFailure    OnFailure  `json:"onFailure"`
	Status       Status     `json:"status"`
	// Reason explains the status in a sentence where it needs one: why it
	// waits, what failed first.
	Reason     string    `json:"reason,omitempty"`
	WorkflowID string    `json:"workflowId"`
	RunID      string    `json:"runId,omitempty"`
	QueuedAt   time.Time `json:"queuedAt"`
	StartedAt  time.Time `json:"startedAt,omitzero"`
	FinishedAt time.Time `json:"finishedAt,omitzero"`
	Error      string    `json:"error,omitempty"`
	Residue    []Residue `json:"residue,omitempty"`
	Promotion  string    `json:"promotion,omitempty"` // id of the promotion record behind it
}

// DeploymentID builds a deployment's id.
func DeploymentID(s Scope, n int64) string { return fmt.Sprintf("%s/%d", s, n) }

// ApplicationWorkflowID is the id of the application's long-lived workflow.
func ApplicationWorkflowID(team, application string) string { return team + "/" + application }

// Approval is one principal's yes or no.
type Approval struct {
	Principal    string    `json:"principal"`
	Approved     bool      `json:"approved"`
	Comment      string    `json:"comment,omitempty"`
	ChangeDigest string    `json:"changeDigest,omitempty"`
	Time         time.Time `json:"time"`
}

// Residue is something a deployment left behind and could not take back.
type Residue struct {
	Node    string `json:"node"`
	Engine  string `json:"engine"`
	Address string `json:"address"`
	Reason  string `json:"reason"`
	Action  string `json:"action"` // what a person can do about it
}

// Promotion is the record the API writes before it signals the application's
// workflow, and the one place where the outcome is told.
type Promotion struct {
	ID          string    `json:"id"` // ULID
	Team        string    `json:"team"`
	Application string    `json:"application"`
	From        string    `json:"from"`
	To          string    `json:"to"`
	Release     string    `json:"release"`
	PlanID      string    `json:"planId,omitempty"`
	AutoApprove bool      `json:"autoApprove,omitempty"`
	OnFailure   OnFailure `json:"onFailure"`
	Principal   string    `json:"principal"`
	CreatedAt   time.Time `json:"createdAt"`
	// Unexercised names each definition of the release's binding for To that
	// never ran upstream ("node: definition@version").
	Unexercised []string `json:"unexercised,omitempty"`
	Deployment  string   `json:"deployment,omitempty"` // once it is queued
	Refused     string   `json:"refused,omitempty"`    // why the workflow refused it
}
