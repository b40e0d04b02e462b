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
	"time"

	"github.com/HatiCode/nestor/orchestrator"
)

// Workflow types.
const (
	WorkflowApplication = "Application"
	WorkflowDeployment  = "Deployment"
	WorkflowPlan        = "Plan"
)

// Task queues. Engine queues are named by EngineQueue.
const (
	QueueControl      = "nestor-control"
	queueEnginePrefix = "nestor-engine-"
)

// EngineQueue is the task queue of an engine.
func EngineQueue(engine string) string { return queueEnginePrefix + engine }

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
	ActivityAcceptDeployment  = "AcceptDeployment"  // write the record, allot n
	ActivityAcceptPromotion   = "AcceptPromotion"   // the same for a promotion record
	ActivityPrepareDeployment = "PrepareDeployment" // freeze the graph, check basis and approval
	ActivitySetStatus         = "SetStatus"
	ActivityLoadGraph         = "LoadGraph"
	ActivityFinishDeployment  = "FinishDeployment"
	ActivityDescribeRun       = "DescribeRun" // how the Deployment workflow ended, if it did
	ActivityFinishPlan        = "FinishPlan"
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

// ApplicationInput starts (or continues) an Application workflow.
type ApplicationInput struct {
	Team        string `json:"team"`
	Application string `json:"application"`
	// State is empty at the start; continue-as-new carries it.
	State *ApplicationState `json:"state,omitempty"`
}

// ApplicationState is what an Application workflow remembers.
type ApplicationState struct {
	// Lanes by environment.
	Lanes map[string]*Lane `json:"lanes"`
	// Recent answers of updates by request id, oldest first, at most 1,000.
	Recent []RecentRequest `json:"recent,omitempty"`
	// Updates handled in this run; a reason to continue as new.
	Handled int `json:"handled"`
}

// Lane serialises one environment.
type Lane struct {
	Current string `json:"current,omitempty"` // deployment id
	Started bool   `json:"started,omitempty"` // its Deployment workflow exists
	Ended   bool   `json:"ended,omitempty"`   // and has said that it is over
	// Canceled before it started.
	Canceled *CancelSignal `json:"canceled,omitempty"`
	Queue    []string      `json:"queue,omitempty"`
}

// RecentRequest remembers an answer, so that a repeated request gets it again.
type RecentRequest struct {
	RequestID  string `json:"requestId"`
	Deployment string `json:"deployment"`
}

// DeployRequest asks for a deployment. The API has validated it.
type DeployRequest struct {
	RequestID string `json:"requestId"`
	orchestrator.Scope
	Kind        orchestrator.Kind      `json:"kind"`
	Release     string                 `json:"release,omitempty"`
	PlanID      string                 `json:"planId,omitempty"`
	AutoApprove bool                   `json:"autoApprove,omitempty"`
	OnFailure   orchestrator.OnFailure `json:"onFailure"`
	Principal   string                 `json:"principal"`
}

// DeployAccepted answers UpdateDeploy once the request is queued.
type DeployAccepted struct {
	Deployment string `json:"deployment"`
	Position   int    `json:"position"` // 0: nothing is before it
}

// PromoteSignal carries the promotion record's id.
type PromoteSignal struct {
	Promotion string `json:"promotion"`
	Principal string `json:"principal"`
}

// DecisionSignal approves or rejects a waiting deployment.
type DecisionSignal struct {
	Deployment string `json:"deployment"`
	Principal  string `json:"principal"`
	Comment    string `json:"comment,omitempty"`
}

// CancelSignal stops a deployment. Phase is the one the caller saw ("",
// "apply", "rollback"); canceling an apply starts the rollback, canceling that
// needs a second signal with Phase "rollback".
type CancelSignal struct {
	Deployment string `json:"deployment"`
	Phase      string `json:"phase,omitempty"`
	Principal  string `json:"principal"`
	Reason     string `json:"reason,omitempty"`
}

// EndedSignal tells an Application that a Deployment workflow is done.
type EndedSignal struct {
	Deployment string              `json:"deployment"`
	Status     orchestrator.Status `json:"status"`
}

// StateAnswer is the result of QueryState: counts, not lists.
type StateAnswer struct {
	Lanes map[string]LaneAnswer `json:"lanes"`
}

// LaneAnswer is one environment's part of it.
type LaneAnswer struct {
	Current string `json:"current,omitempty"`
	Queued  int    `json:"queued"`
}

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
	MaxInFlight         int                    `json:"maxInFlight"`
	// Resume is the walk's snapshot after continue-as-new.
	Resume []byte `json:"resume,omitempty"`
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

// LoadGraphResult is a page of at most 200 KB. More says that Page+1 exists.
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
	InputDigest  string   `json:"i"`
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
}

// StepResult is small: everything else is in the store.
type StepResult struct {
	Status  orchestrator.NodeStatus `json:"status"`
	Changed bool                    `json:"changed,omitempty"`
	Created bool                    `json:"created,omitempty"`
	// Exists answers an observe: is anything of the node there?
	Exists bool `json:"exists,omitempty"`
	// Replaced says that a resource was replaced, so a revert cannot bring the
	// old one back.
	Replaced bool `json:"replaced,omitempty"`
}

// StepFailures bounds how often the steps of one node may fail with an error
// that another try can help, before the node has failed for good. Attempts
// that a dead worker left unfinished do not count.
const StepFailures = 5

// StatusInput sets a deployment's status.
type StatusInput struct {
	Deployment string                 `json:"deployment"`
	Status     orchestrator.Status    `json:"status"`
	Reason     string                 `json:"reason,omitempty"`
	RunID      string                 `json:"runId,omitempty"`
	Principal  string                 `json:"principal"`
	Approval   *orchestrator.Approval `json:"approval,omitempty"`
}

// Prepared answers PrepareDeployment.
type Prepared struct {
	Input DeploymentInput `json:"input"`
	Nodes int             `json:"nodes"` // of the graph, or of what is destroyed
	// Approvals that are still missing; 0 lets the deployment run.
	ApprovalsMissing int    `json:"approvalsMissing,omitempty"`
	Reason           string `json:"reason,omitempty"`
	// Refused ends the deployment before it began, with the reason.
	Refused string `json:"refused,omitempty"`
}

// PrepareInput asks whether a deployment may run now, and freezes its graph.
type PrepareInput struct {
	Deployment string `json:"deployment"`
	Principal  string `json:"principal"`
}

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

// DescribeInput asks how a Deployment workflow ended, if it did.
type DescribeInput struct {
	Deployment string `json:"deployment"`
}

// DescribeResult answers it. A run that ended without saying so is finished by
// the activity.
type DescribeResult struct {
	Ended  bool                `json:"ended"`
	Status orchestrator.Status `json:"status,omitempty"`
}

// AcceptPromotionResult says what became of a promotion.
type AcceptPromotionResult struct {
	Deployment  string `json:"deployment,omitempty"`
	Environment string `json:"environment,omitempty"`
	Refused     string `json:"refused,omitempty"`
}

// FinishInput ends a deployment.
type FinishInput struct {
	Deployment string                 `json:"deployment"`
	Status     orchestrator.Status    `json:"status"`
	Error      string                 `json:"error,omitempty"`
	Residue    []orchestrator.Residue `json:"residue,omitempty"`
	Skipped    []string               `json:"skipped,omitempty"` // nodes that never started
	Principal  string                 `json:"principal"`
}

// PlanInput starts a Plan workflow; its id is "plan/<id>".
type PlanInput struct {
	Plan string `json:"plan"`
	orchestrator.Scope
	GraphDigest         string `json:"graphDigest,omitempty"`
	PreviousGraphDigest string `json:"previousGraphDigest,omitempty"`
	Principal           string `json:"principal"`
}

// PlanNodeInput previews one node.
type PlanNodeInput struct {
	Plan        string `json:"plan"`
	Node        string `json:"node"`
	GraphDigest string `json:"graphDigest"`
	Remove      bool   `json:"remove,omitempty"`
	// Unknown lists, by dependency, the outputs that will or may change before
	// this node is applied, so that inputs from them are not known yet.
	Unknown map[string][]string `json:"unknown,omitempty"`
}

// PlanNodeResult tells the dependents what to expect.
type PlanNodeResult struct {
	// Unknown outputs of the node; see PlanNodeInput.
	Unknown []string `json:"unknown,omitempty"`
	// Error of the preview; it is recorded with the plan.
	Error string `json:"error,omitempty"`
}

// FinishPlanInput closes a plan.
type FinishPlanInput struct {
	Plan      string `json:"plan"`
	Error     string `json:"error,omitempty"`
	Principal string `json:"principal"`
}
