// SPDX-License-Identifier: Apache-2.0

package orchestrator

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/HatiCode/nestor/catalog"
)

// NodeStatus is the status of a node head, or of a node in a deployment.
type NodeStatus string

// The statuses.
const (
	NodePending   NodeStatus = "pending"   // not begun in this deployment
	NodeRunning   NodeStatus = "running"   // a step is at work
	NodeReady     NodeStatus = "ready"     // is as its graph says
	NodeFailed    NodeStatus = "failed"    // the last step failed for good
	NodeUncertain NodeStatus = "uncertain" // a step was cut off; not yet observed
	NodeObserved  NodeStatus = "observed"  // rollback: read back, something is there
	NodeSkipped   NodeStatus = "skipped"   // never started, since something it needs failed
	NodeReverted  NodeStatus = "reverted"  // taken back to what it was before
	NodeDestroyed NodeStatus = "destroyed" // read back as gone
	NodeRetained  NodeStatus = "retained"  // left the graph, resources kept by policy
	NodeForgotten NodeStatus = "forgotten" // a person stated that what was recorded of it holds no more
)

// NodeHead is what is true of one node in one environment. It outlives
// deployments and is deleted when the node is proven gone.
type NodeHead struct {
	Scope
	Node     string `json:"node"`
	Revision int64  `json:"revision"` // the document's; set on reading
	// Engine sticks to the node; changing it is an explicit migration.
	Engine        string `json:"engine"`
	EngineVersion string `json:"engineVersion,omitempty"`
	// Address of the node's state in its backend, stored once.
	Address string `json:"address"`
	// StateRef is where the state is when Address does not say it: what was
	// adopted keeps its own name.
	StateRef         string  `json:"stateRef,omitempty"`
	Backend          Backend `json:"backend"`
	Definition       string  `json:"definition"`
	Version          string  `json:"version"`
	DefinitionDigest string  `json:"definitionDigest"`
	GraphDigest      string  `json:"graphDigest"` // the graph that last acted on it
	InputDigest      string  `json:"inputDigest"`
	// InputsRef and OutputsRef are documents of their own (see registry).
	InputsRef     string `json:"inputsRef,omitempty"`
	OutputsRef    string `json:"outputsRef,omitempty"`
	OutputsDigest string `json:"outputsDigest,omitempty"`
	// Intended is the graph whose inputs an engine was last asked to apply,
	// while that has not succeeded. A head with no InputsRef was never whole.
	Intended string `json:"intended,omitempty"`
	// Adopting says that Intended was an adoption, which brought the node's
	// state along and has not succeeded (yet).
	Adopting bool `json:"adopting,omitempty"`
	// Removing says that an engine was asked to destroy it, and that nothing has
	// made it whole since: a state that is gone is then no lost one.
	Removing bool `json:"removing,omitempty"`
	// Forgotten says that a person stated that nothing recorded of it holds:
	// nothing is known to exist, and the head is kept for where its state lives. It
	// ends when an engine is asked to change the node.
	Forgotten bool `json:"forgotten,omitempty"`
	// Dead are the attempts that died at work on the node, each with what proves it,
	// oldest first, until an engine has changed the node since and no snapshot of it
	// is half taken or half destroyed: each may have left a lock, which nobody else
	// will remove.
	Dead []Tenure `json:"dead,omitempty"`
	// Creating is the fence of an attempt that announced creations, until it is known
	// what came of them; 0 when it is. What that attempt did not come to record, only
	// its own workspace knows, if any.
	Creating int64 `json:"creating,omitempty"`
	// Claims are what the node owns, as keys of the claims that no second node
	// can make.
	Claims []Claim `json:"claims,omitempty"`
	// LastDeployment that acted on it.
	LastDeployment string `json:"lastDeployment"`
	// Fence grows by one with each attempt to act; a write by an older fence
	// is refused.
	Fence   int64  `json:"fence"`
	Serial  int64  `json:"serial,omitempty"`
	Lineage string `json:"lineage,omitempty"`
	// Snapshots that were taken of it, or begun, and are still there, oldest first.
	Snapshots []Snapshot `json:"snapshots,omitempty"`
	Status    NodeStatus `json:"status"`
	Error     *NodeError `json:"error,omitempty"`
	UpdatedAt time.Time  `json:"updatedAt"`
}

// Whole says that the last step which acted on the node succeeded, so that the
// node is as its graph says. It stays true while the next one is at work, or after
// that was cut off, until an engine is asked for a change.
func (h NodeHead) Whole() bool {
	return h.InputsRef != "" && h.Intended == "" && !h.Removing && h.Status != NodeFailed && h.Status != NodeUncertain
}

// ActedOnSince says that a later deployment than d has acted on the node.
func (h NodeHead) ActedOnSince(d Deployment) bool {
	n, err := strconv.ParseInt(h.LastDeployment[strings.LastIndexByte(h.LastDeployment, '/')+1:], 10, 64)
	return err == nil && n > d.N
}

// Compensation is the way back from a change, as it was known before the
// change.
type Compensation struct {
	Action CompensationAction `json:"action"`
	// Class is the node's rollback class: catalog.RollbackClass.
	Class string `json:"class"`
	// Graph to restore.
	Graph string `json:"graph,omitempty"`
	// Snapshot is the address of the one that gives back what a replaced
	// resource held.
	Snapshot string `json:"snapshot,omitempty"`
	// SealedInputs tells a worker later whether the node is given what it was
	// given before, secrets included: registry.SealInputs. To others it tells nothing.
	SealedInputs string `json:"sealedInputs,omitempty"`
}

// CompensationAction is what a rollback does about a change.
type CompensationAction string

// The actions of a compensation.
const (
	CompensateRestore CompensationAction = "restore" // make it again as the graph before says
	CompensateDestroy CompensationAction = "destroy" // nothing was there before
	CompensateNone    CompensationAction = "none"    // the change stays, and is named
)

// NodeError is why a step failed.
type NodeError struct {
	Class     string `json:"class"` // engine.Class, or "internal"
	Retryable bool   `json:"retryable"`
	Resource  string `json:"resource,omitempty"`
	Message   string `json:"message"` // without secrets
}

// StepAction is what one step does to one node.
type StepAction string

// The actions of the walk.
const (
	StepApply   StepAction = "apply"   // make it as the deployment's graph says
	StepRemove  StepAction = "remove"  // it left the graph: destroy, or retain by policy
	StepObserve StepAction = "observe" // rollback: find out what is there
	StepRestore StepAction = "restore" // rollback: make it as the previous graph says
	StepDestroy StepAction = "destroy" // destroy what this deployment created, or everything
	StepAdopt   StepAction = "adopt"   // take over what exists already, and change nothing of it
	StepForget  StepAction = "forget"  // rollback: let go again what this deployment adopted
	StepPrune   StepAction = "prune"   // destroy the snapshots that nobody needs any more
)

// NodeRun is one attempt of one step, written before the engine acts.
type NodeRun struct {
	Deployment string     `json:"deployment"`
	Node       string     `json:"node"`
	Action     StepAction `json:"action"`
	Attempt    int32      `json:"attempt"` // Temporal's, from 1
	// Run of the deployment's workflow, counted over continue-as-new, and Step,
	// its number in the deployment, tell the steps of one node apart: the later has
	// the larger number, which all its attempts share. 0 from before there were any.
	Run  int   `json:"run,omitempty"`
	Step int64 `json:"step,omitempty"`
	// WorkflowRun is Temporal's id of the run. Order is what comes before another
	// in it, where steps have no number.
	WorkflowRun string `json:"workflowRun,omitempty"`
	Order       int64  `json:"order,omitempty"`
	Fence       int64  `json:"fence"`
	Lease       *Lease `json:"lease,omitempty"`
	// TTL of the lease: see Tenure.
	TTL          catalog.Duration `json:"ttl,omitempty"`
	ChangeDigest string           `json:"changeDigest,omitempty"`
	BeforeRef    string           `json:"beforeRef,omitempty"` // graph digest the node was on before
	Created      bool             `json:"created,omitempty"`   // there was no head before
	// Forgotten says that it was when the deployment came to it, or has become so
	// between two of its steps; it is again once the deployment has taken back what
	// it did.
	Forgotten bool `json:"forgotten,omitempty"`
	// Failures of this action in this deployment so far.
	Failures int        `json:"failures,omitempty"`
	Status   NodeStatus `json:"status"`
	Changed  bool       `json:"changed"`            // the engine was asked to change something, in any attempt
	Replaced bool       `json:"replaced,omitempty"` // a resource was to be replaced, in any attempt
	// Replacing are digests of what was to be replaced: as long as the engine finds
	// all of it, nothing was. One is empty where the engine cannot tell.
	Replacing []string `json:"replacing,omitempty"`
	// Compensation of what this deployment has asked an engine for, recorded
	// before it was asked; nil where it was asked for no change.
	Compensation *Compensation `json:"compensation,omitempty"`
	// Refilled says that a restoration gave back what a snapshot holds, in any
	// attempt.
	Refilled bool `json:"refilled,omitempty"`
	// Renewed says that the node was restored with something other than it had, all
	// of which comes from nodes that were themselves refilled or renewed.
	Renewed    bool       `json:"renewed,omitempty"`
	Counts     Counts     `json:"counts"`
	Error      *NodeError `json:"error,omitempty"`
	StartedAt  time.Time  `json:"startedAt"`
	FinishedAt time.Time  `json:"finishedAt,omitzero"`
}

// Lease says which process may act: dead is only who is provably dead.
type Lease struct {
	Host string `json:"host"`
	// Machine outlives a boot; empty where it is not known, as in a container.
	Machine string `json:"machine,omitempty"`
	BootID  string `json:"bootId"`
	// PIDNamespace is where PID counts: in a container, it is its own.
	PIDNamespace string `json:"pidNamespace,omitempty"`
	PID          int    `json:"pid"`
	StartTime    string `json:"startTime"` // of the process, in clock ticks since boot
}

// EventType names what happened.
type EventType string

// The events of a deployment's stream.
const (
	EventQueued    EventType = "deployment.queued"
	EventStatus    EventType = "deployment.status" // Data: {"status","reason"}
	EventFinished  EventType = "deployment.finished"
	EventApproval  EventType = "deployment.approval"
	EventCancel    EventType = "deployment.cancel" // Data: {"phase","reason"}
	EventNodeStart EventType = "node.started"
	EventNodeDone  EventType = "node.finished" // Data: {"action","status","changed","counts","error"}
	EventNodeRetry EventType = "node.retrying"
	EventNodePause EventType = "node.paused"
	// EventNodeMoved: somebody wrote the node's state since its last step.
	EventNodeMoved EventType = "node.state_moved" // Data: {"from","to","lineage"}
	// EventNodeLocked: another attempt may still be at work on the node.
	EventNodeLocked EventType = "node.locked" // Data: {"host","pid","since","heard","message"}
	// EventNodeUnlocked: a person stated that the attempt at work is dead.
	EventNodeUnlocked EventType = "node.unlocked" // Data: {"host","pid","since","heard","reason"}
	// EventNodeForgotten: a person stated that nothing recorded of it holds.
	EventNodeForgotten EventType = "node.forgotten" // Data: {"lineage","serial","snapshots","gone","reason"}
	// EventSnapshotForgotten: a person stated that nothing of a snapshot of the node
	// counts.
	EventSnapshotForgotten EventType = "node.snapshot_forgotten" // Data: {"snapshot","taken","reason"}
)

// Event is one entry of a deployment's stream. Sequence is the stream's, from
// 1 without gaps, and is the SSE id.
type Event struct {
	Deployment string          `json:"deployment"`
	Sequence   int64           `json:"sequence"` // set on reading
	Time       time.Time       `json:"time"`
	Type       EventType       `json:"type"`
	Node       string          `json:"node,omitempty"`
	Principal  string          `json:"principal"`
	Data       json.RawMessage `json:"data,omitempty"`
}
