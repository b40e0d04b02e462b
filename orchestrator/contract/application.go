// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/HatiCode/nestor/orchestrator"
)

// ApplicationInput starts (or continues) an Application workflow.
type ApplicationInput struct {
	Team        string `json:"team"`
	Application string `json:"application"`
	// State is empty at the start, when the lanes are read from the store;
	// continue-as-new carries it.
	State *ApplicationState `json:"state,omitempty"`
}

// ApplicationState is what an Application workflow remembers.
type ApplicationState struct {
	// Lanes by environment.
	Lanes map[string]*Lane `json:"lanes"`
	// Recent answers of updates by request id, oldest first; see MaxRecent.
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
	Update     string `json:"update"` // DeployRequest.UpdateID
	Deployment string `json:"deployment"`
}

// OpenDeploymentsInput asks for the deployments of an application that are not
// over.
type OpenDeploymentsInput struct {
	Team        string `json:"team"`
	Application string `json:"application"`
}

// OpenDeploymentsResult lists them as lanes: in each environment the one whose
// workflow runs, and behind it those that wait, in the order of their numbers.
type OpenDeploymentsResult struct {
	Lanes map[string]*Lane `json:"lanes,omitempty"`
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
	// Adoption that KindAdopt is about. What it takes over is in the registry.
	Adoption *orchestrator.Adoption `json:"adoption,omitempty"`
}

// UpdateID names the request: its environment, its request id, and a digest of
// everything else. A request id counts once in each environment, and one that
// comes again with another body is another request, which is refused.
func (r DeployRequest) UpdateID() string {
	body := fmt.Sprintf("%q %q %q %q %q %t %q %q",
		r.Team, r.Application, r.Kind, r.Release, r.PlanID, r.AutoApprove, r.OnFailure, r.Principal)
	if a := r.Adoption; a != nil {
		body += fmt.Sprintf(" %q %t %q %t", a.Node, a.State, a.Reference, a.AllowChanges)
	}
	digest := sha256.Sum256([]byte(body))
	return r.Environment + "/" + r.RequestID + "/" + hex.EncodeToString(digest[:16])
}

// AcceptResult answers ActivityAcceptDeployment.
type AcceptResult struct {
	Deployment string `json:"deployment"`
	// Ended: the request was made before, and its deployment is over.
	Ended bool `json:"ended,omitempty"`
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

// DecisionSignal approves or rejects a waiting deployment, or nodes of a paused
// one. It is about what its sender has seen, and about nothing else.
type DecisionSignal struct {
	Deployment string `json:"deployment"`
	Principal  string `json:"principal"`
	Comment    string `json:"comment,omitempty"`
	// ChangeDigest of the plan, for a deployment that has not begun; empty takes
	// that of the record.
	ChangeDigest string `json:"changeDigest,omitempty"`
	// Changes of paused nodes, for a deployment that has begun.
	Changes []orchestrator.NodeChange `json:"changes,omitempty"`
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

// Prepared answers PrepareDeployment.
type Prepared struct {
	Input DeploymentInput `json:"input"`
	Nodes int             `json:"nodes"` // of the graph, or of what is destroyed
	// Replan is a plan that has to be made first, since the one that the
	// deployment has shows what is no longer true.
	Replan *PlanInput `json:"replan,omitempty"`
	// Approvals that are still missing; 0 lets the deployment run.
	ApprovalsMissing int    `json:"approvalsMissing,omitempty"`
	Reason           string `json:"reason,omitempty"`
	// Refused ends the deployment before it began, with the reason.
	Refused string `json:"refused,omitempty"`
	// Waiting says what else must come before the deployment may run: it is
	// asked again.
	Waiting string `json:"waiting,omitempty"`
	// Started says that the deployment's workflow exists already.
	Started bool `json:"started,omitempty"`
	// Queues of the engines that the deployment needs, in order.
	Queues []string `json:"queues,omitempty"`
}

// PrepareInput asks whether a deployment may run now, and freezes its graph.
type PrepareInput struct {
	Deployment string `json:"deployment"`
	Principal  string `json:"principal"`
}

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
	// Ended: the promotion was taken up before, and its deployment is over.
	Ended bool `json:"ended,omitempty"`
}
