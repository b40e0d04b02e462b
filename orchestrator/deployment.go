// SPDX-License-Identifier: Apache-2.0

package orchestrator

import (
	"crypto/sha256"
	"fmt"
	"strings"
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
	// KindAdopt takes over into one node what exists already. It applies nothing,
	// and the environment stays at its release.
	KindAdopt Kind = "adopt"
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
	// ReplacedPlanID is the plan that the request named, where the environment
	// has changed since and PlanID is the one made in its place.
	ReplacedPlanID string `json:"replacedPlanId,omitempty"`
	// ChangeDigest is that of PlanID's change set, which approvals are about;
	// empty without a plan.
	ChangeDigest string `json:"changeDigest,omitempty"`
	AutoApprove  bool   `json:"autoApprove,omitempty"`
	RequestID    string `json:"requestId"` // one per scope and intent: the Idempotency-Key
	Principal    string `json:"principal"`
	// ApprovalsRequired from others than Principal, as the environment had it
	// when the graph was frozen. With any, AutoApprove binds no less than
	// without: no step goes beyond the plan.
	ApprovalsRequired int `json:"approvalsRequired,omitempty"`
	// Approvals are the decisions so far, oldest first. Those on nodes are
	// bounded; the events hold them all.
	Approvals []Approval `json:"approvals,omitempty"`
	// Paused lists nodes that wait for a decision, by node, while the status is
	// paused. What does not fit comes up when these are decided.
	Paused []PausedNode `json:"paused,omitempty"`
	// Cancellations that were asked for, oldest first. The last word of each phase
	// counts; the events hold them all.
	Cancellations []Cancellation `json:"cancellations,omitempty"`
	OnFailure     OnFailure      `json:"onFailure"`
	Status        Status         `json:"status"`
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
	// Trigger is TriggerDrift where the deployment repairs what a drift check has
	// found, whose id is its first plan's; empty otherwise.
	Trigger Trigger `json:"trigger,omitempty"`
	// Adoption of a deployment of KindAdopt; its ChangeDigest covers this.
	Adoption *Adoption `json:"adoption,omitempty"`
}

// About says whether the deployment may act on a node of its graph: an adoption
// has one alone.
func (d Deployment) About(node string) bool { return d.Adoption == nil || d.Adoption.Node == node }

// Mark tells a deployment from every other one in a few characters that fit into
// a resource's name: its number, and eight digits of what it was asked for with.
// It is the same for all of its steps and attempts.
func (d Deployment) Mark() string {
	sum := sha256.Sum256([]byte(d.ID + "\n" + d.RequestID))
	return fmt.Sprintf("%d-%x", d.N, sum[:4])
}

// ShortDigest is as much of a digest as commands show and take.
func ShortDigest(digest string) string {
	const digits = 12
	digest = strings.TrimPrefix(digest, "sha256:")
	return digest[:min(len(digest), digits)]
}

// DeploymentID builds a deployment's id.
func DeploymentID(s Scope, n int64) string { return fmt.Sprintf("%s/%d", s, n) }

// ApplicationWorkflowID is the id of the application's long-lived workflow.
func ApplicationWorkflowID(team, application string) string { return team + "/" + application }

// Approval is one principal's yes or no to one change set.
type Approval struct {
	Principal string `json:"principal"`
	Approved  bool   `json:"approved"`
	Comment   string `json:"comment,omitempty"`
	// Node whose change set it is about; empty for the deployment's plan.
	Node         string `json:"node,omitempty"`
	ChangeDigest string `json:"changeDigest,omitempty"`
	// Void says why it changed nothing, such as that the change set was another
	// by then; empty when it counts.
	Void string    `json:"void,omitempty"`
	Time time.Time `json:"time"`
}

// NodeChange names one change set of one node.
type NodeChange struct {
	Node         string `json:"node"`
	ChangeDigest string `json:"changeDigest"`
}

// PausedNode is a node whose change set goes beyond what was approved.
type PausedNode struct {
	Node         string `json:"node"`
	ChangeDigest string `json:"changeDigest"`
	Message      string `json:"message"` // in what it goes beyond
}

// Change names the change set that a paused node waits with.
func (p PausedNode) Change() NodeChange {
	return NodeChange{Node: p.Node, ChangeDigest: p.ChangeDigest}
}

// Residue is something a deployment left behind and could not take back.
type Residue struct {
	Node    string `json:"node"`
	Engine  string `json:"engine"`
	Address string `json:"address"`
	// Resource inside of the node that the engine named, where it named one.
	Resource string `json:"resource,omitempty"`
	Reason   string `json:"reason"`
	Action   string `json:"action"` // what a person can do about it
	// Since is the deployment that left it so, where that was an earlier one.
	Since string `json:"since,omitempty"`
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
