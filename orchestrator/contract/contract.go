// SPDX-License-Identifier: Apache-2.0

// Package contract names everything that crosses a Temporal boundary:
// workflows, activities, signals, updates, queries, task queues and search
// attributes, with their inputs and results. It does no I/O and imports no
// Temporal package, so that API, workers and workflows agree on it without
// depending on each other.
//
// Nothing here carries a secret or a large value: ids and digests travel, and
// activities read the rest from the store.
package contract

import (
	"fmt"
	"strings"
	"time"

	"github.com/HatiCode/nestor/orchestrator"
)

// Workflow types.
const (
	WorkflowApplication = "Application"
	WorkflowDeployment  = "Deployment"
	WorkflowPlan        = "Plan"
	WorkflowDrift       = "Drift"
	WorkflowDriftSweep  = "DriftSweep"
)

// Task queues. Engine queues are named by EngineQueue.
const (
	QueueControl      = "nestor-control"
	queueEnginePrefix = "nestor-engine-"
)

// EngineQueue is the task queue of an engine.
func EngineQueue(engine string) string { return queueEnginePrefix + engine }

// NoWorker says that no worker serves a queue, and how to start one.
func NoWorker(queue string) string {
	return fmt.Sprintf("no worker serves the queue %s; start one with NESTOR_QUEUES=%s",
		queue, strings.TrimPrefix(queue, queueEnginePrefix))
}

// Updates, signals and queries of the Application workflow. The Deployment
// workflow takes SignalCancel, SignalApprove and SignalReject too, the latter
// two for a paused node.
const (
	UpdateDeploy  = "deploy" // DeployRequest → DeployAccepted; rollback and destroy are kinds of it
	SignalPromote = "promote"
	SignalApprove = "approve"
	SignalReject  = "reject"
	SignalCancel  = "cancel"
	SignalEnded   = "deployment-ended" // from the Deployment workflow
	QueryState    = "state"
)

// Activities on QueueControl.
const (
	ActivityOpenDeployments   = "OpenDeployments"   // what a new Application workflow takes up
	ActivityAcceptDeployment  = "AcceptDeployment"  // write the record, allot n
	ActivityAcceptPromotion   = "AcceptPromotion"   // the same for a promotion record
	ActivityPrepareDeployment = "PrepareDeployment" // freeze the graph, check basis and approval
	ActivitySetStatus         = "SetStatus"
	ActivityLoadGraph         = "LoadGraph"
	ActivityFinishDeployment  = "FinishDeployment"
	ActivityDescribeRun       = "DescribeRun" // how the Deployment workflow ended, if it did
	ActivityFinishPlan        = "FinishPlan"
	ActivityServed            = "Served" // does a worker ask a queue for work?
)

// Activities on an engine's queue.
const (
	ActivityRunStep  = "RunStep"
	ActivityPlanNode = "PlanNode"
)

// Search attributes, all Keyword.
const (
	AttributeTeam        = "NestorTeam"
	AttributeApplication = "NestorApplication"
	AttributeEnvironment = "NestorEnvironment"
	AttributeRelease     = "NestorRelease"
	AttributeStatus      = "NestorStatus"
)

// SearchAttributes lists them all.
func SearchAttributes() []string {
	return []string{AttributeTeam, AttributeApplication, AttributeEnvironment, AttributeRelease, AttributeStatus}
}

// Error types of application errors (temporal.ApplicationError.Type). A step's
// own failure carries engine.Class as its type; these are the others.
const (
	ErrorNotApproved = "not-approved" // the just-in-time plan is no subset of the approved one
	ErrorFenced      = "fenced"       // a later attempt owns the node
	ErrorInvalid     = "invalid"
	ErrorNotFound    = "not-found"
)

// DeploymentInput starts (or continues) a Deployment workflow.
type DeploymentInput struct {
	Deployment string `json:"deployment"`
	orchestrator.Scope
	Kind                orchestrator.Kind      `json:"kind"`
	Release             string                 `json:"release,omitempty"`
	GraphDigest         string                 `json:"graphDigest,omitempty"`
	PreviousGraphDigest string                 `json:"previousGraphDigest,omitempty"`
	OnFailure           orchestrator.OnFailure `json:"onFailure"`
	Principal           string                 `json:"principal"`
	// ApprovalsRequired from others than Principal before a paused node goes on;
	// 0 lets anybody approve, Principal too.
	ApprovalsRequired int `json:"approvalsRequired,omitempty"`
	MaxInFlight       int `json:"maxInFlight"`
	// Partial are the nodes of the previous graph that were never whole.
	Partial NodeSet `json:"partial,omitempty"`
	// Adopt is the one node of the graph that KindAdopt is about; no other is
	// touched, and there is no previous graph.
	Adopt string `json:"adopt,omitempty"`
	// Canceled is who asked it to stop in a run before, and why.
	Canceled string `json:"canceled,omitempty"`
	// Resume is the walk's snapshot after continue-as-new, Run counts the runs
	// before, and Steps what they have handed out.
	Resume []byte `json:"resume,omitempty"`
	Run    int    `json:"run,omitempty"`
	Steps  int64  `json:"steps,omitempty"`
}

// DeploymentResult is the workflow's result, readable in the Web UI.
type DeploymentResult struct {
	Status  orchestrator.Status `json:"status"`
	Nodes   int                 `json:"nodes"`
	Changed int                 `json:"changed"`
	Error   string              `json:"error,omitempty"`
	Residue int                 `json:"residue"`
}

// LoadGraphInput asks for a page of a graph's adjacency.
type LoadGraphInput struct {
	Digest string `json:"digest"`
	Page   int    `json:"page"`
}

// LoadGraphResult is a page of at most 200 KB. More says that Page+1 exists. A
// node with more dependencies than fit goes on, under the same id, with the next
// page.
type LoadGraphResult struct {
	Nodes []GraphNode `json:"nodes"`
	More  bool        `json:"more,omitempty"`
}

// GraphNode is what a workflow needs to know of a node.
type GraphNode struct {
	ID           string   `json:"id"`
	Dependencies []string `json:"d,omitempty"`
	Engine       string   `json:"e"`
	Queue        string   `json:"q"`
	Definition   string   `json:"n"`           // "name@version", for summaries
	Timeout      int      `json:"t,omitempty"` // seconds an apply may take; 0: default
	Destroy      int      `json:"x,omitempty"` // seconds a destroy may take; 0: default
	ForwardOnly  bool     `json:"f,omitempty"`
	Retain       bool     `json:"r,omitempty"`
}

// StepInput is one step of the walk.
type StepInput struct {
	Deployment string                  `json:"deployment"`
	Node       string                  `json:"node"`
	Action     orchestrator.StepAction `json:"action"`
	// GraphDigest of the graph whose node description the step uses.
	GraphDigest string `json:"graphDigest"`
	// Approved is the change digest that was approved for a paused node.
	Approved string `json:"approved,omitempty"`
	// Run of the workflow that hands the step out, and Step, its number in the
	// deployment; both from 1, and all attempts have the same. 0: not known.
	Run  int   `json:"run,omitempty"`
	Step int64 `json:"step,omitempty"`
}

// StepResult is small: everything else is in the store.
type StepResult struct {
	Status  orchestrator.NodeStatus `json:"status"`
	Changed bool                    `json:"changed,omitempty"`
	Created bool                    `json:"created,omitempty"`
	// Exists answers an observe: is anything of the node there? With it,
	// Created and Replaced tell what the deployment did to the node.
	Exists bool `json:"exists,omitempty"`
	// Replaced says that a resource was replaced, so a revert cannot bring the
	// old one back.
	Replaced bool `json:"replaced,omitempty"`
	// Snapshotted says that what the resource held was saved before the change,
	// and of a restore, that it was given back.
	Snapshotted bool `json:"snapshotted,omitempty"`
	// Untouched answers an observe: it is proven that nothing came of what the
	// deployment asked for.
	Untouched bool `json:"untouched,omitempty"`
	// Differs, of a restore that succeeded: the node is as its graph says, but
	// what it gets from others is not what it was.
	Differs bool `json:"differs,omitempty"`
}

// DefaultStepTimeout bounds one attempt of a step whose definition names no
// timeout.
const DefaultStepTimeout = time.Hour

// StepFailures bounds how often the steps of one node may fail with an error
// that another try can help, before the node has failed for good. Attempts
// that a dead worker left unfinished do not count.
const StepFailures = 5

// StatusInput sets a deployment's status, or records decisions, or both.
type StatusInput struct {
	Deployment string `json:"deployment"`
	// Status, with Reason and Paused; empty leaves all three as they are.
	Status orchestrator.Status       `json:"status,omitempty"`
	Reason string                    `json:"reason,omitempty"`
	Paused []orchestrator.PausedNode `json:"paused,omitempty"`
	RunID  string                    `json:"runId,omitempty"`
	// Principal who decided, or on whose behalf the status changes.
	Principal string                  `json:"principal"`
	Approvals []orchestrator.Approval `json:"approvals,omitempty"`
}

// MaxPaused bounds the nodes that a record lists as paused, and so the
// decisions that one StatusInput records.
const MaxPaused = 50

// WorkflowTaskTimeout is how long a worker may be silent over one decision
// before it is given to another. It bounds the stall after a worker's death;
// the server's default is 10 s. A decision that first replays a long history
// needs longer: see ReplayTime.
const WorkflowTaskTimeout = 2500 * time.Millisecond

// ReplayTime is what WorkflowTaskTimeout grows by for each node of a graph, up
// to MaxWorkflowTaskTimeout.
const (
	ReplayTime             = 2 * time.Millisecond
	MaxWorkflowTaskTimeout = 20 * time.Second
)

// FinishInput ends a deployment.
type FinishInput struct {
	Deployment string              `json:"deployment"`
	Status     orchestrator.Status `json:"status"`
	Error      string              `json:"error,omitempty"`
	// Residue and Skipped, the nodes that never started, as far as MaxResidue
	// and MaxSkipped reach; MoreResidue and MoreSkipped count the others.
	Residue     []orchestrator.Residue `json:"residue,omitempty"`
	MoreResidue int                    `json:"moreResidue,omitempty"`
	Skipped     []string               `json:"skipped,omitempty"`
	MoreSkipped int                    `json:"moreSkipped,omitempty"`
	Principal   string                 `json:"principal"`
}
